// SPDX-License-Identifier: Apache-2.0
// search: visits every state that a scenario can get into, breadth first, and keeps the way to each.
#ifndef EXPLORER_SEARCH_H
#define EXPLORER_SEARCH_H

#include "tests/explorer/model.h"

#include <stdio.h>

enum { FINDINGS_MAX = 16 };

struct finding {
    const char *what; // the violation; NULL = end of list
    uint32_t state;   // the first state (shortest way) that shows it
    uint32_t count;   // states that show it
};

struct search;

struct search *search_run(const struct scenario *sc, unsigned broken);
void search_free(struct search *s);
uint32_t search_states(const struct search *s);
const struct finding *search_findings(const struct search *s); // ends with what == NULL
void search_print_way(const struct search *s, uint32_t state, FILE *out);

#endif
