// SPDX-License-Identifier: Apache-2.0
// classify: the engine over the table of classify_rules.c, see classify.h.
//
// Transports report what they saw; this is the only place that says what it means. It looks at one outcome at
// a time and remembers nothing, so the same reply always gets the same class. The table ends in rules that
// match everything of their family: a reply nobody thought of is temporary on SMTP and permanent on HTTP,
// where a status outside of all families cannot come from a server that took the job.
//
// What can go wrong: a text that promises a wait of a year. Waits read from texts are kept within a minute
// and four hours; those asked for by protocol (Retry-After) are passed on as they are.
#include "worker/classify.h"

#include "common/clock.h"
#include "worker/classify_rules.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define TEXT_WAIT_MIN_MS ((int64_t)CLOCK_MINUTE_MS)
#define TEXT_WAIT_MAX_MS ((int64_t)4 * CLOCK_HOUR_MS)

// ---- matching -------------------------------------------------------------------------------------------

static bool contains(const char *text, const char *word, size_t len)
{
    for (; *text != '\0'; text++) {
        if (strncasecmp(text, word, len) == 0)
            return true;
    }
    return false;
}

static bool text_matches(const char *alternatives, const char *text)
{
    while (alternatives != NULL) {
        const char *bar = strchr(alternatives, '|');
        if (contains(text, alternatives, bar != NULL ? (size_t)(bar - alternatives) : strlen(alternatives)))
            return true;
        alternatives = bar != NULL ? bar + 1 : NULL;
    }
    return false;
}

static bool pattern_matches(const char *pattern, size_t len, const char *enhanced)
{
    if (len == 1 && pattern[0] == '-')
        return enhanced[0] == '\0';
    if (pattern[len - 1] == '*')
        return strncmp(enhanced, pattern, len - 1) == 0;
    return strlen(enhanced) == len && memcmp(enhanced, pattern, len) == 0;
}

static bool enhanced_matches(const char *patterns, const char *enhanced)
{
    while (*patterns != '\0') {
        size_t len = strcspn(patterns, " ");
        if (pattern_matches(patterns, len, enhanced))
            return true;
        patterns += len;
        patterns += strspn(patterns, " ");
    }
    return false;
}

static bool code_matches(const struct rule *r, int code)
{
    if (r->low == 0)
        return true;
    return code >= r->low && code <= (r->high != 0 ? r->high : r->low);
}

static bool conditions_hold(unsigned flags, bool idempotent, bool asked)
{
    return !((flags & RULE_IF_IDEMPOTENT && !idempotent) ||
             (flags & RULE_IF_NOT_IDEMPOTENT && idempotent) || (flags & RULE_IF_ASKED && !asked));
}

static bool rule_matches(const struct rule *r, const char *provider, const struct outcome *o, bool idempotent)
{
    enum rule_family family = strcmp(provider, "smtp") == 0 ? RULE_SMTP : RULE_HTTP;
    unsigned results = r->results != 0 ? r->results : RULE_RESULT(ATTEMPT_REFUSED);
    return (r->family == RULE_ANY || r->family == family) &&
           (r->provider == NULL || strcmp(r->provider, provider) == 0) &&
           (results & RULE_RESULT(o->result)) != 0 &&
           (r->phases == 0 || (r->phases & RULE_PHASE(o->phase)) != 0) && code_matches(r, o->code) &&
           conditions_hold(r->flags, idempotent, o->retry_after_ms >= 0) &&
           (r->enhanced == NULL || enhanced_matches(r->enhanced, o->enhanced)) &&
           (r->text == NULL || text_matches(r->text, o->text));
}

// ---- waits in texts -------------------------------------------------------------------------------------

static int64_t unit_ms(const char *word)
{
    static const struct {
        const char *begin;
        int64_t ms;
    } units[] = { { "h", CLOCK_HOUR_MS }, { "m", CLOCK_MINUTE_MS }, { "s", CLOCK_SECOND_MS } };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (tolower((unsigned char)*word) == units[i].begin[0])
            return units[i].ms;
    }
    return 0;
}

// "in 5 minutes", "after 300 s": the number and unit that follow one of the two words. -1: there are none.
static int64_t wait_in_text(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        size_t word = strncasecmp(p, "in ", 3) == 0 ? 3 : strncasecmp(p, "after ", 6) == 0 ? 6 : 0;
        if (word == 0 || (p > text && p[-1] != ' ') || !isdigit((unsigned char)p[word]))
            continue;
        int64_t n = 0;
        for (p += word; isdigit((unsigned char)*p); p++)
            n = n < 1000000 ? n * 10 + (*p - '0') : n;
        while (*p == ' ')
            p++;
        int64_t ms = n * unit_ms(p);
        if (ms > 0)
            return ms < TEXT_WAIT_MIN_MS ? TEXT_WAIT_MIN_MS : ms > TEXT_WAIT_MAX_MS ? TEXT_WAIT_MAX_MS : ms;
        if (*p == '\0')
            break;
    }
    return -1;
}

static int64_t wait_for(const struct rule *r, const struct outcome *o)
{
    if (o->retry_after_ms >= 0)
        return o->retry_after_ms;
    int64_t ms = r->flags & RULE_WAIT_IN_TEXT ? wait_in_text(o->text) : -1;
    if (ms < 0 && r->wait_ms > 0)
        ms = r->wait_ms;
    return ms;
}

struct verdict classify(const char *provider, const struct outcome *o, bool idempotent)
{
    const struct rule *r = CLASSIFY_RULES;
    while (r[1].id != NULL && !rule_matches(r, provider, o, idempotent))
        r++;
    return (struct verdict){
        .class = r->class, .rule = r->id, .retry_after_ms = wait_for(r, o), .suppress = r->suppress
    };
}

const char *verdict_action(const struct verdict *v)
{
    static const char *const actions[FAILURE_CLASS_COUNT] = {
        [FAILURE_NONE] = "accept",        [FAILURE_TRANSIENT] = "retry", [FAILURE_THROTTLED] = "wait",
        [FAILURE_MAILBOX_BUSY] = "retry", [FAILURE_PERMANENT] = "dead",  [FAILURE_REPUTATION] = "dead",
        [FAILURE_ROUTE] = "pause_route",  [FAILURE_UNKNOWN] = "unknown", [FAILURE_EXPIRED] = "dead",
        [FAILURE_EXHAUSTED] = "dead",     [FAILURE_INVALID] = "dead",    [FAILURE_CONFLICT] = "dead",
    };
    return v->suppress ? "dead_suppress" : actions[v->class];
}
