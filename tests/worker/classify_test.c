// SPDX-License-Identifier: Apache-2.0
// Replies as they are seen in the wild, and what they have to mean.
#include "common/clock.h"
#include "worker/classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MINUTE = CLOCK_MINUTE_MS };

struct reply {
    const char *name; // a sentence
    enum attempt_result result;
    enum attempt_phase phase;
    int code;
    const char *enhanced, *text;
    enum failure_class class;
    const char *rule;
    int64_t wait_ms; // want; 0 = -1 (nothing)
    bool suppress;
    int64_t asked_ms; // Retry-After; 0 = none
    bool idempotent;
};

#define SAW(result_, phase_, code_, enhanced_, text_)                                                        \
    .result = result_, .phase = phase_, .code = code_, .enhanced = enhanced_, .text = text_
#define SMTP(phase_, code_, enhanced_, text_) SAW(ATTEMPT_REFUSED, phase_, code_, enhanced_, text_)
#define HTTP(code_)                           SAW(ATTEMPT_REFUSED, PHASE_RESPONSE, code_, "", "")

static const struct reply SMTP_REPLIES[] = {
    { SAW(ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "2.0.0", "queued"), .name = "a taken mail is taken",
      .class = FAILURE_NONE, .rule = "accepted" },
    { SAW(ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "timeout"), .name = "a lost final reply is unknown",
      .class = FAILURE_UNKNOWN, .rule = "unknown" },
    { SAW(ATTEMPT_FAILED, PHASE_CONNECT, 0, "", "refused"), .name = "a refused connection is temporary",
      .class = FAILURE_TRANSIENT, .rule = "not-sent" },
    { SAW(ATTEMPT_FAILED, PHASE_RESOLVE, 0, "", "no such host relay.example"),
      .name = "a relay that does not exist is our set-up", .class = FAILURE_ROUTE, .rule = "dns-no-host" },
    { SAW(ATTEMPT_FAILED, PHASE_RESOLVE, 0, "", "cannot look up relay.example"),
      .name = "a name server in trouble is temporary", .class = FAILURE_TRANSIENT, .rule = "not-sent" },
    { SMTP(PHASE_GREETING, 421, "4.3.2", "shutting down"), .name = "a server going down is temporary",
      .class = FAILURE_TRANSIENT, .rule = "smtp-421" },
    { SMTP(PHASE_RCPT, 421, "4.7.0", "IP not in whitelist"), .name = "a 421 for policy slows down",
      .class = FAILURE_THROTTLED, .rule = "smtp-421-policy" },
    { SMTP(PHASE_RCPT, 421, "4.7.28", "unusual rate of unsolicited mail"), .name = "a rate limit slows down",
      .class = FAILURE_THROTTLED, .rule = "smtp-4xx-unusual", .wait_ms = 60 * MINUTE },
    { SMTP(PHASE_RCPT, 450, "", "mailbox busy"), .name = "a busy mailbox waits longer",
      .class = FAILURE_MAILBOX_BUSY, .rule = "smtp-450-mailbox" },
    { SMTP(PHASE_RCPT, 450, "4.2.0", "Recipient is greylisted"), .name = "greylisting waits five minutes",
      .class = FAILURE_THROTTLED, .rule = "smtp-greylist", .wait_ms = 5 * MINUTE },
    { SMTP(PHASE_RCPT, 451, "4.7.1", "Greylisting in action, please come back in 10 minutes"),
      .name = "greylisting that names a time waits that long", .class = FAILURE_THROTTLED,
      .rule = "smtp-greylist", .wait_ms = 10 * MINUTE },
    { SMTP(PHASE_RCPT, 450, "4.2.0", "Greylisted, see http://postgrey.example/help"),
      .name = "a URL is not a wait", .class = FAILURE_THROTTLED, .rule = "smtp-greylist",
      .wait_ms = 5 * MINUTE },
    { SMTP(PHASE_RCPT, 451, "4.7.1", "Try again in 3 seconds"), .name = "a text's wait is at least a minute",
      .class = FAILURE_THROTTLED, .rule = "smtp-4xx-policy", .wait_ms = MINUTE },
    { SMTP(PHASE_RCPT, 450, "", "please retry in 99 hours"), .name = "a text's wait is at most four hours",
      .class = FAILURE_THROTTLED, .rule = "smtp-45x-later", .wait_ms = 240 * MINUTE },
    { SMTP(PHASE_RESPONSE, 451, "", "local error in processing"), .name = "a 451 is temporary",
      .class = FAILURE_TRANSIENT, .rule = "smtp-4xx-local" },
    { SMTP(PHASE_RESPONSE, 451, "4.3.0", "queue file write error"),
      .name = "their system's trouble is temporary", .class = FAILURE_TRANSIENT, .rule = "smtp-system" },
    { SMTP(PHASE_RCPT, 452, "4.2.2", "over quota"), .name = "a full mailbox waits longer",
      .class = FAILURE_MAILBOX_BUSY, .rule = "smtp-mailbox-full" },
    { SMTP(PHASE_MAIL, 452, "4.3.1", "insufficient system storage"), .name = "a full system is temporary",
      .class = FAILURE_TRANSIENT, .rule = "smtp-system" },
    { SMTP(PHASE_RCPT, 452, "", "requested action not taken"), .name = "a bare 452 is a busy mailbox",
      .class = FAILURE_MAILBOX_BUSY, .rule = "smtp-452" },
    { SMTP(PHASE_GREETING, 454, "4.7.0", "temporary authentication failure"),
      .name = "authentication in trouble pauses", .class = FAILURE_ROUTE, .rule = "smtp-454" },
    { SMTP(PHASE_RESPONSE, 454, "", "Throttling failure: Maximum sending rate exceeded."),
      .name = "a throttling 454 waits", .class = FAILURE_THROTTLED, .rule = "smtp-454-rate" },
    { SMTP(PHASE_GREETING, 535, "5.7.8", "bad credentials"), .name = "a wrong password is our set-up",
      .class = FAILURE_ROUTE, .rule = "smtp-auth" },
    { SMTP(PHASE_MAIL, 530, "5.7.0", "Must issue a STARTTLS command first"),
      .name = "missing TLS is our set-up", .class = FAILURE_ROUTE, .rule = "smtp-530" },
    { SMTP(PHASE_RCPT, 554, "5.7.1", "<a@b.example>: Relay access denied"),
      .name = "a refused relay is our set-up", .class = FAILURE_ROUTE, .rule = "smtp-relay" },
    { SMTP(PHASE_GREETING, 554, "", "no SMTP service here"), .name = "a 554 greeting is our reputation",
      .class = FAILURE_REPUTATION, .rule = "smtp-greeting-554" },
    { SMTP(PHASE_RCPT, 550, "5.1.1", "no such user"), .name = "5.1.1 is proof of a dead mailbox",
      .class = FAILURE_PERMANENT, .rule = "smtp-5.1.1", .suppress = true },
    { SMTP(PHASE_RCPT, 550, "5.1.10", "null MX"), .name = "a null MX is proof", .class = FAILURE_PERMANENT,
      .rule = "smtp-5.1.10", .suppress = true },
    { SMTP(PHASE_RCPT, 556, "", "domain does not accept mail"), .name = "a 556 is proof",
      .class = FAILURE_PERMANENT, .rule = "smtp-null-mx", .suppress = true },
    { SMTP(PHASE_RCPT, 550, "", "User unknown in virtual mailbox table"), .name = "a text can be proof",
      .class = FAILURE_PERMANENT, .rule = "smtp-nobody", .suppress = true },
    { SMTP(PHASE_RESPONSE, 550, "", "user unknown"), .name = "only the answer to a recipient is proof",
      .class = FAILURE_PERMANENT, .rule = "smtp-nobody-late" },
    { SMTP(PHASE_RCPT, 550, "5.7.1", "user unknown or blocked by policy"),
      .name = "a policy code never suppresses", .class = FAILURE_REPUTATION, .rule = "smtp-policy-text" },
    { SMTP(PHASE_RCPT, 550, "5.1.2", "bad destination system"),
      .name = "a bad domain does not suppress the mailbox", .class = FAILURE_PERMANENT, .rule = "smtp-bad-domain" },
    { SMTP(PHASE_RESPONSE, 550, "5.7.26", "unauthenticated mail"),
      .name = "failed authentication is reputation", .class = FAILURE_REPUTATION, .rule = "smtp-authentication" },
    { SMTP(PHASE_RCPT, 554, "",
           "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"),
      .name = "a blocklist is reputation", .class = FAILURE_REPUTATION, .rule = "smtp-blocked" },
    { SMTP(PHASE_RCPT, 552, "5.2.2", "mailbox full"), .name = "a full mailbox is never dead",
      .class = FAILURE_MAILBOX_BUSY, .rule = "smtp-full" },
    { SMTP(PHASE_RCPT, 550, "5.1.1", "Mailbox is over quota"),
      .name = "a full mailbox under a wrong code is not dead", .class = FAILURE_MAILBOX_BUSY,
      .rule = "smtp-full-text" },
    { SMTP(PHASE_RCPT, 552, "", "no room"), .name = "a bare 552 for a recipient is a full mailbox",
      .class = FAILURE_MAILBOX_BUSY, .rule = "smtp-552-rcpt" },
    { SMTP(PHASE_MAIL, 552, "5.3.4", "message size exceeds fixed maximum storage allocation"),
      .name = "a mail that is too large stays too large", .class = FAILURE_PERMANENT, .rule = "smtp-large" },
    { SMTP(PHASE_RCPT, 550, "", "Connection frequency limited"), .name = "a rate limit dressed as 550 waits",
      .class = FAILURE_THROTTLED, .rule = "smtp-5xx-rate", .wait_ms = 30 * MINUTE },
    { SMTP(PHASE_RCPT, 550, "5.2.1", "mailbox temporarily disabled"),
      .name = "a 5xx that says temporarily waits", .class = FAILURE_THROTTLED, .rule = "smtp-5xx-later",
      .wait_ms = 30 * MINUTE },
    { SMTP(PHASE_RESPONSE, 554, "", "transaction failed"), .name = "a bare 554 is permanent",
      .class = FAILURE_PERMANENT, .rule = "smtp-5xx" },
    { SMTP(PHASE_DATA, 503, "", "bad sequence"), .name = "out of step is put right by a new connection",
      .class = FAILURE_TRANSIENT, .rule = "smtp-503" },
    { SMTP(PHASE_RESPONSE, 550, "5.6.0", "bad header"), .name = "refused content is permanent",
      .class = FAILURE_PERMANENT, .rule = "smtp-5xx-status" },
    { SMTP(PHASE_RCPT, 399, "", "?"), .name = "no final reply at all is temporary",
      .class = FAILURE_TRANSIENT, .rule = "smtp-other" },
};

static const struct reply HTTP_REPLIES[] = {
    { SAW(ATTEMPT_ACCEPTED, PHASE_RESPONSE, 202, "", ""), .name = "an accepted request is accepted",
      .class = FAILURE_NONE, .rule = "accepted" },
    { SAW(ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", ""), .name = "a lost reply is unknown",
      .class = FAILURE_UNKNOWN, .rule = "unknown" },
    { SAW(ATTEMPT_FAILED, PHASE_BODY, 0, "", ""), .name = "a broken connection is temporary",
      .class = FAILURE_TRANSIENT, .rule = "not-sent" },
    { SAW(ATTEMPT_FAILED, PHASE_RESOLVE, 0, "", "no such host x.example (named by the job)"),
      .name = "a host a job made up does not stop the route", .class = FAILURE_TRANSIENT,
      .rule = "dns-job-host" },
    { SAW(ATTEMPT_REFUSED, PHASE_CONNECT, 0, "", "target 10.0.0.1:80 is not allowed: its address is private"),
      .name = "a forbidden target is permanent", .class = FAILURE_PERMANENT, .rule = "http-target" },
    { SAW(ATTEMPT_REFUSED, PHASE_QUEUED, 0, "", "route r has no url"), .name = "a missing url is permanent",
      .class = FAILURE_PERMANENT, .rule = "http-other" },
    { HTTP(400), .name = "a bad request stays bad", .class = FAILURE_PERMANENT, .rule = "http-4xx" },
    { HTTP(401), .name = "a wrong token is our set-up", .class = FAILURE_ROUTE, .rule = "http-401" },
    { HTTP(402), .name = "an unpaid account stops", .class = FAILURE_REPUTATION, .rule = "http-402" },
    { HTTP(403), .name = "a forbidden sender stops", .class = FAILURE_REPUTATION, .rule = "http-403" },
    { HTTP(404), .name = "a missing resource stays missing", .class = FAILURE_PERMANENT, .rule = "http-4xx" },
    { HTTP(407), .name = "a proxy's wrong password is our set-up", .class = FAILURE_ROUTE,
      .rule = "http-407" },
    { HTTP(408), .name = "a request they did not get is temporary", .class = FAILURE_TRANSIENT,
      .rule = "http-408" },
    { HTTP(409), .name = "a conflict is permanent", .class = FAILURE_PERMANENT, .rule = "http-4xx" },
    { HTTP(409), .name = "a conflict under our key is in progress", .class = FAILURE_TRANSIENT,
      .rule = "http-409-in-progress", .idempotent = true },
    { HTTP(413), .name = "too large stays too large", .class = FAILURE_PERMANENT, .rule = "http-4xx" },
    { HTTP(422), .name = "invalid stays invalid", .class = FAILURE_PERMANENT, .rule = "http-4xx" },
    { HTTP(425), .name = "too early waits", .class = FAILURE_THROTTLED, .rule = "http-425" },
    { HTTP(429), .name = "too many waits", .class = FAILURE_THROTTLED, .rule = "http-429" },
    { HTTP(429), .name = "too many waits as long as asked", .class = FAILURE_THROTTLED, .rule = "http-429",
      .asked_ms = 90000, .wait_ms = 90000 },
    { HTTP(500), .name = "a 500 may have been accepted", .class = FAILURE_UNKNOWN, .rule = "http-5xx" },
    { HTTP(502), .name = "a 502 may have been accepted", .class = FAILURE_UNKNOWN, .rule = "http-5xx" },
    { HTTP(504), .name = "a 504 may have been accepted", .class = FAILURE_UNKNOWN, .rule = "http-5xx" },
    { HTTP(500), .name = "with a key a 500 is tried again", .class = FAILURE_TRANSIENT,
      .rule = "http-5xx-key", .idempotent = true },
    { HTTP(504), .name = "with a key a 504 is tried again", .class = FAILURE_TRANSIENT,
      .rule = "http-5xx-key", .idempotent = true },
    { HTTP(501), .name = "not implemented stays so", .class = FAILURE_PERMANENT, .rule = "http-501" },
    { HTTP(505), .name = "a refused version stays refused", .class = FAILURE_PERMANENT, .rule = "http-505" },
    { HTTP(503), .name = "a bare 503 is temporary", .class = FAILURE_TRANSIENT, .rule = "http-503" },
    { HTTP(503), .name = "a 503 that asks waits as asked", .class = FAILURE_THROTTLED,
      .rule = "http-503-wait", .asked_ms = 1000, .wait_ms = 1000 },
    { HTTP(599), .name = "an odd 5xx may have been accepted", .class = FAILURE_UNKNOWN, .rule = "http-5xx" },
    { HTTP(302), .name = "a redirect is not followed", .class = FAILURE_PERMANENT, .rule = "http-3xx" },
};

static size_t wrong;

static void check(const char *provider, const struct reply *r)
{
    struct outcome o = { .result = r->result, .phase = r->phase, .code = r->code };
    o.retry_after_ms = r->asked_ms > 0 ? r->asked_ms : -1;
    snprintf(o.enhanced, sizeof o.enhanced, "%s", r->enhanced);
    snprintf(o.text, sizeof o.text, "%s", r->text);
    struct verdict v = classify(provider, &o, r->idempotent);
    int64_t want_wait = r->wait_ms > 0 ? r->wait_ms : -1;
    if (v.class == r->class && strcmp(v.rule, r->rule) == 0 && v.retry_after_ms == want_wait && v.suppress == r->suppress)
        return;
    wrong++;
    print_error("%s (%d %s %s): got %s by %s wait %lld suppress %d, want %s by %s wait %lld suppress %d\n", r->name, r->code,
                r->enhanced, r->text, failure_name(v.class), v.rule, (long long)v.retry_after_ms, v.suppress,
                failure_name(r->class), r->rule, (long long)want_wait, r->suppress);
}

static void smtp_replies_mean_what_they_should(void **state)
{
    (void)state;
    wrong = 0;
    for (size_t i = 0; i < sizeof SMTP_REPLIES / sizeof *SMTP_REPLIES; i++)
        check("smtp", &SMTP_REPLIES[i]);
    assert_int_equal(wrong, 0);
}

static void http_replies_mean_what_they_should(void **state)
{
    (void)state;
    wrong = 0;
    for (size_t i = 0; i < sizeof HTTP_REPLIES / sizeof *HTTP_REPLIES; i++)
        check("http", &HTTP_REPLIES[i]);
    assert_int_equal(wrong, 0);
}

static void every_code_gets_a_rule_and_nothing_temporary_suppresses(void **state)
{
    (void)state;
    static const char *const providers[] = { "smtp", "http", "a-provider-we-do-not-know" };
    for (int code = 0; code < 700; code++) {
        for (int p = 0; p < 3; p++) {
            struct outcome o = {
                .result = ATTEMPT_REFUSED, .phase = PHASE_RCPT, .code = code, .retry_after_ms = -1
            };
            struct verdict v = classify(providers[p], &o, false);
            if (v.rule == NULL || v.class == FAILURE_NONE)
                fail_msg("%s %d: got %s by %s, want a failure", providers[p], code, failure_name(v.class),
                         v.rule);
            if (p == 0 && code >= 400 && code < 500 && (v.class == FAILURE_PERMANENT || v.suppress))
                fail_msg("smtp %d: got %s, want nothing permanent", code, failure_name(v.class));
        }
    }
}

static void every_class_has_an_action(void **state)
{
    (void)state;
    static const struct {
        enum failure_class class;
        bool suppress;
        const char *action;
    } cases[] = {
        { FAILURE_NONE, false, "accept" },     { FAILURE_TRANSIENT, false, "retry" },
        { FAILURE_THROTTLED, false, "wait" },  { FAILURE_MAILBOX_BUSY, false, "retry" },
        { FAILURE_PERMANENT, false, "dead" },  { FAILURE_PERMANENT, true, "dead_suppress" },
        { FAILURE_REPUTATION, false, "dead" }, { FAILURE_ROUTE, false, "pause_route" },
        { FAILURE_UNKNOWN, false, "unknown" }, { FAILURE_CONFLICT, false, "dead" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verdict v = { .class = cases[i].class, .suppress = cases[i].suppress };
        assert_string_equal(verdict_action(&v), cases[i].action);
    }
}

static void lines_in_are_verdicts_out(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        int status;
    } cases[] = {
        { "{\"transport\":\"smtp\",\"code\":550,\"text\":\"5.1.1 no such user\"}\n",
          "{\"class\":\"permanent\",\"action\":\"dead_suppress\",\"rule\":\"smtp-5.1.1\",\"enhanced\":\"5.1."
          "1\","
          "\"retry_after_s\":null,\"suppress\":true}\n",
          0 },
        { "{\"transport\":\"smtp\",\"code\":450,\"text\":\"450-5.1.1 try again in 2 minutes\"}",
          "{\"class\":\"throttled\",\"action\":\"wait\",\"rule\":\"smtp-45x-later\",\"enhanced\":null,"
          "\"retry_after_s\":120,\"suppress\":false}\n",
          0 },
        { "\n{\"transport\":\"sendgrid\",\"code\":429,\"headers\":{\"retry-after\":\"7\"}}\n",
          "{\"class\":\"throttled\",\"action\":\"wait\",\"rule\":\"http-429\",\"enhanced\":null,\"retry_"
          "after_s\":7,"
          "\"suppress\":false}\n",
          0 },
        { "{\"transport\":\"http\",\"code\":500,\"idempotent\":true}\n",
          "{\"class\":\"transient\",\"action\":\"retry\",\"rule\":\"http-5xx-key\",\"enhanced\":null,"
          "\"retry_after_s\":null,\"suppress\":false}\n",
          0 },
        { "{\"transport\":\"http\",\"result\":\"failed\",\"phase\":\"resolve\",\"text\":\"no such host "
          "x\"}\n",
          "{\"class\":\"route\",\"action\":\"pause_route\",\"rule\":\"dns-no-host\",\"enhanced\":null,"
          "\"retry_after_s\":null,\"suppress\":false}\n",
          0 },
        { "{\"transport\":\"smtp\",\"code\":250}\n",
          "{\"class\":\"none\",\"action\":\"accept\",\"rule\":\"accepted\",\"enhanced\":null,\"retry_after_"
          "s\":null,"
          "\"suppress\":false}\n",
          0 },
        { "{\"transport\":\"smtp\",\"code\":550,\"text\":\"550-5.1.1 The email account\\n550 5.1.1 does not exist\"}\n",
          "{\"class\":\"permanent\",\"action\":\"dead_suppress\",\"rule\":\"smtp-5.1.1\",\"enhanced\":\"5.1.1\","
          "\"retry_after_s\":null,\"suppress\":true}\n",
          0 },
        { "{\"transport\":\"mx\",\"code\":554,\"text\":\"5.7.1 Relay access denied\"}\n",
          "{\"class\":\"permanent\",\"action\":\"dead\",\"rule\":\"mx-relay\",\"enhanced\":\"5.7.1\","
          "\"retry_after_s\":null,\"suppress\":false}\n",
          0 },
        { "{\"transport\":\"resend\",\"code\":429,\"headers\":{\"RateLimit-Reset\":\"3\"}}\n",
          "{\"class\":\"throttled\",\"action\":\"wait\",\"rule\":\"http-429\",\"enhanced\":null,\"retry_"
          "after_s\":3,\"suppress\":false}\n",
          0 },
        { "{\"transport\":\"sendgrid\",\"code\":429,\"headers\":{\"X-RateLimit-Reset\":\"1763719245\",\"Date\":\"Fri, 21 Nov 2025 10:00:00 GMT\"}}\n",
          "{\"class\":\"throttled\",\"action\":\"wait\",\"rule\":\"http-429\",\"enhanced\":null,\"retry_"
          "after_s\":45,\"suppress\":false}\n",
          0 },
        { "{\"transport\":\"sendgrid\",\"code\":400,\"headers\":{\"X-RateLimit-Reset\":\"1763719245\"}}\n",
          "{\"class\":\"permanent\",\"action\":\"dead\",\"rule\":\"http-4xx\",\"enhanced\":null,\"retry_"
          "after_s\":null,\"suppress\":false}\n",
          0 },
        { "{\"transport\":\"ses\",\"code\":400,\"text\":\"{\\\"message\\\":\\\"x\\\"}\",\"headers\":{\"x-amzn-ErrorType\":\"SendingPausedException:http://x/\"}}\n",
          "{\"class\":\"route\",\"action\":\"pause_route\",\"rule\":\"ses-account\",\"enhanced\":null,\"retry_"
          "after_s\":null,\"suppress\":false}\n",
          0 },
        { "nonsense\n{\"transport\":\"http\"}\n{\"code\":1}\n", "{\"line\":1,\"error\":\"byte 0: ", 65 },
        { "{\"transport\":\"http\",\"code\":200,\"phase\":\"x\"}\n",
          "{\"line\":1,\"error\":\"\\\"phase\\\" is not the name of a phase\"}\n", 65 },
        { "{\"transport\":\"smtp\",\"result\":\"maybe\"}\n",
          "{\"line\":1,\"error\":\"\\\"result\\\" is none of accepted, refused, failed, unknown\"}\n", 65 },
        { "", "", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = NULL;
        size_t len = 0;
        FILE *in = tmpfile(), *out = open_memstream(&text, &len);
        fputs(cases[i].in, in);
        rewind(in);
        int status = classify_stream(in, out);
        fclose(in);
        fclose(out);
        size_t want_len = strlen(cases[i].out);
        if (status != cases[i].status || (status == 0 && len != want_len) ||
            strncmp(text, cases[i].out, want_len) != 0)
            fail_msg("%s: got %d %s, want %d %s", cases[i].in, status, text, cases[i].status, cases[i].out);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smtp_replies_mean_what_they_should),
        cmocka_unit_test(http_replies_mean_what_they_should),
        cmocka_unit_test(every_code_gets_a_rule_and_nothing_temporary_suppresses),
        cmocka_unit_test(every_class_has_an_action),
        cmocka_unit_test(lines_in_are_verdicts_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
