// SPDX-License-Identifier: Apache-2.0
// session: what every command starts with: configuration, the time, where the output goes.
#ifndef DLQ_INSPECTOR_SESSION_H
#define DLQ_INSPECTOR_SESSION_H

#include "common/config.h"
#include "common/options.h"

enum { SESSION_USER_SIZE = 160 };

struct session {
    struct config config;
    int64_t now_ms; // read once, at the start
    int width;      // of the terminal; of no limit when the output is none ($COLUMNS sets one)
    bool json;
    char user[SESSION_USER_SIZE]; // "ada@host": who is doing this
};

extern const struct option SESSION_OPTIONS[]; // --json --config --set

MUST_CHECK bool session_open(struct session *s, struct err *e);
void session_close(struct session *s);

// Prints the error in one line and returns the exit status that goes with it.
int session_fail(const struct err *e);
// Writes a command's output and returns 0, or an exit status when it cannot be written.
int session_print(const struct buf *out);

#endif
