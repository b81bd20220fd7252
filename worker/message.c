// SPDX-License-Identifier: Apache-2.0
// message: from the fields of a job to a message.
//
//   text or html alone            text/plain | text/html
//   both                          multipart/alternative(text, html)
//   with attachments              multipart/mixed(one of the above, attachment …)
//
// Which headers a publisher may set is decided here: not those that identify, route or structure the message
// (a second From or a Content-Type would let one part of the mail system read another message than the next).
// They are refused, not dropped: a job that asks for something it does not get should say so. Everything is
// refused before the first byte is on its way.
#include "worker/message.h"

#include "common/digest.h"
#include "worker/mime.h"

#include <strings.h>

enum { HEADER_NAME_MAX = 76 };

struct builder {
    const struct job *job;
    struct buf *out;
    struct buf scratch; // owned; decoded JSON strings
    char hash[DIGEST_SHORT_SIZE]; // of job id and recipient
};

// Ours, or the mail system's. A "*" at the end stands for anything.
static const char *const FORBIDDEN[] = {
    "From", "To", "Bcc", "Subject", "Reply-To", "Date", "Message-ID", "Received", "Return-Path", "DKIM-Signature",
    "MIME-*", "Content-*", "X-Sendfleet-*",
};

static bool is_forbidden(const char *name)
{
    for (size_t i = 0; i < sizeof FORBIDDEN / sizeof FORBIDDEN[0]; i++) {
        size_t len = strlen(FORBIDDEN[i]);
        if (FORBIDDEN[i][len - 1] == '*' ? strncasecmp(name, FORBIDDEN[i], len - 1) == 0
                                         : strcasecmp(name, FORBIDDEN[i]) == 0)
            return true;
    }
    return false;
}

static bool header_name(struct slice key, char name[HEADER_NAME_MAX + 1], struct err *e)
{
    bool ok = key.len > 0 && key.len <= HEADER_NAME_MAX;
    for (size_t i = 0; ok && i < key.len; i++)
        ok = key.ptr[i] > ' ' && key.ptr[i] < 0x7f && key.ptr[i] != ':';
    if (!ok)
        return err_set(e, ERR_INPUT, "headers: a name is empty, longer than %d or not printable ASCII without \":\"",
                       HEADER_NAME_MAX);
    memcpy(name, key.ptr, key.len);
    name[key.len] = '\0';
    if (is_forbidden(name))
        return err_set(e, ERR_INPUT, "headers: %s may not be set there", name);
    return true;
}

static bool put_user_headers(struct builder *b, struct err *e)
{
    const struct json_doc *doc = &b->job->doc;
    uint32_t object = b->job->headers;
    if (object == 0)
        return true;
    for (uint32_t key = object + 1; key < doc->tokens[object].next; key = doc->tokens[key + 1].next) {
        char name[HEADER_NAME_MAX + 1];
        buf_reset(&b->scratch);
        if (!header_name(json_text(doc, key, &b->scratch), name, e))
            return false;
        if (doc->tokens[key + 1].type != JSON_TYPE_STRING)
            return err_set(e, ERR_INPUT, "headers: %s is not a string", name);
        buf_reset(&b->scratch);
        if (!mime_put_header(b->out, name, json_text(doc, key + 1, &b->scratch), e))
            return false;
    }
    return true;
}

static bool put_headers(struct builder *b, const char *job_id, int64_t date_ms, struct err *e)
{
    const struct job *job = b->job;
    buf_puts(b->out, "Date: ");
    mime_put_date(b->out, date_ms);
    buf_puts(b->out, "\r\n");
    if (!mime_put_mailbox(b->out, "From", &job->from, e) || !mime_put_mailbox(b->out, "To", &job->to, e))
        return false;
    if (job->reply_to.spec.ptr != NULL && !mime_put_mailbox(b->out, "Reply-To", &job->reply_to, e))
        return false;
    if (job->subject.ptr != NULL && !mime_put_header(b->out, "Subject", job->subject, e))
        return false;
    buf_printf(b->out, "Message-ID: <%s@", b->hash);
    buf_put_slice(b->out, job->from.domain);
    buf_puts(b->out, ">\r\n");
    if (!mime_put_header(b->out, "X-Sendfleet-Id", slice_of(job_id), e) || !put_user_headers(b, e))
        return false;
    buf_puts(b->out, "MIME-Version: 1.0\r\n");
    return true;
}

static void put_multipart(struct builder *b, const char *subtype, int level)
{
    buf_printf(b->out, "Content-Type: multipart/%s;\r\n boundary=\"=_%d_%s\"\r\n", subtype, level, b->hash);
}

static void put_boundary(struct builder *b, int level, const char *end)
{
    buf_printf(b->out, "\r\n--=_%d_%s%s\r\n", level, b->hash, end);
}

static void put_text(struct builder *b, const char *subtype, struct slice text)
{
    buf_printf(b->out, "Content-Type: text/%s; charset=utf-8\r\n", subtype);
    mime_put_text(b->out, text);
}

static void put_content(struct builder *b)
{
    const struct job *job = b->job;
    if (job->html.ptr == NULL) {
        put_text(b, "plain", job->text);
    } else if (job->text.ptr == NULL) {
        put_text(b, "html", job->html);
    } else {
        put_multipart(b, "alternative", 2);
        put_boundary(b, 2, "");
        put_text(b, "plain", job->text);
        put_boundary(b, 2, "");
        put_text(b, "html", job->html);
        put_boundary(b, 2, "--");
    }
}

// type "/" subtype, then maybe parameters; printable ASCII. Parts inside parts are nobody's business but ours.
static bool is_content_type(struct slice s)
{
    if (s.len > 200 || memchr(s.ptr, '/', s.len) == NULL || s.ptr[0] == '/' || s.ptr[s.len - 1] == '/')
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || (unsigned char)s.ptr[i] > 0x7e)
            return false;
    return s.len < 10 || strncasecmp(s.ptr, "multipart/", 10) != 0;
}

// The string member of an object, decoded; ptr NULL when absent or not a string.
static struct slice member_text(struct builder *b, uint32_t object, const char *key)
{
    uint32_t index = json_member(&b->job->doc, object, key);
    if (index == 0 || b->job->doc.tokens[index].type != JSON_TYPE_STRING)
        return (struct slice){ NULL, 0 };
    return json_text(&b->job->doc, index, &b->scratch);
}

static bool put_attachment(struct builder *b, uint32_t index, struct err *e)
{
    const struct json_token *t = &b->job->doc.tokens[index];
    if (t->type != JSON_TYPE_OBJECT)
        return err_set(e, ERR_INPUT, "attachments: an entry is not an object");
    buf_reset(&b->scratch);
    buf_reserve(&b->scratch, t->end - t->start); // so that the slices stay where they are
    struct slice filename = member_text(b, index, "filename");
    struct slice type = member_text(b, index, "content_type");
    struct slice content = member_text(b, index, "content_base64");
    if (content.ptr == NULL)
        return err_set(e, ERR_INPUT, "attachments: content_base64 is missing");
    if (type.len == 0)
        type = SLICE("application/octet-stream");
    if (!is_content_type(type))
        return err_set(e, ERR_INPUT, "attachments: content_type is not one (or a multipart)");
    return mime_put_header(b->out, "Content-Type", type, e) && mime_put_disposition(b->out, filename, e) &&
           mime_put_base64(b->out, content, e);
}

static bool put_mixed(struct builder *b, struct err *e)
{
    const struct json_doc *doc = &b->job->doc;
    uint32_t array = b->job->attachments;
    put_multipart(b, "mixed", 1);
    put_boundary(b, 1, "");
    put_content(b);
    for (uint32_t i = array + 1; i < doc->tokens[array].next; i = doc->tokens[i].next) {
        put_boundary(b, 1, "");
        if (!put_attachment(b, i, e))
            return false;
    }
    put_boundary(b, 1, "--");
    return true;
}

static bool check_fields(const struct job *job, struct err *e)
{
    if (job->from.spec.ptr == NULL || job->to.spec.ptr == NULL)
        return err_set(e, ERR_INPUT, "%s is missing: a mail needs both from and to",
                       job->from.spec.ptr == NULL ? "from" : "to");
    if (job->text.ptr == NULL && job->html.ptr == NULL)
        return err_set(e, ERR_INPUT, job->template_id.ptr != NULL
                                         ? "template: this transport sends text and html, it renders nothing"
                                         : "text and html are both missing: there is nothing to send");
    return true;
}

static void hash_identity(struct builder *b, const char *job_id)
{
    buf_puts(&b->scratch, job_id);
    buf_putc(&b->scratch, '\n');
    buf_put_slice(&b->scratch, b->job->to.spec);
    digest_short(buf_slice(&b->scratch), b->hash);
}

bool message_build(const struct job *job, const char *job_id, int64_t date_ms, struct buf *out, struct err *e)
{
    if (!check_fields(job, e))
        return false;
    struct builder b = { .job = job, .out = out };
    hash_identity(&b, job_id);
    bool ok = put_headers(&b, job_id, date_ms, e);
    const struct json_token *tokens = job->doc.tokens;
    if (ok && job->attachments != 0 && tokens[job->attachments].next > job->attachments + 1)
        ok = put_mixed(&b, e);
    else if (ok)
        put_content(&b);
    if (ok && (out->len < 2 || memcmp(out->data + out->len - 2, "\r\n", 2) != 0))
        buf_puts(out, "\r\n");
    buf_clear(&b.scratch);
    return ok;
}

int64_t message_date_ms(const struct job *job, int64_t first_seen_ms)
{
    int64_t at = job->created_at_ms > job->not_before_ms ? job->created_at_ms : job->not_before_ms;
    return at > 0 ? at : first_seen_ms;
}
