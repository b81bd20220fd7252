// SPDX-License-Identifier: Apache-2.0
// mime: header lines. Bodies are in mime_body.c.
//
// Everything here is a pure function of its input, because a message must have the same bytes at every
// attempt: receivers and feedback match on them, and the signature covers them. What can go wrong is
// injection: a line break in a value is a header of somebody else's choosing. Values with control characters
// are refused, never repaired.
//
// A line is folded before a blank that is there already, so that unfolding gives the value back as it was.
// What has no blank to fold at goes as encoded-words; they can be as short as it takes.
#include "worker/mime.h"

#include "common/base64.h"

#include <time.h>

enum {
    HEADER_WIDTH = 76,    // fold there (78 is the RFC's wish, 76 its limit for lines with encoded-words)
    WORD_MAX = 75,        // an encoded-word, RFC 2047 2
    WORD_FRAME = 12,      // "=?UTF-8?B?" and "?="
    FIRST_WORD_MIN = 40,  // a first encoded-word shorter than that is not worth the place beside the name
    ASCII_WORD_MAX = 200, // a longer run without a blank goes as encoded-words, which can be folded; not so
                          // where programs look for an address or link in <>
    PARAMETER_WIDTH = 58, // of a file name in one piece
    FILENAME_MAX_BYTES = 255,
    DISPLAY_MAX = 1024,
};

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
    const char *line = out->len > 0 ? memrchr(out->data, '\n', out->len) : NULL;
    return line != NULL ? (size_t)(out->data + out->len - line - 1) : out->len;
}

// ---- folding ----------------------------------------------------------------------------------------------

// A run of blanks and the word after it from i on: they stay on one line. Returns its end.
static size_t unit_end(struct slice s, size_t i)
{
    while (i < s.len && is_blank(s.ptr[i]))
        i++;
    while (i < s.len && !is_blank(s.ptr[i]))
        i++;
    return i;
}

static size_t longest_unit(struct slice s)
{
    size_t longest = 0;
    for (size_t i = 0, end; i < s.len; i = end) {
        end = unit_end(s, i);
        if (end - i > longest)
            longest = end - i;
    }
    return longest;
}

// Copies s, which does not end in a blank, with a line break before each unit that would pass the width.
static void put_folded(struct buf *out, struct slice s)
{
    size_t col = column(out);
    for (size_t i = 0, end; i < s.len; i = end) {
        end = unit_end(s, i);
        if (i > 0 && col + (end - i) > HEADER_WIDTH) {
            buf_puts(out, "\r\n");
            col = 0;
        }
        buf_put(out, s.ptr + i, end - i);
        col += end - i;
    }
}

// Octets of the characters from i on that fit into room; a character is never split.
static size_t characters_that_fit(struct slice s, size_t i, size_t room)
{
    size_t n = 0;
    while (i + n < s.len) {
        size_t c = utf8_sequence(s.ptr + i + n, s.len - i - n);
        c = c > 0 ? c : 1;
        if (n + c > room)
            break;
        n += c;
    }
    return n;
}

// RFC 2047, B encoding: as many words as it takes, one a line.
static void put_encoded_words(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t col = column(out);
        if (i > 0 || col + FIRST_WORD_MIN > HEADER_WIDTH) {
            buf_puts(out, "\r\n ");
            col = 1;
        }
        size_t width = HEADER_WIDTH - col < WORD_MAX ? HEADER_WIDTH - col : WORD_MAX;
        size_t n = characters_that_fit(s, i, (width - WORD_FRAME) / 4 * 3);
        buf_puts(out, "=?UTF-8?B?");
        base64_put(out, (struct slice){ s.ptr + i, n });
        buf_puts(out, "?=");
        i += n;
    }
}

static bool is_plain(struct slice s)
{
    if (!is_ascii(s) || contains(s, SLICE("=?")))
        return false;
    return longest_unit(s) <= ASCII_WORD_MAX || contains(s, SLICE("<"));
}

// Blanks at the ends are lost on the way anyhow.
static struct slice trimmed(struct slice s)
{
    for (; s.len > 0 && is_blank(s.ptr[0]); s.ptr++)
        s.len--;
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

// ---- one header -------------------------------------------------------------------------------------------

static bool refuse_controls(const char *name, struct slice value, struct err *e)
{
    return !has_control(value) ||
           err_set(e, ERR_INPUT, "header %s: control characters are not allowed", name);
}

static bool put_plain(struct buf *out, const char *name, struct slice value, struct err *e)
{
    size_t longest = longest_unit(value);
    if (longest + strlen(name) + 2 > MIME_LINE_MAX)
        return err_set(e, ERR_INPUT, "header %s: a word that fits on no line (%zu characters)", name,
                       longest);
    buf_puts(out, name);
    buf_puts(out, ": ");
    put_folded(out, value);
    buf_puts(out, "\r\n");
    return true;
}

bool mime_put_header(struct buf *out, const char *name, struct slice value, struct err *e)
{
    if (!refuse_controls(name, value, e))
        return false;
    value = trimmed(value);
    if (is_plain(value))
        return put_plain(out, name, value, e);
    buf_puts(out, name);
    buf_puts(out, ": ");
    put_encoded_words(out, value);
    buf_puts(out, "\r\n");
    return true;
}

bool mime_put_structured(struct buf *out, const char *name, struct slice value, struct err *e)
{
    if (!refuse_controls(name, value, e))
        return false;
    if (!is_ascii(value))
        return err_set(e, ERR_INPUT, "header %s: has to be ASCII", name);
    return put_plain(out, name, trimmed(value), e);
}

// ---- mailboxes --------------------------------------------------------------------------------------------

// Letters, digits and the marks that need no quotes in a phrase (RFC 5322 atext), and blanks.
static bool is_phrase(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ';
        if (!letter && (c < 0x21 || c > 0x7e || strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL))
            return false;
    }
    return true;
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

static void put_quoted(struct buf *out, struct slice text)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, text.ptr[i]);
    }
    buf_putc(out, '"');
}

static void put_display(struct buf *out, struct slice display)
{
    if (!is_plain(display) || longest_unit(display) > ASCII_WORD_MAX) {
        put_encoded_words(out, display);
        return;
    }
    if (is_phrase(display)) {
        put_folded(out, display);
        return;
    }
    struct buf quoted = { 0 };
    put_quoted(&quoted, display);
    put_folded(out, buf_slice(&quoted));
    buf_clear(&quoted);
}

bool mime_put_mailbox(struct buf *out, const char *name, const struct address *a, struct err *e)
{
    char room[DISPLAY_MAX];
    struct slice display = a->display;
    if (!refuse_controls(name, a->spec, e) || !refuse_controls(name, display, e))
        return false;
    if (display.len > sizeof room)
        return err_set(e, ERR_INPUT, "header %s: a display name of more than %zu characters", name,
                       sizeof room);
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

// ---- parts ------------------------------------------------------------------------------------------------

// RFC 2231: letters, digits and "._-" stand for themselves, the rest is hexadecimal.
static void put_percent(struct buf *out, struct slice s)
{
    static const char HEX[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || c == '.' || c == '-' || c == '_')
            buf_putc(out, (char)c);
        else
            buf_put(out, (char[]){ '%', HEX[c >> 4], HEX[c & 15] }, 3);
    }
}

// A file name that is not ASCII or does not fit a line: filename*=UTF-8''…, in numbered pieces when it is
// long.
static void put_extended_filename(struct buf *out, struct slice name)
{
    size_t piece_max = PARAMETER_WIDTH / 3;
    if (name.len <= piece_max) {
        buf_puts(out, ";\r\n filename*=UTF-8''");
        put_percent(out, name);
        return;
    }
    int piece = 0;
    for (size_t i = 0, n; i < name.len; i += n) {
        n = characters_that_fit(name, i, piece_max);
        buf_printf(out, ";\r\n filename*%d*=%s", piece, piece == 0 ? "UTF-8''" : "");
        put_percent(out, (struct slice){ name.ptr + i, n });
        piece++;
    }
}

bool mime_put_disposition(struct buf *out, const char *kind, struct slice filename, struct err *e)
{
    if (has_control(filename) || filename.len > FILENAME_MAX_BYTES)
        return err_set(e, ERR_INPUT, "attachment: filename has control characters or more than %d octets",
                       FILENAME_MAX_BYTES);
    buf_puts(out, "Content-Disposition: ");
    buf_puts(out, kind);
    if (filename.len > 0 && filename.len <= PARAMETER_WIDTH && is_plain(filename)) {
        buf_puts(out, ";\r\n filename=");
        put_quoted(out, filename);
    } else if (filename.len > 0) {
        put_extended_filename(out, filename);
    }
    buf_puts(out, "\r\n");
    return true;
}

bool mime_put_content_id(struct buf *out, struct slice id, struct err *e)
{
    bool ok = id.len > 0 && id.len <= FILENAME_MAX_BYTES;
    for (size_t i = 0; ok && i < id.len; i++)
        ok = id.ptr[i] > ' ' && id.ptr[i] < 0x7f && strchr("<>()[]\\,;:\"", id.ptr[i]) == NULL;
    if (!ok)
        return err_set(e, ERR_INPUT,
                       "attachment: content_id is not printable ASCII without blanks and brackets");
    buf_puts(out, "Content-ID: <");
    buf_put_slice(out, id);
    buf_puts(out, ">\r\n");
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
