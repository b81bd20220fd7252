// SPDX-License-Identifier: Apache-2.0
// ruleset_header: the first line of a rule, word by word.
//
//   rule smtp-greylist  for=smtp code=4xx -> throttled wait=text,5m
//
// Each condition is a key and a list of values, and a row of the table KEYS. What does not fit together (a
// mailbox that is suppressed for anything but proof, a lost reply that would be sent again) is refused here.
#include "worker/ruleset_internal.h"

#include "common/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

// ---- small things --------------------------------------------------------------------------------------

struct slice rule_trim(struct slice s)
{
    while (s.len > 0 && isspace((unsigned char)s.ptr[0]))
        s.ptr++, s.len--;
    while (s.len > 0 && isspace((unsigned char)s.ptr[s.len - 1]))
        s.len--;
    return s;
}

struct slice rule_take(struct slice *rest, const char *separators)
{
    *rest = rule_trim(*rest);
    size_t len = 0;
    while (len < rest->len && strchr(separators, rest->ptr[len]) == NULL)
        len++;
    struct slice word = { rest->ptr, len };
    size_t skip = len < rest->len ? len + 1 : len;
    rest->ptr += skip;
    rest->len -= skip;
    return rule_trim(word);
}

bool rule_name(char out[RULE_NAME_MAX + 1], struct slice name, struct err *e)
{
    bool good = name.len > 0 && name.len <= RULE_NAME_MAX;
    for (size_t i = 0; i < name.len && good; i++)
        good = isalnum((unsigned char)name.ptr[i]) ||
               (name.ptr[i] != '\0' && strchr("._-", name.ptr[i]) != NULL);
    if (!good)
        return err_set(e, ERR_CONFIG, "\"%.*s\" is no name: at most %d letters, digits, \"._-\"",
                       (int)(name.len < 60 ? name.len : 60), name.ptr, RULE_NAME_MAX);
    memcpy(out, name.ptr, name.len);
    out[name.len] = '\0';
    return true;
}

static bool parse_int(struct slice s, int *n)
{
    if (s.len == 0 || s.len > 3)
        return false;
    *n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!isdigit((unsigned char)s.ptr[i]))
            return false;
        *n = *n * 10 + (s.ptr[i] - '0');
    }
    return true;
}

// "5", "5-7", "*" (up to max).
static bool parse_range(struct slice s, int max, struct range *r)
{
    *r = (struct range){ 0, max };
    if (slice_is(s, "*"))
        return true;
    bool dashed = memchr(s.ptr, '-', s.len) != NULL;
    struct slice low = rule_take(&s, "-");
    if (!parse_int(low, &r->low))
        return false;
    r->high = r->low;
    return (!dashed || parse_int(s, &r->high)) && r->low <= r->high;
}

// ---- conditions ----------------------------------------------------------------------------------------

static bool read_provider(struct rule *r, struct slice word, struct err *e)
{
    if (slice_is(word, "any"))
        r->families |= RULE_SMTP | RULE_HTTP;
    else if (slice_is(word, "smtp"))
        r->families |= RULE_SMTP;
    else if (slice_is(word, "http"))
        r->families |= RULE_HTTP;
    else if (r->provider_count == RULE_LIST_MAX)
        return err_set(e, ERR_CONFIG, "for=: more than %d names", RULE_LIST_MAX);
    else
        return rule_name(r->providers[r->provider_count++], word, e);
    return true;
}

static bool read_code(struct rule *r, struct slice word, struct err *e)
{
    struct range range;
    bool family = word.len == 3 && isdigit((unsigned char)word.ptr[0]) && memcmp(word.ptr + 1, "xx", 2) == 0;
    if (family)
        range = (struct range){ (word.ptr[0] - '0') * 100, (word.ptr[0] - '0') * 100 + 99 };
    else if (!parse_range(word, 999, &range))
        return err_set(e, ERR_CONFIG, "code=%.*s: want a code, a range (500-599) or a family (5xx)",
                       (int)word.len, word.ptr);
    if (r->code_count == RULE_LIST_MAX)
        return err_set(e, ERR_CONFIG, "code=: more than %d of them", RULE_LIST_MAX);
    r->codes[r->code_count++] = range;
    return true;
}

static bool read_status(struct rule *r, struct slice word, struct err *e)
{
    struct status_pattern p = { .absent = slice_is(word, "-") };
    struct slice rest = word;
    bool good = p.absent ||
                (parse_range(rule_take(&rest, "."), 9, &p.class) &&
                 parse_range(rule_take(&rest, "."), 999, &p.subject) && parse_range(rest, 999, &p.detail));
    if (!good)
        return err_set(e, ERR_CONFIG, "enhanced=%.*s: want 5.1.1, 5.7.*, *.2.2, 5.7.606-649 or - (none)",
                       (int)word.len, word.ptr);
    if (!p.absent && p.class.low == 0)
        p.class.low = 1; // "*" is any class, not "none"
    if (r->status_count == RULE_LIST_MAX)
        return err_set(e, ERR_CONFIG, "enhanced=: more than %d of them", RULE_LIST_MAX);
    r->statuses[r->status_count++] = p;
    return true;
}

static bool read_phase(struct rule *r, struct slice word, struct err *e)
{
    for (unsigned i = 0; i < PHASE_COUNT; i++) {
        if (slice_is(word, phase_name((enum attempt_phase)i))) {
            r->phases |= 1u << i;
            return true;
        }
    }
    return err_set(e, ERR_CONFIG, "phase=%.*s: there is no such phase", (int)word.len, word.ptr);
}

static bool read_result(struct rule *r, struct slice word, struct err *e)
{
    static const char *const NAMES[] = { "accepted", "refused", "failed", "unknown" };
    for (unsigned i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (slice_is(word, NAMES[i])) {
            r->results |= 1u << i;
            return true;
        }
    }
    return err_set(e, ERR_CONFIG, "result=%.*s: want accepted, refused, failed or unknown", (int)word.len,
                   word.ptr);
}

static bool read_if(struct rule *r, struct slice word, struct err *e)
{
    static const struct {
        const char *name;
        unsigned flag;
    } FLAGS[] = { { "idempotent", RULE_IF_IDEMPOTENT },
                  { "not-idempotent", RULE_IF_NOT_IDEMPOTENT },
                  { "asked", RULE_IF_ASKED } };
    for (size_t i = 0; i < sizeof FLAGS / sizeof *FLAGS; i++) {
        if (slice_is(word, FLAGS[i].name)) {
            r->flags |= FLAGS[i].flag;
            return true;
        }
    }
    return err_set(e, ERR_CONFIG, "if=%.*s: want idempotent, not-idempotent or asked", (int)word.len,
                   word.ptr);
}

static bool read_wait(struct rule *r, struct slice word, struct err *e)
{
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)(word.len < sizeof text ? word.len : sizeof text - 1), word.ptr);
    if (strcmp(text, "text") == 0)
        r->flags |= RULE_WAIT_IN_TEXT;
    else if (!clock_parse_duration(text, &r->wait_ms) || r->wait_ms <= 0 ||
             r->wait_ms > 7 * (int64_t)CLOCK_DAY_MS)
        return err_set(e, ERR_CONFIG, "wait=%s: want a duration (5m) up to 7d, text, or both (text,5m)",
                       text);
    return true;
}

static const struct {
    const char *key;
    bool (*read)(struct rule *r, struct slice word, struct err *e);
} KEYS[] = {
    { "for", read_provider },  { "code", read_code }, { "enhanced", read_status }, { "phase", read_phase },
    { "result", read_result }, { "if", read_if },     { "wait", read_wait },
};

// "key=a,b".
bool rule_read_setting(struct rule *r, struct slice word, struct err *e)
{
    struct slice rest = word, key = rule_take(&rest, "=");
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        if (!slice_is(key, KEYS[i].key))
            continue;
        if (rest.len == 0)
            return err_set(e, ERR_CONFIG, "%s= needs a value", KEYS[i].key);
        while (rest.len > 0)
            if (!KEYS[i].read(r, rule_take(&rest, ","), e))
                return false;
        return true;
    }
    return err_set(e, ERR_CONFIG, "\"%.*s\" is none of for=, code=, enhanced=, phase=, result=, if=, wait=",
                   (int)(word.len < 60 ? word.len : 60), word.ptr);
}

bool rule_read_outcome(struct rule *r, struct slice rest, struct err *e)
{
    struct slice class = rule_take(&rest, " \t");
    if (!failure_parse(class, &r->class) && !slice_is(class, "none"))
        return err_set(e, ERR_CONFIG, "\"%.*s\" is no class", (int)(class.len < 40 ? class.len : 40),
                       class.ptr);
    while (rule_trim(rest).len > 0) {
        struct slice word = rule_take(&rest, " \t");
        if (slice_is(word, "suppress"))
            r->suppress = true;
        else if (slice_is(word, "generic"))
            r->flags |= RULE_GENERIC;
        else if (!rule_read_setting(r, word, e))
            return false;
    }
    return true;
}

// ---- what a rule must not say --------------------------------------------------------------------------

bool rule_class_fits(const struct rule *r, struct err *e)
{
    bool accepted = r->results == 1u << ATTEMPT_ACCEPTED, unknown = (r->results & 1u << ATTEMPT_UNKNOWN) != 0;
    if (r->class > FAILURE_UNKNOWN)
        return err_set(e, ERR_CONFIG, "class %s is not for replies", failure_name(r->class));
    if (accepted != (r->class == FAILURE_NONE) || (!accepted && (r->results & 1u << ATTEMPT_ACCEPTED) != 0))
        return err_set(e, ERR_CONFIG, "result=accepted is class none, and nothing else is");
    if (unknown && r->class != FAILURE_UNKNOWN)
        return err_set(e, ERR_CONFIG,
                       "result=unknown is class unknown: it must not be sent again by guesswork");
    if ((r->results & 1u << ATTEMPT_FAILED) != 0 && r->class == FAILURE_UNKNOWN)
        return err_set(e, ERR_CONFIG, "result=failed was certainly not accepted, it cannot be class unknown");
    if (r->suppress && r->class != FAILURE_PERMANENT)
        return err_set(e, ERR_CONFIG,
                       "suppress is only for class permanent: it says that the mailbox is dead");
    return true;
}
