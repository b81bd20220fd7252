// SPDX-License-Identifier: Apache-2.0
// store_state: what the files of the store share; nobody else includes it.
#ifndef COMMON_STORE_STATE_H
#define COMMON_STORE_STATE_H

#include "common/store_link.h"
#include "common/store_queue.h"

enum store_state { STORE_DOWN, STORE_CONNECTING, STORE_SHAKING, STORE_READY };
enum { STORE_SHA_SIZE = 41, STORE_RUN_ID_SIZE = 64 };

struct store_script {
    struct store_script *next;
    struct store *store;
    char *name, *source; // owned
    char sha[STORE_SHA_SIZE];
    bool loading; // SCRIPT LOAD is on its way
    bool broken;  // the server refuses it: our bug
};

struct store_server { // who is at the other end
    char run_id[STORE_RUN_ID_SIZE], replid[STORE_RUN_ID_SIZE];
    int64_t uptime_ms;
};

struct store {
    struct loop *loop;
    const struct config *config;
    struct store_events events;
    struct store_link *link;
    enum store_state state;
    bool held; // after amnesia, until store_resume

    struct store_queue sent;    // on the link, in the order of their answers
    struct store_queue first;   // to be written before the others
    struct store_queue waiting; // to be written when the link is ready and nothing is held
    struct store_pool pool;
    size_t pending; // the users' commands in all of them
    struct store_script *scripts;

    struct loop_timer *retry, *tick, *resume;
    int64_t retry_ms;                   // next back-off
    int64_t opened_ms;                  // when this connection was begun
    int64_t idle_ms;                    // when something was last written
    struct store_server server, before; // before: of the last connection that was ready
    bool known;                         // before is set
    int64_t born_ms;                    // when the server started or failed over, by our clock
    bool proven;                        // this connection has answered
    bool complained;                    // one log line an outage
    bool auth_complained;
    char why[200]; // why the handshake failed
    uint64_t random;
};

// store.c
void store_write(struct store *s, struct store_command *c); // to the link, now
void store_drop(struct store *s, const char *why);          // lose the connection on purpose
struct store_command *store_internal(struct store *s, store_cb cb, void *arg);
bool store_error_passes(struct slice error); // an error that another try may not meet

// store_shake.c
void store_shake(struct store *s); // the connection is open: make it ours; ends in store_shaken or store_drop
void store_load_script(struct store *s, struct store_script *script);

// store.c
void store_shaken(struct store *s);

#endif
