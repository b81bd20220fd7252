// SPDX-License-Identifier: Apache-2.0
// judge: where a run starts, when it is at rest, and whether every job then has exactly one visible end.
#include "tests/explorer/model.h"

#include <stdlib.h>

void model_start(const struct scenario *sc, struct state *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->left, sc->left, sizeof s->left);
    int n = 0;
    for (uint8_t job = 0; job < 2; job++)
        for (int i = 0; i < sc->copies[job]; i++)
            s->pool[n++] = record_pack((struct copy){ .job = job });
}

bool model_at_rest(const struct state *s)
{
    for (int i = 0; i < POOL; i++)
        if (s->pool[i] != 0)
            return false;
    for (int i = 0; i < WORKERS; i++)
        if (s->worker[i].step != IDLE)
            return false;
    return s->repairing == 0;
}

static const char *judge_job(const struct state *s, int job)
{
    int dead = s->letter_dead[job] & ~s->replayed[job], unknown = s->letter_unknown[job] & ~s->replayed[job];
    bool accepted = s->accepted_event[job] != 0, resent = s->resent[job] != 0;
    if (s->duplicate_event[job])
        return accepted || dead || unknown ? "dropped as a duplicate, and has another end too" : NULL;
    if (!accepted && !dead && !unknown)
        return "lost: no visible end";
    if (accepted && dead && !resent)
        return "accepted mail dead-lettered";
    if (dead && unknown && !resent)
        return "two letters that contradict each other";
    return NULL;
}

const char *model_judge(const struct state *s)
{
    const char *wrong = NULL;
    for (int job = 0; job < 2 && wrong == NULL; job++) {
        bool there = job == 0 || s->duplicate_event[0] || s->duplicate_event[1] || s->accepted_event[job] ||
                     s->letter_dead[job] || s->letter_unknown[job];
        if (there)
            wrong = judge_job(s, job);
    }
    if (wrong != NULL || s->accepted == 0 || s->resent[0] != 0 || s->resent[1] != 0)
        return wrong;
    bool visible =
        s->accepted_event[0] || s->accepted_event[1] || s->letter_unknown[0] || s->letter_unknown[1];
    return visible ? NULL : "accepted mail shown as dead only";
}

static int by_record(const void *a, const void *b)
{
    return *(const uint8_t *)b - *(const uint8_t *)a; // empty slots last
}

static void rename_token(uint8_t *token, uint8_t names[256], uint8_t *count)
{
    if (*token == 0)
        return;
    if (names[*token] == 0)
        names[*token] = ++*count;
    *token = names[*token];
}

// Only which of two versions is higher matters.
static void lower_versions(struct state *s)
{
    struct value *all[1 + HISTORY + WRITERS * RING], **end = all;
    *end++ = &s->now;
    for (int i = 0; i < HISTORY; i++)
        *end++ = &s->before[i];
    for (int i = 0; i < WRITERS; i++)
        for (int k = 0; k < RING; k++)
            *end++ = &s->ring[i][k];
    uint8_t rank = 0;
    for (int last = -1;;) {
        int lowest = 256;
        for (struct value **v = all; v < end; v++)
            if ((*v)->state != 0 && (*v)->version > last && (*v)->version < lowest)
                lowest = (*v)->version;
        if (lowest == 256)
            return;
        rank++;
        for (struct value **v = all; v < end; v++)
            if ((*v)->state != 0 && (*v)->version == lowest)
                (*v)->version = rank;
        last = lowest > rank ? lowest : rank;
    }
}

static void swap_workers(struct state *s)
{
    struct worker w = s->worker[0];
    s->worker[0] = s->worker[1];
    s->worker[1] = w;
    struct value ring[RING];
    memcpy(ring, s->ring[0], sizeof ring);
    memcpy(s->ring[0], s->ring[1], sizeof ring);
    memcpy(s->ring[1], ring, sizeof ring);
    s->repairing = (uint8_t)((s->repairing & ~3U) | (s->repairing & 1U) << 1 | (s->repairing & 2U) >> 1);
}

void model_canonical(struct state *s)
{
    qsort(s->pool, POOL, 1, by_record);
    if (s->left[LOST_WRITE] == 0 && s->repairing == 0) { // nothing can be forgotten any more
        memset(s->before, 0, sizeof s->before);
        memset(s->ring, 0, sizeof s->ring);
        s->writes = 0;
        s->now.version = 0;
    }
    lower_versions(s);
    struct worker a = s->worker[0], b = s->worker[1];
    a.token = b.token = 0;
    int order = memcmp(&a, &b, sizeof a);
    if (order == 0)
        order = memcmp(s->ring[0], s->ring[1], sizeof s->ring[0]);
    if (order < 0)
        swap_workers(s);
    uint8_t names[256] = { 0 }, count = 0;
    rename_token(&s->worker[0].token, names, &count);
    rename_token(&s->worker[1].token, names, &count);
    rename_token(&s->now.token, names, &count);
    for (int i = 0; i < HISTORY; i++)
        rename_token(&s->before[i].token, names, &count);
    for (int i = 0; i < WRITERS; i++)
        for (int k = 0; k < RING; k++)
            rename_token(&s->ring[i][k].token, names, &count);
}
