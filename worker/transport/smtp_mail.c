// SPDX-License-Identifier: Apache-2.0
// smtp_mail: what one mail puts on the wire.
//
// Two things here are a matter of security. An address with a line break or a ">" would be a second command of the
// publisher's choosing; a line of the message that is a dot alone would end the message, and the rest of it would
// be commands (with a bare LF around the dot some servers think so and some do not). So addresses are checked
// again although the job was validated, the message has CRLF line ends only, and every line that starts with a dot
// gets another one (RFC 5321 4.5.2).
#include "worker/transport/smtp_mail.h"

#include "worker/dkim.h"
#include "worker/message.h"

#include <assert.h>
#include <stdio.h>

enum { KEEP_MAX = 256 << 10 };

static bool refuse(struct outcome *o, int code, const char *enhanced, const char *text)
{
    o->code = code;
    snprintf(o->enhanced, sizeof o->enhanced, "%s", enhanced);
    snprintf(o->text, sizeof o->text, "%s", text);
    return false;
}

static bool is_safe(struct slice spec)
{
    for (size_t i = 0; i < spec.len; i++) {
        unsigned char c = (unsigned char)spec.ptr[i];
        if (c <= 0x20 || c == 0x7f || c == '<' || c == '>')
            return false;
    }
    return spec.len > 0;
}

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    return true;
}

static bool needs_utf8(const struct smtp_mail *m)
{
    const struct job *job = m->attempt->job;
    return !is_ascii(job->from.spec) || !is_ascii(job->to.spec) ||
           (job->reply_to.spec.ptr != NULL && !is_ascii(job->reply_to.spec));
}

static bool check_addresses(const struct smtp_mail *m, const struct smtp_offer *offer, struct outcome *o)
{
    const struct job *job = m->attempt->job;
    if (!is_safe(job->from.spec))
        return refuse(o, 553, "5.1.7", "from: the address cannot be written in a command");
    if (!is_safe(job->to.spec))
        return refuse(o, 553, "5.1.3", "to: the address cannot be written in a command");
    if (needs_utf8(m) && (offer->extensions & SMTP_SMTPUTF8) == 0)
        return refuse(o, 553, "5.6.7", "an address is not ASCII and the server does not offer SMTPUTF8");
    return true;
}

// The next dot that starts a line, end when there is none.
static const char *next_dot(const char *at, const char *end)
{
    const char *line = memmem(at, (size_t)(end - at), "\r\n.", 3);
    return line != NULL ? line + 2 : end;
}

// Doubles the dot of every line that starts with one.
static void stuff_dots(struct smtp_frame *f)
{
    const char *at = f->bytes.data, *end = at + f->bytes.len;
    const char *dot = *at == '.' ? at : next_dot(at, end);
    if (dot == end)
        return; // the usual case costs one search
    buf_reset(&f->spare);
    for (; dot < end; dot = next_dot(at, end)) {
        buf_put(&f->spare, at, (size_t)(dot - at));
        buf_putc(&f->spare, '.');
        at = dot;
    }
    buf_put(&f->spare, at, (size_t)(end - at));
    struct buf stuffed = f->spare;
    f->spare = f->bytes;
    f->bytes = stuffed;
}

// Writes the message, signed where its sender's domain has keys. A signature that fails is worth another try, and the
// mail is not: it would be refused for good where the domain's policy asks for one.
static bool write_message(const struct attempt *a, struct smtp_frame *f, struct outcome *o)
{
    int64_t date_ms = message_date_ms(a->job, a->first_seen_ms);
    struct err e = { 0 };
    buf_reset(&f->bytes);
    if (!message_build(a->job, a->job_id, date_ms, &f->bytes, &e))
        return refuse(o, 554, "5.6.0", e.text);
    if (!dkim_sign(f->dkim, a->job->from.domain, date_ms, &f->bytes, &e))
        return refuse(o, 451, "4.3.0", e.text);
    f->size = f->bytes.len;
    return true;
}

bool smtp_mail_frame(const struct smtp_mail *m, const struct smtp_offer *offer, struct smtp_frame *f, struct outcome *o)
{
    if (!check_addresses(m, offer, o))
        return false;
    if (!write_message(m->attempt, f, o))
        return false;
    if (offer->size_max > 0 && (uint64_t)f->size > (uint64_t)offer->size_max) {
        char text[96];
        snprintf(text, sizeof text, "message is %zu bytes, the server takes %lld", f->size, (long long)offer->size_max);
        return refuse(o, 552, "5.3.4", text);
    }
    stuff_dots(f);
    buf_puts(&f->bytes, ".\r\n");
    assert(memcmp(f->bytes.data + f->bytes.len - SMTP_TERMINATOR, "\r\n.\r\n", SMTP_TERMINATOR) == 0);
    return true;
}

void smtp_frame_clear(struct smtp_frame *f)
{
    buf_clear(&f->bytes);
    buf_clear(&f->spare);
}

void smtp_frame_trim(struct smtp_frame *f)
{
    if (f->bytes.cap + f->spare.cap > KEEP_MAX)
        smtp_frame_clear(f);
}

void smtp_mail_put_from(const struct smtp_mail *m, const struct smtp_offer *offer, size_t size, struct buf *out)
{
    assert(is_safe(m->attempt->job->from.spec));
    buf_puts(out, "MAIL FROM:<");
    buf_put_slice(out, m->attempt->job->from.spec);
    buf_putc(out, '>');
    if ((offer->extensions & SMTP_SIZE) != 0) {
        buf_puts(out, " SIZE=");
        buf_put_i64(out, (int64_t)size);
    }
    if (needs_utf8(m)) // raw UTF-8 in the headers as well: RFC 6531 3.6
        buf_puts(out, (offer->extensions & SMTP_8BITMIME) != 0 ? " BODY=8BITMIME SMTPUTF8" : " SMTPUTF8");
    buf_puts(out, "\r\n");
}

void smtp_mail_put_to(const struct smtp_mail *m, struct buf *out)
{
    assert(is_safe(m->attempt->job->to.spec));
    buf_puts(out, "RCPT TO:<");
    buf_put_slice(out, m->attempt->job->to.spec);
    buf_puts(out, ">\r\n");
}
