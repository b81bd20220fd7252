// SPDX-License-Identifier: Apache-2.0
// ruleset_check: what is done once all rules are read: they are put into the order in which they are asked,
// compiled, and shown their own examples.
//
// What can go wrong: a broad rule in front of a narrow one. The narrow one's example then comes out as the
// broad one, and the file is refused with both named.
#include "worker/ruleset_internal.h"

#include "common/alloc.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_catch_all(const struct rule *r, unsigned family, unsigned result)
{
    unsigned conditions = RULE_IF_IDEMPOTENT | RULE_IF_NOT_IDEMPOTENT | RULE_IF_ASKED;
    return (r->families & family) != 0 && (r->results >> result & 1) != 0 && r->code_count == 0 &&
           r->status_count == 0 && r->phases == 0 && r->texts.count == 0 && r->unless.count == 0 &&
           (r->flags & conditions) == 0;
}

static bool is_complete(const struct ruleset *s, struct err *e)
{
    static const char *const RESULTS[] = { "accepted", "refused", "failed", "unknown" };
    for (unsigned family = RULE_SMTP; family <= RULE_HTTP; family <<= 1) {
        for (unsigned result = 0; result < 4; result++) {
            bool found = false;
            for (size_t i = 0; i < s->count && !found; i++)
                found = is_catch_all(&s->rules[i], family, result);
            if (!found)
                return err_set(e, ERR_CONFIG,
                               "no rule catches the rest: end with \"rule ID for=%s result=%s -> …\" or "
                               "\"include builtin\"",
                               family == RULE_SMTP ? "smtp" : "http", RESULTS[result]);
        }
    }
    return true;
}

static void order_rules(struct ruleset *s)
{
    struct rule *sorted = xcalloc(s->count + 1, sizeof *sorted);
    size_t n = 0;
    for (int general = 0; general < 2; general++)
        for (size_t i = 0; i < s->count; i++)
            if ((s->rules[i].families != 0) == general)
                sorted[n++] = s->rules[i];
    free(s->rules);
    s->rules = sorted;
    s->cap = s->count + 1;
}

// The lowest bit that is set; fallback when none is.
static unsigned first_of(unsigned bits, unsigned fallback)
{
    return bits != 0 ? (unsigned)__builtin_ctz(bits) : fallback;
}

static const struct rule *decide_example(const struct ruleset *s, const struct rule *r)
{
    const char *provider = r->families & RULE_SMTP   ? "smtp"
                           : r->families & RULE_HTTP ? "http"
                                                     : r->providers[0];
    bool smtp = provider_family(provider) == RULE_SMTP;
    const char *text = r->example;
    struct outcome o = { .retry_after_ms = r->flags & RULE_IF_ASKED ? 1000 : -1 };
    o.result = (enum attempt_result)first_of(r->results, ATTEMPT_REFUSED);
    o.phase = (enum attempt_phase)first_of(r->phases, smtp ? PHASE_RCPT : PHASE_RESPONSE);
    char *end;
    long code = strtol(text, &end, 10);
    if (end == text + 3 && (*end == ' ' || *end == '-' || *end == '\0')) {
        o.code = (int)code;
        text = end + (*end != '\0');
    }
    snprintf(o.text, sizeof o.text, "%s", text);
    struct reply_text reply;
    reply_text_read(&reply, &o, smtp);
    return ruleset_match(s, provider, &o, &reply, (r->flags & RULE_IF_IDEMPOTENT) != 0);
}

static bool examples_hold(const struct ruleset *s, const char *name, struct err *e)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct rule *r = &s->rules[i];
        const struct rule *got = r->example != NULL ? decide_example(s, r) : r;
        if (got == r)
            continue;
        return err_set(e, ERR_CONFIG, "%s:%d: rule %s: its example is decided by rule %s (line %d)", name,
                       r->example_line, r->id, got->id, got->line);
    }
    return true;
}

bool ruleset_finish(struct ruleset *s, const char *name, struct err *e)
{
    if (!is_complete(s, e))
        return err_prefix(e, "%s", name);
    order_rules(s);
    ruleset_index_build(s);
    return examples_hold(s, name, e);
}

static void free_list(struct strings *l, bool regexes)
{
    for (size_t i = 0; i < l->count; i++) {
        if (regexes)
            regfree(l->list[i]);
        free(l->list[i]);
    }
    free(l->list);
}

void ruleset_free(struct ruleset *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++) {
        free(s->rules[i].texts.list);
        free(s->rules[i].unless.list);
        free(s->rules[i].example);
    }
    for (size_t i = 0; i < s->words_count; i++)
        free(s->words[i].phrases.list);
    free(s->rules);
    free(s->words);
    free_list(&s->strings, false);
    free_list(&s->regexes, true);
    literals_free(s->literals);
    ruleset_index_free(s->index);
    free(s);
}
