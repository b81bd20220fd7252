// SPDX-License-Identifier: Apache-2.0
// mime: encodings and header lines.
//
// Everything here is a pure function of its input, because a message must have the same bytes at every attempt:
// receivers and feedback match on them, and a signature will cover them. What can go wrong is injection: a line
// break in a header value, or text that looks like the end of a part. Values with control characters are refused,
// and text that contains the start of one of our boundaries ("--=_") is sent quoted-printable, where "=" never
// stands for itself.
#include "worker/mime.h"

#include <stdio.h>
#include <time.h>

enum {
    HEADER_WIDTH = 76,       // fold there (78 is the RFC's wish, 76 its limit for lines with encoded-words)
    WORD_MAX = 75,           // an encoded-word, RFC 2047 2
    WORD_FRAME = 12,         // "=?UTF-8?B?" and "?="
    ASCII_WORD_MAX = 200,    // a longer run without a blank is sent as encoded-words, which can be folded; not so
                             // where programs look for an address or link in <>
    QP_WIDTH = 75,           // and a "=" for the soft break
    BASE64_WIDTH = 76,
};

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.ptr[i] < 0x20 && s.ptr[i] != '\t') || s.ptr[i] == 0x7f)
            return true;
    return false;
}

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    return true;
}

static bool contains(struct slice s, struct slice what)
{
    return s.len >= what.len && memmem(s.ptr, s.len, what.ptr, what.len) != NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

// Octets on the last line of out.
static size_t column(const struct buf *out)
{
    size_t n = 0;
    while (n < out->len && out->data[out->len - 1 - n] != '\n')
        n++;
    return n;
}

static size_t longest_word(struct slice s)
{
    size_t longest = 0, run = 0;
    for (size_t i = 0; i < s.len; i++) {
        run = is_blank(s.ptr[i]) ? 0 : run + 1;
        if (run > longest)
            longest = run;
    }
    return longest;
}

// Copies s, with a line break before a run of blanks whose next word would pass the width.
static void put_folded(struct buf *out, struct slice s)
{
    size_t col = column(out);
    for (size_t i = 0; i < s.len;) {
        size_t word = i;
        while (word < s.len && is_blank(s.ptr[word]))
            word++;
        size_t end = word;
        while (end < s.len && !is_blank(s.ptr[end]))
            end++;
        bool between_words = word > i && i > 0 && end > word; // a line of blanks alone is not allowed
        if (between_words && col + (end - i) > HEADER_WIDTH) {
            buf_puts(out, "\r\n");
            col = 0;
        }
        buf_put(out, s.ptr + i, end - i);
        col += end - i;
        i = end;
    }
}

static void put_base64_bytes(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i += 3) {
        size_t left = s.len - i;
        uint32_t bits = (uint32_t)(unsigned char)s.ptr[i] << 16;
        if (left > 1)
            bits |= (uint32_t)(unsigned char)s.ptr[i + 1] << 8;
        if (left > 2)
            bits |= (unsigned char)s.ptr[i + 2];
        buf_putc(out, BASE64[bits >> 18]);
        buf_putc(out, BASE64[bits >> 12 & 63]);
        buf_putc(out, left > 1 ? BASE64[bits >> 6 & 63] : '=');
        buf_putc(out, left > 2 ? BASE64[bits & 63] : '=');
    }
}

// RFC 2047, B encoding: as many words as it takes, one a line, never breaking a character.
static void put_encoded_words(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t col = column(out);
        if (i > 0 || col + 40 > HEADER_WIDTH) { // a first word shorter than that is not worth it
            buf_puts(out, "\r\n ");
            col = 1;
        }
        size_t width = HEADER_WIDTH - col < WORD_MAX ? HEADER_WIDTH - col : WORD_MAX;
        size_t room = (width - WORD_FRAME) / 4 * 3, n = 0;
        while (i + n < s.len) {
            size_t c = utf8_sequence(s.ptr + i + n, s.len - i - n);
            c = c > 0 ? c : 1;
            if (n + c > room)
                break;
            n += c;
        }
        buf_puts(out, "=?UTF-8?B?");
        put_base64_bytes(out, (struct slice){ s.ptr + i, n });
        buf_puts(out, "?=");
        i += n;
    }
}

bool mime_put_header(struct buf *out, const char *name, struct slice value, struct err *e)
{
    if (has_control(value))
        return err_set(e, ERR_INPUT, "header %s: control characters are not allowed", name);
    size_t longest = longest_word(value);
    bool readable = memchr(value.ptr != NULL ? value.ptr : "", '<', value.len) != NULL;
    bool plain = is_ascii(value) && !contains(value, SLICE("=?")) && (longest <= ASCII_WORD_MAX || readable);
    if (plain && longest + strlen(name) + 2 > MIME_LINE_MAX)
        return err_set(e, ERR_INPUT, "header %s: a word that fits on no line (%zu characters)", name, longest);
    buf_puts(out, name);
    buf_puts(out, ": ");
    if (plain)
        put_folded(out, value);
    else
        put_encoded_words(out, value);
    buf_puts(out, "\r\n");
    return true;
}

// Letters, digits and the marks that need no quotes in a phrase (RFC 5322 atext), and blanks.
static bool is_phrase(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ';
        if (!letter && (c < 0x21 || c > 0x7e || strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL))
            return false;
    }
    return !contains(s, SLICE("=?"));
}

// The octets between the quotes of a quoted string, without the backslashes of its pairs.
static struct slice unquoted(struct slice s, char *room)
{
    size_t n = 0;
    for (size_t i = 1; i + 1 < s.len; i++) {
        if (s.ptr[i] == '\\' && i + 2 < s.len)
            i++;
        room[n++] = s.ptr[i];
    }
    return (struct slice){ room, n };
}

static void put_display(struct buf *out, struct slice display)
{
    if (!is_ascii(display) || contains(display, SLICE("=?"))) {
        put_encoded_words(out, display);
        return;
    }
    if (is_phrase(display)) {
        put_folded(out, display);
        return;
    }
    struct buf quoted = { 0 };
    buf_putc(&quoted, '"');
    for (size_t i = 0; i < display.len; i++) {
        if (display.ptr[i] == '"' || display.ptr[i] == '\\')
            buf_putc(&quoted, '\\');
        buf_putc(&quoted, display.ptr[i]);
    }
    buf_putc(&quoted, '"');
    put_folded(out, buf_slice(&quoted));
    buf_clear(&quoted);
}

bool mime_put_mailbox(struct buf *out, const char *name, const struct address *a, struct err *e)
{
    char room[1024];
    struct slice display = a->display;
    if (has_control(a->spec) || has_control(display))
        return err_set(e, ERR_INPUT, "header %s: control characters are not allowed", name);
    if (display.len > sizeof room)
        return err_set(e, ERR_INPUT, "header %s: a display name of more than %zu characters", name, sizeof room);
    if (display.len >= 2 && display.ptr[0] == '"' && display.ptr[display.len - 1] == '"')
        display = unquoted(display, room);
    buf_puts(out, name);
    buf_puts(out, ": ");
    if (display.len > 0) {
        put_display(out, display);
        buf_puts(out, column(out) + a->spec.len + 3 > HEADER_WIDTH ? "\r\n <" : " <");
    }
    buf_put_slice(out, a->spec);
    buf_puts(out, display.len > 0 ? ">\r\n" : "\r\n");
    return true;
}

bool mime_put_disposition(struct buf *out, struct slice filename, struct err *e)
{
    static const char HEX[] = "0123456789ABCDEF";
    if (has_control(filename) || filename.len > 255)
        return err_set(e, ERR_INPUT, "attachment: filename has control characters or more than 255 octets");
    buf_puts(out, "Content-Disposition: attachment");
    if (filename.len == 0) {
        buf_puts(out, "\r\n");
        return true;
    }
    bool plain = is_ascii(filename);
    buf_puts(out, plain ? ";\r\n filename=\"" : ";\r\n filename*=UTF-8''");
    for (size_t i = 0; i < filename.len; i++) {
        unsigned char c = (unsigned char)filename.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                      c == '-' || c == '_';
        if (plain && (c == '"' || c == '\\'))
            buf_putc(out, '\\');
        if (plain || letter) {
            buf_putc(out, (char)c);
        } else { // RFC 2231
            buf_putc(out, '%');
            buf_putc(out, HEX[c >> 4]);
            buf_putc(out, HEX[c & 15]);
        }
    }
    buf_puts(out, plain ? "\"\r\n" : "\r\n");
    return true;
}

static bool is_break(char c)
{
    return c == '\r' || c == '\n';
}

// Octets of the line break at i: CR LF is one.
static size_t break_length(struct slice s, size_t i)
{
    return s.ptr[i] == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n' ? 2 : 1;
}

static bool fits_7bit(struct slice s)
{
    size_t line = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        line = is_break(s.ptr[i]) ? 0 : line + 1;
        if (c >= 0x7f || (c < 0x20 && c != '\t' && !is_break(s.ptr[i])) || line > MIME_LINE_MAX)
            return false;
    }
    return !contains(s, SLICE("--=_"));
}

static void put_7bit(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t end = i;
        while (end < s.len && !is_break(s.ptr[end]))
            end++;
        buf_put(out, s.ptr + i, end - i);
        if (end == s.len)
            return;
        buf_puts(out, "\r\n");
        i = end + break_length(s, end);
    }
}

static void put_quoted_printable(struct buf *out, struct slice s)
{
    static const char HEX[] = "0123456789ABCDEF";
    size_t col = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (is_break(s.ptr[i])) {
            buf_puts(out, "\r\n");
            i += break_length(s, i) - 1;
            col = 0;
            continue;
        }
        bool last = i + 1 == s.len || is_break(s.ptr[i + 1]); // blanks at the end of a line get lost on the way
        bool literal = (c > 0x20 && c < 0x7f && c != '=') || (is_blank(s.ptr[i]) && !last);
        if (col + (literal ? 1 : 3) > QP_WIDTH) {
            buf_puts(out, "=\r\n");
            col = 0;
        }
        if (literal) {
            buf_putc(out, (char)c);
        } else {
            buf_putc(out, '=');
            buf_putc(out, HEX[c >> 4]);
            buf_putc(out, HEX[c & 15]);
        }
        col += literal ? 1 : 3;
    }
}

void mime_put_text(struct buf *out, struct slice text)
{
    buf_reserve(out, text.len + text.len / 8 + 128);
    if (fits_7bit(text)) {
        buf_puts(out, "Content-Transfer-Encoding: 7bit\r\n\r\n");
        put_7bit(out, text);
    } else {
        buf_puts(out, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        put_quoted_printable(out, text);
    }
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

bool mime_put_base64(struct buf *out, struct slice base64, struct err *e)
{
    buf_reserve(out, base64.len + base64.len / 32 + 128);
    buf_puts(out, "Content-Transfer-Encoding: base64\r\n\r\n");
    size_t count = 0, padding = 0;
    for (size_t i = 0; i < base64.len; i++) {
        char c = base64.ptr[i];
        if (is_break(c) || is_blank(c))
            continue;
        if (c == '=' ? ++padding > 2 : !is_base64(c) || padding > 0)
            return err_set(e, ERR_INPUT, "attachment: content_base64 is not base64 at character %zu", i);
        if (count > 0 && count % BASE64_WIDTH == 0)
            buf_puts(out, "\r\n");
        buf_putc(out, c);
        count++;
    }
    if (count % 4 != 0)
        return err_set(e, ERR_INPUT, "attachment: content_base64 is cut off (%zu characters)", count);
    return true;
}

void mime_put_date(struct buf *out, int64_t wall_ms)
{
    static const char *const DAYS[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const MONTHS[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm = { 0 };
    gmtime_r(&seconds, &tm); // strftime's names follow the locale
    buf_printf(out, "%s, %d %s %d %02d:%02d:%02d +0000", DAYS[tm.tm_wday], tm.tm_mday, MONTHS[tm.tm_mon],
               tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
