// SPDX-License-Identifier: Apache-2.0
// search: see search.h. States are kept whole in one array; a hash table of indices finds those seen before.
// Every step that needs no bad luck is kept as an edge, so that afterwards each state can be asked whether it
// still gets to rest without any: a protocol that parks for ever loses a job just as well as one that drops
// it.
#include "tests/explorer/search.h"

#include "common/alloc.h"

#include <stdlib.h>

struct way { // how a state was first reached
    uint32_t from;
    const char *what;
    int worker;
};

struct edge {
    uint32_t from, to;
};

struct search {
    const struct scenario *sc;
    struct state *states;
    struct way *ways;
    uint32_t count, cap, current;
    uint32_t *table;     // index + 1
    uint32_t table_size; // a power of two
    struct edge *edges;
    size_t edge_count, edge_cap;
    struct finding findings[FINDINGS_MAX + 1];
};

static uint64_t hash_of(const struct state *s)
{
    const unsigned char *p = (const unsigned char *)s;
    uint64_t h = 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < sizeof *s; i++)
        h = (h ^ p[i]) * 0x100000001B3u;
    return h ^ h >> 29;
}

static void grow(struct search *s)
{
    if (s->count == s->cap) {
        s->cap = s->cap > 0 ? s->cap * 2 : 1 << 14;
        s->states = xrealloc(s->states, s->cap * sizeof *s->states);
        s->ways = xrealloc(s->ways, s->cap * sizeof *s->ways);
    }
    if (s->table_size > (s->count + 1) * 2)
        return;
    s->table_size = s->table_size > 0 ? s->table_size * 2 : 1 << 16;
    free(s->table);
    s->table = xcalloc(s->table_size, sizeof *s->table);
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t slot = (uint32_t)hash_of(&s->states[i]) & (s->table_size - 1);
        while (s->table[slot] != 0)
            slot = (slot + 1) & (s->table_size - 1);
        s->table[slot] = i + 1;
    }
}

static uint32_t find_or_add(struct search *s, const struct state *state, struct way way)
{
    grow(s);
    uint32_t slot = (uint32_t)hash_of(state) & (s->table_size - 1);
    for (; s->table[slot] != 0; slot = (slot + 1) & (s->table_size - 1))
        if (memcmp(&s->states[s->table[slot] - 1], state, sizeof *state) == 0)
            return s->table[slot] - 1;
    s->states[s->count] = *state;
    s->ways[s->count] = way;
    s->table[slot] = ++s->count;
    return s->count - 1;
}

static void note(struct search *s, uint32_t state, const char *what)
{
    for (int i = 0; i < FINDINGS_MAX; i++) {
        struct finding *f = &s->findings[i];
        if (f->what == NULL)
            *f = (struct finding){ .what = what, .state = state };
        if (strcmp(f->what, what) == 0) {
            f->count++;
            return;
        }
    }
}

static void on_next(void *arg, const struct state *state, const char *what, int worker, bool progress,
                    const char *violation)
{
    struct search *s = arg;
    struct state n = *state;
    model_canonical(&n);
    uint32_t to = find_or_add(s, &n, (struct way){ s->current, what, worker });
    if (violation != NULL)
        note(s, to, violation);
    if (!progress)
        return;
    if (s->edge_count == s->edge_cap) {
        s->edge_cap = s->edge_cap > 0 ? s->edge_cap * 2 : 1 << 16;
        s->edges = xrealloc(s->edges, s->edge_cap * sizeof *s->edges);
    }
    s->edges[s->edge_count++] = (struct edge){ s->current, to };
}

// Walks the edges backwards from the states at rest; whatever is not met can never come to rest again.
static void find_stuck(struct search *s)
{
    uint32_t *first = xcalloc((size_t)s->count + 2, sizeof *first),
             *from = xmalloc(s->edge_count * sizeof *from);
    for (size_t i = 0; i < s->edge_count; i++)
        first[s->edges[i].to + 2]++;
    for (uint32_t i = 0; i <= s->count; i++)
        first[i + 1] += first[i];
    for (size_t i = 0; i < s->edge_count; i++)
        from[first[s->edges[i].to + 1]++] = s->edges[i].from;
    uint32_t *todo = xmalloc((size_t)s->count * sizeof *todo), todo_count = 0;
    bool *met = xcalloc(s->count, sizeof *met);
    for (uint32_t i = 0; i < s->count; i++) {
        met[i] = model_at_rest(&s->states[i]);
        if (met[i])
            todo[todo_count++] = i;
    }
    while (todo_count > 0) {
        uint32_t at = todo[--todo_count];
        for (uint32_t e = first[at]; e < first[at + 1]; e++) {
            if (!met[from[e]]) {
                met[from[e]] = true;
                todo[todo_count++] = from[e];
            }
        }
    }
    for (uint32_t i = 0; i < s->count; i++)
        if (!met[i])
            note(s, i, "stuck: can never come to rest");
    free(first);
    free(from);
    free(todo);
    free(met);
}

struct search *search_run(const struct scenario *sc, unsigned broken)
{
    struct search *s = xcalloc(1, sizeof *s);
    s->sc = sc;
    struct state start;
    model_start(sc, &start);
    model_canonical(&start);
    find_or_add(s, &start, (struct way){ UINT32_MAX, "start", -1 });
    struct step_sink sink = { s, on_next };
    // A broken rule can make the world grow without end: its first violation is enough.
    for (; s->current < s->count && (broken == 0 || s->findings[0].what == NULL); s->current++) {
        struct state at = s->states[s->current]; // the array moves while it grows
        const char *wrong = model_at_rest(&at) ? model_judge(&at) : NULL;
        if (wrong != NULL)
            note(s, s->current, wrong);
        model_next(sc, broken, &at, &sink);
    }
    if (s->current == s->count)
        find_stuck(s);
    return s;
}

void search_free(struct search *s)
{
    if (s == NULL)
        return;
    free(s->states);
    free(s->ways);
    free(s->table);
    free(s->edges);
    free(s);
}

uint32_t search_states(const struct search *s)
{
    return s->count;
}

const struct finding *search_findings(const struct search *s)
{
    return s->findings;
}

static void print_state(const struct state *s, FILE *out)
{
    fprintf(out,
            "    redis: %c epoch=%u.%u token=%u job=%c%s  topics:", s->now.state != 0 ? s->now.state : '-',
            s->now.epoch / TRY_LIMIT, s->now.epoch % TRY_LIMIT, s->now.token, 'A' + s->now.job,
            s->now.state == CLAIMED && !s->now.live ? " (lease over)" : "");
    for (int i = 0; i < POOL && s->pool[i] != 0; i++) {
        struct copy c = record_unpack(s->pool[i]);
        fprintf(out, " %c%u.%u%s", 'A' + c.job, c.epoch / TRY_LIMIT, c.epoch % TRY_LIMIT,
                c.held ? "(wait)" : "");
    }
    for (int i = 0; i < WORKERS; i++) {
        const struct worker *w = &s->worker[i];
        struct copy c = record_unpack(w->record);
        if (w->step != IDLE)
            fprintf(out, "  worker[token=%u step=%u record=%c%u.%u%s%s]", w->token, w->step, 'A' + c.job,
                    c.epoch / TRY_LIMIT, c.epoch % TRY_LIMIT, w->owned ? "" : " not ours",
                    w->stopped ? " stopped" : "");
    }
    fprintf(out, "  accepted=%u\n", s->accepted);
}

void search_print_way(const struct search *s, uint32_t state, FILE *out)
{
    if (s->ways[state].from != UINT32_MAX)
        search_print_way(s, s->ways[state].from, out);
    const struct way *w = &s->ways[state];
    // Worker numbers name the one that moved in the state before; equal states are folded, so they may swap.
    if (w->worker >= 0)
        fprintf(out, "  worker %d: %s\n", w->worker, w->what);
    else
        fprintf(out, "  %s\n", w->what);
    print_state(&s->states[state], out);
}
