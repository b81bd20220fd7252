// SPDX-License-Identifier: Apache-2.0
// reply_text: a reply's words as rules see them, and what can be read out of them.
#ifndef WORKER_REPLY_TEXT_H
#define WORKER_REPLY_TEXT_H

#include "worker/transport/transport.h"

enum { REPLY_TEXT_MAX = 2048 };

struct status { // an enhanced status code (RFC 3463); class 0: none
    int class, subject, detail;
};

struct reply_text {
    struct status status; // only when its class is the first digit of the reply code
    size_t len;
    char text[REPLY_TEXT_MAX +
              1]; // one line in lower case: no codes in front of lines, no controls, no runs of blanks
};

// smtp: reads the lines of o->response where there are any, else o->text; takes codes away. Otherwise o->text
// and, behind it, the body of the response.
void reply_text_read(struct reply_text *r, const struct outcome *o, bool smtp);

// "c.s.d" at the start of text, with nothing of a longer number behind it; the octets it takes, 0 = there is
// none.
size_t status_read(const char *text, size_t len, struct status *s);

// "in 5 minutes", "for 300 s", "come back in 00:04:30": the first such wait in milliseconds, -1 = none.
int64_t reply_text_wait_ms(const char *text);

#endif
