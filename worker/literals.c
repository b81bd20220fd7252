// SPDX-License-Identifier: Apache-2.0
// literals: an automaton over all the words that rules look for.
//
// Hundreds of rules look for a thousand words in each reply; asking one rule after the other costs more than
// the reply is worth. Words are put into a trie, and the trie's missing steps are filled in with where the
// longest suffix that is still a beginning would go, so that a text is read once, one table look-up a byte,
// however many words there are. Bytes that stand in no word share one column: the table stays small enough
// for the cache.
//
// What can go wrong: the number of states is bounded by the bytes of all words; an absurd rule file hits the
// limit and is refused (literals_add says -1) long before memory matters.
#include "worker/literals.h"

#include "common/alloc.h"

#include <stdlib.h>
#include <string.h>

enum { ROOT = 0, NO_WORD = 0xffff };

struct literals {
    uint8_t column[256]; // of a byte; 0: it stands in no word
    unsigned columns;    // with column 0; a table row is 1 << shift entries
    unsigned shift;
    unsigned states, states_cap, words;
    bool ready;
    uint16_t (*trie)[256]; // while words are added: next state, 0 = none
    uint16_t *next;        // ready: states << shift entries
    uint16_t *word;        // of a state: the word that ends in it, NO_WORD = none
    uint16_t *report;      // the first state at or behind it in which a word ends, 0 = none
    uint16_t *fallback;    // the state of its longest proper suffix
};

static void grow(struct literals *l)
{
    l->states_cap = l->states_cap > 0 ? l->states_cap * 2 : 256;
    l->trie = xrealloc(l->trie, l->states_cap * sizeof *l->trie);
    l->word = xrealloc(l->word, l->states_cap * sizeof *l->word);
}

static unsigned new_state(struct literals *l)
{
    if (l->states == l->states_cap)
        grow(l);
    memset(l->trie[l->states], 0, sizeof *l->trie);
    l->word[l->states] = NO_WORD;
    return l->states++;
}

struct literals *literals_new(void)
{
    struct literals *l = xcalloc(1, sizeof *l);
    l->columns = 1;
    new_state(l);
    return l;
}

void literals_free(struct literals *l)
{
    if (l == NULL)
        return;
    free(l->trie);
    free(l->next);
    free(l->word);
    free(l->report);
    free(l->fallback);
    free(l);
}

int literals_add(struct literals *l, const char *word, size_t len)
{
    if (l->words == LITERALS_MAX || l->states + len > LITERALS_STATES_MAX)
        return -1;
    unsigned at = ROOT;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)word[i];
        unsigned to = l->trie[at][c];
        if (to == 0) {
            to = new_state(l);
            l->trie[at][c] = (uint16_t)to;
        }
        at = to;
    }
    if (l->word[at] == NO_WORD)
        l->word[at] = (uint16_t)l->words++;
    return l->word[at];
}

size_t literals_count(const struct literals *l)
{
    return l->words;
}

static void assign_columns(struct literals *l)
{
    for (unsigned s = 0; s < l->states; s++)
        for (unsigned c = 0; c < 256; c++)
            if (l->trie[s][c] != 0 && l->column[c] == 0)
                l->column[c] = (uint8_t)l->columns++;
    while ((1u << l->shift) < l->columns)
        l->shift++;
}

// One state, in the order of its distance from the root: those nearer are complete already.
static void complete(struct literals *l, unsigned s, uint16_t *queue, size_t *tail)
{
    unsigned back = l->fallback[s];
    l->report[s] = l->word[s] != NO_WORD ? (uint16_t)s : l->report[back];
    for (unsigned c = 0; c < 256; c++) {
        if (l->column[c] == 0)
            continue;
        unsigned to = l->trie[s][c];
        uint16_t suffix = s == ROOT ? ROOT : l->next[(back << l->shift) + l->column[c]];
        l->next[(s << l->shift) + l->column[c]] = to != 0 ? (uint16_t)to : suffix;
        if (to == 0)
            continue;
        l->fallback[to] = suffix;
        queue[(*tail)++] = (uint16_t)to;
    }
}

void literals_ready(struct literals *l)
{
    assign_columns(l);
    l->next = xcalloc((size_t)l->states << l->shift, sizeof *l->next);
    l->report = xcalloc(l->states, sizeof *l->report);
    l->fallback = xcalloc(l->states, sizeof *l->fallback);
    uint16_t *queue = xcalloc(l->states, sizeof *queue);
    size_t tail = 1; // the root is in it
    for (size_t head = 0; head < tail; head++)
        complete(l, queue[head], queue, &tail);
    free(queue);
    free(l->trie);
    l->trie = NULL;
    l->ready = true;
}

static void report_words(const struct literals *l, unsigned s, uint64_t *hits, literals_found found,
                         void *arg)
{
    for (s = l->report[s]; s != ROOT; s = l->report[l->fallback[s]]) {
        unsigned word = l->word[s];
        if ((hits[word / 64] >> (word % 64) & 1) != 0)
            continue;
        hits[word / 64] |= UINT64_C(1) << (word % 64);
        found(arg, word);
    }
}

void literals_scan(const struct literals *l, const char *text, size_t len, uint64_t *hits,
                   literals_found found, void *arg)
{
    unsigned at = ROOT;
    for (size_t i = 0; i < len; i++) {
        at = l->next[(at << l->shift) + l->column[(unsigned char)text[i]]];
        if (l->report[at] != ROOT)
            report_words(l, at, hits, found, arg);
    }
}
