// SPDX-License-Identifier: Apache-2.0
// text: what a bounded string may look like. Nearly every string of a job ends in an SMTP command, a mail header, an
// HTTP header, a log line or somebody's terminal, so "no control characters" is checked once, on the way in.
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include "common/buf.h"
#include "common/err.h"

enum text_rule {
    TEXT_FREE,  // anything
    TEXT_LINE,  // no control characters; may be empty
    TEXT_SOME,  // no control characters, not empty
    TEXT_WORD,  // printable ASCII without spaces, not empty
    TEXT_NAME,  // letters, digits, "._-", not empty
    TEXT_FTEXT, // the name of a mail header (RFC 5322 3.6.8): printable ASCII but the colon, not empty
};

// False (ERR_INPUT): the text says what is wrong ("contains a line break") but not with what; see err_prefix.
MUST_CHECK bool text_check(struct slice text, enum text_rule rule, size_t max, struct err *e);

// The first control character (below 0x20, 0x7f, or U+0080 to U+009F as UTF-8), text.len when there is none.
size_t text_find_control(struct slice text);

// The length, at most max, at which text can be cut without splitting a UTF-8 character.
size_t text_cut(struct slice text, size_t max);

#endif
