// SPDX-License-Identifier: Apache-2.0
// job_parts: see job_parts.h. What is only checked here (header values, file names) is decoded for the check and
// decoded again by the transport that needs it: nearly none of it has escapes, and a parsed job stays small. An
// attachment may be most of a job, so its decoded form never goes into the job's own memory.
#include "common/job_parts.h"

#include "common/base64.h"

enum {
    HEADERS_MAX = 100,
    HEADER_NAME_MAX = 76, // a name and its colon have to fit one line of 78
    HEADER_VALUE_MAX = 998,
    ATTACHMENTS_MAX = 100,
    FILENAME_MAX_BYTES = 255,
    CONTENT_TYPE_MAX = 255,
    CONTENT_ID_MAX = 200,
    TAGS_MAX = 64,
    TAG_MAX = 128,
    WORD_MAX = 128,
    STATE_MAX = 32,
    REFERENCE_MAX = 256,
};

static uint8_t type_of(const struct json_doc *doc, uint32_t value)
{
    return doc->tokens[value].type;
}

static bool is_absent(const struct json_doc *doc, uint32_t value)
{
    return value == 0 || type_of(doc, value) == JSON_TYPE_NULL;
}

static bool wrong(struct err *e, const char *path, const char *why)
{
    return err_set(e, ERR_INPUT, "%s: %s", path, why);
}

static bool wrong_member(struct err *e, const char *path, struct slice name, const char *why)
{
    return err_set(e, ERR_INPUT, "%s.%.*s: %s", path, (int)text_cut(name, 80), name.ptr, why);
}

static bool wrong_name(struct err *e, struct slice name, const char *why)
{
    return err_set(e, ERR_INPUT, "headers: the name \"%.*s\" %s", (int)text_cut(name, 80), name.ptr, why);
}

bool job_text(const struct json_doc *doc, uint32_t value, struct buf *scratch, struct slice *out, struct err *e)
{
    if (type_of(doc, value) != JSON_TYPE_STRING)
        return err_set(e, ERR_INPUT, "has to be a string");
    *out = json_text(doc, value, scratch);
    return true;
}

// Checks a string that nobody keeps; what it takes of scratch is given back.
static bool check_string(struct job *job, uint32_t value, enum text_rule rule, size_t max, struct err *e)
{
    size_t before = job->scratch.len;
    struct slice text;
    bool ok = job_text(&job->doc, value, &job->scratch, &text, e) && text_check(text, rule, max, e);
    job->scratch.len = before;
    return ok;
}

bool job_check_headers(struct job *job, uint32_t value, struct err *e)
{
    const struct json_doc *doc = &job->doc;
    if (type_of(doc, value) != JSON_TYPE_OBJECT)
        return wrong(e, "headers", "has to be an object of names and strings");
    int count = 0;
    for (uint32_t i = value + 1; i < doc->tokens[value].next; i = doc->tokens[i + 1].next) {
        struct err why;
        if (++count > HEADERS_MAX)
            return wrong(e, "headers", "has more than 100 members");
        if (!check_string(job, i, TEXT_FTEXT, HEADER_NAME_MAX, &why))
            return wrong_name(e, json_raw(doc, i), why.text);
        if (!check_string(job, i + 1, TEXT_LINE, HEADER_VALUE_MAX, &why))
            return wrong_member(e, "headers", json_raw(doc, i), why.text);
    }
    job->headers = value;
    return true;
}

// ---- attachments --------------------------------------------------------------------------------------------

static bool check_base64(struct slice text, struct err *e)
{
    if (text.len % 4 != 0)
        return err_set(e, ERR_INPUT, "is not base64 (the length has to be a multiple of 4)");
    size_t digits = text.len;
    while (digits > 0 && text.len - digits < 2 && text.ptr[digits - 1] == '=')
        digits--;
    bool ok = true;
    for (size_t i = 0; i < digits; i++)
        ok &= base64_is_digit(text.ptr[i]);
    return ok || err_set(e, ERR_INPUT, "is not base64 (only letters, digits, '+', '/' and '=' at the end)");
}

static bool check_filename(struct slice text, struct err *e)
{
    if (!text_check(text, TEXT_SOME, FILENAME_MAX_BYTES, e))
        return false;
    bool slash = memchr(text.ptr, '/', text.len) != NULL || memchr(text.ptr, '\\', text.len) != NULL;
    return !slash || err_set(e, ERR_INPUT, "contains a slash");
}

static bool check_content_type(struct slice text, struct err *e)
{
    if (!text_check(text, TEXT_SOME, CONTENT_TYPE_MAX, e))
        return false;
    const char *slash = memchr(text.ptr, '/', text.len);
    bool ok = slash != NULL && slash > text.ptr && slash + 1 < text.ptr + text.len;
    for (size_t i = 0; i < text.len; i++)
        ok &= (unsigned char)text.ptr[i] < 0x80;
    return ok || err_set(e, ERR_INPUT, "has to look like \"text/plain\"");
}

// What "cid:" in the html names, without the angle brackets of the header.
static bool check_content_id(struct slice text, struct err *e)
{
    static const char GOOD[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.@!#$%&'*+-/=?^_`{|}~";
    if (!text_check(text, TEXT_WORD, CONTENT_ID_MAX, e))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (strchr(GOOD, text.ptr[i]) == NULL)
            return err_set(e, ERR_INPUT, "contains \"%c\"", text.ptr[i]);
    return true;
}

static bool check_disposition(struct slice text, struct err *e)
{
    bool ok = slice_is(text, "inline") || slice_is(text, "attachment");
    return ok || err_set(e, ERR_INPUT, "has to be \"inline\" or \"attachment\"");
}

static const struct attachment_member {
    const char *name;
    bool (*check)(struct slice text, struct err *e);
    bool required;
} ATTACHMENT[] = {
    { "filename", check_filename, true },
    { "content_type", check_content_type, false },
    { "content_base64", check_base64, true },
    { "content_id", check_content_id, false },
    { "disposition", check_disposition, false },
};

static bool check_attachment(const struct json_doc *doc, uint32_t value, struct buf *scratch, struct err *e)
{
    if (type_of(doc, value) != JSON_TYPE_OBJECT)
        return err_set(e, ERR_INPUT, ": has to be an object");
    for (size_t i = 0; i < sizeof ATTACHMENT / sizeof ATTACHMENT[0]; i++) {
        const struct attachment_member *m = &ATTACHMENT[i];
        uint32_t member = json_member(doc, value, m->name);
        struct slice text;
        struct err why;
        buf_reset(scratch);
        if (is_absent(doc, member)) {
            if (m->required)
                return err_set(e, ERR_INPUT, ".%s: is missing", m->name);
        } else if (!job_text(doc, member, scratch, &text, &why) || !m->check(text, &why)) {
            return err_set(e, ERR_INPUT, ".%s: %s", m->name, why.text);
        }
    }
    return true;
}

bool job_check_attachments(struct job *job, uint32_t value, struct err *e)
{
    const struct json_doc *doc = &job->doc;
    if (type_of(doc, value) != JSON_TYPE_ARRAY)
        return wrong(e, "attachments", "has to be a list of objects");
    struct buf decoded = { 0 };
    struct err why;
    bool ok = true;
    int n = 0;
    for (uint32_t i = value + 1; ok && i < doc->tokens[value].next; i = doc->tokens[i].next, n++) {
        ok = check_attachment(doc, i, &decoded, &why);
        if (!ok)
            (void)err_set(e, ERR_INPUT, "attachments[%d]%s", n, why.text);
    }
    buf_clear(&decoded);
    if (ok && n > ATTACHMENTS_MAX)
        return wrong(e, "attachments", "has more than 100 elements");
    job->attachments = ok ? value : 0;
    return ok;
}

// ---- the small ones -----------------------------------------------------------------------------------------

// An optional string member, kept in *out.
static bool take_member(struct job *job, uint32_t object, const char *name, size_t max, struct slice *out,
                        struct err *e)
{
    uint32_t member = json_member(&job->doc, object, name);
    if (is_absent(&job->doc, member))
        return true;
    return job_text(&job->doc, member, &job->scratch, out, e) && text_check(*out, TEXT_SOME, max, e);
}

bool job_check_template(struct job *job, uint32_t value, struct err *e)
{
    const struct json_doc *doc = &job->doc;
    if (type_of(doc, value) != JSON_TYPE_OBJECT)
        return wrong(e, "template", "has to be an object with \"id\" and \"vars\"");
    if (!take_member(job, value, "id", WORD_MAX, &job->template_id, e))
        return err_prefix(e, "template.id");
    if (job->template_id.ptr == NULL)
        return wrong(e, "template.id", "is missing");
    uint32_t vars = json_member(doc, value, "vars");
    if (is_absent(doc, vars))
        return true;
    if (type_of(doc, vars) != JSON_TYPE_OBJECT)
        return wrong(e, "template.vars", "has to be an object");
    job->vars = vars;
    return true;
}

bool job_check_approval(struct job *job, uint32_t value, struct err *e)
{
    const struct json_doc *doc = &job->doc;
    if (type_of(doc, value) != JSON_TYPE_OBJECT)
        return wrong(e, "approval", "has to be an object");
    uint32_t required = json_member(doc, value, "required");
    if (!is_absent(doc, required)) {
        if (type_of(doc, required) != JSON_TYPE_TRUE && type_of(doc, required) != JSON_TYPE_FALSE)
            return wrong(e, "approval.required", "has to be true or false");
        job->approval_required = type_of(doc, required) == JSON_TYPE_TRUE;
    }
    if (!take_member(job, value, "state", STATE_MAX, &job->approval_state, e))
        return err_prefix(e, "approval.state");
    struct slice unused = { 0 };
    if (!take_member(job, value, "by", REFERENCE_MAX, &unused, e))
        return err_prefix(e, "approval.by");
    if (!take_member(job, value, "audit_ref", REFERENCE_MAX, &unused, e))
        return err_prefix(e, "approval.audit_ref");
    return true;
}

bool job_check_tags(struct job *job, uint32_t value, struct err *e)
{
    const struct json_doc *doc = &job->doc;
    if (type_of(doc, value) != JSON_TYPE_ARRAY)
        return wrong(e, "tags", "has to be a list of strings");
    int n = 0;
    for (uint32_t i = value + 1; i < doc->tokens[value].next; i = doc->tokens[i].next, n++)
        if (!check_string(job, i, TEXT_SOME, TAG_MAX, e))
            return err_prefix(e, "tags[%d]", n);
    return n <= TAGS_MAX || wrong(e, "tags", "has more than 64 elements");
}

bool job_check_metadata(struct job *job, uint32_t value, struct err *e)
{
    return type_of(&job->doc, value) == JSON_TYPE_OBJECT || wrong(e, "metadata", "has to be an object");
}
