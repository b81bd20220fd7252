// SPDX-License-Identifier: Apache-2.0
// message: from the fields of a job to a message.
//
//   multipart/mixed                       when there are attachments
//     multipart/related                   when there is html and files that it shows (content_id)
//       multipart/alternative             when there are both
//         text/plain
//         text/html
//       image/png …, inline
//     application/pdf …, attachment
//
// A level that holds one thing is left out. Nothing random goes in: the date is the job's, Message-ID and
// boundaries are hashes of job id and recipient, so every attempt writes the same bytes and receivers can
// tell a repeated mail. Everything is refused before the first byte is on its way.
#include "worker/message.h"

#include "common/digest.h"
#include "worker/headers.h"
#include "worker/mime.h"

#include <strings.h>

enum { CONTENT_TYPE_MAX_BYTES = 200 };

enum level { LEVEL_MIXED = 1, LEVEL_ALTERNATIVE = 2, LEVEL_RELATED = 3 }; // part of the boundary

struct builder {
    const struct job *job;
    struct buf *out;
    struct buf scratch;           // owned; decoded JSON strings
    char hash[DIGEST_SHORT_SIZE]; // of job id and recipient
    int related, mixed;           // how many files belong to the html, how many do not
};

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
    if (!mime_put_header(b->out, "Subject", job->subject.ptr != NULL ? job->subject : SLICE(""), e))
        return false;
    buf_printf(b->out, "Message-ID: <%s@", b->hash);
    buf_put_slice(b->out, job->from.domain);
    buf_puts(b->out, ">\r\n");
    if (!mime_put_header(b->out, "X-Sendfleet-Id", slice_of(job_id), e) ||
        !headers_put(job, b->out, &b->scratch, e))
        return false;
    buf_puts(b->out, "MIME-Version: 1.0\r\n");
    return true;
}

// subtype: with its parameters.
static void put_multipart(struct builder *b, const char *subtype, enum level level)
{
    buf_printf(b->out, "Content-Type: multipart/%s;\r\n boundary=\"=_%d_%s\"\r\n", subtype, (int)level,
               b->hash);
}

static void put_boundary(struct builder *b, enum level level, const char *end)
{
    buf_printf(b->out, "\r\n--=_%d_%s%s\r\n", (int)level, b->hash, end);
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
        put_multipart(b, "alternative", LEVEL_ALTERNATIVE);
        put_boundary(b, LEVEL_ALTERNATIVE, "");
        put_text(b, "plain", job->text);
        put_boundary(b, LEVEL_ALTERNATIVE, "");
        put_text(b, "html", job->html);
        put_boundary(b, LEVEL_ALTERNATIVE, "--");
    }
}

// ---- attachments ------------------------------------------------------------------------------------------

// type "/" subtype, then maybe parameters; printable ASCII. Parts inside parts are nobody's business but
// ours, and neither multipart nor message may be in base64 (RFC 2045 6.4).
static bool is_content_type(struct slice s)
{
    static const char TOKEN[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`{|}~";
    size_t slashes = 0, type = 0;
    for (; type < s.len && s.ptr[type] != ';' && s.ptr[type] != ' '; type++) {
        slashes += s.ptr[type] == '/';
        if (s.ptr[type] != '/' && (s.ptr[type] == '\0' || strchr(TOKEN, s.ptr[type]) == NULL))
            return false;
    }
    if (slashes != 1 || s.ptr[0] == '/' || s.ptr[type - 1] == '/' || s.len > CONTENT_TYPE_MAX_BYTES)
        return false;
    for (size_t i = type; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || (unsigned char)s.ptr[i] > 0x7e)
            return false;
    return (s.len < 10 || strncasecmp(s.ptr, "multipart/", 10) != 0) &&
           (s.len < 8 || strncasecmp(s.ptr, "message/", 8) != 0);
}

// The string member of an object, decoded; ptr NULL when absent or not a string.
static struct slice member_text(struct builder *b, uint32_t object, const char *key)
{
    uint32_t index = json_member(&b->job->doc, object, key);
    if (index == 0 || b->job->doc.tokens[index].type != JSON_TYPE_STRING)
        return (struct slice){ NULL, 0 };
    return json_text(&b->job->doc, index, &b->scratch);
}

struct file {
    struct slice name, type, content, content_id;
    bool is_inline;
};

static bool read_file(struct builder *b, uint32_t index, struct file *f, struct err *e)
{
    const struct json_token *t = &b->job->doc.tokens[index];
    if (t->type != JSON_TYPE_OBJECT)
        return err_set(e, ERR_INPUT, "attachments: an entry is not an object");
    buf_reset(&b->scratch);
    buf_reserve(&b->scratch, t->end - t->start); // so that the slices stay where they are
    *f = (struct file){ .name = member_text(b, index, "filename"),
                        .type = member_text(b, index, "content_type"),
                        .content = member_text(b, index, "content_base64"),
                        .content_id = member_text(b, index, "content_id") };
    struct slice disposition = member_text(b, index, "disposition");
    f->is_inline = disposition.ptr != NULL ? slice_is(disposition, "inline") : f->content_id.ptr != NULL;
    if (f->content.ptr == NULL)
        return err_set(e, ERR_INPUT, "attachments: content_base64 is missing");
    if (disposition.ptr != NULL && !f->is_inline && !slice_is(disposition, "attachment"))
        return err_set(e, ERR_INPUT, "attachments: disposition is neither inline nor attachment");
    if (f->type.len == 0)
        f->type = SLICE("application/octet-stream");
    return is_content_type(f->type) ||
           err_set(e, ERR_INPUT,
                   "attachments: content_type is not one (or a multipart or message, which may not be)");
}

// Is it a part of what the html shows?
static bool is_related(const struct builder *b, const struct file *f)
{
    return f->is_inline && f->content_id.ptr != NULL && b->job->html.ptr != NULL;
}

static bool count_files(struct builder *b, struct err *e)
{
    const struct json_doc *doc = &b->job->doc;
    uint32_t array = b->job->attachments;
    for (uint32_t i = array + 1; array != 0 && i < doc->tokens[array].next; i = doc->tokens[i].next) {
        struct file f;
        if (!read_file(b, i, &f, e))
            return false;
        *(is_related(b, &f) ? &b->related : &b->mixed) += 1;
    }
    return true;
}

static bool put_file(struct builder *b, const struct file *f, struct err *e)
{
    if (!mime_put_structured(b->out, "Content-Type", f->type, e) ||
        !mime_put_disposition(b->out, f->is_inline ? "inline" : "attachment", f->name, e))
        return false;
    if (f->content_id.ptr != NULL && !mime_put_content_id(b->out, f->content_id, e))
        return false;
    return mime_put_base64(b->out, f->content, e);
}

// Those of one level, and its end.
static bool put_files(struct builder *b, enum level level, struct err *e)
{
    const struct json_doc *doc = &b->job->doc;
    uint32_t array = b->job->attachments;
    for (uint32_t i = array + 1; i < doc->tokens[array].next; i = doc->tokens[i].next) {
        struct file f;
        if (!read_file(b, i, &f, e))
            return false;
        if (is_related(b, &f) != (level == LEVEL_RELATED))
            continue;
        put_boundary(b, level, "");
        if (!put_file(b, &f, e))
            return false;
    }
    put_boundary(b, level, "--");
    return true;
}

// ---- the tree ---------------------------------------------------------------------------------------------

static bool put_related(struct builder *b, struct err *e)
{
    if (b->related == 0) {
        put_content(b);
        return true;
    }
    bool both = b->job->text.ptr != NULL;
    put_multipart(b, both ? "related; type=\"multipart/alternative\"" : "related; type=\"text/html\"",
                  LEVEL_RELATED);
    put_boundary(b, LEVEL_RELATED, "");
    put_content(b);
    return put_files(b, LEVEL_RELATED, e);
}

static bool put_body(struct builder *b, struct err *e)
{
    if (b->mixed == 0)
        return put_related(b, e);
    put_multipart(b, "mixed", LEVEL_MIXED);
    put_boundary(b, LEVEL_MIXED, "");
    return put_related(b, e) && put_files(b, LEVEL_MIXED, e);
}

static bool check_fields(const struct job *job, struct err *e)
{
    if (job->from.spec.ptr == NULL || job->to.spec.ptr == NULL)
        return err_set(e, ERR_INPUT, "%s is missing: a mail needs both from and to",
                       job->from.spec.ptr == NULL ? "from" : "to");
    if (job->text.ptr == NULL && job->html.ptr == NULL)
        return err_set(e, ERR_INPUT,
                       job->template_id.ptr != NULL
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
    bool ok = count_files(&b, e) && put_headers(&b, job_id, date_ms, e) && put_body(&b, e);
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
