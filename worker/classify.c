// SPDX-License-Identifier: Apache-2.0
// classify: the rules in use, see classify.h. How they are matched is ruleset.c's, what they say is the
// file's.
//
// Transports report what they saw; this is the only place that says what it means. It looks at one outcome at
// a time and remembers nothing, so the same reply always gets the same class. One set of rules a process,
// exchanged as a whole: a file with a mistake changes nothing, and says where the mistake is.
//
// What can go wrong: a text that promises a wait of a year. Waits read from texts are kept within a minute (a
// second for APIs) and four hours; those asked for by protocol (Retry-After) are passed on as they are.
#include "worker/classify.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"
#include "worker/classify_builtin.h"
#include "worker/ruleset.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_WAIT_MIN_MS      ((int64_t)CLOCK_MINUTE_MS)
#define TEXT_WAIT_MIN_HTTP_MS ((int64_t)CLOCK_SECOND_MS)
#define TEXT_WAIT_MAX_MS      ((int64_t)4 * CLOCK_HOUR_MS)

static struct ruleset *rules; // NULL: none loaded yet
static char *rules_path;      // NULL: the built-in ones

// ---- loading -------------------------------------------------------------------------------------------

static bool read_file(const char *path, struct buf *out, struct err *e)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_set(e, ERR_CONFIG, "%s: %s", path, strerror(errno));
    char piece[4096];
    size_t got = fread(piece, 1, sizeof piece, f);
    for (; got > 0 && out->len <= RULESET_BYTES_MAX; got = fread(piece, 1, sizeof piece, f))
        buf_put(out, piece, got);
    bool good = ferror(f) == 0;
    int why = errno;
    fclose(f);
    return good || err_set(e, ERR_CONFIG, "%s: %s", path, strerror(why));
}

static bool read_rules(struct ruleset **out, const char *path, struct err *e)
{
    if (path == NULL)
        return ruleset_parse(out, "builtin", classify_builtin(), e);
    struct buf text = { 0 };
    bool good = read_file(path, &text, e) && ruleset_parse(out, path, buf_slice(&text), e);
    buf_clear(&text);
    return good;
}

bool classify_load(const char *path, struct err *e)
{
    char *owned = path != NULL && path[0] != '\0' ? xstrdup(path) : NULL;
    struct ruleset *fresh;
    if (!read_rules(&fresh, owned, e)) {
        free(owned);
        return false;
    }
    classify_clear();
    rules = fresh;
    rules_path = owned;
    return true;
}

void classify_clear(void)
{
    ruleset_free(rules);
    free(rules_path);
    rules = NULL;
    rules_path = NULL;
}

static void load_builtin(void)
{
    struct err e;
    if (!classify_load(NULL, &e)) {
        log_error("classify", "the built-in rules are broken error=\"%s\"", e.text);
        abort(); // our bug; a test reads them
    }
}

// ---- reloading -----------------------------------------------------------------------------------------

static const struct rule *find(const struct ruleset *s, const char *id)
{
    for (size_t i = 0; i < ruleset_count(s); i++)
        if (strcmp(ruleset_rule(s, i)->id, id) == 0)
            return ruleset_rule(s, i);
    return NULL;
}

// Ids of a that b has not, or has with other lines: written behind one another, at most so many that a log
// line bears.
static size_t list_changes(const struct ruleset *a, const struct ruleset *b, bool missing, struct buf *out)
{
    size_t n = 0;
    for (size_t i = 0; i < ruleset_count(a); i++) {
        const struct rule *r = ruleset_rule(a, i), *other = find(b, r->id);
        if (missing ? other != NULL : other == NULL || other->digest == r->digest)
            continue;
        if (n < 20)
            buf_printf(out, "%s%s", n > 0 ? "," : "", r->id);
        n++;
    }
    return n;
}

static void log_changes(const struct ruleset *old, const struct ruleset *fresh)
{
    struct buf added = { 0 }, removed = { 0 }, changed = { 0 };
    size_t n_added = list_changes(fresh, old, true, &added);
    size_t n_removed = list_changes(old, fresh, true, &removed);
    size_t n_changed = list_changes(fresh, old, false, &changed);
    log_info("classify", "reloaded file=%s rules=%zu added=%zu (%s) removed=%zu (%s) changed=%zu (%s)",
             rules_path, ruleset_count(fresh), n_added, buf_slice(&added).ptr, n_removed,
             buf_slice(&removed).ptr, n_changed, buf_slice(&changed).ptr);
    buf_clear(&added);
    buf_clear(&removed);
    buf_clear(&changed);
}

bool classify_reload(struct err *e)
{
    if (rules_path == NULL) {
        log_info("classify", "nothing to reload: worker.rules names no file, the built-in rules are in use");
        return true;
    }
    struct ruleset *fresh;
    if (!read_rules(&fresh, rules_path, e))
        return false;
    log_changes(rules, fresh);
    ruleset_free(rules);
    rules = fresh;
    return true;
}

// ---- classifying ---------------------------------------------------------------------------------------

static int64_t text_wait_ms(const struct reply_text *text, bool smtp)
{
    int64_t ms = reply_text_wait_ms(text->text), min_ms = smtp ? TEXT_WAIT_MIN_MS : TEXT_WAIT_MIN_HTTP_MS;
    return ms < 0 ? -1 : ms < min_ms ? min_ms : ms > TEXT_WAIT_MAX_MS ? TEXT_WAIT_MAX_MS : ms;
}

static int64_t wait_for(const struct rule *r, const struct outcome *o, const struct reply_text *text,
                        bool smtp)
{
    if (o->retry_after_ms >= 0)
        return o->retry_after_ms;
    int64_t ms = r->flags & RULE_WAIT_IN_TEXT ? text_wait_ms(text, smtp) : -1;
    return ms < 0 && r->wait_ms > 0 ? r->wait_ms : ms;
}

struct verdict classify(const char *provider, const struct outcome *o, bool idempotent)
{
    if (rules == NULL)
        load_builtin();
    bool smtp = provider_family(provider) == RULE_SMTP;
    struct reply_text text;
    reply_text_read(&text, o, smtp);
    const struct rule *r = ruleset_match(rules, provider, o, &text, idempotent);
    assert(r != NULL); // a set that does not end in rules for everything is refused
    struct verdict v = { .class = r->class,
                         .rule = r->id,
                         .retry_after_ms = wait_for(r, o, &text, smtp),
                         .suppress = r->suppress,
                         .generic = (r->flags & RULE_GENERIC) != 0 };
    if (text.status.class != 0)
        snprintf(v.enhanced, sizeof v.enhanced, "%d.%d.%d", text.status.class, text.status.subject,
                 text.status.detail);
    return v;
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
