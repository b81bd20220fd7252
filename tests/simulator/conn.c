// SPDX-License-Identifier: Apache-2.0
// conn: see conn.h.
//
//   READING -> DELAYED -> READING           an answer with latency
//   READING -> STREAMING -> READING         GET /ledger
//   READING -> SILENT | CLOSING | RESETTING a script, or "Connection: close"
//
// The common request costs one recv, one send and no allocation: it is parsed where it was received, and only
// what is left over (half a request) is copied into the connection. Answers leave in the order of the
// requests, so while one waits nothing behind it is looked at.
#include "conn.h"

#include "common/alloc.h"
#include "common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAM_AHEAD = 256 * 1024, IN_MAX = WIRE_HEAD_MAX + WIRE_BODY_MAX };

struct conn *conn_new(int fd)
{
    struct conn *c = xcalloc(1, sizeof *c);
    c->fd = fd;
    return c;
}

void conn_free(struct conn *c, bool reset)
{
    if (c == NULL)
        return;
    if (reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
    close(c->fd);
    buf_clear(&c->in);
    buf_clear(&c->out);
    free(c);
}

static void refuse(struct conn *c, int status)
{
    wire_put_response(&c->out, status, -1, SLICE("{\"error\":\"bad request\"}\n"));
    c->state = CONN_CLOSING;
}

static void carry_out(struct conn *c, const struct request *r, struct conn_turn *turn)
{
    struct effect effect = api_handle(turn->sink, r, turn->wall_ms, &c->out);
    c->ends = !r->keep_alive;
    c->continued = false;
    if (effect.refuse_ms >= 0) {
        turn->refuse_ms = effect.refuse_ms;
        c->ends = true;
    }
    switch (effect.how) {
    case CARRY_SILENCE:
        c->state = CONN_SILENT;
        return;
    case CARRY_CLOSE:
        c->state = CONN_CLOSING;
        return;
    case CARRY_RESET:
        c->state = CONN_RESETTING;
        return;
    case CARRY_ANSWER:
        break;
    }
    c->cursor = 0;
    if (effect.streams) {
        c->state = CONN_STREAMING;
    } else if (effect.delay_ms > 0) {
        c->state = CONN_DELAYED;
        turn->delay_ms = effect.delay_ms;
    } else if (c->ends) {
        c->state = CONN_CLOSING;
    }
}

// The requests at the front of `in`, as far as they are complete. Returns how many bytes they were.
static size_t consume(struct conn *c, struct slice in, struct conn_turn *turn)
{
    size_t used = 0;
    while (c->state == CONN_READING && used < in.len) {
        struct request r;
        switch (wire_parse((struct slice){ in.ptr + used, in.len - used }, &r)) {
        case WIRE_HEAD:
            return used;
        case WIRE_BODY:
            if (sink_resets_early(turn->sink, &r, turn->wall_ms)) {
                c->state = CONN_RESETTING;
            } else if (r.expects_continue && !c->continued) {
                buf_puts(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
                c->continued = true;
            }
            return used;
        case WIRE_BAD:
            refuse(c, r.refusal);
            return in.len;
        case WIRE_COMPLETE:
            used += r.total;
            carry_out(c, &r, turn);
            break;
        }
    }
    return used;
}

static void consume_kept(struct conn *c, struct conn_turn *turn)
{
    size_t used = consume(c, buf_slice(&c->in), turn);
    if (used > 0) {
        c->in.len -= used;
        memmove(c->in.data, c->in.data + used, c->in.len);
    }
    if (c->in.len == 0 && c->in.cap > WIRE_HEAD_MAX)
        buf_clear(&c->in); // a large mail passed; do not keep its memory for the next small one
}

static void take(struct conn *c, struct slice bytes, struct conn_turn *turn)
{
    if (c->in.len > 0 || c->state != CONN_READING) {
        buf_put(&c->in, bytes.ptr, bytes.len);
        consume_kept(c, turn);
        return;
    }
    size_t used = consume(c, bytes, turn);
    buf_put(&c->in, bytes.ptr + used, bytes.len - used);
}

bool conn_readable(struct conn *c, struct conn_turn *turn)
{
    for (;;) {
        ssize_t n = recv(c->fd, turn->scratch, turn->scratch_size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            return false;
        turn->wall_ms = clock_wall_ms(); // the ledger judges who was early: not the time when this turn began
        take(c, (struct slice){ turn->scratch, (size_t)n }, turn);
        if (c->in.len > IN_MAX)
            return false; // it keeps sending while it is owed an answer
        if ((size_t)n < turn->scratch_size)
            break;
    }
    if (turn->refuse_ms >= 0)
        return true; // the answer leaves when the listener is closed: its reader may connect at once
    return conn_writable(c, turn);
}

// Fills `out` with the next entries; the end of the ledger ends the stream.
static void stream(struct conn *c, const struct ledger *ledger)
{
    struct buf lines = { 0 };
    const struct entry *e = ledger_at(ledger, c->cursor);
    for (; e != NULL && lines.len < STREAM_AHEAD; e = ledger_at(ledger, c->cursor)) {
        ledger_put_entry(&lines, e);
        c->cursor++;
    }
    if (lines.len > 0)
        wire_put_chunk(&c->out, buf_slice(&lines));
    buf_clear(&lines);
    if (e == NULL) {
        wire_put_chunk(&c->out, SLICE(""));
        c->state = c->ends ? CONN_CLOSING : CONN_READING;
    }
}

// False when the connection broke.
static bool flush(struct conn *c)
{
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        c->sent += (size_t)n;
    }
    buf_reset(&c->out);
    c->sent = 0;
    return true;
}

bool conn_writable(struct conn *c, struct conn_turn *turn)
{
    while (c->state != CONN_DELAYED) {
        if (c->state == CONN_RESETTING || !flush(c))
            return false;
        if (c->out.len > 0)
            return true;
        if (c->state == CONN_CLOSING)
            return false;
        size_t kept = c->in.len;
        if (c->state == CONN_STREAMING)
            stream(c, turn->sink->ledger);
        else if (kept > 0)
            consume_kept(c, turn);
        if (c->out.len == 0 && c->in.len == kept)
            return true; // nothing to send, and only half a request is here
    }
    return true;
}

bool conn_due(struct conn *c, struct conn_turn *turn)
{
    c->state = c->ends ? CONN_CLOSING : CONN_READING;
    return conn_writable(c, turn);
}
