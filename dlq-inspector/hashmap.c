// SPDX-License-Identifier: Apache-2.0
// hashmap: see hashmap.h. Open addressing with linear steps; nothing is ever removed, so no tombstones. A DLQ may hold
// millions of letters and an id takes up to 160 bytes, so only 64 bits of each are kept: among a million letters the
// chance that any two collide (and one is hidden as a copy of the other) is 3 in 100 million. The seed is random
// because ids come from publishers.
#include "dlq-inspector/hashmap.h"

#include "common/alloc.h"
#include "common/clock.h"

#include <stdlib.h>
#include <sys/random.h>

struct hashmap_slot {
    uint64_t hash; // 0 = free
    uint32_t value;
};

void hashmap_clear(struct hashmap *m)
{
    free(m->slots);
    *m = (struct hashmap){ 0 };
}

static struct hashmap_slot *slot_of(const struct hashmap *m, uint64_t hash)
{
    size_t i = hash & (m->cap - 1);
    while (m->slots[i].hash != 0 && m->slots[i].hash != hash)
        i = (i + 1) & (m->cap - 1);
    return &m->slots[i];
}

uint32_t *hashmap_find(const struct hashmap *m, uint64_t hash)
{
    if (m->cap == 0)
        return NULL;
    struct hashmap_slot *slot = slot_of(m, hash);
    return slot->hash == hash ? &slot->value : NULL;
}

static void grow(struct hashmap *m)
{
    struct hashmap bigger = { .cap = m->cap > 0 ? m->cap * 2 : 1024, .count = m->count };
    bigger.slots = xcalloc(bigger.cap, sizeof *bigger.slots);
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].hash != 0)
            *slot_of(&bigger, m->slots[i].hash) = m->slots[i];
    free(m->slots);
    *m = bigger;
}

bool hashmap_put(struct hashmap *m, uint64_t hash, uint32_t value)
{
    if (m->count + m->count / 2 >= m->cap)
        grow(m);
    struct hashmap_slot *slot = slot_of(m, hash);
    if (slot->hash == hash)
        return false;
    *slot = (struct hashmap_slot){ hash, value };
    m->count++;
    return true;
}

static uint64_t seed(void)
{
    static uint64_t value;
    if (value == 0 && getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value)
        value = (uint64_t)clock_mono_us();
    return value | 1;
}

// FNV-1a, then the finisher of MurmurHash3, which spreads it over the low bits that pick a slot.
uint64_t hashmap_hash(struct slice bytes)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed();
    for (size_t i = 0; i < bytes.len; i++)
        h = (h ^ (unsigned char)bytes.ptr[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    h ^= h >> 33;
    return h != 0 ? h : 1;
}
