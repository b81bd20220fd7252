// SPDX-License-Identifier: Apache-2.0
// json_names: see json_names.h.
//
// A name is looked for among the former ones while the object is read. A set of 64 bits over a short hash says
// "certainly new" for most of them; the others are compared one by one. Above JSON_NAMES_FEW names that would be
// quadratic, and names with escapes do not compare as bytes: such objects are sorted once when they close, so that
// a hostile text of 100,000 names costs n log n.
#include "common/json_names.h"

#include "common/alloc.h"
#include "common/json_string.h"

#include <stdlib.h>

static struct slice raw(const struct json_doc *doc, uint32_t index)
{
    const struct json_token *t = &doc->tokens[index];
    return (struct slice){ doc->text + t->start, t->end - t->start };
}

static unsigned short_hash(struct slice name)
{
    uint64_t mixed = name.len;
    if (name.len > 0)
        mixed += (uint64_t)(unsigned char)name.ptr[0] << 8 | (uint64_t)(unsigned char)name.ptr[name.len - 1] << 16 |
                 (uint64_t)(unsigned char)name.ptr[name.len / 2] << 24;
    return (unsigned)(mixed * 0x9e3779b97f4a7c15u >> 58);
}

uint32_t json_names_add(struct json_names *names, const struct json_doc *doc, uint32_t object, uint32_t key)
{
    if (doc->tokens[key].escaped || ++names->count > JSON_NAMES_FEW)
        names->sort = true;
    if (names->sort)
        return 0;
    struct slice name = raw(doc, key);
    uint64_t bit = (uint64_t)1 << short_hash(name);
    if ((names->seen & bit) == 0) {
        names->seen |= bit;
        return 0;
    }
    for (uint32_t other = object + 1; other < key; other = doc->tokens[other + 1].next)
        if (slice_eq(raw(doc, other), name))
            return key;
    return 0;
}

static int compare(const struct json_doc *doc, uint32_t a, uint32_t b)
{
    return json_string_compare(raw(doc, a), raw(doc, b), doc->tokens[a].escaped || doc->tokens[b].escaped);
}

static int compare_indices(const void *a, const void *b, void *doc)
{
    return compare(doc, *(const uint32_t *)a, *(const uint32_t *)b);
}

// Most objects have a handful of members, for which this is faster than a call of qsort_r.
static void insertion_sort(const struct json_doc *doc, uint32_t *keys, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        uint32_t key = keys[i], j = i;
        for (; j > 0 && compare(doc, key, keys[j - 1]) < 0; j--)
            keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

uint32_t *json_names_sorted(const struct json_doc *doc, uint32_t object, uint32_t few[JSON_NAMES_FEW],
                            uint32_t *count)
{
    uint32_t end = doc->tokens[object].next, n = 0;
    for (uint32_t key = object + 1; key < end; key = doc->tokens[key + 1].next)
        n++;
    uint32_t *keys = n <= JSON_NAMES_FEW ? few : xmalloc(n * sizeof *keys);
    n = 0;
    for (uint32_t key = object + 1; key < end; key = doc->tokens[key + 1].next)
        keys[n++] = key;
    if (n <= 16)
        insertion_sort(doc, keys, n);
    else
        qsort_r(keys, n, sizeof *keys, compare_indices, (void *)(uintptr_t)doc);
    *count = n;
    return keys;
}

uint32_t json_names_close(const struct json_names *names, const struct json_doc *doc, uint32_t object)
{
    if (!names->sort)
        return 0;
    uint32_t few[JSON_NAMES_FEW], count, twice = 0;
    uint32_t *keys = json_names_sorted(doc, object, few, &count);
    for (uint32_t i = 1; i < count && twice == 0; i++)
        if (compare(doc, keys[i - 1], keys[i]) == 0)
            twice = keys[i - 1] > keys[i] ? keys[i - 1] : keys[i];
    if (keys != few)
        free(keys);
    return twice;
}
