// SPDX-License-Identifier: Apache-2.0
// ruleset_parse: from a rule file to a compiled set.
//
//   words NAME                                    a named list of texts
//       text ...
//   rule ID CONDITION... -> CLASS OPTION...       see worker/rules/default.rules for all of them
//       text | regex | unless | example ...
//   include builtin                               the built-in rules from here on, but for ids that stand
//   above
//
// A rule file is changed by people under stress, so a set is taken whole or not at all: every mistake is an
// error with file and line, ids are unique, every family ends in rules that match everything, and each
// example must be decided by the very rule that gives it, which is how a rule that can never be reached
// shows.
#include "worker/ruleset_internal.h"

#include "common/alloc.h"
#include "worker/classify_builtin.h"

#include <ctype.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 4096 };

struct parser {
    struct ruleset *set;
    const char *name;
    int line;
    struct rule *rule;   // the one that indented lines belong to
    struct words *words; // or this
    size_t first;        // rules before this one were there before this file
    bool inside;         // of an include
};

// ---- rules ---------------------------------------------------------------------------------------------

// Ids outlive their sets: verdicts of attempts that are still being settled point to them.
static const char *keep_id(const char *id)
{
    static struct strings ids;
    for (size_t i = 0; i < ids.count; i++)
        if (strcmp(ids.list[i], id) == 0)
            return ids.list[i];
    return strings_keep(&ids, xstrdup(id));
}

static const struct rule *find_rule(const struct ruleset *s, const char *id, size_t from)
{
    for (size_t i = from; i < s->count; i++)
        if (strcmp(s->rules[i].id, id) == 0)
            return &s->rules[i];
    return NULL;
}

static struct rule *new_rule(struct ruleset *s, const char *id, int line)
{
    if (s->count == s->cap) {
        s->cap = s->cap > 0 ? s->cap * 2 : 128;
        s->rules = xrealloc(s->rules, s->cap * sizeof *s->rules);
    }
    s->rules[s->count] =
        (struct rule){ .id = keep_id(id), .line = line, .digest = UINT64_C(0xcbf29ce484222325) };
    return &s->rules[s->count++];
}

static bool read_rule(struct parser *p, struct slice rest, struct err *e)
{
    char id[RULE_NAME_MAX + 1];
    if (!rule_name(id, rule_take(&rest, " \t"), e))
        return false;
    const struct rule *same = find_rule(p->set, id, 0);
    if (same != NULL && p->inside && (size_t)(same - p->set->rules) < p->first)
        return true; // replaced by the file that includes this one
    if (same != NULL)
        return err_set(e, ERR_CONFIG, "rule %s: there is one of this id in line %d", id, same->line);
    if (p->set->count == RULES_MAX)
        return err_set(e, ERR_CONFIG, "more than %d rules", RULES_MAX);
    struct rule *r = new_rule(p->set, id, p->line);
    p->rule = r;
    struct slice word = rule_take(&rest, " \t");
    for (; word.len > 0 && !slice_is(word, "->"); word = rule_take(&rest, " \t"))
        if (!rule_read_setting(r, word, e))
            return err_prefix(e, "rule %s", id);
    if (word.len == 0)
        return err_set(e, ERR_CONFIG, "rule %s: \"-> CLASS\" is missing", id);
    if (!rule_read_outcome(r, rest, e))
        return err_prefix(e, "rule %s", id);
    if (r->families == 0 && r->provider_count == 0)
        r->families = RULE_SMTP | RULE_HTTP;
    if (r->results == 0)
        r->results = 1u << ATTEMPT_REFUSED;
    return rule_class_fits(r, e) || err_prefix(e, "rule %s", id);
}

static bool read_words(struct parser *p, struct slice rest, struct err *e)
{
    char name[RULE_NAME_MAX + 1];
    if (!rule_name(name, rule_trim(rest), e))
        return false;
    for (size_t i = 0; i < p->set->words_count; i++)
        if (strcmp(p->set->words[i].name, name) == 0 && !p->inside)
            return err_set(e, ERR_CONFIG, "words %s: there is a list of this name already", name);
    p->set->words = xrealloc(p->set->words, (p->set->words_count + 1) * sizeof *p->set->words);
    p->words = &p->set->words[p->set->words_count++];
    *p->words = (struct words){ 0 };
    memcpy(p->words->name, name, sizeof name);
    return true;
}

static bool read_example(struct parser *p, struct slice rest, struct err *e)
{
    if (p->rule == NULL || p->rule->example != NULL)
        return err_set(e, ERR_CONFIG, "one example a rule");
    if (p->inside)
        return true; // rules of the file around this one may decide it otherwise
    p->rule->example = xstrndup(rest.ptr, rest.len);
    p->rule->example_line = p->line;
    return true;
}

static bool read_detail(struct parser *p, struct slice line, struct err *e)
{
    if (p->rule == NULL && p->words == NULL)
        return p->inside || err_set(e, ERR_CONFIG,
                                    "an indented line belongs to a rule or a list, and there is none above");
    struct slice rest = line, key = rule_take(&rest, " \t");
    struct phrases *texts = p->rule != NULL ? &p->rule->texts : &p->words->phrases;
    rest = rule_trim(rest);
    if (rest.len == 0)
        return err_set(e, ERR_CONFIG, "\"%.*s\" of what?", (int)(key.len < 40 ? key.len : 40), key.ptr);
    if (slice_is(key, "text"))
        return words_read_text(p->set, rest, texts, e);
    if (slice_is(key, "regex"))
        return words_read_regex(p->set, rest, texts, e);
    if (slice_is(key, "unless") && p->rule != NULL)
        return words_read_text(p->set, rest, &p->rule->unless, e);
    if (slice_is(key, "example"))
        return read_example(p, rest, e);
    return err_set(e, ERR_CONFIG, "\"%.*s\" is none of text, regex, unless, example",
                   (int)(key.len < 40 ? key.len : 40), key.ptr);
}

static bool parse_text(struct parser *p, struct slice text, struct err *e);

static bool read_include(struct parser *p, struct slice rest, struct err *e)
{
    if (!slice_is(rule_trim(rest), "builtin") || p->inside)
        return err_set(e, ERR_CONFIG, "only \"include builtin\" can be included");
    struct parser inner = { .set = p->set, .name = "builtin", .first = p->set->count, .inside = true };
    return parse_text(&inner, classify_builtin(), e);
}

static void add_to_digest(struct rule *r, struct slice line)
{
    for (size_t i = 0; i < line.len; i++)
        r->digest = (r->digest ^ (unsigned char)line.ptr[i]) * UINT64_C(0x100000001b3);
}

static bool read_line(struct parser *p, struct slice line, struct err *e)
{
    bool indented = line.len > 0 && isspace((unsigned char)line.ptr[0]);
    line = rule_trim(line);
    if (line.len == 0 || line.ptr[0] == '#')
        return true;
    if (line.len > LINE_MAX_BYTES || memchr(line.ptr, '\0', line.len) != NULL)
        return err_set(e, ERR_CONFIG, "not a line of text of at most %d bytes", LINE_MAX_BYTES);
    bool good;
    if (indented) {
        good = read_detail(p, line, e);
    } else {
        struct slice rest = line, key = rule_take(&rest, " \t");
        p->rule = NULL;
        p->words = NULL;
        good = slice_is(key, "rule")    ? read_rule(p, rest, e)
               : slice_is(key, "words") ? read_words(p, rest, e)
               : slice_is(key, "include")
                   ? read_include(p, rest, e)
                   : err_set(e, ERR_CONFIG, "a line starts with rule, words, include or #");
    }
    if (good && p->rule != NULL)
        add_to_digest(p->rule, line);
    return good;
}

static bool parse_text(struct parser *p, struct slice text, struct err *e)
{
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        p->line++;
        if (!read_line(p, (struct slice){ text.ptr, len }, e))
            return err_prefix(e, "%s:%d", p->name, p->line);
        text.ptr += len + (end != NULL);
        text.len -= len + (end != NULL);
    }
    return true;
}

bool ruleset_parse(struct ruleset **out, const char *name, struct slice text, struct err *e)
{
    if (text.len > RULESET_BYTES_MAX)
        return err_set(e, ERR_CONFIG, "%s: larger than %d bytes", name, RULESET_BYTES_MAX);
    struct ruleset *s = xcalloc(1, sizeof *s);
    s->literals = literals_new();
    struct parser p = { .set = s, .name = name };
    if (!parse_text(&p, text, e) || !ruleset_finish(s, name, e)) {
        ruleset_free(s);
        return false;
    }
    *out = s;
    return true;
}
