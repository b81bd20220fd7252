// SPDX-License-Identifier: Apache-2.0
// http_reply: from a status, a few header lines and the beginning of a body to an outcome.
//
// 2xx is acceptance, everything else a refusal with its code: what a 500 means for the job is the
// classifier's business. The body is read only for what people and later steps need: the next hop's name for
// the message, and one line that says why not. It is somebody else's text: cut, and freed from control
// characters.
#include "worker/transport/http.h"
#include "worker/transport/http_wait.h"

#include "common/clock.h"

#include <curl/curl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define EPOCH_S_MIN  1e9  // 2001; nobody asks for 31 years
#define EPOCH_MS_MIN 1e12

// ---- the wait that was asked for ------------------------------------------------------------------------

// A number of units, fractions allowed. False: it is something else.
static bool read_number(const char *text, double unit_ms, int64_t *ms)
{
    char *end;
    double n = strtod(text, &end);
    while (*end == ' ')
        end++;
    if (end == text || *end != '\0' || !isfinite(n))
        return false;
    double wait = n * unit_ms;
    *ms = wait < 0 ? 0 : wait > (double)HTTP_WAIT_MAX_MS ? HTTP_WAIT_MAX_MS : (int64_t)wait;
    return true;
}

// Their clock's time where they tell it.
static int64_t their_now_ms(const char *date, int64_t now_wall_ms)
{
    time_t theirs = date != NULL ? curl_getdate(date, NULL) : -1;
    return theirs >= 0 ? (int64_t)theirs * 1000 : now_wall_ms;
}

// A date, counted by their own clock; -1: it is none.
static int64_t until_date_ms(const char *text, const char *date, int64_t now_wall_ms)
{
    time_t until = curl_getdate(text, NULL);
    if (until < 0)
        return -1;
    int64_t ms = (int64_t)until * 1000 - their_now_ms(date, now_wall_ms);
    return ms < 0 ? 0 : ms > HTTP_WAIT_MAX_MS ? HTTP_WAIT_MAX_MS : ms;
}

int64_t http_wait_ms(const char *retry_after, const char *retry_after_ms, const char *date,
                     int64_t now_wall_ms)
{
    int64_t ms;
    if (retry_after_ms != NULL && read_number(retry_after_ms, 1, &ms))
        return ms;
    if (retry_after == NULL)
        return -1;
    if (read_number(retry_after, CLOCK_SECOND_MS, &ms))
        return ms;
    return until_date_ms(retry_after, date, now_wall_ms);
}

const char *const HTTP_RESET_HEADERS[] = { "RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset", "RateLimit", NULL };

int64_t http_reset_ms(const char *value, const char *date, int64_t now_wall_ms)
{
    static const char *const MEMBERS[] = { "reset=", ";t=", "; t=" };
    char number[24];
    for (size_t i = 0; i < sizeof MEMBERS / sizeof *MEMBERS; i++) {
        const char *at = strstr(value, MEMBERS[i]);
        if (at == NULL)
            continue;
        at += strlen(MEMBERS[i]);
        snprintf(number, sizeof number, "%.*s", (int)strspn(at, "0123456789"), at);
        value = number;
        break;
    }
    int64_t ms;
    if (!read_number(value, 1, &ms)) // only asks whether it is a number
        return until_date_ms(value, date, now_wall_ms);
    double n = strtod(value, NULL);
    int64_t now_ms = their_now_ms(date, now_wall_ms);
    if (n > EPOCH_S_MIN)
        n = n > EPOCH_MS_MIN ? (n - (double)now_ms) / 1000 : n - (double)now_ms / 1000;
    double wait_ms = n * 1000;
    return wait_ms < 0 ? 0 : wait_ms > (double)HTTP_WAIT_MAX_MS ? HTTP_WAIT_MAX_MS : (int64_t)wait_ms;
}

// ---- text -----------------------------------------------------------------------------------------------

// One line of at most size - 1 bytes: white space and control characters become one space, whole characters
// only.
static void put_line(char *out, size_t size, struct slice text)
{
    size_t len = 0;
    bool space = false;
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.ptr[i];
        size_t step = utf8_sequence(text.ptr + i, text.len - i);
        bool is_space =
            c <= ' ' || c == 0x7f || (step == 2 && c == 0xc2 && (unsigned char)text.ptr[i + 1] < 0xa0);
        if (is_space) {
            space = len > 0;
            i += step > 0 ? step : 1;
            continue;
        }
        size_t add = step > 0 ? step : 1;
        if (len + space + add >= size)
            break;
        if (space)
            out[len++] = ' ';
        space = false;
        if (step > 0)
            memcpy(out + len, text.ptr + i, add);
        else
            out[len] = '?';
        len += add;
        i += add;
    }
    out[len] = '\0';
}

static struct slice first_line(struct slice body)
{
    while (body.len > 0 && (unsigned char)body.ptr[0] <= ' ')
        body.ptr++, body.len--;
    const char *end = body.len > 0 ? memchr(body.ptr, '\n', body.len) : NULL;
    if (end != NULL)
        body.len = (size_t)(end - body.ptr);
    return body;
}

// ---- JSON -----------------------------------------------------------------------------------------------

// The first of the members that is a string (or, for ids, a number).
static struct slice member_text(struct transport *t, uint32_t object, const char *const *names, bool numbers)
{
    for (; *names != NULL; names++) {
        uint32_t at = json_member(&t->doc, object, *names);
        if (at != 0 && t->doc.tokens[at].type == JSON_TYPE_STRING)
            return json_text(&t->doc, at, &t->scratch);
        if (at != 0 && numbers && t->doc.tokens[at].type == JSON_TYPE_NUMBER)
            return json_raw(&t->doc, at);
    }
    return (struct slice){ 0 };
}

static struct slice reason_in_json(struct transport *t)
{
    static const char *const plain[] = { "message", "Message",      "error", "detail",
                                         "title",   "ErrorMessage", NULL };
    static const char *const nested[] = { "error", "errors", NULL };
    struct slice text = member_text(t, 0, plain, false);
    for (const char *const *name = nested; text.ptr == NULL && *name != NULL; name++) {
        uint32_t at = json_member(&t->doc, 0, *name);
        if (at != 0 && t->doc.tokens[at].type == JSON_TYPE_ARRAY && t->doc.tokens[at].next > at + 1)
            at++; // its first element
        if (at != 0 && t->doc.tokens[at].type == JSON_TYPE_OBJECT)
            text = member_text(t, at, plain, false);
        else if (at != 0 && t->doc.tokens[at].type == JSON_TYPE_STRING)
            text = json_text(&t->doc, at, &t->scratch);
    }
    return text;
}

// True: t->doc holds the body, an object.
static bool parse_body(struct transport *t, const struct http_reply *r)
{
    struct err ignored;
    buf_reset(&t->scratch);
    return r->whole && r->body.len > 0 && r->body.ptr[0] == '{' &&
           json_parse(&t->doc, r->body.ptr, r->body.len, &ignored) &&
           t->doc.tokens[0].type == JSON_TYPE_OBJECT;
}

void http_reply_read(struct transport *t, const struct http_reply *r, int64_t now_wall_ms, struct outcome *o)
{
    static const char *const ids[] = { "id", "message_id", NULL };
    bool accepted = r->status >= 200 && r->status < 300;
    bool json = parse_body(t, r);
    o->code = r->status;
    o->result = accepted ? ATTEMPT_ACCEPTED : ATTEMPT_REFUSED;
    o->retry_after_ms = http_wait_ms(r->retry_after, r->retry_after_ms, r->date, now_wall_ms);
    if (o->retry_after_ms < 0 && r->status == HTTP_TOO_MANY && r->reset != NULL)
        o->retry_after_ms = http_reset_ms(r->reset, r->date, now_wall_ms);
    struct slice id = accepted && json ? member_text(t, 0, ids, true) : (struct slice){ 0 };
    if (accepted && id.ptr == NULL)
        id = slice_of(r->message_id);
    put_line(o->provider_id, sizeof o->provider_id, id);
    buf_reset(&t->scratch);
    struct slice reason = json ? reason_in_json(t) : (struct slice){ 0 };
    if (reason.len == 0 && !accepted)
        reason = first_line(r->body);
    put_line(o->text, sizeof o->text, reason);
    if (o->text[0] == '\0')
        snprintf(o->text, sizeof o->text, "HTTP %d", r->status);
}
