// SPDX-License-Identifier: Apache-2.0
// reply_text: see reply_text.h.
//
// Servers spread one sentence over several lines, repeat the code in front of each, repeat the enhanced code
// as well or leave it out, and no two agree on upper case. All of that is taken away once, so that a rule can
// be a few plain words. An enhanced code counts only when its class is the first digit of the reply code (RFC
// 2034 4): "450 5.1.1" is a server that is wrong about one of the two, and the reply code is the one that the
// protocol is made of.
//
// What can go wrong: the text is anybody's. It is cut at 2 KiB, other bytes than printable ones become '?',
// bytes of UTF-8 stay as they are. Numbers that do not fit are no codes and no waits.
#include "worker/reply_text.h"

#include "common/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// ---- codes ---------------------------------------------------------------------------------------------

static size_t read_number(const char *text, size_t len, int *n)
{
    size_t i = 0;
    *n = 0;
    for (; i < len && i < 4 && is_digit(text[i]); i++)
        *n = *n * 10 + (text[i] - '0');
    return i;
}

size_t status_read(const char *text, size_t len, struct status *s)
{
    int subject = 0, detail = 0;
    if (len < 5 || text[0] < '2' || text[0] > '5' || text[1] != '.')
        return 0;
    size_t i = 2, digits = read_number(text + i, len - i, &subject);
    i += digits;
    if (digits < 1 || digits > 3 || i >= len || text[i] != '.')
        return 0;
    i++;
    digits = read_number(text + i, len - i, &detail);
    i += digits;
    bool goes_on = i < len && (isalnum((unsigned char)text[i]) ||
                               (text[i] == '.' && i + 1 < len && is_digit(text[i + 1])));
    if (digits < 1 || digits > 3 || goes_on)
        return 0;
    *s = (struct status){ text[0] - '0', subject, detail };
    return i;
}

static void keep_status(struct reply_text *r, const struct status *s, int code)
{
    if (r->status.class == 0 && s->class == code / 100)
        r->status = *s;
}

// At the start of a word: the octets of "550-", "550 5.1.1" or "5.1.1" that are not part of the sentence.
static size_t skip_codes(struct reply_text *r, const char *p, size_t len, int code, bool line_start)
{
    size_t skip = 0;
    struct status s;
    int n;
    if (read_number(p, len, &n) == 3 && n == code) {
        bool dash = len > 3 && p[3] == '-', blank = len == 3 || p[3] == ' ';
        bool repeated = blank && len > 4 && status_read(p + 4, len - 4, &s) > 0;
        skip = dash || repeated || (line_start && blank) ? (len > 3 ? 4 : 3) : 0;
    }
    if (skip == 0 && !line_start)
        return 0;
    size_t more = status_read(p + skip, len - skip, &s);
    if (more > 0 && s.class != code / 100)
        return skip;
    if (more > 0)
        keep_status(r, &s, code);
    return skip + more;
}

// ---- one line ------------------------------------------------------------------------------------------

static void append(struct reply_text *r, struct slice from, int code)
{
    bool word_start = true, line_start = true;
    for (size_t i = 0; i < from.len && r->len < REPLY_TEXT_MAX; i++) {
        size_t skip =
            word_start && code > 0 ? skip_codes(r, from.ptr + i, from.len - i, code, line_start) : 0;
        i += skip;
        if (i >= from.len)
            return;
        unsigned char c = (unsigned char)from.ptr[i];
        struct status s;
        if (c == '#' && code > 0 && status_read(from.ptr + i + 1, from.len - i - 1, &s) > 0)
            keep_status(r, &s, code); // qmail: "sorry, no mailbox here by that name. (#5.1.1)"
        line_start = c == '\n' || (line_start && c == '\r');
        word_start = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        if (!word_start)
            r->text[r->len++] = c < ' ' || c == 0x7f ? '?' : (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        else if (r->len > 0 && r->text[r->len - 1] != ' ')
            r->text[r->len++] = ' ';
    }
}

void reply_text_read(struct reply_text *r, const struct outcome *o, bool smtp)
{
    struct status s = { 0 };
    r->status = s;
    r->len = 0;
    int code = smtp ? o->code : 0;
    if (status_read(o->enhanced, strlen(o->enhanced), &s) > 0)
        keep_status(r, &s, o->code);
    if (!smtp || o->response.len == 0)
        append(r, slice_of(o->text), code);
    if (!smtp && r->len > 0 && r->len < REPLY_TEXT_MAX)
        r->text[r->len++] = ' ';
    if (smtp ||
        o->result != ATTEMPT_ACCEPTED) // what an API says about a mail that it took is not worth reading
        append(r, o->response, code);
    if (r->len > 0 && r->text[r->len - 1] == ' ')
        r->len--;
    r->text[r->len] = '\0';
}

// ---- waits ---------------------------------------------------------------------------------------------

static int64_t unit_ms(const char *word)
{
    static const struct {
        const char *name;
        int64_t ms;
    } UNITS[] = {
        { "s", CLOCK_SECOND_MS },       { "sec", CLOCK_SECOND_MS },     { "secs", CLOCK_SECOND_MS },
        { "second", CLOCK_SECOND_MS },  { "seconds", CLOCK_SECOND_MS }, { "m", CLOCK_MINUTE_MS },
        { "min", CLOCK_MINUTE_MS },     { "mins", CLOCK_MINUTE_MS },    { "minute", CLOCK_MINUTE_MS },
        { "minutes", CLOCK_MINUTE_MS }, { "h", CLOCK_HOUR_MS },         { "hr", CLOCK_HOUR_MS },
        { "hrs", CLOCK_HOUR_MS },       { "hour", CLOCK_HOUR_MS },      { "hours", CLOCK_HOUR_MS },
        { "day", CLOCK_DAY_MS },        { "days", CLOCK_DAY_MS },
    };
    size_t len = 0;
    while (isalpha((unsigned char)word[len]))
        len++;
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
        if (strlen(UNITS[i].name) == len && strncmp(UNITS[i].name, word, len) == 0)
            return UNITS[i].ms;
    return 0;
}

// "00:04:30" or "04:30": milliseconds; -1 = it is none.
static int64_t clock_wait_ms(const char *p)
{
    int64_t fields[3] = { 0 };
    int count = 0;
    while (count < 3 && is_digit(p[0]) && is_digit(p[1])) {
        fields[count++] = (p[0] - '0') * 10 + (p[1] - '0');
        p += 2;
        if (*p != ':')
            break;
        p++;
    }
    if (count < 2 || isalnum((unsigned char)*p))
        return -1;
    int64_t s = count == 3 ? (fields[0] * 60 + fields[1]) * 60 + fields[2] : fields[0] * 60 + fields[1];
    return s * CLOCK_SECOND_MS;
}

// What follows "in ", "for " …: -1 = no wait.
static int64_t wait_at(const char *p)
{
    static const char *const ONE[] = { "an ", "a ", "one ", "another " };
    static const char *const LEAST[] = { "at least ", "about ", "approximately ", "up to " };
    for (size_t i = 0; i < sizeof LEAST / sizeof *LEAST; i++)
        if (strncmp(p, LEAST[i], strlen(LEAST[i])) == 0)
            p += strlen(LEAST[i]);
    int64_t n = 0;
    for (size_t i = 0; i < sizeof ONE / sizeof *ONE && n == 0; i++) {
        n = strncmp(p, ONE[i], strlen(ONE[i])) == 0;
        p += n * (int64_t)strlen(ONE[i]);
    }
    int64_t ms = clock_wait_ms(p);
    if (ms >= 0)
        return ms;
    for (; is_digit(*p); p++)
        n = n < 1000000 ? n * 10 + (*p - '0') : n;
    while (*p == ' ' || *p == '-')
        p++;
    ms = n * unit_ms(p);
    return ms > 0 ? ms : -1;
}

int64_t reply_text_wait_ms(const char *text)
{
    static const char *const BEFORE[] = { "in ", "after ", "for ", "wait " };
    for (const char *p = text; *p != '\0'; p++) {
        if (p > text && isalnum((unsigned char)p[-1]))
            continue;
        for (size_t i = 0; i < sizeof BEFORE / sizeof *BEFORE; i++) {
            size_t len = strlen(BEFORE[i]);
            int64_t ms = strncmp(p, BEFORE[i], len) == 0 ? wait_at(p + len) : -1;
            if (ms >= 0)
                return ms;
        }
    }
    return -1;
}
