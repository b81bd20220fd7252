// SPDX-License-Identifier: Apache-2.0
// smtp_reply: one reply of an SMTP server, put together from its lines (RFC 5321 4.2), and what EHLO's lines offer.
#ifndef WORKER_TRANSPORT_SMTP_REPLY_H
#define WORKER_TRANSPORT_SMTP_REPLY_H

#include "worker/transport/transport.h"

// RFC 5321 4.5.3.1.5 says 512 octets a line; some servers send more.
enum { SMTP_REPLY_LINE_MAX = 2048, SMTP_REPLY_LINES_MAX = 100 };

struct smtp_reply { // all zero is an empty one
    int code;          // 0 before the first line
    int lines;
    char enhanced[12]; // "5.1.1"; "" when there is none, or its class is not the code's first digit
    size_t text_len;
    char text[OUTCOME_TEXT_MAX + 1]; // all lines in one: no codes, no controls, no runs of blanks, valid UTF-8
    struct buf full;   // owned; as received, at most OUTCOME_RESPONSE_MAX
};

enum smtp_reply_step {
    SMTP_REPLY_MORE, // a continuation line: the reply goes on
    SMTP_REPLY_DONE,
    SMTP_REPLY_BAD,  // not SMTP: no code, another code than the line before, too many lines
};

// Takes one line without its CRLF. After SMTP_REPLY_BAD, text holds the line that was not understood.
enum smtp_reply_step smtp_reply_line(struct smtp_reply *r, struct slice line);
void smtp_reply_reset(struct smtp_reply *r); // empty again, keeps the memory
void smtp_reply_clear(struct smtp_reply *r); // frees

// What the server calls the message it took: the id after "queued as" or "id=", else the whole text, cut to fit.
void smtp_reply_provider_id(const struct smtp_reply *r, char out[OUTCOME_PROVIDER_ID_MAX]);

enum smtp_extension {
    SMTP_PIPELINING = 1 << 0,
    SMTP_8BITMIME = 1 << 1,
    SMTP_SIZE = 1 << 2,
    SMTP_SMTPUTF8 = 1 << 3,
    SMTP_STARTTLS = 1 << 4,
    SMTP_AUTH = 1 << 5,
};

struct smtp_offer { // what a server said to EHLO; all zero: nothing
    unsigned extensions; // enum smtp_extension
    int64_t size_max;    // bytes; 0 = not said or no limit (RFC 1870)
};

// Takes a line of the reply to EHLO, without code and CRLF (not the first one: that is a greeting).
void smtp_offer_line(struct smtp_offer *o, struct slice text);

#endif
