// SPDX-License-Identifier: Apache-2.0
// store: Redis, for commands that may be sent twice.
//
// Every command is answered exactly once, however often the connection is lost meanwhile: what was not
// answered is sent again, in order, after a reconnect (own back-off, AUTH and SELECT first). So a command
// must be idempotent; the dedup protocol's are, by owner token. hiredis 0.14 has no timeouts: a 2 s timer on
// the oldest command drops a connection that does not answer. Commands of one turn leave in one write.
//
// A Redis that restarted or failed over (run_id or master_replid changed) may have lost its last writes:
// on_amnesia tells; from then on the store counts as down and holds back ordinary commands, those queued
// before included, until store_resume. It also tells when the very first connection meets a Redis that is younger
// than STORE_YOUNG_MS: others may still be repairing it.
//
// Errors that pass by themselves (LOADING, READONLY, MASTERDOWN, BUSY, TRYAGAIN, OOM, MISCONF, NOREPLICAS,
// wrong credentials) are not answers either: the connection is dropped and everything is sent again on the
// next one.
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
    struct slice text;               // status, string, error
    const struct store_reply *items; // arrays
    size_t count;
};

typedef void (*store_cb)(void *arg, const struct store_reply *reply);

enum { STORE_YOUNG_MS = 5000 }; // longer than any live client needs to notice a restart and to be back

struct store_events {              // each may be NULL
    void (*on_up)(void *arg);      // connected and ready; after amnesia: resumed
    void (*on_down)(void *arg);    // lost; commands wait
    void (*on_amnesia)(void *arg); // reconnected to a server that may have forgotten: see above
    void *arg;
};

struct store *store_new(struct loop *loop, const struct config *c, const struct store_events *events);
void store_free(struct store *s); // drops what is unanswered without calling back

bool store_is_up(const struct store *s);
int64_t store_now_ms(const struct store *s); // of the loop: the monotonic time of this turn
size_t store_pending(const struct store *s);
int64_t store_server_age_ms(const struct store *s); // since it started or failed over, at least; 0 while down
int64_t store_oldest_ms(const struct store *s);     // age of the oldest unanswered command, 0 = none

// args are copied.
void store_command(struct store *s, const struct slice *args, size_t count, store_cb cb, void *arg);

// As store_command, but never held back: repairs, and what must be on record before anybody asks. What was
// under way when the connection was lost goes behind what on_amnesia writes.
void store_command_first(struct store *s, const struct slice *args, size_t count, store_cb cb, void *arg);
void store_resume(struct store *s);
void store_resume_in(struct store *s, int64_t delay_ms); // whatever happens to the connection meanwhile

// A script, sent by its SHA-1 and loaded again whenever the server says NOSCRIPT. The handle is owned by s.
struct store_script;
struct store_script *store_script(struct store *s, const char *name, const char *source);
void store_eval(struct store *s, struct store_script *script, struct slice key, const struct slice *args,
                size_t count, store_cb cb, void *arg);
// As store_command_first.
void store_eval_first(struct store *s, struct store_script *script, struct slice key,
                      const struct slice *args, size_t count, store_cb cb, void *arg);

#endif
