// SPDX-License-Identifier: Apache-2.0
// config: one JSON file, the environment and --set, read into one struct that everything else borrows.
//
// Precedence: --set k=v over SENDFLEET_K__V over the file over defaults. A key is a path with dots ("dedup.life").
// In the environment it is SENDFLEET_ + upper case with "__" between the parts (SENDFLEET_DEDUP__LIFE); below
// "kafka" a single "_" is a dot of the client library's key (SENDFLEET_KAFKA__BOOTSTRAP_SERVERS). Durations are
// "30s" (or a number of seconds), sizes "64MiB" (or a number of bytes). A secret is {"env":"NAME"} or
// {"file":"PATH"}, never a literal. Unknown keys are errors that name the nearest key.
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include "common/backoff.h"
#include "common/topics.h"

#include <stdio.h>

enum { CONFIG_ROUTES_MAX = 64, CONFIG_KAFKA_MAX = 64, CONFIG_DKIM_MAX = 256 };

enum on_unknown { ON_UNKNOWN_HOLD, ON_UNKNOWN_RESEND };
enum on_unavailable { ON_UNAVAILABLE_WAIT, ON_UNAVAILABLE_PROCEED };

struct config_pair { // passed to librdkafka as it is
    char *key, *value;
    bool secret; // never printed
};

struct dkim_key_config { // signs mail from this domain; all members are set
    char *domain, *selector; // lower case
    char *pem;               // the private key, not parsed yet; never printed
    char *source;            // the file or variable it came from
};

// One way out. Which fields matter depends on the transport ("http", "smtp").
struct route_config {
    char *name;
    char *transport;
    char *url;                // http: where to POST
    char *idempotency_header; // http: the header that carries the idempotency key ("Idempotency-Key"); "" = none
    bool idempotent;          // http: the receiver honours that key (then unknown outcomes retry with it)
    int64_t idempotency_life_ms; // how long the receiver remembers a key
    char *authorization;      // http: value of the Authorization header (a secret); NULL = none
    char *host;               // smtp: relay
    int port;                 // smtp
    char *helo;               // smtp: EHLO name; NULL = this host's name
    int max_connections;      // per worker
    int64_t connect_timeout_ms, write_timeout_ms, reply_timeout_ms; // reply: http; smtp uses RFC 5321's per state
    int64_t dot_timeout_ms;   // smtp: after the final dot (RFC 5321 4.5.3.2.6: 10 minutes)
    enum on_unknown on_unknown;
    int64_t unknown_window_ms; // how long feedback may still prove an unknown attempt; 0 = no feedback source
};

struct config {
    char *prefix;
    struct tiers tiers;
    struct topics topics; // names, derived

    struct config_pair kafka[CONFIG_KAFKA_MAX];
    int kafka_count;

    struct {
        char *host;
        int port;
        char *unix_path; // instead of host and port; NULL = TCP
        int db;
        char *username, *password; // NULL = none
    } redis;

    struct {
        int partitions_main, partitions_retry, partitions_other;
        int replication;
        int min_insync_replicas;
        int64_t retention_main_ms, retention_retry_extra_ms, retention_dlq_ms, retention_events_ms;
    } layout; // "topics.*" in the file

    struct {
        char *id;      // default: host name and pid
        char *admin;   // "127.0.0.1:9464"; port 0 = any free one, "" = none
        char *admin_port_file; // where the port that was bound is written; NULL = nowhere
        int max_inflight;
        int64_t max_inflight_bytes;
        double destination_share; // of max_inflight
        int64_t lease_ms, renew_ms, carry_after_ms;
        int64_t drain_ms;
        int64_t due_heap_bytes;
        int64_t window_records, window_bytes; // per partition, received but not finished
        char *dns_servers; // "127.0.0.1:5353,…"; NULL = the system's
        int64_t events_linger_ms;
        char *rules; // file of the classifier's rules; NULL or "" = the built-in ones
    } worker;

    struct backoff backoff, backoff_busy; // backoff_busy: for mailbox_busy
    int64_t throttle_wait_ms;             // throttled without a number
    int64_t route_wait_ms, route_wait_cap_ms; // class route: doubling
    int max_attempts;
    int64_t max_age_ms;
    int64_t max_job_bytes;

    struct {
        int64_t life_ms, replay_window_ms;
        enum on_unavailable on_unavailable;
    } dedup;

    struct route_config routes[CONFIG_ROUTES_MAX];
    int route_count;

    struct dkim_key_config dkim[CONFIG_DKIM_MAX]; // in the order of the file
    int dkim_count;

    char *log_level;
};

struct config_sources {
    const char *file;        // NULL: $SENDFLEET_CONFIG, or none
    char *const *sets;       // "key=value", from --set
    int set_count;
    char *const *environment; // environ; NULL = read none (tests)
};

// ERR_CONFIG with file, key and what to do. The result is checked (config_check_promises included).
MUST_CHECK bool config_load(struct config *c, const struct config_sources *from, struct err *e);
void config_clear(struct config *c);

// The numbers that hold promises together: dedup.life >= max(max_age + replay_window, retention of main + longest
// belt), belt retention > belt length, renew < lease, … Names both keys and what to change.
MUST_CHECK bool config_check_promises(const struct config *c, struct err *e);

// The effective configuration as JSON that config_load reads back, but for secrets: they show as {"set":true}, which
// is refused with a hint.
void config_print(const struct config *c, FILE *out);

// All keys with type, default and meaning, for --help and the README table.
void config_describe(FILE *out);

const struct route_config *config_route(const struct config *c, struct slice name); // NULL when there is none

#endif
