// SPDX-License-Identifier: Apache-2.0
// smtp_wire: a TCP connection that carries lines in and bytes out, and knows how many of them have left.
#ifndef WORKER_TRANSPORT_SMTP_WIRE_H
#define WORKER_TRANSPORT_SMTP_WIRE_H

#include "common/buf.h"
#include "common/err.h"
#include "worker/transport/smtp_reply.h"

#include <sys/socket.h>

struct loop;
struct loop_watch;

typedef void (*smtp_wire_cb)(void *arg, int what); // LOOP_READ, LOOP_WRITE

struct smtp_wire { // set up loop, cb, arg and fd = -1
    struct loop *loop;
    smtp_wire_cb cb;
    void *arg;
    int fd;                   // -1: closed
    struct loop_watch *watch; // owned
    int watching;             // LOOP_READ, LOOP_WRITE
    struct slice out;         // borrowed: what has not been handed to the kernel yet
    bool broken;              // a write failed; reading tells what happened
    bool readable;            // there may be something to read
    size_t start, len;        // what is buffered in in[]
    char in[SMTP_REPLY_LINE_MAX + 2];
};

enum smtp_wire_result {
    SMTP_WIRE_LINE,
    SMTP_WIRE_AGAIN, // no whole line yet
    SMTP_WIRE_LOST,  // closed or failed; errno, 0 = closed by the server in order
    SMTP_WIRE_LONG,  // a line of more than SMTP_REPLY_LINE_MAX
};

// Starts to connect. The callback's first call means that the outcome is known: ask smtp_wire_connected.
MUST_CHECK bool smtp_wire_open(struct smtp_wire *w, const struct sockaddr *address, struct err *e);
MUST_CHECK bool smtp_wire_connected(struct smtp_wire *w, struct err *e);
void smtp_wire_close(struct smtp_wire *w);

// Writes as much as the kernel takes, the rest by smtp_wire_flush on LOOP_WRITE. The bytes are borrowed until
// smtp_wire_unsent is 0. Neither ever reports a failure: reading does, after what the server still said.
void smtp_wire_send(struct smtp_wire *w, struct slice bytes);
void smtp_wire_flush(struct smtp_wire *w);
size_t smtp_wire_unsent(const struct smtp_wire *w);

// The next line, without its end (CRLF, or LF alone); borrowed until the next call.
enum smtp_wire_result smtp_wire_line(struct smtp_wire *w, struct slice *line);
bool smtp_wire_pending(const struct smtp_wire *w); // input is buffered that nobody has asked for

#endif
