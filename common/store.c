// SPDX-License-Identifier: Apache-2.0
// store: Redis for commands that may be sent twice. See store.h for what it promises.
//
//   DOWN -> CONNECTING -> SHAKING -> READY -> DOWN …
//
// A command is formatted once and moves between three queues: `waiting` (the link is not ready, or amnesia
// holds it back), `sent` (on the link, in the order of the answers) and `first` (never held back). When a
// connection is lost, what is in `sent` goes back to the front of where it came from, so the order a caller
// sees never changes; only the connection's own commands die with it.
//
// What can go wrong: an answer that is lost with the connection belongs to a command that was carried out; it
// is carried out again. A server that does not answer (partition, SIGSTOP, a full disk under AOF) looks like
// one that is busy: after 2 s the connection goes, whoever it was. A process that slept itself would see old
// timers before new bytes, so the socket is read once more before a connection is given up.
#include "common/store.h"

#include "common/alloc.h"
#include "common/config.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/store_state.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

enum { RETRY_FIRST_MS = 50, RETRY_LAST_MS = 2000, ANSWER_MS = 2000, TICK_MS = 250, IDLE_PING_MS = 1000 };

// ---- the connection ---------------------------------------------------------------------------------------

static int64_t jitter(struct store *s, int64_t ms) // +-20 %
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return ms * (80 + (int64_t)(s->random % 41)) / 100;
}

static void retry_later(struct store *s)
{
    loop_timer_in(s->retry, jitter(s, s->retry_ms));
    s->retry_ms = s->retry_ms * 2 < RETRY_LAST_MS ? s->retry_ms * 2 : RETRY_LAST_MS;
}

// Everything unanswered goes back to the front of the queue it came from.
static void take_back(struct store *s)
{
    struct store_queue first = { 0 }, waiting = { 0 };
    while (s->sent.head != NULL) {
        struct store_command *c = store_queue_pop(&s->sent);
        if (c->internal)
            store_pool_put(&s->pool, c);
        else
            store_queue_push(c->first ? &first : &waiting, c);
    }
    store_queue_prepend(&s->first, &first);
    store_queue_prepend(&s->waiting, &waiting);
    for (struct store_script *script = s->scripts; script != NULL; script = script->next)
        script->loading = false;
}

static void on_lost(void *arg, const char *why)
{
    struct store *s = arg;
    bool was_ready = s->state == STORE_READY, was_up = store_is_up(s);
    if (!s->complained)
        log_warn("store", "%s address=%s error=\"%s\" pending=%zu", was_ready ? "lost" : "unreachable",
                 store_link_name(s->link), why, s->pending);
    s->complained = true;
    s->state = STORE_DOWN;
    take_back(s);
    loop_timer_cancel(s->tick);
    retry_later(s);
    if (was_up && s->events.on_down != NULL)
        s->events.on_down(s->events.arg);
}

void store_drop(struct store *s, const char *why)
{
    store_link_close(s->link);
    on_lost(s, why);
}

static void open_link(void *arg)
{
    struct store *s = arg;
    s->state = STORE_CONNECTING;
    s->opened_ms = loop_now_ms(s->loop);
    loop_timer_in(s->tick, TICK_MS);
    store_link_open(s->link); // may have failed when it returns
}

static void on_open(void *arg)
{
    struct store *s = arg;
    s->state = STORE_SHAKING;
    store_shake(s);
}

static void on_tick(void *arg)
{
    struct store *s = arg;
    int64_t now_ms = loop_now_ms(s->loop);
    const struct store_command *oldest = s->sent.head;
    loop_timer_in(s->tick, TICK_MS);
    if (s->state != STORE_READY && now_ms - s->opened_ms > ANSWER_MS) {
        store_drop(s, "no connection within 2 s");
    } else if (s->state == STORE_READY && oldest != NULL && now_ms - oldest->written_ms > ANSWER_MS) {
        store_link_read(s->link);
        if (s->state == STORE_READY && s->sent.head == oldest && now_ms - oldest->written_ms > ANSWER_MS)
            store_drop(s, "no answer within 2 s");
    } else if (s->state == STORE_READY && oldest == NULL && now_ms - s->idle_ms > IDLE_PING_MS) {
        struct store_command *ping =
            store_internal(s, NULL, NULL); // a dead peer is only noticed by talking to it
        store_format_head(&ping->bytes, 1);
        store_format_arg(&ping->bytes, SLICE("PING"));
        store_write(s, ping);
    }
}

// ---- ready ------------------------------------------------------------------------------------------------

static void write_all(struct store *s, struct store_queue *q)
{
    while (q->head != NULL)
        store_write(s, store_queue_pop(q));
}

static bool may_have_forgotten(const struct store *s)
{
    if (!s->known)
        return s->server.uptime_ms < STORE_YOUNG_MS;
    return s->server.run_id[0] == '\0' || strcmp(s->server.run_id, s->before.run_id) != 0 ||
           strcmp(s->server.replid, s->before.replid) != 0;
}

static void note_birth(struct store *s)
{
    int64_t now_ms = loop_now_ms(s->loop);
    bool restarted = !s->known || strcmp(s->server.run_id, s->before.run_id) != 0;
    // A failover is not dated by the server: it happened when we noticed, or before.
    bool dated = restarted && s->server.uptime_ms < STORE_YOUNG_MS;
    s->born_ms = dated || !s->known ? now_ms - s->server.uptime_ms : now_ms;
}

// The connection is worth something: it answered a command (or there was none to answer). Only now is the
// outage over; a server out of memory lets everybody in and refuses every write.
static void prove(struct store *s)
{
    s->proven = true;
    s->retry_ms = RETRY_FIRST_MS;
    log_info("store", "%s address=%s run_id=%.8s", s->complained ? "regained" : "connected",
             store_link_name(s->link), s->server.run_id);
    s->complained = false;
}

void store_shaken(struct store *s)
{
    bool amnesia = may_have_forgotten(s);
    if (amnesia || !s->known)
        note_birth(s);
    s->before = s->server;
    s->known = true;
    s->state = STORE_READY;
    s->proven = false;
    log_debug("store", "ready address=%s run_id=%.8s pending=%zu amnesia=%d", store_link_name(s->link),
              s->server.run_id, s->pending, amnesia);
    if (s->pending == 0)
        prove(s);
    if (amnesia && s->events.on_amnesia != NULL) {
        s->held = true;
        s->events.on_amnesia(s->events.arg);
        write_all(s, &s->first); // behind the repairs of this moment: what is under way is newer
        return;
    }
    write_all(s, &s->first);
    if (!s->held) {
        write_all(s, &s->waiting);
        if (s->events.on_up != NULL)
            s->events.on_up(s->events.arg);
    }
}

void store_resume(struct store *s)
{
    if (!s->held)
        return;
    s->held = false;
    if (s->state != STORE_READY)
        return;
    write_all(s, &s->waiting);
    if (s->events.on_up != NULL)
        s->events.on_up(s->events.arg);
}

static void on_resume(void *arg)
{
    store_resume(arg);
}

void store_resume_in(struct store *s, int64_t delay_ms)
{
    loop_timer_in(s->resume, delay_ms);
}

// ---- answers ----------------------------------------------------------------------------------------------

static bool starts_with(struct slice text, const char *word)
{
    size_t len = strlen(word);
    return text.len >= len && memcmp(text.ptr, word, len) == 0;
}

bool store_error_passes(struct slice error)
{
    static const char *const CODES[] = { "LOADING",  "READONLY", "MASTERDOWN",  "BUSY ",
                                         "TRYAGAIN", "OOM",      "MISCONF",     "NOREPLICAS",
                                         "NOAUTH",   "NOPERM",   "CLUSTERDOWN", "UNKILLABLE" };
    // Servers before 7.0 wrap what a command inside a script said.
    bool wrapped = starts_with(error, "ERR Error running script");
    for (size_t i = 0; i < sizeof CODES / sizeof CODES[0]; i++) {
        if (starts_with(error, CODES[i]))
            return true;
        const char *dash = wrapped ? memmem(error.ptr, error.len, CODES[i], strlen(CODES[i])) : NULL;
        if (dash != NULL && dash > error.ptr && dash[-1] == '-')
            return true;
    }
    return false;
}

// True: the error is dealt with and the command will be sent again.
static bool send_again(struct store *s, struct store_command *c, struct slice error)
{
    if (c->script != NULL && !c->script->broken && starts_with(error, "NOSCRIPT")) {
        // Whatever was pipelined behind it fails alike and lines up after this.
        if (!c->script->loading)
            store_load_script(s, c->script);
        store_write(s, c);
        return true;
    }
    if (!store_error_passes(error))
        return false;
    struct store_queue front = { 0 };
    store_queue_push(&front, c);
    store_queue_prepend(&s->sent, &front);
    char why[200];
    snprintf(why, sizeof why, "%.*s", (int)error.len, error.ptr);
    store_drop(s, why);
    return true;
}

static void on_reply(void *arg, const struct store_reply *reply)
{
    struct store *s = arg;
    struct store_command *c = store_queue_pop(&s->sent);
    if (c == NULL) {
        store_drop(s, "an answer that nobody asked for");
        return;
    }
    if (!c->internal && reply->type == STORE_ERROR && send_again(s, c, reply->text))
        return;
    store_cb cb = c->cb;
    void *cb_arg = c->arg;
    if (!c->internal) {
        s->pending--;
        if (!s->proven)
            prove(s);
    }
    store_pool_put(&s->pool, c);
    if (cb != NULL)
        cb(cb_arg, reply);
}

// ---- commands ---------------------------------------------------------------------------------------------

void store_write(struct store *s, struct store_command *c)
{
    c->written_ms = s->idle_ms = loop_now_ms(s->loop);
    store_link_write(s->link, c->bytes.data, c->bytes.len);
    store_queue_push(&s->sent, c);
}

struct store_command *store_internal(struct store *s, store_cb cb, void *arg)
{
    struct store_command *c = store_pool_get(&s->pool);
    c->cb = cb;
    c->arg = arg;
    c->internal = true;
    return c;
}

static struct store_command *new_command(struct store *s, store_cb cb, void *arg)
{
    struct store_command *c = store_pool_get(&s->pool);
    c->cb = cb;
    c->arg = arg;
    c->queued_ms = loop_now_ms(s->loop);
    s->pending++;
    return c;
}

static void enqueue(struct store *s, struct store_command *c)
{
    if (s->state == STORE_READY && (!s->held || c->first))
        store_write(s, c);
    else
        store_queue_push(c->first ? &s->first : &s->waiting, c);
}

static void put_args(struct store_command *c, const struct slice *args, size_t count)
{
    for (size_t i = 0; i < count; i++)
        store_format_arg(&c->bytes, args[i]);
}

void store_command(struct store *s, const struct slice *args, size_t count, store_cb cb, void *arg)
{
    struct store_command *c = new_command(s, cb, arg);
    store_format_head(&c->bytes, count);
    put_args(c, args, count);
    enqueue(s, c);
}

void store_command_first(struct store *s, const struct slice *args, size_t count, store_cb cb, void *arg)
{
    struct store_command *c = new_command(s, cb, arg);
    c->first = true;
    store_format_head(&c->bytes, count);
    put_args(c, args, count);
    enqueue(s, c);
}

static struct store_command *eval_command(struct store *s, struct store_script *script, struct slice key,
                                          const struct slice *args, size_t count)
{
    struct store_command *c = store_pool_get(&s->pool);
    c->queued_ms = loop_now_ms(s->loop);
    c->script = script;
    s->pending++;
    store_format_head(&c->bytes, count + 4);
    store_format_arg(&c->bytes, SLICE("EVALSHA"));
    store_format_arg(&c->bytes, (struct slice){ script->sha, STORE_SHA_SIZE - 1 });
    store_format_arg(&c->bytes, SLICE("1"));
    store_format_arg(&c->bytes, key);
    put_args(c, args, count);
    return c;
}

void store_eval(struct store *s, struct store_script *script, struct slice key, const struct slice *args,
                size_t count, store_cb cb, void *arg)
{
    struct store_command *c = eval_command(s, script, key, args, count);
    c->cb = cb;
    c->arg = arg;
    enqueue(s, c);
}

void store_eval_first(struct store *s, struct store_script *script, struct slice key,
                      const struct slice *args, size_t count, store_cb cb, void *arg)
{
    struct store_command *c = eval_command(s, script, key, args, count);
    c->cb = cb;
    c->arg = arg;
    c->first = true;
    enqueue(s, c);
}

struct store_script *store_script(struct store *s, const char *name, const char *source)
{
    struct store_script *script = xcalloc(1, sizeof *script);
    script->store = s;
    script->name = xstrdup(name);
    script->source = xstrdup(source);
    digest_sha1_hex(slice_of(source), script->sha);
    script->next = s->scripts;
    s->scripts = script;
    if (s->state == STORE_READY)
        store_load_script(s, script);
    return script;
}

// ---- life -------------------------------------------------------------------------------------------------

struct store *store_new(struct loop *loop, const struct config *c, const struct store_events *events)
{
    struct store *s = xcalloc(1, sizeof *s);
    *s = (struct store){ .loop = loop, .config = c, .retry_ms = RETRY_FIRST_MS };
    if (events != NULL)
        s->events = *events;
    if (getrandom(&s->random, sizeof s->random, 0) != (ssize_t)sizeof s->random || s->random == 0)
        s->random = 1;
    struct store_link_events link = {
        .on_open = on_open, .on_reply = on_reply, .on_lost = on_lost, .arg = s
    };
    s->link = store_link_new(loop, c, &link);
    s->retry = loop_timer_new(loop, open_link, s);
    s->tick = loop_timer_new(loop, on_tick, s);
    s->resume = loop_timer_new(loop, on_resume, s);
    loop_timer_in(s->retry, 0); // not before the caller has its scripts and its own pointer to us
    return s;
}

static void delete_all(struct store_queue *q)
{
    while (q->head != NULL)
        store_command_delete(store_queue_pop(q));
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    store_link_free(s->link);
    delete_all(&s->sent);
    delete_all(&s->first);
    delete_all(&s->waiting);
    store_pool_clear(&s->pool);
    while (s->scripts != NULL) {
        struct store_script *script = s->scripts;
        s->scripts = script->next;
        free(script->name);
        free(script->source);
        free(script);
    }
    loop_timer_free(s->retry);
    loop_timer_free(s->tick);
    loop_timer_free(s->resume);
    free(s);
}

bool store_is_up(const struct store *s)
{
    return s->state == STORE_READY && !s->held;
}

int64_t store_now_ms(const struct store *s)
{
    return loop_now_ms(s->loop);
}

size_t store_pending(const struct store *s)
{
    return s->pending;
}

int64_t store_server_age_ms(const struct store *s)
{
    return s->state == STORE_READY ? loop_now_ms(s->loop) - s->born_ms : 0;
}

int64_t store_oldest_ms(const struct store *s)
{
    const struct store_command *heads[] = { s->sent.head, s->first.head, s->waiting.head };
    int64_t now_ms = loop_now_ms(s->loop), oldest_ms = now_ms;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        const struct store_command *c = heads[i];
        while (c != NULL && c->internal)
            c = c->next;
        if (c != NULL && c->queued_ms < oldest_ms)
            oldest_ms = c->queued_ms;
    }
    return now_ms - oldest_ms;
}
