// SPDX-License-Identifier: Apache-2.0
// config_value: one value of the configuration, from text into its field and back.
//
// Every source ends here as text, so a number means the same in the file, in the environment and after --set. A
// failed value leaves its field as it was. Errors say what is wrong with the value; which key and which source it
// was is added by the caller. A secret is read at once: a missing variable or file is found at start-up, not at
// the first attempt that needs it. Line ends and other control characters inside a secret are refused because it
// ends up in a protocol header.
#include "common/config_keys.h"

#include "common/alloc.h"
#include "common/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECRET_MAX = 64 * 1024, NUMBER_SIZE = 32 };

static void *field(void *base, const struct config_key *key)
{
    return (char *)base + key->offset;
}

static const void *field_const(const void *base, const struct config_key *key)
{
    return (const char *)base + key->offset;
}

static void put_string(void *base, const struct config_key *key, char *value_take)
{
    char **at = field(base, key);
    free(*at);
    *at = value_take;
}

// ---- limits -----------------------------------------------------------------------------------------------------

static void write_amount(enum key_type type, double amount, char out[NUMBER_SIZE])
{
    if (type == KEY_DURATION)
        clock_format_duration((int64_t)amount, out, NUMBER_SIZE);
    else
        snprintf(out, NUMBER_SIZE, "%.10g", amount);
}

static bool in_limits(const struct config_key *key, const char *text, double amount, struct err *e)
{
    char limit[NUMBER_SIZE];
    if (amount < key->min) {
        write_amount(key->type, key->min, limit);
        return err_set(e, ERR_CONFIG, "%s is below the minimum %s", text, limit);
    }
    if (key->max > 0 && amount > key->max) {
        write_amount(key->type, key->max, limit);
        return err_set(e, ERR_CONFIG, "%s is above the maximum %s", text, limit);
    }
    return true;
}

// ---- text to value ----------------------------------------------------------------------------------------------

static bool parse_integer(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    bool starts = (*text >= '0' && *text <= '9') || *text == '-';
    if (!starts || *end != '\0' || errno != 0)
        return false;
    *out = n;
    return true;
}

static bool parse_number(const char *text, double *out)
{
    char *end;
    if (strspn(text, "0123456789.eE+-") != strlen(text)) // no hexadecimal, inf or nan
        return false;
    double n = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(n))
        return false;
    *out = n;
    return true;
}

static bool parse_size(const char *text, int64_t *bytes)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {
        { "", 1 },           { "B", 1 },          { "KiB", 1 << 10 }, { "MiB", 1 << 20 },
        { "GiB", 1 << 30 },  { "kB", 1000 },      { "KB", 1000 },     { "MB", 1000000 }, { "GB", 1000000000 },
    };
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 15)
        return false;
    int64_t n = strtoll(text, NULL, 10);
    const char *unit = text + digits + strspn(text + digits, " ");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].unit) != 0 || n > (INT64_C(1) << 50) / units[i].bytes)
            continue;
        *bytes = n * units[i].bytes;
        return true;
    }
    return false;
}

static bool set_amount(void *base, const struct config_key *key, const char *text, struct err *e)
{
    int64_t n = 0;
    bool good = key->type == KEY_DURATION ? clock_parse_duration(text, &n)
                : key->type == KEY_SIZE   ? parse_size(text, &n)
                                          : parse_integer(text, &n);
    if (!good) {
        const char *want = key->type == KEY_DURATION ? "a duration such as 30s, 10m or 7d"
                           : key->type == KEY_SIZE   ? "a size such as 64MiB"
                                                     : "a whole number";
        return err_set(e, ERR_CONFIG, "\"%.60s\" is not %s", text, want);
    }
    if (!in_limits(key, text, (double)n, e))
        return false;
    if (key->type == KEY_INT)
        *(int *)field(base, key) = (int)n; // every KEY_INT has limits within int
    else
        *(int64_t *)field(base, key) = n;
    return true;
}

static bool set_number(void *base, const struct config_key *key, const char *text, struct err *e)
{
    double n;
    if (!parse_number(text, &n))
        return err_set(e, ERR_CONFIG, "\"%.60s\" is not a number", text);
    if (!in_limits(key, text, n, e))
        return false;
    *(double *)field(base, key) = n;
    return true;
}

static bool set_bool(void *base, const struct config_key *key, const char *text, struct err *e)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return err_set(e, ERR_CONFIG, "\"%.60s\" is neither true nor false", text);
    *(bool *)field(base, key) = yes;
    return true;
}

static bool set_choice(void *base, const struct config_key *key, const char *text, struct err *e)
{
    char all[120] = "";
    for (int i = 0; key->names[i] != NULL; i++) {
        size_t len = strlen(all);
        snprintf(all + len, sizeof all - len, "%s%s", i > 0 ? ", " : "", key->names[i]);
        if (strcmp(key->names[i], text) != 0)
            continue;
        if (key->type == KEY_CHOICE)
            put_string(base, key, xstrdup(text));
        else
            memcpy(field(base, key), &i, sizeof i); // an enum is as wide as an int
        return true;
    }
    return err_set(e, ERR_CONFIG, "\"%.60s\" is none of %s", text, all);
}

static bool set_string(void *base, const struct config_key *key, const char *text, struct err *e)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return err_set(e, ERR_CONFIG, "has a control character");
    bool unset = *text == '\0' && (key->fallback == NULL || key->fallback[0] == '(');
    put_string(base, key, unset ? NULL : xstrdup(text));
    return true;
}

// ---- secrets ----------------------------------------------------------------------------------------------------

static bool read_small_file(const char *path, struct buf *out, struct err *e)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_set(e, ERR_CONFIG, "cannot read the file %s: %s", path, strerror(errno));
    buf_reserve(out, SECRET_MAX + 1);
    size_t len = fread(out->data, 1, SECRET_MAX + 1, f);
    bool failed = ferror(f) != 0;
    fclose(f);
    if (failed || len > SECRET_MAX)
        return err_set(e, ERR_CONFIG, "the file %s %s", path, failed ? "cannot be read" : "is over 64 KiB");
    out->len = len;
    out->data[len] = '\0';
    return true;
}

static bool has_control(const char *text, size_t len, bool lines)
{
    for (size_t i = 0; i < len; i++) {
        bool allowed = lines && (text[i] == '\n' || text[i] == '\r' || text[i] == '\t');
        if (((unsigned char)text[i] < 0x20 && !allowed) || text[i] == 0x7f)
            return true;
    }
    return false;
}

static bool take_secret(char **secret, struct slice value, const struct given *g, bool lines, struct err *e)
{
    const char *text = value.ptr;
    size_t len = value.len;
    const char *what = g->kind == GIVEN_ENV ? "the variable" : "the file";
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) // as editors and echo leave it
        len--;
    if (len == 0)
        return err_set(e, ERR_CONFIG, "%s %s is empty", what, g->text);
    if (has_control(text, len, lines))
        return err_set(e, ERR_CONFIG, "%s %s holds a control character", what, g->text);
    free(*secret);
    *secret = xstrndup(text, len);
    return true;
}

static bool read_secret(char **secret, const struct given *g, bool lines, struct err *e)
{
    if (g->kind == GIVEN_ENV) {
        const char *value = config_environment_get(g->environment, g->text);
        if (value == NULL)
            return err_set(e, ERR_CONFIG, "the environment variable %s is not set", g->text);
        return take_secret(secret, slice_of(value), g, lines, e);
    }
    if (g->kind != GIVEN_FILE)
        return err_set(e, ERR_CONFIG, "a secret is never written here; give {\"env\":\"NAME\"} or {\"file\":\"PATH\"}");
    struct buf b = { 0 };
    bool ok = read_small_file(g->text, &b, e) && take_secret(secret, buf_slice(&b), g, lines, e);
    if (b.data != NULL)
        explicit_bzero(b.data, b.cap);
    buf_clear(&b);
    return ok;
}

bool config_secret_read(char **secret, const struct given *g, struct err *e)
{
    return read_secret(secret, g, false, e);
}

bool config_secret_text(char **secret, const struct given *g, struct err *e)
{
    return read_secret(secret, g, true, e);
}

// ---- the door ---------------------------------------------------------------------------------------------------

static bool check_kind(const struct config_key *key, enum given_kind kind, struct err *e)
{
    bool numeric = key->type == KEY_INT || key->type == KEY_COUNT || key->type == KEY_NUMBER || key->type == KEY_SIZE ||
                   key->type == KEY_DURATION;
    bool good = kind == GIVEN_TEXT || (kind == GIVEN_NUMBER && numeric) || (kind == GIVEN_BOOL && key->type == KEY_BOOL);
    if (good)
        return true;
    static const char *const got[] = { "text", "a number", "a boolean", "a secret", "a secret" };
    return err_set(e, ERR_CONFIG, "is a %s, got %s", config_type_name(key->type), got[kind]);
}

bool config_value_set(void *base, const struct config_key *key, const struct given *g, struct err *e)
{
    if (key->type == KEY_SECRET)
        return config_secret_read(field(base, key), g, e);
    if (!check_kind(key, g->kind, e))
        return false;
    switch (key->type) {
    case KEY_STRING:
        return set_string(base, key, g->text, e);
    case KEY_CHOICE:
    case KEY_ENUM:
        return set_choice(base, key, g->text, e);
    case KEY_BOOL:
        return set_bool(base, key, g->text, e);
    case KEY_NUMBER:
        return set_number(base, key, g->text, e);
    case KEY_TIERS:
        return tiers_parse(field(base, key), g->text, e);
    case KEY_INT:
    case KEY_COUNT:
    case KEY_DURATION:
    case KEY_SIZE:
    case KEY_SECRET:
        break;
    }
    return set_amount(base, key, g->text, e);
}

bool config_defaults(void *base, const struct config_key *table, struct err *e)
{
    for (const struct config_key *key = table; key->path != NULL; key++) {
        struct given g = { .text = key->fallback, .kind = GIVEN_TEXT };
        if (key->fallback == NULL || key->fallback[0] == '(')
            continue;
        if (!config_value_set(base, key, &g, e))
            return err_prefix(e, "default of %s", key->path);
    }
    return true;
}

void config_value_clear(void *base, const struct config_key *key)
{
    bool owned = key->type == KEY_STRING || key->type == KEY_CHOICE || key->type == KEY_SECRET;
    if (owned)
        put_string(base, key, NULL);
}

// ---- value to text ----------------------------------------------------------------------------------------------

static void put_size(struct buf *out, int64_t bytes)
{
    static const char *const units[] = { "", "KiB", "MiB", "GiB" };
    int unit = 0;
    for (; unit < 3 && bytes > 0 && bytes % 1024 == 0; unit++)
        bytes /= 1024;
    buf_printf(out, "%" PRId64 "%s", bytes, units[unit]);
}

static void put_tiers(struct buf *out, const struct tiers *t)
{
    for (int i = 0; i < t->count; i++)
        buf_printf(out, "%s%s", i > 0 ? "," : "", t->list[i].name);
}

void config_value_text(const void *base, const struct config_key *key, struct buf *out)
{
    const void *at = field_const(base, key);
    char duration[64];
    int choice;
    switch (key->type) {
    case KEY_STRING:
    case KEY_CHOICE:
        buf_puts(out, *(char *const *)at != NULL ? *(char *const *)at : "");
        break;
    case KEY_SECRET: // never
        break;
    case KEY_ENUM:
        memcpy(&choice, at, sizeof choice);
        buf_puts(out, key->names[choice]);
        break;
    case KEY_INT:
        buf_put_i64(out, *(const int *)at);
        break;
    case KEY_COUNT:
        buf_put_i64(out, *(const int64_t *)at);
        break;
    case KEY_BOOL:
        buf_puts(out, *(const bool *)at ? "true" : "false");
        break;
    case KEY_NUMBER:
        buf_printf(out, "%.10g", *(const double *)at);
        break;
    case KEY_DURATION:
        buf_puts(out, clock_format_duration(*(const int64_t *)at, duration, sizeof duration));
        break;
    case KEY_SIZE:
        put_size(out, *(const int64_t *)at);
        break;
    case KEY_TIERS:
        put_tiers(out, at);
        break;
    }
}
