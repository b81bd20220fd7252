// SPDX-License-Identifier: Apache-2.0
// A job becomes a message whose bytes depend on nothing but the job.
#include "worker/message.h"
#include "worker/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t DATE_MS = 1795341600000; // Sun, 22 Nov 2026 10:00:00 UTC

#define BASE "\"v\":1,\"from\":\"shop@example.com\",\"to\":\"ann@example.org\""

static void parse(struct job *job, const char *json)
{
    struct err e = { 0 };
    if (!job_parse(job, json, strlen(json), JOB_MAX_BYTES_DEFAULT, &e))
        fail_msg("job %s: %s", json, e.text);
}

static void build(struct buf *out, const char *json)
{
    struct job job = { 0 };
    struct err e = { 0 };
    parse(&job, json);
    buf_reset(out);
    if (!message_build(&job, "job-1", DATE_MS, out, &e))
        fail_msg("message of %s: %s", json, e.text);
    job_clear(&job);
}

static bool has(const struct buf *b, const char *what)
{
    return memmem(b->data, b->len, what, strlen(what)) != NULL;
}

static void want(const struct buf *b, const char *what)
{
    if (!has(b, what))
        fail_msg("got:\n%s\nwant in it:\n%s", b->data, what);
}

static void a_plain_mail_is_written_in_full(void **state)
{
    (void)state;
    struct buf b = { 0 };
    build(&b, "{" BASE ",\"subject\":\"Your receipt\",\"text\":\"Hello\\nAnn\",\"headers\":{\"X-Tag\":\"a b\"}}");
    assert_string_equal(b.data, "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
                                "From: shop@example.com\r\n"
                                "To: ann@example.org\r\n"
                                "Subject: Your receipt\r\n"
                                "Message-ID: <090fc53d4972e6b54233caa93975cc2c@example.com>\r\n"
                                "X-Sendfleet-Id: job-1\r\n"
                                "X-Tag: a b\r\n"
                                "MIME-Version: 1.0\r\n"
                                "Content-Type: text/plain; charset=utf-8\r\n"
                                "Content-Transfer-Encoding: 7bit\r\n"
                                "\r\n"
                                "Hello\r\nAnn\r\n");
    buf_clear(&b);
}

struct part_case {
    const char *name, *json, *wants[5];
};

static const struct part_case PARTS[] = {
    { "html alone", "{" BASE ",\"html\":\"<p>x</p>\"}", { "Content-Type: text/html; charset=utf-8\r\n", "\r\n<p>x</p>\r\n" } },
    { "text comes before html", "{" BASE ",\"html\":\"<p>x</p>\",\"text\":\"x\"}",
      { "multipart/alternative;\r\n boundary=\"=_2_", "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n\r\nx\r\n--=_2_", "<p>x</p>\r\n--=_2_" } },
    { "umlauts go quoted-printable", "{" BASE ",\"text\":\"Gr\xc3\xbc\xc3\x9f" "e = 1 \\n\"}",
      { "Content-Transfer-Encoding: quoted-printable\r\n", "Gr=C3=BC=C3=9Fe =3D 1=20\r\n" } },
    { "every kind of line break becomes CRLF", "{" BASE ",\"text\":\"a\\nb\\r\\nc\\rd\"}", { "\r\na\r\nb\r\nc\r\nd\r\n" } },
    { "a text that looks like a boundary is encoded", "{" BASE ",\"text\":\"a\\n--=_1_x--\\n\"}", { "--=3D_1_x--" } },
    { "a subject that is not ASCII is in encoded-words", "{" BASE ",\"text\":\"\",\"subject\":\"Gr\xc3\xbc\xc3\x9f" "e\"}",
      { "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n" } },
    { "a subject that looks encoded is encoded", "{" BASE ",\"text\":\"\",\"subject\":\"=?x?B?eA==?=\"}",
      { "Subject: =?UTF-8?B?PT94P0I/ZUE9PT89?=\r\n" } },
    { "a display name is kept", "{\"v\":1,\"from\":\"The Shop <a@example.com>\",\"to\":\"b@example.org\",\"text\":\"\"}",
      { "From: The Shop <a@example.com>\r\n" } },
    { "a display name with marks is quoted",
      "{\"v\":1,\"from\":\"\\\"Shop, The\\\" <a@example.com>\",\"to\":\"b@example.org\",\"text\":\"\"}",
      { "From: \"Shop, The\" <a@example.com>\r\n" } },
    { "a display name that is not ASCII is encoded",
      "{\"v\":1,\"from\":\"J\xc3\xb6rg <a@example.com>\",\"to\":\"b@example.org\",\"text\":\"\"}",
      { "From: =?UTF-8?B?SsO2cmc=?= <a@example.com>\r\n" } },
    { "reply-to", "{" BASE ",\"text\":\"\",\"reply_to\":\"help@example.com\"}", { "\r\nReply-To: help@example.com\r\n" } },
    { "an attachment follows the text",
      "{" BASE ",\"text\":\"see\",\"attachments\":[{\"filename\":\"a \\\"b\\\".pdf\",\"content_type\":\"application/pdf\","
      "\"content_base64\":\"AAECAw==\"}]}",
      { "multipart/mixed;\r\n boundary=\"=_1_", "\r\nsee\r\n--=_1_", "Content-Type: application/pdf\r\n",
        "filename=\"a \\\"b\\\".pdf\"\r\n", "base64\r\n\r\nAAECAw==\r\n--=_1_" } },
    { "a language that is not written in ASCII goes in base64", "{" BASE ",\"text\":\"\xd0\xbf\xd1\x80\xd0\xb8\\n\"}",
      { "Content-Transfer-Encoding: base64\r\n\r\n0L/RgNC4DQo=\r\n" } },
    { "a line that starts with From is encoded", "{" BASE ",\"text\":\"a\\nFrom b\\nFromage\\n\"}",
      { "\r\na\r\n=46rom b\r\nFromage\r\n" } },
    { "there is always a subject", "{" BASE ",\"text\":\"\"}", { "\r\nSubject: \r\n" } },
    { "an image that the html shows is related to it",
      "{" BASE ",\"text\":\"x\",\"html\":\"<img src=cid:logo@x>\",\"attachments\":[{\"filename\":\"l.png\","
      "\"content_type\":\"image/png\",\"content_base64\":\"AAEC\",\"content_id\":\"logo@x\"}]}",
      { "Content-Type: multipart/related; type=\"multipart/alternative\";\r\n boundary=\"=_3_",
        "\r\n--=_2_", "--\r\n\r\n--=_3_",
        "Content-Type: image/png\r\nContent-Disposition: inline;\r\n filename=\"l.png\"\r\nContent-ID: <logo@x>\r\n",
        "AAEC\r\n--=_3_" } },
    { "html alone with its image", "{" BASE ",\"html\":\"x\",\"attachments\":[{\"filename\":\"l.png\",\"content_base64\":"
      "\"AAEC\",\"content_id\":\"l\"}]}", { "multipart/related; type=\"text/html\";" } },
    { "all levels", "{" BASE ",\"text\":\"x\",\"html\":\"y\",\"attachments\":["
      "{\"filename\":\"a.pdf\",\"content_base64\":\"AAEC\"},"
      "{\"filename\":\"l.png\",\"content_base64\":\"AAED\",\"content_id\":\"l\"}]}",
      { "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;", "AAED\r\n--=_3_", "--\r\n\r\n--=_1_",
        "Content-Disposition: attachment;\r\n filename=\"a.pdf\"", "AAEC\r\n--=_1_" } },
    { "an attachment with a content id stays one", "{" BASE ",\"html\":\"y\",\"attachments\":[{\"filename\":\"l.png\","
      "\"content_base64\":\"AAED\",\"content_id\":\"l\",\"disposition\":\"attachment\"}]}",
      { "multipart/mixed;", "Content-Disposition: attachment;\r\n filename=\"l.png\"\r\nContent-ID: <l>\r\n" } },
    { "a file shown in a text mail", "{" BASE ",\"text\":\"y\",\"attachments\":[{\"filename\":\"l.png\","
      "\"content_base64\":\"AAED\",\"disposition\":\"inline\"}]}",
      { "multipart/mixed;", "Content-Disposition: inline;\r\n filename=\"l.png\"\r\n" } },
    { "one-click unsubscribing", "{" BASE ",\"text\":\"\",\"headers\":{\"List-Unsubscribe\":\"<https://example.com/u/1>, "
      "<mailto:u@example.com>\",\"List-Unsubscribe-Post\":\"List-Unsubscribe=One-Click\"}}",
      { "\r\nList-Unsubscribe: <https://example.com/u/1>, <mailto:u@example.com>\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" } },
    { "a long file name goes in pieces, no character split", "{" BASE ",\"text\":\"\",\"attachments\":[{\"filename\":"
      "\"\xe5\x8f\x97\xe4\xbf\xa1\xe8\x80\x85\xe5\x8f\x97\xe4\xbf\xa1\xe8\x80\x85\xe5\x8f\x97\xe4\xbf\xa1.pdf\","
      "\"content_base64\":\"AAEC\"}]}",
      { ";\r\n filename*0*=UTF-8''%E5%8F%97%E4%BF%A1%E8%80%85%E5%8F%97%E4%BF%A1%E8%80%85;\r\n"
        " filename*1*=%E5%8F%97%E4%BF%A1.pdf\r\n" } },
    { "a file name that is not ASCII", "{" BASE ",\"text\":\"\",\"attachments\":[{\"filename\":\"\xc3\xbc 1.txt\","
      "\"content_type\":\"text/plain\",\"content_base64\":\"AAEC\"}]}",
      { "filename*=UTF-8''%C3%BC%201.txt\r\n" } },
};

static void parts_are_written_as_they_need(void **state)
{
    (void)state;
    struct buf b = { 0 };
    for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++) {
        build(&b, PARTS[i].json);
        for (size_t k = 0; k < 5 && PARTS[i].wants[k] != NULL; k++)
            if (!has(&b, PARTS[i].wants[k]))
                fail_msg("%s: got:\n%s\nwant in it:\n%s", PARTS[i].name, b.data, PARTS[i].wants[k]);
    }
    buf_clear(&b);
}

static void the_bytes_are_the_same_every_time(void **state)
{
    (void)state;
    static const char JSON[] = "{" BASE ",\"text\":\"a\",\"html\":\"b\",\"attachments\":[{\"filename\":\"f\","
                               "\"content_type\":\"text/plain\",\"content_base64\":\"AAEC\"}]}";
    struct buf a = { 0 }, b = { 0 };
    build(&a, JSON);
    build(&b, JSON);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    buf_clear(&a);
    buf_clear(&b);
}

static void message_ids_differ_by_job_and_by_recipient(void **state)
{
    (void)state;
    static const char *const TO[] = { "a@example.org", "b@example.org" };
    char seen[4][64];
    for (size_t i = 0; i < 4; i++) {
        char json[256];
        snprintf(json, sizeof json, "{\"v\":1,\"from\":\"s@example.com\",\"to\":\"%s\",\"text\":\"\"}", TO[i % 2]);
        struct job job = { 0 };
        struct buf b = { 0 };
        struct err e = { 0 };
        parse(&job, json);
        assert_true(message_build(&job, i < 2 ? "job-1" : "job-2", DATE_MS, &b, &e));
        const char *id = strstr(b.data, "Message-ID: <");
        assert_non_null(id);
        snprintf(seen[i], sizeof seen[i], "%.45s", id + 13);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(seen[i], seen[k]);
        buf_clear(&b);
        job_clear(&job);
    }
}

// No line longer than the limit, no bare CR or LF, no 8-bit octet, CRLF at the end.
static void check_form(const char *name, const struct buf *b, size_t line_max)
{
    size_t line = 0;
    for (size_t i = 0; i < b->len; i++) {
        unsigned char c = (unsigned char)b->data[i];
        bool crlf = c == '\r' && i + 1 < b->len && b->data[i + 1] == '\n';
        if (c >= 0x80 || (c == '\n') || (c == '\r' && !crlf))
            fail_msg("%s: got octet %02x at %zu, want 7-bit in CRLF lines", name, c, i);
        if (crlf) {
            i++;
            line = 0;
        } else if (++line > line_max) {
            fail_msg("%s: got a line of more than %zu octets:\n%s", name, line_max, b->data);
        }
    }
    if (b->len < 2 || memcmp(b->data + b->len - 2, "\r\n", 2) != 0)
        fail_msg("%s: got no CRLF at the end", name);
}

static void long_things_are_folded(void **state)
{
    (void)state;
    struct buf json = { 0 }, b = { 0 };
    buf_puts(&json, "{\"v\":1,\"from\":\"");
    for (int i = 0; i < 12; i++)
        buf_puts(&json, "J\xc3\xb6rg von und zu ");
    buf_puts(&json, " <a@example.com>\",\"to\":\"b@example.org\",\"subject\":\"");
    for (int i = 0; i < 60; i++)
        buf_puts(&json, i % 2 == 0 ? "words and " : "more  words ");
    buf_puts(&json, "\",\"headers\":{\"X-Long\":\"");
    for (int i = 0; i < 300; i++)
        buf_puts(&json, "\xe2\x82\xac");
    buf_puts(&json, "\",\"X-Run\":\"");
    for (int i = 0; i < 900; i++)
        buf_putc(&json, 'r');
    buf_puts(&json, "\"},\"text\":\"");
    for (int i = 0; i < 500; i++)
        buf_puts(&json, "\xf0\x9f\x93\xab mail ");
    buf_puts(&json, "\",\"attachments\":[{\"filename\":\"f\",\"content_type\":\"image/png\",\"content_base64\":\"");
    for (int i = 0; i < 500; i++)
        buf_puts(&json, "QUJD");
    buf_puts(&json, "\"}]}");
    build(&b, json.data);
    check_form("folded", &b, 78);
    want(&b, "words and more  words"); // the blanks are those of the publisher
    buf_clear(&json);
    buf_clear(&b);
}

static void lines_of_998_octets_pass_and_longer_ones_are_encoded(void **state)
{
    (void)state;
    for (int len = MIME_LINE_MAX; len <= MIME_LINE_MAX + 1; len++) {
        struct buf json = { 0 }, b = { 0 };
        buf_puts(&json, "{" BASE ",\"text\":\"");
        for (int i = 0; i < len; i++)
            buf_putc(&json, 'x');
        buf_puts(&json, "\"}");
        build(&b, json.data);
        check_form("998", &b, MIME_LINE_MAX);
        want(&b, len == MIME_LINE_MAX ? "Encoding: 7bit" : "Encoding: quoted-printable");
        buf_clear(&json);
        buf_clear(&b);
    }
}

static void what_a_publisher_may_not_set_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const NAMES[] = { "From", "to", "BCC", "Subject", "Reply-To", "Date", "Message-Id", "Received",
                                         "Return-Path", "DKIM-Signature", "Mime-Version", "content-type",
                                         "Content-Transfer-Encoding", "X-Sendfleet-Id" };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        char json[512];
        snprintf(json, sizeof json, "{" BASE ",\"text\":\"\",\"headers\":{\"%s\":\"x\"}}", NAMES[i]);
        struct job job = { 0 };
        struct buf b = { 0 };
        struct err e = { 0 };
        parse(&job, json);
        if (message_build(&job, "job-1", DATE_MS, &b, &e))
            fail_msg("%s: got a message, want a refusal", NAMES[i]);
        if (e.kind != ERR_INPUT || strstr(e.text, NAMES[i]) == NULL)
            fail_msg("%s: got \"%s\", want its name", NAMES[i], e.text);
        buf_clear(&b);
        job_clear(&job);
    }
}

static void refuse(const char *name, const struct job *job, const char *job_id, const char *text)
{
    struct buf b = { 0 };
    struct err e = { 0 };
    if (message_build(job, job_id, DATE_MS, &b, &e))
        fail_msg("%s: got a message, want a refusal:\n%s", name, b.data);
    if (strstr(e.text, text) == NULL)
        fail_msg("%s: got \"%s\", want \"%s\"", name, e.text, text);
    buf_clear(&b);
}

static void headers_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *says;
    } CASES[] = {
        { "\"Foo\":\"x\"", "Foo may not be set" },
        { "\"X-Sendfleet-Trace\":\"x\"", "X-Sendfleet-Trace may not be set" },
        { "\"List-Unsubscribe-Posts\":\"x\",\"X-A\":\"1\",\"x-a\":\"2\"", "x-a is there twice" },
        { "\"X-AB\":\"1\",\"X-A\":\"1\",\"Cc\":\"J\xc3\xb6rg <j@example.com>\"", "Cc: has to be ASCII" },
        { "\"List-Unsubscribe\":\"https://example.com/\"", "not a list of <https" },
        { "\"List-Unsubscribe\":\"<https://example.com/ x>\"", "not a list of <https" },
        { "\"List-Unsubscribe\":\"<ftp://example.com/x>\"", "not a list of <https" },
        { "\"List-Unsubscribe\":\"<https://example.com/x>,\"", "not a list of <https" },
        { "\"List-Unsubscribe\":\"<https://example.com/x> y\"", "after the last link" },
        { "\"List-Unsubscribe\":\"\"", "not a list of <https" },
        { "\"List-Unsubscribe-Post\":\"List-Unsubscribe=One-Click\"", "exactly one https link" },
        { "\"List-Unsubscribe-Post\":\"Yes\"", "List-Unsubscribe=One-Click" },
        { "\"List-Unsubscribe-Post\":\"List-Unsubscribe=One-Click\",\"List-Unsubscribe\":\"<https://a/x>,<https://b/x>\"",
          "exactly one https link" },
        { "\"List-Unsubscribe-Post\":\"List-Unsubscribe=One-Click\",\"List-Unsubscribe\":\"<https://a/x>,<http://b/x>\"",
          "exactly one https link" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char json[512];
        snprintf(json, sizeof json, "{" BASE ",\"text\":\"\",\"headers\":{%s}}", CASES[i].headers);
        struct job job = { 0 };
        parse(&job, json);
        refuse(CASES[i].headers, &job, "job-1", CASES[i].says);
        job_clear(&job);
    }
}

// The parser of jobs refuses these already; the message must not depend on that.
static void line_breaks_in_header_values_are_refused(void **state)
{
    (void)state;
    static const struct slice BAD[] = { { "x\r\nBcc: eve@example.net", 24 }, { "x\ny", 3 }, { "x\ry", 3 }, { "x\0y", 3 } };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct job job = { 0 };
        parse(&job, "{" BASE ",\"text\":\"\"}");
        struct job bad = job;
        bad.subject = BAD[i];
        refuse("subject", &bad, "job-1", "Subject");
        bad = job;
        bad.from.display = BAD[i];
        refuse("display name", &bad, "job-1", "From");
        bad = job;
        bad.to.spec = BAD[i];
        refuse("recipient", &bad, "job-1", "To");
        job_clear(&job);
    }
    struct job job = { 0 };
    parse(&job, "{" BASE ",\"text\":\"\"}");
    refuse("job id", &job, "job\r\nBcc: eve@example.net", "X-Sendfleet-Id");
    job_clear(&job);
}

static void a_job_without_content_is_refused(void **state)
{
    (void)state;
    struct job job = { 0 };
    parse(&job, "{" BASE ",\"text\":\"\"}");
    job.text = (struct slice){ NULL, 0 };
    refuse("no text", &job, "job-1", "nothing to send");
    job.template_id = SLICE("welcome");
    refuse("template", &job, "job-1", "template");
    job_clear(&job);
    parse(&job, "{" BASE ",\"text\":\"\"}");
    job.from.spec = (struct slice){ NULL, 0 };
    refuse("no sender", &job, "job-1", "from is missing");
    job_clear(&job);
}

static void a_file_that_is_not_base64_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = { "AAE", "A*==", "AA==AA==", "A===", "AA=A" };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct buf b = { 0 };
        struct err e = { 0 };
        if (mime_put_base64(&b, slice_of(BAD[i]), &e))
            fail_msg("\"%s\": got accepted, want refused", BAD[i]);
        buf_clear(&b);
    }
}

static void the_date_is_when_the_mail_was_meant_to_go(void **state)
{
    (void)state;
    struct job job = { 0 };
    assert_int_equal(message_date_ms(&job, 7), 7);
    job.created_at_ms = 5;
    assert_int_equal(message_date_ms(&job, 7), 5);
    job.not_before_ms = 9;
    assert_int_equal(message_date_ms(&job, 7), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_mail_is_written_in_full),
        cmocka_unit_test(parts_are_written_as_they_need),
        cmocka_unit_test(the_bytes_are_the_same_every_time),
        cmocka_unit_test(message_ids_differ_by_job_and_by_recipient),
        cmocka_unit_test(long_things_are_folded),
        cmocka_unit_test(lines_of_998_octets_pass_and_longer_ones_are_encoded),
        cmocka_unit_test(what_a_publisher_may_not_set_is_refused_by_name),
        cmocka_unit_test(headers_are_refused_with_the_reason),
        cmocka_unit_test(line_breaks_in_header_values_are_refused),
        cmocka_unit_test(a_job_without_content_is_refused),
        cmocka_unit_test(a_file_that_is_not_base64_is_refused),
        cmocka_unit_test(the_date_is_when_the_mail_was_meant_to_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
