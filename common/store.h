// SPDX-License-Identifier: Apache-2.0
// store: Redis, for commands that may be sent twice.
//
// Every command is answered exactly once, however often the connection is lost meanwhile: what was not answered
// is sent again, in order, after a reconnect (own back-off, AUTH and SELECT first). So a command must be
// idempotent; the dedup protocol's are, by owner token. hiredis 0.14 has no timeouts: a 2 s timer on the oldest
// command drops a connection that does not answer. Commands of one turn leave in one write.
//
// A Redis that restarted or failed over (run_id or master_replid changed) may have lost its last writes:
// on_amnesia tells; commands queued before it are held back until store_resume.
#ifndef COMMON_STORE_H
#define COMMON_STORE_H

#include "common/buf.h"
#include "common/err.h"

struct config;
struct loop;
struct store;

enum store_reply_type { STORE_NIL, STORE_STATUS, STORE_INTEGER, STORE_STRING, STORE_ARRAY, STORE_ERROR };

struct store_reply { // borrowed for the duration of the callback
    enum store_reply_type type;
    int64_t integer;
    struct slice text; // status, string, error
    const struct store_reply *items; // arrays
    size_t count;
};

typedef void (*store_cb)(void *arg, const struct store_reply *reply);

struct store_events {
    void (*on_up)(void *arg);      // connected and ready
    void (*on_down)(void *arg);    // lost; commands wait
    void (*on_amnesia)(void *arg); // reconnected to a server that may have forgotten: see above
    void *arg;
};

struct store *store_new(struct loop *loop, const struct config *c, const struct store_events *events);
void store_free(struct store *s); // drops what is unanswered without calling back

bool store_is_up(const struct store *s);
size_t store_pending(const struct store *s);
int64_t store_oldest_ms(const struct store *s); // age of the oldest unanswered command, 0 = none

// args are copied.
void store_command(struct store *s, const struct slice *args, size_t count, store_cb cb, void *arg);

// As store_command, but sent before everything that store_resume holds back (repairs after amnesia).
void store_command_first(struct store *s, const struct slice *args, size_t count, store_cb cb, void *arg);
void store_resume(struct store *s);

// A script, sent by its SHA-1 and loaded again whenever the server says NOSCRIPT. Returns a handle (owned by s).
struct store_script;
struct store_script *store_script(struct store *s, const char *name, const char *source);
void store_eval(struct store *s, struct store_script *script, struct slice key, const struct slice *args, size_t count,
                store_cb cb, void *arg);

#endif
