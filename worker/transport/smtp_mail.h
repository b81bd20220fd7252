// SPDX-License-Identifier: Apache-2.0
// smtp_mail: one attempt as the SMTP client sees it: its commands, its framed message, and the reasons not to send it
// to a given server.
#ifndef WORKER_TRANSPORT_SMTP_MAIL_H
#define WORKER_TRANSPORT_SMTP_MAIL_H

#include "worker/transport/smtp_reply.h"
#include "worker/transport/transport.h"

struct smtp_session;
struct dkim;

struct smtp_mail {
    struct attempt *attempt;         // borrowed
    struct smtp_session *session;    // NULL while it waits in the queue
    struct smtp_mail *before, *next; // in the queue
    int64_t queued_ms;               // since when it waits
    int64_t begun_us;                // 0 until the first connect or byte
    bool fresh;                      // wants a new connection: a reused one was dead already
};

enum { SMTP_TERMINATOR = 5 }; // "\r\n.\r\n": the end of every frame

struct smtp_frame { // all zero is an empty one; reusable
    struct buf bytes, spare; // owned; bytes: dot-stuffed, ends in the terminator
    size_t size;             // of the message as RFC 1870 counts: without stuffing and the final dot
    struct dkim *dkim;       // borrowed; NULL = not signed
};
void smtp_frame_clear(struct smtp_frame *f);
void smtp_frame_trim(struct smtp_frame *f); // gives back the memory of an unusually large message

// Frames the message for a server that offers this. False: refused here, without a word on the wire; code,
// enhanced and text of *o are set as a server would have said it.
MUST_CHECK bool smtp_mail_frame(const struct smtp_mail *m, const struct smtp_offer *offer, struct smtp_frame *f,
                                struct outcome *o);

// "MAIL FROM:<…> …" and "RCPT TO:<…>" with CRLF; only after smtp_mail_frame said yes.
void smtp_mail_put_from(const struct smtp_mail *m, const struct smtp_offer *offer, size_t size, struct buf *out);
void smtp_mail_put_to(const struct smtp_mail *m, struct buf *out);

#endif
