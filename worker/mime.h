// SPDX-License-Identifier: Apache-2.0
// mime: how text, files and names are written so that any mail system carries them unchanged (RFC 2045, 2047,
// 2231, 5322). Output is 7-bit (but for addresses that need SMTPUTF8), CRLF-ended, and the same bytes for the
// same input.
#ifndef WORKER_MIME_H
#define WORKER_MIME_H

#include "common/address.h"
#include "common/buf.h"
#include "common/err.h"

enum { MIME_LINE_MAX = 998 }; // octets without CRLF, RFC 5322 2.1.1

// "Name: value" CRLF of free text: trimmed, folded, as encoded-words where it is not plain ASCII. False when
// the value has a control character (a line break would start a header of somebody else's choosing) or a word
// that fits on no line.
MUST_CHECK bool mime_put_header(struct buf *out, const char *name, struct slice value, struct err *e);

// The same for a value that programs read (addresses, links, a content type): never as encoded-words, so it
// has to be ASCII.
MUST_CHECK bool mime_put_structured(struct buf *out, const char *name, struct slice value, struct err *e);

// "Name: Display <local@domain>" CRLF. The display name is quoted or encoded as it needs.
MUST_CHECK bool mime_put_mailbox(struct buf *out, const char *name, const struct address *a, struct err *e);

// "Content-Disposition: inline; filename=…" CRLF. filename may be empty.
MUST_CHECK bool mime_put_disposition(struct buf *out, const char *kind, struct slice filename, struct err *e);

// "Content-ID: <id>" CRLF.
MUST_CHECK bool mime_put_content_id(struct buf *out, struct slice id, struct err *e);

// Content-Transfer-Encoding header, the blank line, and the text: as it is when all of it is ASCII in lines
// that fit, else quoted-printable, or base64 where most of it is not ASCII. Line breaks of any kind become
// CRLF. A boundary of ours never appears in it.
void mime_put_text(struct buf *out, struct slice text);

// The same for a file that is in base64 already: checked and wrapped anew.
MUST_CHECK bool mime_put_base64(struct buf *out, struct slice base64, struct err *e);

// "Sun, 22 Nov 2026 10:00:00 +0000"
void mime_put_date(struct buf *out, int64_t wall_ms);

#endif
