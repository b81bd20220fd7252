// SPDX-License-Identifier: Apache-2.0
// job: see job.h.
//
// One table lists every field of a job: how it is checked and where it goes. The JSON is scanned once; then the
// members are looked up in the table, the content fields are hashed, and each field present is taken in the
// table's order. The content (the fields marked so: what the recipient would notice) is written as canonical JSON,
// an object of just those members with its keys sorted, the values as published; SHA-256 over that text is the
// default idempotency key, its first 64 bits are the fingerprint. Any language's JSON library can compute the same.
// A null counts as an absent field, but in the content it stands as published.
// Slices point into scratch while it is being filled, so all the room that decoding can need is reserved first;
// the canonical text passes through the same memory before.
#include "common/job.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/job_parts.h"

enum {
    ID_MAX = 128,
    KEY_MAX = 256,
    ROUTE_MAX = 64,
    SUBJECT_MAX = 998, // a line of RFC 5322
    URL_MAX = 2048,
    KEPT_SCRATCH = 4 * 1024, // more than this is given back before the next job
};

static const int64_t LAST_TIME_MS = 253402300799999;      // the end of the year 9999
static const int64_t LONGEST_AGE_S = 10LL * 366 * 86400; // ten years

struct field {
    const char *name;
    size_t len;
    bool (*take)(struct job *job, const struct field *f, uint32_t value, struct err *e);
    size_t offset; // of the member that it sets
    size_t max;
    enum text_rule rule;
    const char *const *choices;
    bool content; // part of the fingerprint
    // Structures have a checker of their own, which names the place of what is wrong by itself.
    bool (*part)(struct job *job, uint32_t value, struct err *e);
};

static void *member(struct job *job, const struct field *f)
{
    return (char *)job + f->offset;
}

static uint8_t type_of(const struct job *job, uint32_t value)
{
    return job->doc.tokens[value].type;
}

// ---- one kind of field each ---------------------------------------------------------------------------------

static bool take_version(struct job *job, const struct field *f, uint32_t value, struct err *e)
{
    (void)f;
    int64_t v;
    if (json_int(&job->doc, value, &v) && v == 1)
        return true;
    return err_set(e, ERR_INPUT, "is not supported, this program knows version 1");
}

static bool take_text(struct job *job, const struct field *f, uint32_t value, struct err *e)
{
    struct slice text;
    if (!job_text(&job->doc, value, &job->scratch, &text, e) || !text_check(text, f->rule, f->max, e))
        return false;
    *(struct slice *)member(job, f) = text;
    return true;
}

static bool begins_with(struct slice text, struct slice start)
{
    return text.len > start.len && memcmp(text.ptr, start.ptr, start.len) == 0;
}

static bool take_url(struct job *job, const struct field *f, uint32_t value, struct err *e)
{
    if (!take_text(job, f, value, e))
        return false;
    bool known = begins_with(job->url, SLICE("http://")) || begins_with(job->url, SLICE("https://"));
    return known || err_set(e, ERR_INPUT, "has to begin with http:// or https://");
}

static bool take_address(struct job *job, const struct field *f, uint32_t value, struct err *e)
{
    if (type_of(job, value) == JSON_TYPE_ARRAY)
        return err_set(e, ERR_INPUT, "has to be one address, not a list: one job is one recipient");
    struct slice text;
    return job_text(&job->doc, value, &job->scratch, &text, e) && address_parse(member(job, f), text, e);
}

static bool take_time(struct job *job, const struct field *f, uint32_t value, struct err *e)
{
    int64_t ms = 0;
    bool ok;
    if (type_of(job, value) == JSON_TYPE_STRING) {
        struct slice text = json_text(&job->doc, value, &job->scratch);
        ok = clock_parse_rfc3339(text.ptr, text.len, &ms);
    } else {
        ok = json_int(&job->doc, value, &ms);
    }
    if (!ok)
        return err_set(e, ERR_INPUT, "has to be milliseconds since 1970 or a date like \"2026-11-21T10:00:00Z\"");
    if (ms <= 0 || ms > LAST_TIME_MS)
        return err_set(e, ERR_INPUT, "is not between the years 1970 and 9999");
    *(int64_t *)member(job, f) = ms;
    return true;
}

static bool take_age(struct job *job, const struct field *f, uint32_t value, struct err *e)
{
    int64_t seconds;
    if (!json_int(&job->doc, value, &seconds) || seconds < 1 || seconds > LONGEST_AGE_S)
        return err_set(e, ERR_INPUT, "has to be a whole number of seconds, at least 1 and at most ten years");
    *(int64_t *)member(job, f) = seconds * 1000;
    return true;
}

static bool refuse_choice(const char *const *choices, struct err *e)
{
    struct buf list = { 0 };
    for (size_t i = 0; choices[i] != NULL; i++)
        buf_printf(&list, "%s\"%s\"", i > 0 ? ", " : "", choices[i]);
    (void)err_set(e, ERR_INPUT, "has to be one of %s", list.data);
    buf_clear(&list);
    return false;
}

static bool take_choice(struct job *job, const struct field *f, uint32_t value, struct err *e)
{
    if (type_of(job, value) != JSON_TYPE_STRING)
        return refuse_choice(f->choices, e);
    struct slice text = json_text(&job->doc, value, &job->scratch);
    for (unsigned i = 0; f->choices[i] != NULL; i++) {
        if (!slice_is(text, f->choices[i]))
            continue;
        memcpy(member(job, f), &i, sizeof i); // an enum; its values are the places in the list
        return true;
    }
    return refuse_choice(f->choices, e);
}

static bool take_body(struct job *job, const struct field *f, uint32_t value, struct err *e)
{
    (void)f;
    (void)e;
    job->body = value; // of any type
    return true;
}

// ---- the table ----------------------------------------------------------------------------------------------

static const char *const PRIORITIES[] = { [JOB_NORMAL] = "normal", [JOB_CRITICAL] = "critical",
                                          [JOB_BULK] = "bulk", NULL };
static const char *const ON_UNKNOWNS[] = { [JOB_UNKNOWN_DEFAULT] = "default", [JOB_UNKNOWN_HOLD] = "hold",
                                           [JOB_UNKNOWN_RESEND] = "resend", NULL };
static const char *const REPLAYS[] = { [JOB_REPLAY_ALLOWED] = "allowed", [JOB_REPLAY_APPROVAL] = "approval",
                                       [JOB_REPLAY_NEVER] = "never", NULL };
_Static_assert(sizeof(enum job_priority) == sizeof(unsigned), "take_choice copies an unsigned");

#define NAME(n) .name = (n), .len = sizeof(n) - 1
#define TO(m) .offset = offsetof(struct job, m)

enum {
    F_AGENT_TASK_ID, F_APPROVAL, F_ATTACHMENTS, F_BODY, F_CREATED_AT, F_DRAFT_ID, F_EXPIRES_AT, F_FROM,
    F_HEADERS, F_HTML, F_ID, F_IDEMPOTENCY_KEY, F_MAX_AGE, F_METADATA, F_NOT_BEFORE, F_ON_UNKNOWN, F_PRIORITY,
    F_RECIPIENT_ID, F_REPLAY, F_REPLY_TO, F_ROUTE, F_SUBJECT, F_TAGS, F_TEMPLATE, F_TEXT, F_TO, F_URL, F_V,
    FIELD_COUNT
};

// In the order of the names, which is the order of the canonical content.
static const struct field FIELDS[FIELD_COUNT] = {
    [F_AGENT_TASK_ID] = { NAME("agent_task_id"), take_text, TO(agent_task_id), .max = ID_MAX, .rule = TEXT_SOME },
    [F_APPROVAL] = { NAME("approval"), .part = job_check_approval },
    [F_ATTACHMENTS] = { NAME("attachments"), .part = job_check_attachments, .content = true },
    [F_BODY] = { NAME("body"), take_body, .content = true },
    [F_CREATED_AT] = { NAME("created_at"), take_time, TO(created_at_ms) },
    [F_DRAFT_ID] = { NAME("draft_id"), take_text, TO(draft_id), .max = ID_MAX, .rule = TEXT_SOME },
    [F_EXPIRES_AT] = { NAME("expires_at"), take_time, TO(expires_at_ms) },
    [F_FROM] = { NAME("from"), take_address, TO(from), .content = true },
    [F_HEADERS] = { NAME("headers"), .part = job_check_headers, .content = true },
    [F_HTML] = { NAME("html"), take_text, TO(html), .max = SIZE_MAX, .rule = TEXT_FREE, .content = true },
    [F_ID] = { NAME("id"), take_text, TO(id), .max = ID_MAX, .rule = TEXT_WORD },
    [F_IDEMPOTENCY_KEY] = { NAME("idempotency_key"), take_text, TO(idempotency_key), .max = KEY_MAX,
                            .rule = TEXT_SOME },
    [F_MAX_AGE] = { NAME("max_age_s"), take_age, TO(max_age_ms) },
    [F_METADATA] = { NAME("metadata"), .part = job_check_metadata },
    [F_NOT_BEFORE] = { NAME("not_before"), take_time, TO(not_before_ms) },
    [F_ON_UNKNOWN] = { NAME("on_unknown"), take_choice, TO(on_unknown), .choices = ON_UNKNOWNS },
    [F_PRIORITY] = { NAME("priority"), take_choice, TO(priority), .choices = PRIORITIES },
    [F_RECIPIENT_ID] = { NAME("recipient_id"), take_text, TO(recipient_id), .max = ID_MAX, .rule = TEXT_SOME },
    [F_REPLAY] = { NAME("replay"), take_choice, TO(replay), .choices = REPLAYS },
    [F_REPLY_TO] = { NAME("reply_to"), take_address, TO(reply_to), .content = true },
    [F_ROUTE] = { NAME("route"), take_text, TO(route), .max = ROUTE_MAX, .rule = TEXT_NAME, .content = true },
    [F_SUBJECT] = { NAME("subject"), take_text, TO(subject), .max = SUBJECT_MAX, .rule = TEXT_LINE, .content = true },
    [F_TAGS] = { NAME("tags"), .part = job_check_tags },
    [F_TEMPLATE] = { NAME("template"), .part = job_check_template, .content = true },
    [F_TEXT] = { NAME("text"), take_text, TO(text), .max = SIZE_MAX, .rule = TEXT_FREE, .content = true },
    [F_TO] = { NAME("to"), take_address, TO(to), .content = true },
    [F_URL] = { NAME("url"), take_url, TO(url), .max = URL_MAX, .rule = TEXT_WORD, .content = true },
    [F_V] = { NAME("v"), take_version },
};

static int find_field(struct slice name)
{
    for (int i = 0; i < FIELD_COUNT; i++)
        if (FIELDS[i].len == name.len && memcmp(FIELDS[i].name, name.ptr, name.len) == 0)
            return i;
    return -1;
}

// ---- the whole ----------------------------------------------------------------------------------------------

static void start(struct job *job)
{
    struct json_doc doc = job->doc;
    struct buf scratch = job->scratch;
    if (scratch.cap > KEPT_SCRATCH)
        buf_clear(&scratch);
    *job = (struct job){ .doc = doc, .scratch = scratch };
    job->route = SLICE("default");
}

// values: by field, the index of the member's value or 0.
static void locate(struct job *job, uint32_t values[FIELD_COUNT])
{
    const struct json_doc *doc = &job->doc;
    for (uint32_t key = 1; key < doc->count; key = doc->tokens[key + 1].next) {
        buf_reset(&job->scratch);
        int field = find_field(json_text(doc, key, &job->scratch));
        if (field >= 0)
            values[field] = key + 1;
    }
}

static void put_content(struct job *job, const uint32_t values[FIELD_COUNT])
{
    struct buf *out = &job->scratch;
    buf_reset(out);
    buf_reserve(out, job->value.len);
    buf_putc(out, '{');
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!FIELDS[i].content || values[i] == 0)
            continue;
        buf_put(out, out->len > 1 ? ",\"" : "\"", out->len > 1 ? 2 : 1);
        buf_put(out, FIELDS[i].name, FIELDS[i].len);
        buf_put(out, "\":", 2);
        json_canonical(&job->doc, values[i], out);
    }
    buf_putc(out, '}');
}

// Sets the fingerprint, and the digest that is the key of a job without one.
static void fingerprint(struct job *job, const uint32_t values[FIELD_COUNT], unsigned char digest[DIGEST_SIZE])
{
    put_content(job, values);
    digest_sha256(buf_slice(&job->scratch), digest);
    for (int i = 0; i < 8; i++)
        job->fingerprint = job->fingerprint << 8 | digest[i];
    if (job->scratch.cap > KEPT_SCRATCH)
        buf_clear(&job->scratch); // a large job need not be held twice
}

// Room for all that is decoded into scratch from here on, so that it does not move. Attachments are not.
static void reserve(struct job *job, uint32_t attachments)
{
    const struct json_doc *doc = &job->doc;
    size_t need = 2 * DIGEST_SIZE + 1;
    for (uint32_t i = 1; i < doc->count; i = i == attachments ? doc->tokens[i].next : i + 1)
        need += doc->tokens[i].escaped ? doc->tokens[i].end - doc->tokens[i].start : 0;
    buf_reset(&job->scratch);
    buf_reserve(&job->scratch, need);
}

static bool take_fields(struct job *job, const uint32_t values[FIELD_COUNT], struct err *e)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        const struct field *f = &FIELDS[i];
        if (values[i] == 0 || type_of(job, values[i]) == JSON_TYPE_NULL)
            continue;
        if (f->part != NULL ? !f->part(job, values[i], e) : !f->take(job, f, values[i], e))
            return f->part != NULL ? false : err_prefix(e, "%s", f->name);
    }
    return true;
}

static void set_key(struct job *job, const unsigned char digest[DIGEST_SIZE])
{
    if (job->idempotency_key.ptr == NULL) {
        char hex[2 * DIGEST_SIZE + 1];
        size_t at = job->scratch.len;
        buf_put(&job->scratch, digest_hex(digest, DIGEST_SIZE, hex), 2 * DIGEST_SIZE);
        job->idempotency_key = (struct slice){ job->scratch.data + at, 2 * DIGEST_SIZE };
    }
    digest_short(job->idempotency_key, job->key_hash);
}

bool job_parse(struct job *job, const char *bytes, size_t len, size_t max_bytes, struct err *e)
{
    start(job);
    if (len > max_bytes)
        return err_set(e, ERR_INPUT, "the job is %zu bytes long, at most %zu are allowed", len, max_bytes);
    if (!json_parse(&job->doc, bytes, len, e))
        return err_prefix(e, "not JSON");
    if (type_of(job, 0) != JSON_TYPE_OBJECT)
        return err_set(e, ERR_INPUT, "a job has to be a JSON object");
    uint32_t values[FIELD_COUNT] = { 0 };
    unsigned char digest[DIGEST_SIZE];
    job->value = (struct slice){ bytes, len };
    locate(job, values);
    if (values[F_V] == 0 || type_of(job, values[F_V]) == JSON_TYPE_NULL)
        return err_set(e, ERR_INPUT, "v: is missing, has to be 1");
    fingerprint(job, values, digest);
    reserve(job, values[F_ATTACHMENTS]);
    if (!take_fields(job, values, e))
        return false;
    if (job->to.spec.ptr == NULL && job->url.ptr == NULL)
        return err_set(e, ERR_INPUT, "to: is missing (a mail needs \"to\", a webhook \"url\")");
    set_key(job, digest);
    return true;
}

void job_clear(struct job *job)
{
    if (job == NULL)
        return;
    json_clear(&job->doc);
    buf_clear(&job->scratch);
    *job = (struct job){ 0 };
}

const char *job_priority_name(enum job_priority p)
{
    return p <= JOB_BULK ? PRIORITIES[p] : PRIORITIES[JOB_NORMAL];
}

int64_t job_deadline_ms(const struct job *job, int64_t first_seen_ms, int64_t default_max_age_ms)
{
    int64_t start_ms = first_seen_ms;
    if (start_ms < job->created_at_ms)
        start_ms = job->created_at_ms;
    if (start_ms < job->not_before_ms)
        start_ms = job->not_before_ms;
    int64_t age_ms = job->max_age_ms > 0 ? job->max_age_ms : default_max_age_ms;
    int64_t deadline_ms = start_ms > 0 ? start_ms + age_ms : INT64_MAX; // nobody knows when it began
    return job->expires_at_ms > 0 && job->expires_at_ms < deadline_ms ? job->expires_at_ms : deadline_ms;
}
