// SPDX-License-Identifier: Apache-2.0
// groups: see groups.h. Domains come from recipients, so there can be as many as there are letters: beyond GROUPS_MAX
// groups everything new is counted under "other", which keeps memory flat and the sums right.
#include "dlq-inspector/groups.h"

#include "common/alloc.h"

#include <stdlib.h>

static uint64_t hash_of(const struct groups *g, const struct slice *fields, struct buf *key)
{
    buf_reset(key);
    for (int i = 0; i < g->fields; i++) {
        buf_put_slice(key, fields[i]);
        buf_putc(key, '\0');
    }
    return hashmap_hash(buf_slice(key));
}

static struct group *add(struct groups *g, uint64_t hash, const struct slice *fields)
{
    if (g->count == g->cap) {
        g->cap = g->cap > 0 ? g->cap * 2 : 64;
        g->list = xrealloc(g->list, g->cap * sizeof *g->list);
    }
    hashmap_put(&g->index, hash, (uint32_t)g->count);
    struct group *group = &g->list[g->count++];
    *group = (struct group){ 0 };
    for (int i = 0; i < g->fields; i++)
        group->fields[i] = xstrndup(fields[i].ptr, fields[i].len);
    return group;
}

struct group *groups_at(struct groups *g, const struct slice *fields)
{
    struct slice words[GROUPS_FIELDS_MAX];
    struct buf key = { 0 };
    for (int i = 0; i < g->fields; i++)
        words[i] = fields[i].len > 0 ? fields[i] : SLICE("-");
    uint64_t hash = hash_of(g, words, &key);
    const uint32_t *known = hashmap_find(&g->index, hash);
    if (known == NULL && g->count >= GROUPS_MAX) {
        words[g->open_field] = SLICE("other");
        hash = hash_of(g, words, &key);
        known = hashmap_find(&g->index, hash);
    }
    buf_clear(&key);
    return known != NULL ? &g->list[*known] : add(g, hash, words);
}

void group_count(struct group *group, int64_t at_ms, int64_t due_ms)
{
    group->count++;
    if (at_ms != 0 && (group->oldest_ms == 0 || at_ms < group->oldest_ms))
        group->oldest_ms = at_ms;
    if (due_ms != 0 && (group->first_due_ms == 0 || due_ms < group->first_due_ms))
        group->first_due_ms = due_ms;
    if (due_ms > group->last_due_ms)
        group->last_due_ms = due_ms;
}

static int compare(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    for (int i = 0; i < GROUPS_FIELDS_MAX && x->fields[i] != NULL; i++) {
        int order = strcmp(x->fields[i], y->fields[i]);
        if (order != 0)
            return order;
    }
    return 0;
}

void groups_sort(struct groups *g)
{
    if (g->count > 0)
        qsort(g->list, g->count, sizeof *g->list, compare);
}

void groups_clear(struct groups *g)
{
    for (size_t i = 0; i < g->count; i++)
        for (int f = 0; f < GROUPS_FIELDS_MAX; f++)
            free(g->list[i].fields[f]);
    free(g->list);
    hashmap_clear(&g->index);
    *g = (struct groups){ .fields = g->fields, .open_field = g->open_field };
}
