// SPDX-License-Identifier: Apache-2.0
// literals: finds many words in one pass over a text (Aho and Corasick, 1975).
#ifndef WORKER_LITERALS_H
#define WORKER_LITERALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LITERALS_MAX = 4096, LITERALS_STATES_MAX = 32767 };

struct literals; // all words of a rule set, lower case

struct literals *literals_new(void);
void literals_free(struct literals *l);

// The word's number (0, 1, …; the same word has the same one), -1 when there are too many. Not after
// literals_ready.
int literals_add(struct literals *l, const char *word, size_t len);
size_t literals_count(const struct literals *l);
void literals_ready(struct literals *l);

// Sets a bit of hits (one a word, in uint64_t from the lowest; cleared by the caller) for each word in text,
// and calls found once for each.
typedef void (*literals_found)(void *arg, unsigned word);
void literals_scan(const struct literals *l, const char *text, size_t len, uint64_t *hits,
                   literals_found found, void *arg);

#endif
