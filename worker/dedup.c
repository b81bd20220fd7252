// SPDX-License-Identifier: Apache-2.0
// dedup: see dedup.h for the record and its states; the transitions are scripts (dedup_scripts.c).
//
//   claimed -> failed -> queued         claimed -> unknown -> queued (its waiting record)
//   claimed -> sent, claimed -> dead    claimed -> queued (released)      any -> sent
//
// A claim is SET NX and costs no script unless something is there. Everything else is one script, or, for
// `sent`, one SET that returns what it replaced. A command may be carried out twice (its reply was lost): the
// second one finds its own token and says the same again.
//
// tests/explorer walks through this protocol and found four holes in the table that it began with:
//
// 1. A refused verdict must not simply complete. The record that stands in the way may be `sent` by a worker
// that
//    died before its event was filed, or a claim that rests on the very copy of the record we hold. Refused
//    means: look the record up and act on what is found; if nothing is in the way any more, write the verdict
//    again.
// 2. Which of two writes is newer cannot be told from epoch and token once claims were released. Every value
//    carries a version, one higher than what it replaced; only repairs after amnesia compare it.
// 3. A worker that repaired first must not claim before the others have repaired too. So claims stay paused
// until
//    the server is STORE_YOUNG_MS old, which gives every live worker time to notice and come back.
//    What a worker has to say (verdicts, renewals) is no claim and goes at once: an attempt that ended
//    during the outage must be on record before anybody judges its claim, whose lease nobody could renew.
// 4. A release does not restore what the claim replaced, and does not delete: both let an older copy begin
// again.
//    It writes `queued` with the claim's own epoch, which is true: the record exists and will be read again.
//
// What stays open is in dedup.h's promise: a worker that dies (or is stopped) in the seconds in which Redis
// loses writes can lead to one attempt repeated.
#include "worker/dedup.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "worker/dedup_ring.h"
#include "worker/dedup_scripts.h"
#include "worker/dedup_value.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEEP_MARKS_MS = 5000, KEY_MAX = 192, UNFENCED_MARKS_MAX = 100000 };

struct call { // one command on its way
    struct call *next_spare, *next_of_all;
    struct dedup *dedup;
    const struct dedup_subject *subject; // borrowed; NULL once nobody waits for the answer
    dedup_claim_cb claim_cb;             // one of the two, or neither
    dedup_mark_cb mark_cb;
    void *arg;
    bool claiming;
    int64_t asked_ms; // a claim: when; its lease cannot have begun before
    char key[KEY_MAX];
    struct buf value; // what is written, where we know it before
};

struct dedup {
    struct store *store;
    const struct config *config;
    char *worker_id;
    char key_prefix[KEY_MAX];
    size_t key_prefix_len;
    char life[24], lease[24]; // as arguments
    struct store_script *find, *mark, *queued, *release, *renew, *repair;
    struct call *spare, *all; // all: owned, freed only with this; as many as were ever under way at once
    struct dedup_ring ring;
    struct dedup_tokens tokens;
    int64_t error_logged_ms;
};

void dedup_token(struct dedup *d, char token[DEDUP_TOKEN_SIZE])
{
    dedup_tokens_next(&d->tokens, token);
}

// ---- calls ------------------------------------------------------------------------------------------------

static struct call *call_new(struct dedup *d, const struct dedup_subject *s)
{
    struct call *c = d->spare;
    if (c != NULL) {
        d->spare = c->next_spare;
    } else {
        c = xcalloc(1, sizeof *c);
        c->dedup = d;
        c->next_of_all = d->all;
        d->all = c;
    }
    c->subject = s;
    c->claim_cb = NULL;
    c->mark_cb = NULL;
    c->claiming = false;
    buf_reset(&c->value);
    size_t hash_len = strlen(s->key_hash);
    assert(d->key_prefix_len + hash_len < sizeof c->key);
    memcpy(c->key, d->key_prefix, d->key_prefix_len);
    memcpy(c->key + d->key_prefix_len, s->key_hash, hash_len + 1);
    return c;
}

static void call_free(struct call *c)
{
    c->next_spare = c->dedup->spare;
    c->dedup->spare = c;
}

static void remember(struct call *c, struct slice value)
{
    if (value.len > 0)
        dedup_ring_add(&c->dedup->ring, slice_of(c->key), value, store_now_ms(c->dedup->store),
                       KEEP_MARKS_MS);
}

static void log_error_reply(struct dedup *d, const char *key, struct slice text)
{
    int64_t now_ms = store_now_ms(d->store);
    if (now_ms - d->error_logged_ms < CLOCK_SECOND_MS)
        return;
    d->error_logged_ms = now_ms;
    log_error("dedup", "refused by the store key=%s error=\"%.*s\"", key, (int)text.len, text.ptr);
}

// True in proceed mode while nobody answers: the caller goes on without.
static bool unfenced(const struct dedup *d)
{
    return d->config->dedup.on_unavailable == ON_UNAVAILABLE_PROCEED && !store_is_up(d->store);
}

static void put_common(const struct dedup *d, const struct dedup_subject *s, struct slice *args,
                       char numbers[3][24])
{
    snprintf(numbers[0], 24, "%" PRIu32, s->epoch.generation);
    snprintf(numbers[1], 24, "%" PRIu32, s->epoch.try_no);
    snprintf(numbers[2], 24, "%016" PRIx64, s->fingerprint);
    args[0] = slice_of(d->life);
    args[1] = slice_of(d->lease);
    args[2] = slice_of(numbers[0]);
    args[3] = slice_of(numbers[1]);
    args[4] = slice_of(s->token);
    args[5] = slice_of(numbers[2]);
    args[6] = slice_of(s->job_id);
}

typedef void eval_fn(struct store *s, struct store_script *script, struct slice key,
                     const struct slice *args, size_t count, store_cb cb, void *arg);

// how: store_eval for what asks, store_eval_first for what tells. Absent arguments (ptr NULL) are left out.
static void eval(struct call *c, eval_fn *how, struct store_script *script, const struct slice more[2],
                 store_cb cb)
{
    struct slice args[DEDUP_COMMON_ARGS + 2];
    char numbers[3][24];
    size_t count = DEDUP_COMMON_ARGS;
    put_common(c->dedup, c->subject, args, numbers);
    for (int i = 0; i < 2; i++)
        if (more[i].ptr != NULL)
            args[count++] = more[i];
    how(c->dedup->store, script, slice_of(c->key), args, count, cb, c);
}

// ---- claims and look-ups ----------------------------------------------------------------------------------

static const char *const FINDINGS[] = {
    [DEDUP_GO] = "go",
    [DEDUP_CONFLICT] = "conflict",
    [DEDUP_DUPLICATE] = "duplicate",
    [DEDUP_SENT] = "sent",
    [DEDUP_STALE] = "stale",
    [DEDUP_PARK] = "park",
    [DEDUP_NOW_UNKNOWN] = "now unknown",
    [DEDUP_FAILED] = "failed",
    [DEDUP_UNKNOWN] = "unknown",
    [DEDUP_DEAD] = "dead",
};

static bool parse_finding(const struct store_reply *reply, struct dedup_reply *out)
{
    if (reply->type != STORE_ARRAY || reply->count != 6)
        return false;
    const struct store_reply *i = reply->items;
    for (size_t f = 0; f < sizeof FINDINGS / sizeof FINDINGS[0]; f++) {
        if (!slice_is(i[0].text, FINDINGS[f]))
            continue;
        *out = (struct dedup_reply){ .finding = (enum dedup_finding)f,
                                     .wait_ms = i[1].integer,
                                     .detail = i[2].text,
                                     .epoch = { (uint32_t)i[3].integer, (uint32_t)i[4].integer } };
        return true;
    }
    return false;
}

static void find(struct call *c, const char *mode);

// Redis was away or we were stopped: by now the lease may be over or about to be, and another worker may say
// so the moment after we look. Asking again with the same token begins a lease that is worth starting an
// attempt in.
static bool is_late(const struct call *c)
{
    return store_now_ms(c->dedup->store) - c->asked_ms > c->dedup->config->worker.lease_ms / 2;
}

static void on_found(void *arg, const struct store_reply *reply)
{
    struct call *c = arg;
    struct dedup *d = c->dedup;
    struct dedup_reply found;
    bool readable = parse_finding(reply, &found);
    if (readable && found.finding == DEDUP_GO && c->claiming && is_late(c)) {
        find(c, "claim");
        return;
    }
    if (readable) {
        remember(c, reply->items[5].text);
    } else { // something that is not ours lies under the key: wait for a person to take it away
        log_error_reply(d, c->key, reply->text);
        found = (struct dedup_reply){ .finding = DEDUP_PARK, .wait_ms = d->config->worker.lease_ms };
    }
    dedup_claim_cb cb = c->claim_cb;
    void *cb_arg = c->arg;
    call_free(c);
    cb(cb_arg, &found);
}

static void find(struct call *c, const char *mode)
{
    c->asked_ms = store_now_ms(c->dedup->store);
    struct slice more[] = { slice_of(mode), slice_of(c->dedup->worker_id) };
    eval(c, store_eval, c->dedup->find, more, on_found);
}

static void on_set(void *arg, const struct store_reply *reply)
{
    struct call *c = arg;
    if (reply->type != STORE_STATUS || is_late(c)) { // something is there: the script looks what
        find(c, "claim");
        return;
    }
    remember(c, buf_slice(&c->value));
    dedup_claim_cb cb = c->claim_cb;
    void *cb_arg = c->arg;
    call_free(c);
    cb(cb_arg, &(struct dedup_reply){ .finding = DEDUP_GO });
}

void dedup_claim(struct dedup *d, const struct dedup_subject *s, dedup_claim_cb cb, void *arg)
{
    if (unfenced(d)) {
        cb(arg, &(struct dedup_reply){ .finding = DEDUP_UNAVAILABLE });
        return;
    }
    struct call *c = call_new(d, s);
    c->claim_cb = cb;
    c->arg = arg;
    c->claiming = true;
    c->asked_ms = store_now_ms(d->store);
    dedup_value_put(&c->value, 'c', s, 1);
    buf_puts(&c->value, d->life);
    buf_putc(&c->value, ',');
    buf_puts(&c->value, d->lease);
    buf_putc(&c->value, ',');
    buf_puts(&c->value, d->worker_id);
    struct slice args[] = { SLICE("SET"), slice_of(c->key),  buf_slice(&c->value),
                            SLICE("PX"),  slice_of(d->life), SLICE("NX") };
    store_command(d->store, args, sizeof args / sizeof args[0], on_set, c);
}

void dedup_lookup(struct dedup *d, const struct dedup_subject *s, dedup_claim_cb cb, void *arg)
{
    if (unfenced(d)) {
        cb(arg, &(struct dedup_reply){ .finding = DEDUP_UNAVAILABLE });
        return;
    }
    struct call *c = call_new(d, s);
    c->claim_cb = cb;
    c->arg = arg;
    find(c, "look");
}

// ---- marks ------------------------------------------------------------------------------------------------

static void answer_mark(struct call *c, bool taken, struct slice previous)
{
    dedup_mark_cb cb = c->mark_cb;
    void *cb_arg = c->arg;
    bool waited_for = c->subject != NULL;
    call_free(c);
    if (waited_for)
        cb(cb_arg, taken, previous);
}

static void on_mark(void *arg, const struct store_reply *reply)
{
    struct call *c = arg;
    bool readable = reply->type == STORE_ARRAY && reply->count >= 1;
    bool taken = readable && reply->items[0].integer == 1;
    if (!readable)
        log_error_reply(c->dedup, c->key, reply->text);
    if (taken && reply->count > 1)
        remember(c, reply->items[1].text);
    answer_mark(c, taken, SLICE(""));
}

static struct call *mark_call(struct dedup *d, const struct dedup_subject *s, dedup_mark_cb cb, void *arg)
{
    struct call *c = call_new(d, s);
    c->mark_cb = cb;
    c->arg = arg;
    return c;
}

// In proceed mode nobody waits for a mark that cannot be written yet; it is written once Redis is back.
static void let_go_unfenced(struct call *c)
{
    if (!unfenced(c->dedup))
        return;
    c->subject = NULL;
    c->mark_cb(c->arg, true, SLICE(""));
}

static bool too_many_unfenced(struct dedup *d)
{
    return unfenced(d) && store_pending(d->store) >= UNFENCED_MARKS_MAX;
}

static void mark(struct dedup *d, const struct dedup_subject *s, const char *state, struct slice detail,
                 dedup_mark_cb cb, void *arg)
{
    if (too_many_unfenced(d)) {
        cb(arg, true, SLICE(""));
        return;
    }
    struct call *c = mark_call(d, s, cb, arg);
    struct slice more[] = { slice_of(state), detail.ptr != NULL ? detail : SLICE("") };
    eval(c, store_eval_first, d->mark, more, on_mark);
    let_go_unfenced(c);
}

void dedup_failed(struct dedup *d, const struct dedup_subject *s, struct slice detail, dedup_mark_cb cb,
                  void *arg)
{
    mark(d, s, "f", detail, cb, arg);
}

void dedup_unknown(struct dedup *d, const struct dedup_subject *s, struct slice detail, dedup_mark_cb cb,
                   void *arg)
{
    mark(d, s, "u", detail, cb, arg);
}

void dedup_dead(struct dedup *d, const struct dedup_subject *s, struct slice detail, dedup_mark_cb cb,
                void *arg)
{
    mark(d, s, "d", detail, cb, arg);
}

void dedup_queued(struct dedup *d, const struct dedup_subject *s, struct epoch continuation, dedup_mark_cb cb,
                  void *arg)
{
    char generation[24], try_no[24];
    if (too_many_unfenced(d)) {
        cb(arg, true, SLICE(""));
        return;
    }
    struct call *c = mark_call(d, s, cb, arg);
    snprintf(generation, sizeof generation, "%" PRIu32, continuation.generation);
    snprintf(try_no, sizeof try_no, "%" PRIu32, continuation.try_no);
    eval(c, store_eval_first, d->queued, (struct slice[]){ slice_of(generation), slice_of(try_no) }, on_mark);
    let_go_unfenced(c);
}

void dedup_release(struct dedup *d, const struct dedup_subject *s, dedup_mark_cb cb, void *arg)
{
    struct call *c = mark_call(d, s, cb, arg);
    eval(c, store_eval_first, d->release, (struct slice[2]){ { 0 } }, on_mark);
    let_go_unfenced(c);
}

void dedup_renew(struct dedup *d, const struct dedup_subject *s, dedup_mark_cb cb, void *arg)
{
    struct call *c = mark_call(d, s, cb, arg);
    eval(c, store_eval_first, d->renew, (struct slice[2]){ { 0 } }, on_mark);
    let_go_unfenced(c);
}

static void on_sent(void *arg, const struct store_reply *reply)
{
    struct call *c = arg;
    struct slice previous = SLICE("");
    if (reply->type == STORE_ERROR)
        log_error_reply(c->dedup, c->key, reply->text);
    else
        remember(c, buf_slice(&c->value));
    if (reply->type == STORE_STRING && c->subject != NULL)
        previous = dedup_value_acceptance(reply->text, c->subject->token);
    answer_mark(c, reply->type != STORE_ERROR, previous);
}

void dedup_sent(struct dedup *d, const struct dedup_subject *s, struct slice provider_id, dedup_mark_cb cb,
                void *arg)
{
    if (too_many_unfenced(d)) {
        cb(arg, true, SLICE(""));
        return;
    }
    struct call *c = mark_call(d, s, cb, arg);
    dedup_value_put(&c->value, 's', s, 0); // never replaced, so its version is never asked for
    buf_put_slice(&c->value, provider_id);
    struct slice args[] = { SLICE("SET"), slice_of(c->key),  buf_slice(&c->value),
                            SLICE("PX"),  slice_of(d->life), SLICE("GET") };
    store_command_first(d->store, args, sizeof args / sizeof args[0], on_sent, c);
    let_go_unfenced(c);
}

// ---- amnesia ----------------------------------------------------------------------------------------------

static void on_repaired(void *arg, const struct store_reply *reply)
{
    if (reply->type == STORE_ERROR)
        log_error_reply(arg, "", reply->text);
}

static void repair(void *arg, struct slice key, struct slice value)
{
    struct dedup *d = arg;
    struct slice args[] = { slice_of(d->life), value };
    store_eval_first(d->store, d->repair, key, args, 2, on_repaired, d);
}

void dedup_repair(struct dedup *d)
{
    int64_t wait_ms = STORE_YOUNG_MS - store_server_age_ms(d->store);
    log_warn("dedup", "the store may have forgotten its last writes: writing ours again, claims wait ms=%lld",
             (long long)(wait_ms > 0 ? wait_ms : 0));
    dedup_ring_each(&d->ring, repair, d);
    store_resume_in(d->store, wait_ms);
}

// ---- life -------------------------------------------------------------------------------------------------

struct dedup *dedup_new(struct store *store, const struct config *c, const char *worker_id)
{
    struct dedup *d = xcalloc(1, sizeof *d);
    d->store = store;
    d->config = c;
    d->worker_id = xstrdup(worker_id);
    d->key_prefix_len = (size_t)snprintf(d->key_prefix, sizeof d->key_prefix, "%s:d:", c->prefix);
    snprintf(d->life, sizeof d->life, "%" PRId64, c->dedup.life_ms);
    snprintf(d->lease, sizeof d->lease, "%" PRId64, c->worker.lease_ms);
    d->find = store_script(store, "find", DEDUP_SCRIPT_FIND);
    d->mark = store_script(store, "mark", DEDUP_SCRIPT_MARK);
    d->queued = store_script(store, "queued", DEDUP_SCRIPT_QUEUED);
    d->release = store_script(store, "release", DEDUP_SCRIPT_RELEASE);
    d->renew = store_script(store, "renew", DEDUP_SCRIPT_RENEW);
    d->repair = store_script(store, "repair", DEDUP_SCRIPT_REPAIR);
    return d;
}

void dedup_free(struct dedup *d)
{
    if (d == NULL)
        return;
    while (d->all != NULL) {
        struct call *c = d->all;
        d->all = c->next_of_all;
        buf_clear(&c->value);
        free(c);
    }
    dedup_ring_clear(&d->ring);
    free(d->worker_id);
    free(d);
}
