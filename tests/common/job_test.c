// SPDX-License-Identifier: Apache-2.0
// job: what a publisher may write, what is said about the rest, and that its identity can be computed elsewhere.
#include "common/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// As Python's json.dumps writes it, with spaces and all non-ASCII escaped. The key below is
//   hashlib.sha256(json.dumps({content fields}, sort_keys=True, separators=(',', ':'), ensure_ascii=False).encode())
static const char VECTOR[] =
    "{\"v\": 1, \"id\": \"order-1\", \"route\": \"mail\", \"from\": \"Shop <shop@a.example>\", \"to\": \"ann@b.example\", "
    "\"subject\": \"H\\u00e9 \\\"quoted\\\" \\\\ \\u20ac\", "
    "\"text\": \"line one\\nline two\\ttab \\u0001 / end \\ud83d\\ude00\", \"headers\": {\"X-B\": \"2\", \"X-A\": \"1\"}, "
    "\"template\": {\"id\": \"t\", \"vars\": {\"z\": 1, \"a\": [true, null, -5]}}, "
    "\"attachments\": [{\"filename\": \"a.txt\", \"content_type\": \"text/plain\", \"content_base64\": \"aGk=\"}], "
    "\"metadata\": {\"k\": 1}, \"created_at\": 1700000000000, \"tags\": [\"x\"]}";
static const char VECTOR_KEY[] = "ff6b8abd33696880ee2e527bb91f588283e2a998ab3427b264763bd7338b55d5";

static bool parse(struct job *job, const char *text, struct err *e)
{
    return job_parse(job, text, strlen(text), JOB_MAX_BYTES_DEFAULT, e);
}

static void test_vector(void **state)
{
    (void)state;
    struct job job = { 0 };
    struct err e = { 0 };
    if (!parse(&job, VECTOR, &e))
        fail_msg("got \"%s\", want success", e.text);
    assert_true(slice_is(job.value, VECTOR));
    assert_true(slice_is(job.id, "order-1"));
    assert_true(slice_is(job.idempotency_key, VECTOR_KEY));
    assert_true(job.fingerprint == 0xff6b8abd33696880u);
    assert_true(slice_is(job.route, "mail"));
    assert_true(slice_is(job.from.display, "Shop"));
    assert_true(slice_is(job.from.spec, "shop@a.example"));
    assert_true(slice_is(job.to.spec, "ann@b.example"));
    assert_null(job.reply_to.spec.ptr);
    assert_true(slice_is(job.subject, "H\xc3\xa9 \"quoted\" \\ \xe2\x82\xac"));
    assert_true(slice_is(job.text, "line one\nline two\ttab \x01 / end \xf0\x9f\x98\x80"));
    assert_null(job.html.ptr);
    assert_true(slice_is(job.template_id, "t"));
    assert_true(slice_is(json_raw(&job.doc, job.vars), "{\"z\": 1, \"a\": [true, null, -5]}"));
    assert_int_equal(job.doc.tokens[job.headers].type, JSON_TYPE_OBJECT);
    assert_int_equal(job.doc.tokens[job.attachments].type, JSON_TYPE_ARRAY);
    assert_int_equal(job.created_at_ms, 1700000000000);
    job_clear(&job);
    job_clear(&job);
    job_clear(NULL);
}

static void test_key_hash(void **state)
{
    (void)state;
    struct job job = { 0 };
    assert_true(parse(&job, "{\"v\":1,\"to\":\"a@b.c\",\"idempotency_key\":\"order-1-key\"}", NULL));
    assert_true(slice_is(job.idempotency_key, "order-1-key"));
    assert_string_equal(job.key_hash, "25860c2a6342f2f89e615a69295ca1bd");
    job_clear(&job);
}

// Which fields make another mail of it.
static void test_fingerprint(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        bool same;
    } cases[] = {
        { "\"id\":\"x\"", true },
        { "\"idempotency_key\":\"k\"", true },
        { "\"metadata\":{\"a\":1}", true },
        { "\"tags\":[\"a\"]", true },
        { "\"created_at\":1", true },
        { "\"priority\":\"bulk\"", true },
        { "\"approval\":{\"required\":true}", true },
        { "\"something\":\"unknown\"", true },
        { "\"route\":\"default\"", false },
        { "\"from\":\"a@b.c\"", false },
        { "\"reply_to\":\"a@b.c\"", false },
        { "\"subject\":\"\"", false },
        { "\"text\":\"x\"", false },
        { "\"html\":\"x\"", false },
        { "\"headers\":{}", false },
        { "\"attachments\":[]", false },
        { "\"template\":{\"id\":\"t\"}", false },
        { "\"url\":\"http://a/\"", false },
        { "\"body\":1", false },
    };
    struct job job = { 0 };
    assert_true(parse(&job, "{\"v\":1,\"to\":\"a@b.c\"}", NULL));
    uint64_t plain = job.fingerprint;
    assert_true(parse(&job, " { \"t\\u006f\" : \"\\u0061@b.c\", \"v\" : 1 } ", NULL));
    assert_true(job.fingerprint == plain); // the same JSON, written in another way
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf text = { 0 };
        struct err e = { 0 };
        buf_printf(&text, "{\"v\":1,\"to\":\"a@b.c\",%s}", cases[i].more);
        if (!job_parse(&job, text.data, text.len, 1000, &e))
            fail_msg("%s: got \"%s\", want success", text.data, e.text);
        if ((job.fingerprint == plain) != cases[i].same)
            fail_msg("%s: got the same fingerprint: %d, want %d", cases[i].more, job.fingerprint == plain, cases[i].same);
        buf_clear(&text);
    }
    job_clear(&job);
}

#define JOB(more) "{\"v\":1,\"to\":\"a@b.example\"," more "}"
#define A10 "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10

static void test_accepts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{\"v\":1,\"to\":\"a@b.example\"}",
        "{\"v\":1,\"url\":\"https://hook.example/x\",\"body\":{\"a\":[1]}}",
        JOB("\"id\":null,\"text\":null,\"created_at\":null,\"headers\":null,\"priority\":null"),
        JOB("\"subject\":\"\""),
        JOB("\"unknown\":{\"a\":[1,2]}"),
        JOB("\"attachments\":[{\"filename\":\"a\",\"content_base64\":\"\"}]"),
        JOB("\"attachments\":[{\"filename\":\"a\",\"content_type\":null,\"content_base64\":\"ab\\/+\"}]"),
        JOB("\"attachments\":[{\"filename\":\"a\",\"content_base64\":\"YQ==\",\"extra\":1}]"),
        JOB("\"attachments\":[{\"filename\":\"a\",\"content_base64\":\"\",\"content_id\":\"a.b-c@d\",\"disposition\":\"inline\"}]"),
        JOB("\"headers\":{\"X-Foo\":\"b\\u00e4r\",\"X-Empty\":\"\"}"),
        JOB("\"expires_at\":\"2026-11-21T10:00:00+01:00\",\"not_before\":1,\"max_age_s\":1"),
        JOB("\"approval\":{\"required\":false,\"state\":\"approved\",\"by\":\"x\",\"at\":5,\"audit_ref\":\"r\"}"),
        JOB("\"id\":\"" A100 A10 A10 "12345678\""),
    };
    struct job job = { 0 };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct err e = { 0 };
        if (!parse(&job, good[i], &e))
            fail_msg("%s: got \"%s\", want success", good[i], e.text);
    }
    job_clear(&job);
}

static const struct {
    const char *text, *want;
} REFUSED[] = {
    { "", "not JSON: byte 0: the text ends too early" },
    { "{\"v\":1", "not JSON: byte 6: the text ends too early" },
    { "[]", "a job has to be a JSON object" },
    { "{}", "v: is missing, has to be 1" },
    { "{\"v\":null,\"to\":\"a@b.c\"}", "v: is missing, has to be 1" },
    { "{\"v\":2,\"to\":\"a@b.c\"}", "v: is not supported, this program knows version 1" },
    { "{\"v\":\"1\",\"to\":\"a@b.c\"}", "v: is not supported, this program knows version 1" },
    { "{\"v\":1.0,\"to\":\"a@b.c\"}", "v: is not supported, this program knows version 1" },
    { "{\"v\":1}", "to: is missing (a mail needs \"to\", a webhook \"url\")" },
    { "{\"v\":1,\"to\":null}", "to: is missing (a mail needs \"to\", a webhook \"url\")" },
    { "{\"v\":1,\"to\":\"a@b.c\",\"to\":\"d@e.f\"}", "not JSON: byte 20: duplicate key \"to\"" },
    { "{\"v\":1,\"to\":\"a@b.c, d@e.f\"}", "to: contains a second address" },
    { "{\"v\":1,\"to\":[\"a@b.c\"]}", "to: has to be one address, not a list: one job is one recipient" },
    { "{\"v\":1,\"to\":7}", "to: has to be a string" },
    { "{\"v\":1,\"to\":\"a@b.c\\r\\nRCPT TO:<x@y>\"}", "to: contains a line break" },
    { "{\"v\":1,\"to\":\"\"}", "to: is empty" },
    { JOB("\"from\":\"x\\ny@z.example\""), "from: contains a line break" },
    { JOB("\"reply_to\":\"nobody\""), "reply_to: has no '@'" },
    { JOB("\"id\":\"a b\""), "id: has to be printable ASCII without spaces" },
    { JOB("\"id\":\"\""), "id: is empty" },
    { JOB("\"id\":5"), "id: has to be a string" },
    { JOB("\"id\":\"" A100 A10 A10 "123456789\""), "id: is 129 bytes long, at most 128 are allowed" },
    { JOB("\"id\":\"\\u00e9\""), "id: has to be printable ASCII without spaces" },
    { JOB("\"idempotency_key\":\"a\\tb\""), "idempotency_key: contains a control character" },
    { JOB("\"idempotency_key\":\"" A100 A100 A10 A10 A10 A10 A10 "1234567\""),
      "idempotency_key: is 257 bytes long, at most 256 are allowed" },
    { JOB("\"route\":\"a/b\""), "route: may only contain letters, digits, '.', '_' and '-'" },
    { JOB("\"priority\":\"high\""), "priority: has to be one of \"normal\", \"critical\", \"bulk\"" },
    { JOB("\"on_unknown\":true"), "on_unknown: has to be one of \"default\", \"hold\", \"resend\"" },
    { JOB("\"replay\":\"no\""), "replay: has to be one of \"allowed\", \"approval\", \"never\"" },
    { JOB("\"subject\":\"a\\nBcc: x@y\""), "subject: contains a line break" },
    { JOB("\"subject\":\"a\\u007f\""), "subject: contains a control character" },
    { JOB("\"subject\":\"" A100 A100 A100 A100 A100 A100 A100 A100 A100 A100 "\""),
      "subject: is 1000 bytes long, at most 998 are allowed" },
    { JOB("\"text\":{}"), "text: has to be a string" },
    { JOB("\"html\":[\"x\"]"), "html: has to be a string" },
    { JOB("\"headers\":[]"), "headers: has to be an object of names and strings" },
    { JOB("\"headers\":{\"X-Foo\":\"a\\r\\nBcc: x@y\"}"), "headers.X-Foo: contains a line break" },
    { JOB("\"headers\":{\"X-Foo\":1}"), "headers.X-Foo: has to be a string" },
    { JOB("\"headers\":{\"X Foo\":\"a\"}"),
      "headers: the name \"X Foo\" has to be printable ASCII without spaces and colons" },
    { JOB("\"headers\":{\"X:\":\"a\"}"), "headers: the name \"X:\" has to be printable ASCII without spaces and colons" },
    { JOB("\"headers\":{\"X\\n\":\"a\"}"), "headers: the name \"X\\n\" contains a line break" },
    { JOB("\"headers\":{\"\":\"a\"}"), "headers: the name \"\" is empty" },
    { JOB("\"attachments\":{}"), "attachments: has to be a list of objects" },
    { JOB("\"attachments\":[1]"), "attachments[0]: has to be an object" },
    { JOB("\"attachments\":[{\"content_base64\":\"\"}]"), "attachments[0].filename: is missing" },
    { JOB("\"attachments\":[{\"filename\":\"a\",\"content_base64\":\"\"},{\"filename\":\"a/b\",\"content_base64\":\"\"}]"),
      "attachments[1].filename: contains a slash" },
    { JOB("\"attachments\":[{\"filename\":\"a\\nb\",\"content_base64\":\"\"}]"),
      "attachments[0].filename: contains a line break" },
    { JOB("\"attachments\":[{\"filename\":\"a\"}]"), "attachments[0].content_base64: is missing" },
    { JOB("\"attachments\":[{\"filename\":\"a\",\"content_base64\":\"abc\"}]"),
      "attachments[0].content_base64: is not base64 (the length has to be a multiple of 4)" },
    { JOB("\"attachments\":[{\"filename\":\"a\",\"content_base64\":\"a===\"}]"),
      "attachments[0].content_base64: is not base64 (only letters, digits, '+', '/' and '=' at the end)" },
    { JOB("\"attachments\":[{\"filename\":\"a\",\"content_base64\":\"ab c\"}]"),
      "attachments[0].content_base64: is not base64 (only letters, digits, '+', '/' and '=' at the end)" },
    { JOB("\"attachments\":[{\"filename\":\"a\",\"content_type\":\"text\",\"content_base64\":\"\"}]"),
      "attachments[0].content_type: has to look like \"text/plain\"" },
    { JOB("\"attachments\":[{\"filename\":\"a\",\"content_base64\":\"\",\"content_id\":\"<a@b>\"}]"),
      "attachments[0].content_id: contains \"<\"" },
    { JOB("\"attachments\":[{\"filename\":\"a\",\"content_base64\":\"\",\"content_id\":\"a b\"}]"),
      "attachments[0].content_id: has to be printable ASCII without spaces" },
    { JOB("\"attachments\":[{\"filename\":\"a\",\"content_base64\":\"\",\"disposition\":\"form-data\"}]"),
      "attachments[0].disposition: has to be \"inline\" or \"attachment\"" },
    { JOB("\"template\":\"t\""), "template: has to be an object with \"id\" and \"vars\"" },
    { JOB("\"template\":{}"), "template.id: is missing" },
    { JOB("\"template\":{\"id\":\"t\",\"vars\":[]}"), "template.vars: has to be an object" },
    { JOB("\"url\":\"ftp://x/\""), "url: has to begin with http:// or https://" },
    { JOB("\"url\":\"http://\""), "url: has to begin with http:// or https://" },
    { JOB("\"url\":\"http://a/ b\""), "url: has to be printable ASCII without spaces" },
    { JOB("\"created_at\":\"yesterday\""),
      "created_at: has to be milliseconds since 1970 or a date like \"2026-11-21T10:00:00Z\"" },
    { JOB("\"created_at\":1.5"), "created_at: has to be milliseconds since 1970 or a date like \"2026-11-21T10:00:00Z\"" },
    { JOB("\"not_before\":-1"), "not_before: is not between the years 1970 and 9999" },
    { JOB("\"expires_at\":253402300800000"), "expires_at: is not between the years 1970 and 9999" },
    { JOB("\"max_age_s\":0"), "max_age_s: has to be a whole number of seconds, at least 1 and at most ten years" },
    { JOB("\"max_age_s\":\"1h\""), "max_age_s: has to be a whole number of seconds, at least 1 and at most ten years" },
    { JOB("\"approval\":true"), "approval: has to be an object" },
    { JOB("\"approval\":{\"required\":\"yes\"}"), "approval.required: has to be true or false" },
    { JOB("\"approval\":{\"state\":1}"), "approval.state: has to be a string" },
    { JOB("\"tags\":\"a\""), "tags: has to be a list of strings" },
    { JOB("\"tags\":[\"a\",2]"), "tags[1]: has to be a string" },
    { JOB("\"metadata\":[]"), "metadata: has to be an object" },
    { JOB("\"draft_id\":\"\\u0007\""), "draft_id: contains a control character" },
};

static void test_refuses(void **state)
{
    (void)state;
    struct job job = { 0 };
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        struct err e = { 0 };
        if (parse(&job, REFUSED[i].text, &e))
            fail_msg("%s: got success, want \"%s\"", REFUSED[i].text, REFUSED[i].want);
        if (strcmp(e.text, REFUSED[i].want) != 0 || e.kind != ERR_INPUT)
            fail_msg("%s: got \"%s\", want \"%s\"", REFUSED[i].text, e.text, REFUSED[i].want);
    }
    struct err e = { 0 };
    assert_false(job_parse(&job, VECTOR, sizeof VECTOR - 1, 100, &e));
    assert_non_null(strstr(e.text, "bytes long, at most 100 are allowed"));
    job_clear(&job);
}

static void test_counts(void **state)
{
    (void)state;
    static const struct {
        const char *head, *element, *tail, *want;
        int most;
    } cases[] = {
        { "\"tags\":[\"t\"", ",\"t\"", "]", "tags: has more than 64 elements", 64 },
        { "\"attachments\":[{\"filename\":\"a\",\"content_base64\":\"\"}", ",{\"filename\":\"a\",\"content_base64\":\"\"}", "]",
          "attachments: has more than 100 elements", 100 },
        { "\"headers\":{\"a\":\"\"", ",\"a%d\":\"\"", "}", "headers: has more than 100 members", 100 },
    };
    struct job job = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int n = cases[i].most; n <= cases[i].most + 1; n++) {
            struct buf text = { 0 };
            buf_printf(&text, "{\"v\":1,\"to\":\"a@b.c\",%s", cases[i].head);
            for (int k = 1; k < n; k++) {
                const char *number = strstr(cases[i].element, "%d");
                if (number == NULL)
                    buf_puts(&text, cases[i].element);
                else
                    buf_printf(&text, "%.*s%d%s", (int)(number - cases[i].element), cases[i].element, k, number + 2);
            }
            buf_printf(&text, "%s}", cases[i].tail);
            struct err e = { 0 };
            bool ok = job_parse(&job, text.data, text.len, JOB_MAX_BYTES_DEFAULT, &e);
            if (ok != (n == cases[i].most) || (!ok && strcmp(e.text, cases[i].want) != 0))
                fail_msg("%d of %s: got %d \"%s\"", n, cases[i].head, ok, e.text);
            buf_clear(&text);
        }
    }
    job_clear(&job);
}

static void test_reuse(void **state)
{
    (void)state;
    struct job job = { 0 };
    assert_true(parse(&job, JOB("\"id\":\"x\",\"route\":\"r\",\"priority\":\"bulk\",\"on_unknown\":\"resend\",\"replay\":\"never\","
                                "\"approval\":{\"required\":true,\"state\":\"pending\"},\"expires_at\":5,\"max_age_s\":7,"
                                "\"headers\":{},\"body\":1,\"html\":\"h\",\"reply_to\":\"Q <q@r.s>\",\"draft_id\":\"d\""),
                      NULL));
    assert_int_equal(job.priority, JOB_BULK);
    assert_int_equal(job.on_unknown, JOB_UNKNOWN_RESEND);
    assert_int_equal(job.replay, JOB_REPLAY_NEVER);
    assert_true(job.approval_required);
    assert_true(slice_is(job.approval_state, "pending"));
    assert_int_equal(job.expires_at_ms, 5);
    assert_int_equal(job.max_age_ms, 7000);
    assert_true(slice_is(job.reply_to.display, "Q"));
    assert_false(parse(&job, "{", NULL));
    assert_true(parse(&job, "{\"v\":1,\"to\":\"a@b.example\"}", NULL));
    assert_null(job.id.ptr);
    assert_true(slice_is(job.route, "default"));
    assert_int_equal(job.priority, JOB_NORMAL);
    assert_int_equal(job.on_unknown, JOB_UNKNOWN_DEFAULT);
    assert_int_equal(job.replay, JOB_REPLAY_ALLOWED);
    assert_false(job.approval_required);
    assert_null(job.approval_state.ptr);
    assert_int_equal(job.expires_at_ms + job.max_age_ms, 0);
    assert_int_equal(job.headers + job.body + job.attachments + job.vars, 0);
    assert_null(job.html.ptr);
    assert_null(job.reply_to.display.ptr);
    assert_null(job.draft_id.ptr);
    job_clear(&job);
}

static void test_no_allocation(void **state)
{
    (void)state;
    struct buf text = { 0 };
    buf_puts(&text, "{\"v\":1,\"id\":\"j\",\"from\":\"Shop <s@a.example>\",\"to\":\"a@b.example\",\"subject\":\"Your receipt \\u20ac\","
                    "\"headers\":{\"X-A\":\"1\",\"X-B\":\"2\"},\"tags\":[\"a\",\"b\"],\"text\":\"");
    while (text.len < 1200)
        buf_puts(&text, "Thank you for your order.\\n");
    buf_puts(&text, "\"}");
    struct job job = { 0 };
    assert_true(job_parse(&job, text.data, text.len, JOB_MAX_BYTES_DEFAULT, NULL));
    struct json_token *tokens = job.doc.tokens;
    uint32_t cap = job.doc.cap;
    char *scratch = job.scratch.data;
    for (int i = 0; i < 1000; i++) {
        assert_true(job_parse(&job, text.data, text.len, JOB_MAX_BYTES_DEFAULT, NULL));
        assert_int_equal(job.doc.cap, cap);
        assert_ptr_equal(job.doc.tokens, tokens);
        assert_ptr_equal(job.scratch.data, scratch);
    }
    job_clear(&job);
    buf_clear(&text);
}

// A slice that points where the memory was before it grew would show here (and to Asan).
static void test_scratch_stays(void **state)
{
    (void)state;
    struct buf text = { 0 };
    buf_puts(&text, "{\"v\":1,\"to\":\"\\u0061@b.example\",\"draft_id\":\"\\u0064\",\"headers\":{\"\\u0041\":\"\\u0042\"},"
                    "\"attachments\":[{\"filename\":\"\\u0061\",\"content_base64\":\"");
    for (int i = 0; i < 50000; i++)
        buf_puts(&text, "\\/\\/aa");
    buf_puts(&text, "\"}],\"text\":\"");
    for (int i = 0; i < 20000; i++)
        buf_puts(&text, "\\u0078");
    buf_puts(&text, "\"}");
    struct job job = { 0 };
    struct err e = { 0 };
    if (!job_parse(&job, text.data, text.len, JOB_MAX_BYTES_DEFAULT, &e))
        fail_msg("got \"%s\", want success", e.text);
    assert_true(slice_is(job.to.local, "a"));
    assert_true(slice_is(job.draft_id, "d"));
    assert_int_equal(job.text.len, 20000);
    assert_int_equal(job.text.ptr[19999], 'x');
    assert_int_equal(job.idempotency_key.len, 64);
    assert_true(job.scratch.cap < 300000); // attachments are not in it
    job_clear(&job);
    buf_clear(&text);
}

static void test_deadline(void **state)
{
    (void)state;
    static const struct {
        int64_t created, not_before, expires, max_age, first_seen, want;
    } cases[] = {
        { 1000, 0, 0, 0, 0, 1000 + 500 },       { 1000, 0, 0, 200, 0, 1200 },
        { 1000, 3000, 0, 0, 0, 3500 },          { 1000, 0, 0, 0, 2000, 2500 },
        { 1000, 0, 1100, 0, 0, 1100 },          { 1000, 0, 9000, 0, 0, 1500 },
        { 0, 0, 0, 0, 0, INT64_MAX },           { 0, 0, 77, 0, 0, 77 },
        { 5000, 0, 0, 0, 2000, 5500 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct job job = { .created_at_ms = cases[i].created, .not_before_ms = cases[i].not_before,
                                 .expires_at_ms = cases[i].expires, .max_age_ms = cases[i].max_age };
        int64_t got = job_deadline_ms(&job, cases[i].first_seen, 500);
        if (got != cases[i].want)
            fail_msg("case %zu: got %lld, want %lld", i, (long long)got, (long long)cases[i].want);
    }
    assert_string_equal(job_priority_name(JOB_CRITICAL), "critical");
    assert_string_equal(job_priority_name(JOB_NORMAL), "normal");
    assert_string_equal(job_priority_name(JOB_BULK), "bulk");
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

// Overwrites, removes, doubles or cuts some bytes.
static size_t mutate(char *text, size_t len, uint32_t *seed)
{
    static const char interesting[] = "\"\\{}[],:u0e-.\n\x7f\x80\xc3\xed\xff@<> ";
    for (uint32_t n = 1 + next_random(seed) % 4; n > 0 && len > 8; n--) {
        size_t at = next_random(seed) % len, span = 1 + next_random(seed) % 6;
        if (at + span > len)
            span = len - at;
        switch (next_random(seed) % 5) {
        case 0:
            text[at] = (char)next_random(seed);
            break;
        case 1:
            text[at] = interesting[next_random(seed) % (sizeof interesting - 1)];
            break;
        case 2:
            memmove(text + at, text + at + span, len - at - span);
            len -= span;
            break;
        case 3:
            memmove(text + at + span, text + at, len - at);
            len += span;
            break;
        default:
            if (next_random(seed) % 8 == 0)
                len = at + 1;
        }
    }
    return len;
}

static void test_mutations(void **state)
{
    (void)state;
    uint32_t seed = 20261121;
    struct job job = { 0 };
    int accepted = 0;
    for (int i = 0; i < 20000; i++) {
        char room[sizeof VECTOR + 64];
        memcpy(room, VECTOR, sizeof VECTOR - 1);
        size_t len = mutate(room, sizeof VECTOR - 1, &seed);
        char *exact = malloc(len); // so that Asan sees a read past the end
        memcpy(exact, room, len);
        struct err e = { 0 };
        bool ok = job_parse(&job, exact, len, JOB_MAX_BYTES_DEFAULT, &e);
        accepted += ok;
        if (ok != (e.kind == ERR_NONE))
            fail_msg("mutation %d: got %d with \"%s\"", i, ok, e.text);
        if (ok) {
            assert_non_null(job.idempotency_key.ptr);
            assert_true(job.to.spec.ptr != NULL || job.url.ptr != NULL);
            assert_int_equal(job.doc.tokens[0].next, job.doc.count);
        } else {
            assert_true(e.text[0] != '\0');
        }
        free(exact);
    }
    assert_true(accepted > 100 && accepted < 15000); // both ways were taken
    job_clear(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "a job's fields and its key are what Python computes", test_vector, NULL, NULL, NULL },
        { "the key's hash is the head of its SHA-256", test_key_hash, NULL, NULL, NULL },
        { "only what the recipient would notice changes the fingerprint", test_fingerprint, NULL, NULL, NULL },
        { "optional, null and unknown fields are fine", test_accepts, NULL, NULL, NULL },
        { "a refusal names the field and the reason", test_refuses, NULL, NULL, NULL },
        { "lists have their limits", test_counts, NULL, NULL, NULL },
        { "nothing of a former job is left", test_reuse, NULL, NULL, NULL },
        { "a second job of the same kind allocates nothing", test_no_allocation, NULL, NULL, NULL },
        { "decoded strings stay where they are", test_scratch_stays, NULL, NULL, NULL },
        { "a job ends by its age or its date, whichever is first", test_deadline, NULL, NULL, NULL },
        { "20,000 damaged jobs are accepted or refused, never worse", test_mutations, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
