// SPDX-License-Identifier: Apache-2.0
// conn: one client connection: bytes in, answers out, at most one of them waiting for its time.
#ifndef SIMULATOR_CONN_H
#define SIMULATOR_CONN_H

#include "api.h"

enum conn_state {
    CONN_READING,   // requests are answered as they come
    CONN_DELAYED,   // an answer waits for its time; what comes meanwhile is kept
    CONN_STREAMING, // the ledger is going out
    CONN_SILENT,    // a request was swallowed; only the client can end this
    CONN_CLOSING,   // close when `out` is written
    CONN_RESETTING, // close now, with a reset
};

struct conn {
    int fd; // owned
    enum conn_state state;
    bool ends;        // the client asked for the connection to close after this answer
    bool continued;   // 100 Continue has been sent for the request that is coming in
    bool waits_write; // registered for EPOLLOUT
    struct buf in, out;
    size_t sent;   // of out
    size_t cursor; // CONN_STREAMING: next entry of the ledger
};

struct conn_turn {     // what one turn of the loop lends and gets back
    struct sink *sink; // borrowed
    int64_t wall_ms;
    char *scratch; // borrowed
    size_t scratch_size;
    int delay_ms;      // out: the answer in `out` is due so much later
    int64_t refuse_ms; // out: -1 = nobody asked
};

struct conn *conn_new(int fd);
void conn_free(struct conn *c, bool reset);

// Each returns false when the connection is over and wants to be freed.
bool conn_readable(struct conn *c, struct conn_turn *turn);
bool conn_writable(struct conn *c, struct conn_turn *turn);
bool conn_due(struct conn *c, struct conn_turn *turn); // the time of a delayed answer has come

#endif
