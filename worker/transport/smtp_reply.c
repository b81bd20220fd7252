// SPDX-License-Identifier: Apache-2.0
// smtp_reply: from lines to a code, an enhanced code and a text.
//
// Servers are read generously in form (long lines, a missing blank, any octets) and strictly in meaning: a line
// without a code, or with another code than the line before it, is not a reply, because guessing here could turn
// a refusal into an acceptance. An enhanced code counts only when its class is the first digit of the code
// (RFC 2034 4); otherwise it stays in the text, where a person can see it. The text goes into headers, events and
// terminals, so nothing but printable UTF-8 gets through.
#include "worker/transport/smtp_reply.h"

#include <ctype.h>
#include <strings.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

void smtp_reply_reset(struct smtp_reply *r)
{
    struct buf full = r->full;
    buf_reset(&full);
    *r = (struct smtp_reply){ .full = full };
}

void smtp_reply_clear(struct smtp_reply *r)
{
    buf_clear(&r->full);
    *r = (struct smtp_reply){ 0 };
}

// One more blank, unless the text is empty or ends in one.
static void text_blank(struct smtp_reply *r)
{
    if (r->text_len > 0 && r->text_len < OUTCOME_TEXT_MAX && r->text[r->text_len - 1] != ' ')
        r->text[r->text_len++] = ' ';
}

// ASCII and C1 controls: U+009B (0xc2 0x9b) starts a terminal's escape sequence as well as ESC [ does.
static bool is_blank_or_control(const char *p)
{
    unsigned char c = (unsigned char)p[0];
    return c <= 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)p[1] < 0xa0);
}

static void text_append(struct smtp_reply *r, struct slice s)
{
    text_blank(r);
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_sequence(s.ptr + i, s.len - i);
        if (n > 0 && is_blank_or_control(s.ptr + i)) {
            text_blank(r);
            i += n;
            continue;
        }
        if (r->text_len + (n > 0 ? n : 1) > OUTCOME_TEXT_MAX)
            break;
        if (n == 0)
            r->text[r->text_len++] = '?';
        for (size_t k = 0; k < n; k++)
            r->text[r->text_len++] = s.ptr[i + k];
        i += n > 0 ? n : 1;
    }
    r->text[r->text_len] = '\0';
}

static void text_finish(struct smtp_reply *r)
{
    while (r->text_len > 0 && r->text[r->text_len - 1] == ' ')
        r->text_len--;
    r->text[r->text_len] = '\0';
}

// Length of "c.s.d" at the start of s (1-3 digits for s and d, then a blank or the end), 0 when there is none.
static size_t enhanced_length(struct slice s, char class)
{
    if (s.len < 5 || s.ptr[0] != class || s.ptr[1] != '.')
        return 0;
    size_t i = 1;
    for (int part = 0; part < 2; part++) {
        if (i >= s.len || s.ptr[i] != '.')
            return 0;
        size_t digits = 0;
        for (i++; i < s.len && is_digit(s.ptr[i]); i++)
            digits++;
        if (digits < 1 || digits > 3)
            return 0;
    }
    return i == s.len || s.ptr[i] == ' ' || s.ptr[i] == '\t' ? i : 0;
}

static struct slice slice_from(struct slice s, size_t start)
{
    return start < s.len ? (struct slice){ s.ptr + start, s.len - start } : SLICE("");
}

// The text of a line, without an enhanced code that can be trusted; the first such code is kept.
static struct slice take_enhanced(struct smtp_reply *r, struct slice text)
{
    char class = (char)('0' + r->code / 100);
    size_t len = class == '3' ? 0 : enhanced_length(text, class);
    if (len == 0)
        return text;
    if (r->enhanced[0] == '\0') {
        memcpy(r->enhanced, text.ptr, len); // at most 9 octets: "5.123.123"
        r->enhanced[len] = '\0';
    }
    return slice_from(text, len);
}

static void keep_full(struct smtp_reply *r, struct slice line)
{
    size_t room = OUTCOME_RESPONSE_MAX - r->full.len;
    if (line.len + 1 > room)
        return;
    buf_put_slice(&r->full, line);
    buf_putc(&r->full, '\n');
}

// The code of a line, 0 when it has none.
static int line_code(struct slice line)
{
    if (line.len < 3 || line.ptr[0] < '2' || line.ptr[0] > '5' || !is_digit(line.ptr[1]) || !is_digit(line.ptr[2]))
        return 0;
    if (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-')
        return 0;
    return (line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 + (line.ptr[2] - '0');
}

enum smtp_reply_step smtp_reply_line(struct smtp_reply *r, struct slice line)
{
    int code = line_code(line);
    if (code == 0 || (r->lines > 0 && code != r->code) || r->lines >= SMTP_REPLY_LINES_MAX) {
        r->text_len = 0;
        text_append(r, line);
        text_finish(r);
        return SMTP_REPLY_BAD;
    }
    r->code = code;
    r->lines++;
    keep_full(r, line);
    text_append(r, take_enhanced(r, slice_from(line, 4)));
    if (line.len > 3 && line.ptr[3] == '-')
        return SMTP_REPLY_MORE;
    text_finish(r);
    return SMTP_REPLY_DONE;
}

// Where the octets after a word start, 0 when the word is not there. It must not follow a letter or digit, so
// that "InternalId=7" is not taken for "id=".
static size_t after_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; text[i] != '\0'; i++)
        if (strncasecmp(text + i, word, len) == 0 && (i == 0 || !isalnum((unsigned char)text[i - 1])))
            return i + len;
    return 0;
}

void smtp_reply_provider_id(const struct smtp_reply *r, char out[OUTCOME_PROVIDER_ID_MAX])
{
    static const char *const WORDS[] = { "queued as ", "id=", "queued with id " };
    size_t start = 0, len = 0;
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0] && len == 0; i++) {
        start = after_word(r->text, WORDS[i]);
        len = start > 0 ? strcspn(r->text + start, " ,;()[]<>\"'") : 0;
    }
    if (len > 0 && r->text[start + len - 1] == '.')
        len--;
    if (len == 0) {
        start = 0;
        len = r->text_len;
    }
    if (len > OUTCOME_PROVIDER_ID_MAX - 1) {
        len = OUTCOME_PROVIDER_ID_MAX - 1;
        while (len > 0 && ((unsigned char)r->text[start + len] & 0xc0) == 0x80)
            len--; // not in the middle of a character
    }
    memcpy(out, r->text + start, len);
    out[len] = '\0';
}

void smtp_offer_line(struct smtp_offer *o, struct slice text)
{
    static const struct {
        const char *keyword;
        enum smtp_extension extension;
    } KNOWN[] = {
        { "PIPELINING", SMTP_PIPELINING }, { "8BITMIME", SMTP_8BITMIME }, { "SIZE", SMTP_SIZE },
        { "SMTPUTF8", SMTP_SMTPUTF8 },     { "STARTTLS", SMTP_STARTTLS }, { "AUTH", SMTP_AUTH },
    };
    size_t len = 0;
    while (len < text.len && text.ptr[len] != ' ' && text.ptr[len] != '=' && text.ptr[len] != '\t')
        len++; // "AUTH=LOGIN" is an old way of saying "AUTH LOGIN"
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        if (strlen(KNOWN[i].keyword) != len || strncasecmp(KNOWN[i].keyword, text.ptr, len) != 0)
            continue;
        o->extensions |= KNOWN[i].extension;
        if (KNOWN[i].extension != SMTP_SIZE)
            return;
        int64_t size = 0;
        for (size_t k = len + 1; k < text.len && is_digit(text.ptr[k]) && size < INT64_MAX / 100; k++)
            size = size * 10 + (text.ptr[k] - '0');
        o->size_max = size;
    }
}
