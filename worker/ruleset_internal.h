// SPDX-License-Identifier: Apache-2.0
// ruleset_internal: what the ruleset*.c share: ruleset.c matches, the others read.
#ifndef WORKER_RULESET_INTERNAL_H
#define WORKER_RULESET_INTERNAL_H

#include "worker/literals.h"
#include "worker/ruleset.h"

#include <regex.h>

enum phrase_kind { PHRASE_PLAIN, PHRASE_GLOB, PHRASE_REGEX };

struct phrase {
    enum phrase_kind kind;
    unsigned literal; // a word that must be there; for PHRASE_PLAIN the whole of it
    const char *glob; // borrowed from the set's strings
    regex_t *regex;   // borrowed from the set
};

struct words { // a named list
    char name[RULE_NAME_MAX + 1];
    struct phrases phrases; // owned
};

struct strings { // things that live as long as the set
    void **list;
    size_t count, cap;
};

struct ruleset {
    struct rule *rules;
    size_t count, cap;
    struct words *words;
    size_t words_count;
    struct literals *literals;
    struct strings strings;      // malloc'd
    struct strings regexes;      // regex_t, compiled
    struct ruleset_index *index; // ruleset.c's
};

void phrases_add(struct phrases *p, const struct phrase *one);
void *strings_keep(struct strings *s, void *owned); // returns it

// Small tools of the parser. take: what stands before the first of the separators, off *rest; empty = nothing
// left.
struct slice rule_trim(struct slice s);
struct slice rule_take(struct slice *rest, const char *separators);
MUST_CHECK bool rule_name(char out[RULE_NAME_MAX + 1], struct slice name, struct err *e);

MUST_CHECK bool rule_read_setting(struct rule *r, struct slice word, struct err *e); // "code=4xx,550"
MUST_CHECK bool rule_read_outcome(struct rule *r, struct slice rest,
                                  struct err *e); // what stands behind "->"
MUST_CHECK bool rule_class_fits(const struct rule *r, struct err *e);

MUST_CHECK bool ruleset_finish(struct ruleset *s, const char *name, struct err *e);
void ruleset_index_build(struct ruleset *s); // after the last rule
void ruleset_index_free(struct ruleset_index *i);

// What stands behind "text" or "unless": alternatives between bars, "*" for anything, "@name" for a named
// list.
MUST_CHECK bool words_read_text(struct ruleset *s, struct slice text, struct phrases *out, struct err *e);
// What stands behind "regex".
MUST_CHECK bool words_read_regex(struct ruleset *s, struct slice text, struct phrases *out, struct err *e);

#endif
