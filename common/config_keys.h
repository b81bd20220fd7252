// SPDX-License-Identifier: Apache-2.0
// config_keys: the tables of all configuration keys, and reading and writing one value. Only config*.c include this.
//
// A key is a row: where it stands in the file, what it may hold, where it goes. Loading, environment, --set, print,
// describe and suggestions all work from the same rows.
#ifndef COMMON_CONFIG_KEYS_H
#define COMMON_CONFIG_KEYS_H

#include "common/buf.h"
#include "common/config.h"

enum key_type {
    KEY_STRING,   // char *, NULL = not set
    KEY_CHOICE,   // char *, one of names
    KEY_ENUM,     // enum, the index into names
    KEY_INT,      // int
    KEY_COUNT,    // int64_t
    KEY_BOOL,     // bool
    KEY_NUMBER,   // double
    KEY_DURATION, // int64_t, milliseconds
    KEY_SIZE,     // int64_t, bytes
    KEY_TIERS,    // struct tiers
    KEY_SECRET,   // char *, NULL = not set
};

struct config_key {
    const char *path;     // "dedup.life"; of a route: below "routes.<name>."
    enum key_type type;
    size_t offset;        // into struct config or struct route_config
    const char *fallback; // the default as text; NULL = not set; "(…)" describes one that depends on other keys
    double min, max;      // numbers, durations (ms) and sizes; max 0 = none
    const char *const *names; // KEY_CHOICE, KEY_ENUM
    const char *help;
};

extern const struct config_key CONFIG_KEYS[], CONFIG_ROUTE_KEYS[]; // both end with path NULL

const struct config_key *config_key_find(const struct config_key *table, const char *path);
const char *config_type_name(enum key_type type);

// A value as it was given: text from everywhere, the rest only from JSON.
enum given_kind { GIVEN_TEXT, GIVEN_NUMBER, GIVEN_BOOL, GIVEN_ENV, GIVEN_FILE };
struct given {
    const char *text; // the value; of a secret: the variable's name or the file's path
    enum given_kind kind;
    char *const *environment; // where GIVEN_ENV looks; NULL = nowhere
};

// base: the struct the key's offset belongs to. The error names the reason, not the key.
MUST_CHECK bool config_value_set(void *base, const struct config_key *key, const struct given *g, struct err *e);
void config_value_clear(void *base, const struct config_key *key);
void config_value_text(const void *base, const struct config_key *key, struct buf *out); // as it could be given
MUST_CHECK bool config_secret_read(char **secret, const struct given *g, struct err *e); // *secret is the caller's

// The same for one that has several lines.
MUST_CHECK bool config_secret_text(char **secret, const struct given *g, struct err *e);

// Sets base's keys to their defaults.
MUST_CHECK bool config_defaults(void *base, const struct config_key *table, struct err *e);

// One key by its whole path, wherever it goes (the tables, "routes.…", "kafka.…", "dkim.…").
MUST_CHECK bool config_assign(struct config *c, const char *path, const struct given *g, struct err *e);
MUST_CHECK bool config_kafka_set(struct config *c, const char *name, const struct given *g, struct err *e);
MUST_CHECK bool config_dkim_set(struct config *c, const char *path, const struct given *g, struct err *e);
void config_dkim_clear(struct config *c);
bool config_is_secret(const char *path); // may be given as {"env":…}
// An object in the file that is not a value: a known group of keys, or a route (which is made).
MUST_CHECK bool config_open_section(struct config *c, const char *path, struct err *e);
const char *config_nearest(const char *path); // the key it may have been meant to be; NULL when none is close

// The sources.
MUST_CHECK bool config_read_file(struct config *c, const char *path, char *const *environment, struct err *e);
MUST_CHECK bool config_read_environment(struct config *c, char *const *environment, struct err *e);
const char *config_environment_get(char *const *environment, const char *name); // NULL when unset

#endif
