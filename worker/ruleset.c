// SPDX-License-Identifier: Apache-2.0
// ruleset: finds the first rule that matches.
//
// There are too many rules to ask each one about each reply. Two bit sets, a bit a rule, are made first:
// those that can hold for this provider, result and first digit (known when the set is compiled), and those
// that look for no text or for a word that is there (from one pass over the text, literals.c). Only rules in
// both are asked, in order, and that is a handful. Patterns with "*" and regular expressions are tried only
// when their longest plain word is in the text.
//
// What can go wrong: a regular expression somebody wrote that takes for ever. The text is 2 KiB at most, back
// references are refused (ruleset_words.c), and the rest of POSIX is done in bounded time by the C library.
#include "worker/ruleset_internal.h"

#include "common/alloc.h"

#include <stdlib.h>
#include <string.h>

enum {
    RESULTS = 4,
    DIGITS = 10,
    SETS = RESULTS * DIGITS,
    RULE_WORDS = RULES_MAX / 64,
    HIT_WORDS = LITERALS_MAX / 64
};

struct bits {
    uint64_t word[RULE_WORDS];
};

struct ruleset_index {
    char (*providers)[RULE_NAME_MAX +
                      1]; // those that rules name; the families are rows 0 and 1 below, they follow
    size_t provider_count;
    struct bits (*rows)[SETS]; // by provider, then by result and first digit
    struct bits textless;      // rules that look for no text
    uint32_t *users_start;     // of a word: its rules are users[start[word]] to users[start[word + 1]]
    uint16_t *users;
    size_t rule_words;
};

unsigned provider_family(const char *provider)
{
    return strcmp(provider, "smtp") == 0 || strcmp(provider, "mx") == 0 ? RULE_SMTP : RULE_HTTP;
}

// ---- compiling -----------------------------------------------------------------------------------------

static void set_bit(struct bits *b, size_t i)
{
    b->word[i / 64] |= UINT64_C(1) << (i % 64);
}

static size_t find_provider(const struct ruleset_index *x, const char *name)
{
    for (size_t i = 0; i < x->provider_count; i++)
        if (strcmp(x->providers[i], name) == 0)
            return i;
    return x->provider_count;
}

static bool names_provider(const struct rule *r, const char *name)
{
    for (int i = 0; i < r->provider_count; i++)
        if (strcmp(r->providers[i], name) == 0)
            return true;
    return false;
}

static void collect_providers(struct ruleset_index *x, const struct ruleset *s)
{
    x->providers = xcalloc(s->count * RULE_LIST_MAX + 1, sizeof *x->providers);
    for (size_t i = 0; i < s->count; i++) {
        const struct rule *r = &s->rules[i];
        for (int k = 0; k < r->provider_count; k++)
            if (find_provider(x, r->providers[k]) == x->provider_count)
                memcpy(x->providers[x->provider_count++], r->providers[k], sizeof *x->providers);
    }
}

static bool holds_digit(const struct rule *r, int digit)
{
    for (int i = 0; i < r->code_count; i++)
        if (r->codes[i].low / 100 <= digit && r->codes[i].high / 100 >= digit)
            return true;
    return r->code_count == 0;
}

static void fill_row(struct bits *row, const struct ruleset *s, unsigned family, const char *provider)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct rule *r = &s->rules[i];
        if ((r->families & family) == 0 && (provider == NULL || !names_provider(r, provider)))
            continue;
        for (int set = 0; set < SETS; set++)
            if ((r->results >> (set / DIGITS) & 1) != 0 && holds_digit(r, set % DIGITS))
                set_bit(&row[set], i);
    }
}

static void index_words(struct ruleset_index *x, const struct ruleset *s)
{
    size_t words = literals_count(s->literals), total = 0;
    x->users_start = xcalloc(words + 2, sizeof *x->users_start);
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->rules[i].texts.count; k++, total++)
            x->users_start[s->rules[i].texts.list[k].literal + 2]++;
    for (size_t w = 2; w < words + 2; w++)
        x->users_start[w] += x->users_start[w - 1];
    x->users = xcalloc(total + 1, sizeof *x->users);
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->rules[i].texts.count; k++)
            x->users[x->users_start[s->rules[i].texts.list[k].literal + 1]++] = (uint16_t)i;
}

void ruleset_index_build(struct ruleset *s)
{
    struct ruleset_index *x = xcalloc(1, sizeof *x);
    s->index = x;
    x->rule_words = (s->count + 63) / 64;
    collect_providers(x, s);
    x->rows = xcalloc(x->provider_count + 2, sizeof *x->rows);
    fill_row(x->rows[0], s, RULE_SMTP, NULL);
    fill_row(x->rows[1], s, RULE_HTTP, NULL);
    for (size_t i = 0; i < x->provider_count; i++)
        fill_row(x->rows[i + 2], s, provider_family(x->providers[i]), x->providers[i]);
    for (size_t i = 0; i < s->count; i++)
        if (s->rules[i].texts.count == 0)
            set_bit(&x->textless, i);
    literals_ready(s->literals);
    index_words(x, s);
}

void ruleset_index_free(struct ruleset_index *x)
{
    if (x == NULL)
        return;
    free(x->providers);
    free(x->rows);
    free(x->users_start);
    free(x->users);
    free(x);
}

// ---- asking --------------------------------------------------------------------------------------------

struct search {
    const struct ruleset_index *index;
    const struct outcome *outcome;
    const struct reply_text *text;
    bool idempotent;
    struct bits possible;     // rules one of whose words is there, and those that look for none
    uint64_t hits[HIT_WORDS]; // words that are there
};

static void on_word(void *arg, unsigned word)
{
    struct search *q = arg;
    const struct ruleset_index *x = q->index;
    for (uint32_t i = x->users_start[word]; i < x->users_start[word + 1]; i++)
        set_bit(&q->possible, x->users[i]);
}

static bool glob_matches(const char *glob, const char *text)
{
    while (glob != NULL) {
        const char *star = strchr(glob, '*');
        size_t len = star != NULL ? (size_t)(star - glob) : strlen(glob);
        const char *at = memmem(text, strlen(text), glob, len);
        if (at == NULL)
            return false;
        text = at + len;
        glob = star != NULL ? star + 1 : NULL;
    }
    return true;
}

static bool phrase_is_there(const struct search *q, const struct phrase *p)
{
    if ((q->hits[p->literal / 64] >> (p->literal % 64) & 1) == 0)
        return false;
    if (p->kind == PHRASE_GLOB)
        return glob_matches(p->glob, q->text->text);
    return p->kind == PHRASE_PLAIN || regexec(p->regex, q->text->text, 0, NULL, 0) == 0;
}

static bool any_is_there(const struct search *q, const struct phrases *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (phrase_is_there(q, &p->list[i]))
            return true;
    return false;
}

static bool in(struct range r, int n)
{
    return n >= r.low && n <= r.high;
}

static bool code_holds(const struct rule *r, int code)
{
    for (int i = 0; i < r->code_count; i++)
        if (in(r->codes[i], code))
            return true;
    return r->code_count == 0;
}

static bool status_holds(const struct rule *r, const struct status *s)
{
    for (int i = 0; i < r->status_count; i++) {
        const struct status_pattern *p = &r->statuses[i];
        if (p->absent ? s->class == 0
                      : in(p->class, s->class) && in(p->subject, s->subject) && in(p->detail, s->detail))
            return true;
    }
    return r->status_count == 0;
}

static bool rule_holds(const struct search *q, const struct rule *r)
{
    const struct outcome *o = q->outcome;
    bool asked = o->retry_after_ms >= 0;
    if ((r->phases != 0 && (r->phases >> o->phase & 1) == 0) || !code_holds(r, o->code) ||
        !status_holds(r, &q->text->status))
        return false;
    if ((r->flags & RULE_IF_IDEMPOTENT && !q->idempotent) ||
        (r->flags & RULE_IF_NOT_IDEMPOTENT && q->idempotent) || (r->flags & RULE_IF_ASKED && !asked))
        return false;
    return (r->texts.count == 0 || any_is_there(q, &r->texts)) && !any_is_there(q, &r->unless);
}

static const struct bits *row_for(const struct ruleset_index *x, const char *provider,
                                  const struct outcome *o)
{
    size_t named = find_provider(x, provider);
    size_t row = named < x->provider_count ? named + 2 : provider_family(provider) == RULE_SMTP ? 0 : 1;
    int digit = o->code >= 0 && o->code < 1000 ? o->code / 100 : 0;
    return &x->rows[row][o->result * DIGITS + (unsigned)digit];
}

const struct rule *ruleset_match(const struct ruleset *s, const char *provider, const struct outcome *o,
                                 const struct reply_text *text, bool idempotent)
{
    struct search q = { .index = s->index, .outcome = o, .text = text, .idempotent = idempotent };
    const struct bits *row = row_for(s->index, provider, o);
    q.possible = s->index->textless;
    literals_scan(s->literals, text->text, text->len, q.hits, on_word, &q);
    for (size_t w = 0; w < s->index->rule_words; w++) {
        for (uint64_t left = row->word[w] & q.possible.word[w]; left != 0; left &= left - 1) {
            const struct rule *r = &s->rules[w * 64 + (size_t)__builtin_ctzll(left)];
            if (rule_holds(&q, r))
                return r;
        }
    }
    return NULL;
}

size_t ruleset_count(const struct ruleset *s)
{
    return s->count;
}

const struct rule *ruleset_rule(const struct ruleset *s, size_t i)
{
    return &s->rules[i];
}
