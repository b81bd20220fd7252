// SPDX-License-Identifier: Apache-2.0
// ruleset_words: what rules look for in texts.
//
//   text  mailbox full | over quota | client host * blocked using | @greylist
//   regex (^|[^a-z])rbl([^a-z]|$)
//
// Texts are folded as replies are (lower case, single blanks). Every alternative needs a plain word that must
// be in the text for it to match; of a regular expression that is the longest run of ordinary characters
// outside of brackets and without a quantifier behind it. This is what keeps a reply from being shown to
// every expression.
//
// What can go wrong: an expression of which no such run can be told. It is refused with a hint, not made
// slow.
#include "worker/ruleset_internal.h"

#include "common/alloc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MIN = 3, REGEX_MAX = 500 };

void phrases_add(struct phrases *p, const struct phrase *one)
{
    if (p->count == p->cap) {
        p->cap = p->cap > 0 ? p->cap * 2 : 8;
        p->list = xrealloc(p->list, p->cap * sizeof *p->list);
    }
    p->list[p->count++] = *one;
}

void *strings_keep(struct strings *s, void *owned)
{
    if (s->count == s->cap) {
        s->cap = s->cap > 0 ? s->cap * 2 : 64;
        s->list = xrealloc(s->list, s->cap * sizeof *s->list);
    }
    return s->list[s->count++] = owned;
}

// Lower case, single blanks, none at the ends. Owned by the caller.
static char *fold(struct slice text)
{
    char *out = xmalloc(text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c != ' ' && c != '\t')
            out[len++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        else if (len > 0 && out[len - 1] != ' ')
            out[len++] = ' ';
    }
    while (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
    return out;
}

static bool add_literal(struct ruleset *s, struct slice word, struct phrase *p, struct err *e)
{
    int n = literals_add(s->literals, word.ptr, word.len);
    if (n < 0)
        return err_set(e, ERR_CONFIG, "too many different texts in one rule file");
    p->literal = (unsigned)n;
    return true;
}

// ---- text ----------------------------------------------------------------------------------------------

static struct slice longest_piece(const char *glob)
{
    struct slice best = { glob, 0 };
    while (true) {
        size_t len = strcspn(glob, "*");
        if (len > best.len)
            best = (struct slice){ glob, len };
        if (glob[len] == '\0')
            return best;
        glob += len + 1;
    }
}

static bool add_named(const struct ruleset *s, const char *name, struct phrases *out, struct err *e)
{
    for (size_t i = 0; i < s->words_count; i++) {
        if (strcmp(s->words[i].name, name) != 0)
            continue;
        for (size_t k = 0; k < s->words[i].phrases.count; k++)
            phrases_add(out, &s->words[i].phrases.list[k]);
        return true;
    }
    return err_set(e, ERR_CONFIG, "there is no list \"words %.40s\" above", name);
}

static bool add_text(struct ruleset *s, struct slice part, struct phrases *out, struct err *e)
{
    char *text = strings_keep(&s->strings, fold(part));
    if (text[0] == '@')
        return add_named(s, text + 1, out, e);
    struct phrase p = { .kind = strchr(text, '*') != NULL ? PHRASE_GLOB : PHRASE_PLAIN, .glob = text };
    struct slice word = longest_piece(text);
    if (word.len < WORD_MIN)
        return err_set(e, ERR_CONFIG, "text \"%.40s\": needs %d characters in a row", text, WORD_MIN);
    if (!add_literal(s, word, &p, e))
        return false;
    phrases_add(out, &p);
    return true;
}

bool words_read_text(struct ruleset *s, struct slice text, struct phrases *out, struct err *e)
{
    while (true) {
        const char *bar = memchr(text.ptr, '|', text.len);
        size_t len = bar != NULL ? (size_t)(bar - text.ptr) : text.len;
        if (!add_text(s, (struct slice){ text.ptr, len }, out, e))
            return false;
        if (bar == NULL)
            return true;
        text = (struct slice){ bar + 1, text.len - len - 1 };
    }
}

// ---- regex ---------------------------------------------------------------------------------------------

// The octets of one element of an expression: a character, an escaped one, a bracket expression, a group.
static size_t element_length(const char *p)
{
    size_t i = 0;
    if (p[0] == '\\')
        return p[1] != '\0' ? 2 : 1;
    if (p[0] == '[') {
        i = p[1] == '^' ? 2 : 1;
        for (i += p[i] == ']'; p[i] != '\0' && p[i] != ']'; i++)
            if (p[i] == '[' && strchr(":.=", p[i + 1]) != NULL && p[i + 1] != '\0')
                i += strcspn(p + i, "]");
        return p[i] == ']' ? i + 1 : i;
    }
    if (p[0] != '(')
        return 1;
    int depth = 1;
    for (i = 1; p[i] != '\0' && depth > 0;) {
        depth += (p[i] == '(') - (p[i] == ')');
        i += p[i] == '(' || p[i] == ')' ? 1 : element_length(p + i);
    }
    return i;
}

static bool is_plain(const char *p, size_t len)
{
    return len == 2 ? ispunct((unsigned char)p[1]) != 0 : len == 1 && strchr(".^$*+?{}()|[]\\", p[0]) == NULL;
}

struct run { // the longest run of ordinary characters of an alternative
    char word[REGEX_MAX + 1], best[REGEX_MAX + 1];
    size_t len, best_len;
};

static void end_run(struct run *r)
{
    if (r->len > r->best_len) {
        memcpy(r->best, r->word, r->len);
        r->best_len = r->len;
    }
    r->len = 0;
}

// Reads one alternative and returns where it ends.
static const char *read_alternative(const char *p, struct run *r)
{
    r->len = r->best_len = 0;
    while (*p != '\0' && *p != '|') {
        size_t len = element_length(p);
        bool optional = strchr("*?{", p[len]) != NULL && p[len] != '\0', plain = is_plain(p, len);
        if (plain && !optional)
            r->word[r->len++] = (char)tolower((unsigned char)p[len - 1]);
        if (!plain || optional || p[len] == '+')
            end_run(r);
        p += len;
    }
    end_run(r);
    return p;
}

static bool has_back_reference(const char *p)
{
    for (; *p != '\0'; p++) {
        if (*p == '\\' && isdigit((unsigned char)p[1]))
            return true;
        p += *p == '\\' && p[1] != '\0';
    }
    return false;
}

static bool compile(struct ruleset *s, const char *text, struct phrase *p, struct err *e)
{
    if (has_back_reference(text))
        return err_set(e, ERR_CONFIG, "regex: back references are not allowed");
    p->regex = xmalloc(sizeof *p->regex);
    int code = regcomp(p->regex, text, REG_EXTENDED | REG_ICASE | REG_NOSUB);
    if (code != 0) {
        char why[80];
        regerror(code, p->regex, why, sizeof why);
        free(p->regex);
        return err_set(e, ERR_CONFIG, "regex \"%.60s\": %s", text, why);
    }
    strings_keep(&s->regexes, p->regex);
    return true;
}

bool words_read_regex(struct ruleset *s, struct slice text, struct phrases *out, struct err *e)
{
    if (text.len > REGEX_MAX)
        return err_set(e, ERR_CONFIG, "regex: longer than %d characters", REGEX_MAX);
    const char *whole = strings_keep(&s->strings, xstrndup(text.ptr, text.len));
    struct phrase p = { .kind = PHRASE_REGEX };
    if (!compile(s, whole, &p, e))
        return false;
    for (const char *at = whole;;
         at++) { // each alternative is found by its own word, and then the whole is tried
        struct run run;
        at = read_alternative(at, &run);
        if (run.best_len < WORD_MIN)
            return err_set(e, ERR_CONFIG,
                           "regex \"%.60s\": each alternative needs %d ordinary characters in a row, outside "
                           "of brackets",
                           whole, WORD_MIN);
        if (!add_literal(s, (struct slice){ run.best, run.best_len }, &p, e))
            return false;
        phrases_add(out, &p);
        if (*at == '\0')
            return true;
    }
}
