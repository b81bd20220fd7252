// SPDX-License-Identifier: Apache-2.0
// One mail, one server: what an attempt ends as, whatever the server does and whenever it does it, and what the server
// gets to see.
#include "smtp_fixture.h"

// ---- one mail, one server ----------------------------------------------------------------------------------------

#define LIMIT(m) (offsetof(struct smtp_limits, m) + 1)

struct dialogue {
    const char *name;
    const char *script[24];
    struct want want;
    size_t limit;     // LIMIT(x): this one is short
    size_t hold_back; // octets of the message that do not leave
};

static const struct dialogue DIALOGUES[] = {
    { "a mail is taken", { WRITTEN, "S:250 2.0.0 Ok: queued as 4B7F21" },
      .want = { ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "2.0.0", "queued as 4B7F21" } },

    { "greeting: connection closed", { "CLOSE" },
      .want = { ATTEMPT_FAILED, PHASE_GREETING, 0, "", "closed by the server" } },
    { "greeting: nothing comes", { "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_GREETING, 0, "", "timeout, waiting for the greeting" },
      .limit = LIMIT(greeting) },
    { "greeting: 554", { "S:554 5.7.1 not you", "EOF" },
      .want = { ATTEMPT_REFUSED, PHASE_GREETING, 554, "5.7.1", "not you" } },
    { "greeting: 421", { "S:421 4.3.2 busy", "EOF" },
      .want = { ATTEMPT_REFUSED, PHASE_GREETING, 421, "4.3.2", "busy" } },
    { "greeting: 354", { "S:354 what", "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_GREETING, 0, "", "unexpected reply" } },
    { "greeting: an HTTP server", { "S:HTTP/1.1 400 Bad Request", "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_GREETING, 0, "", "not an SMTP reply" } },
    { "greeting: several lines", { "S:220-hello", "S:220-no spam", "S:220 ready", "C:EHLO me.example", "S:250 sink", MAIL,
                                   "S:550 no", "C:RSET", "S:250 ok" },
      .want = { ATTEMPT_REFUSED, PHASE_MAIL, 550, "", "no" } },

    { "EHLO: connection closed", { "S:220 x", "C:EHLO me.example", "CLOSE" },
      .want = { ATTEMPT_FAILED, PHASE_GREETING, 0, "", "the reply to EHLO" } },
    { "EHLO: closed in the middle of the reply", { "S:220 x", "C:EHLO me.example", "S:250-SIZE", "CLOSE" },
      .want = { ATTEMPT_FAILED, PHASE_GREETING, 0, "", "the reply to EHLO" } },
    { "EHLO: nothing comes", { "S:220 x", "C:EHLO me.example", "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_GREETING, 0, "", "timeout, waiting for the reply to EHLO" }, .limit = LIMIT(ehlo) },
    { "EHLO: 421", { "S:220 x", "C:EHLO me.example", "S:421 later", "EOF" },
      .want = { ATTEMPT_REFUSED, PHASE_GREETING, 421, "", "later" } },
    { "EHLO: 450", { "S:220 x", "C:EHLO me.example", "S:450 later", "EOF" },
      .want = { ATTEMPT_REFUSED, PHASE_GREETING, 450, "", "later" } },
    { "EHLO: 502, then HELO", { "S:220 x", "C:EHLO me.example", "S:502 what", "C:HELO me.example", "S:250 hello", MAIL,
                                "S:250 ok", RCPT, "S:250 ok", "C:DATA", "S:354 go", "M", "S:250 id=77" },
      .want = { ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "id=77" } },
    { "EHLO: 502, HELO: 550", { "S:220 x", "C:EHLO me.example", "S:502 what", "C:HELO me.example", "S:550 no", "EOF" },
      .want = { ATTEMPT_REFUSED, PHASE_GREETING, 550, "", "no" } },
    { "EHLO: different codes on one reply's lines", { "S:220 x", "C:EHLO me.example", "S:250-a", "S:550 b", "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_GREETING, 0, "", "not an SMTP reply" } },

    { "MAIL: connection closed", { MAILED, "CLOSE" },
      .want = { ATTEMPT_FAILED, PHASE_MAIL, 0, "", "the reply to MAIL" } },
    { "MAIL: nothing comes", { MAILED, "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_MAIL, 0, "", "timeout, waiting for the reply to MAIL" },
      .limit = LIMIT(mail) },
    { "MAIL: 451", { MAILED, "S:451 4.3.0 later", "C:RSET", "S:250 ok" },
      .want = { ATTEMPT_REFUSED, PHASE_MAIL, 451, "4.3.0", "later" } },
    { "MAIL: 550 on two lines", { MAILED, "S:550-5.7.1 not", "S:550 5.7.1 you", "C:RSET", "S:250 ok" },
      .want = { ATTEMPT_REFUSED, PHASE_MAIL, 550, "5.7.1", "not you" } },
    { "MAIL: 421", { MAILED, "S:421 bye", "EOF" }, .want = { ATTEMPT_REFUSED, PHASE_MAIL, 421, "", "bye" } },
    { "MAIL: 421 and closed", { MAILED, "S:421 bye", "CLOSE" },
      .want = { ATTEMPT_REFUSED, PHASE_MAIL, 421, "", "bye" } },
    { "MAIL: garbage", { MAILED, "S:okay", "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_MAIL, 0, "", "not an SMTP reply" } },

    { "RCPT: connection closed", { RCPTED, "CLOSE" },
      .want = { ATTEMPT_FAILED, PHASE_RCPT, 0, "", "the reply to RCPT" } },
    { "RCPT: connection reset", { RCPTED, "RST" },
      .want = { ATTEMPT_FAILED, PHASE_RCPT, 0, "", "connection lost" } },
    { "RCPT: nothing comes", { RCPTED, "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_RCPT, 0, "", "timeout, waiting for the reply to RCPT" },
      .limit = LIMIT(rcpt) },
    { "RCPT: 450", { RCPTED, "S:450 4.2.1 busy", "C:RSET", "S:250 ok" },
      .want = { ATTEMPT_REFUSED, PHASE_RCPT, 450, "4.2.1", "busy" } },
    { "RCPT: 550", { RCPTED, "S:550 5.1.1 who", "C:RSET", "S:250 ok" },
      .want = { ATTEMPT_REFUSED, PHASE_RCPT, 550, "5.1.1", "who" } },
    { "RCPT: 421", { RCPTED, "S:421 4.7.0 slow down", "EOF" },
      .want = { ATTEMPT_REFUSED, PHASE_RCPT, 421, "4.7.0", "slow down" } },
    { "RCPT: 251 is as good as 250", { RCPTED, "S:251 will forward", "C:DATA", "S:554 no", "C:RSET", "S:250 ok" },
      .want = { ATTEMPT_REFUSED, PHASE_DATA, 554, "", "no" } },

    { "DATA: connection closed", { DATAED, "CLOSE" },
      .want = { ATTEMPT_FAILED, PHASE_DATA, 0, "", "the reply to DATA" } },
    { "DATA: nothing comes", { DATAED, "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_DATA, 0, "", "timeout, waiting for the reply to DATA" },
      .limit = LIMIT(data) },
    { "DATA: 451", { DATAED, "S:451 later", "C:RSET", "S:250 ok" },
      .want = { ATTEMPT_REFUSED, PHASE_DATA, 451, "", "later" } },
    { "DATA: 503", { DATAED, "S:503 no", "C:RSET", "S:250 ok" },
      .want = { ATTEMPT_REFUSED, PHASE_DATA, 503, "", "no" } },
    { "DATA: 421", { DATAED, "S:421 bye", "EOF" }, .want = { ATTEMPT_REFUSED, PHASE_DATA, 421, "", "bye" } },
    { "DATA: 250 is no go", { DATAED, "S:250 ok", "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_DATA, 0, "", "unexpected reply" } },

    { "body: closed before any of the final dot left", { DATAED, "S:354 go", "C:Date:*", "CLOSE" },
      .want = { ATTEMPT_FAILED, PHASE_BODY, 0, "", "connection" }, .hold_back = 5 },
    { "body: closed when the first of the final octets had left", { DATAED, "S:354 go", "C:Date:*", "CLOSE" },
      .want = { ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "connection" }, .hold_back = 4 },
    { "body: closed when only the last octet had not left", { DATAED, "S:354 go", "C:Date:*", "RST" },
      .want = { ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "connection" }, .hold_back = 1 },
    { "body: the server stops reading", { DATAED, "S:354 go", "C:Date:*" },
      .want = { ATTEMPT_FAILED, PHASE_BODY, 0, "", "timeout, waiting for the server to read" }, .limit = LIMIT(block), .hold_back = 5 },
    { "body: it stops reading within the final dot", { DATAED, "S:354 go", "C:Date:*" },
      .want = { ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "timeout" }, .limit = LIMIT(block), .hold_back = 3 },
    { "body: refused before it was written", { DATAED, "S:354 go", "C:Date:*", "S:451 4.3.1 disk full" },
      .want = { ATTEMPT_REFUSED, PHASE_BODY, 451, "4.3.1", "disk full" }, .hold_back = 5 },
    { "body: an acceptance nobody asked for", { DATAED, "S:354 go", "C:Date:*", "S:250 ok" },
      .want = { ATTEMPT_FAILED, PHASE_BODY, 0, "", "unexpected reply" }, .hold_back = 5 },

    { "dot: connection closed", { WRITTEN, "CLOSE" },
      .want = { ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "the verdict" } },
    { "dot: connection reset", { WRITTEN, "RST" },
      .want = { ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "connection lost" } },
    { "dot: closed in the middle of the reply", { WRITTEN, "R:250 o", "CLOSE" },
      .want = { ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "the verdict" } },
    { "dot: nothing comes", { WRITTEN, "EOF" },
      .want = { ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "timeout, waiting for the verdict" },
      .limit = LIMIT(dot) },
    { "dot: 451", { WRITTEN, "S:451 4.3.0 later", "C:RSET", "S:250 ok" },
      .want = { ATTEMPT_REFUSED, PHASE_RESPONSE, 451, "4.3.0", "later" } },
    { "dot: 550", { WRITTEN, "S:550 5.7.1 spam", "C:RSET", "S:250 ok" },
      .want = { ATTEMPT_REFUSED, PHASE_RESPONSE, 550, "5.7.1", "spam" } },
    { "dot: 421", { WRITTEN, "S:421 4.3.2 bye", "CLOSE" },
      .want = { ATTEMPT_REFUSED, PHASE_RESPONSE, 421, "4.3.2", "bye" } },
    { "dot: garbage", { WRITTEN, "S:thanks", "EOF" },
      .want = { ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "not an SMTP reply" } },
    { "dot: 354", { WRITTEN, "S:354 more", "EOF" },
      .want = { ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "unexpected reply" } },
    { "dot: a 251 is an acceptance", { WRITTEN, "S:251 fine" },
      .want = { ATTEMPT_ACCEPTED, PHASE_RESPONSE, 251, "", "fine" } },

    { "a second reply to MAIL is no reply to RCPT", { MAILED, "R:250 ok\r\n250 ok\r\n", "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_RCPT, 0, "", "a reply to nothing" } },
    { "a reply to DATA that comes with its verdict", { DATAED, "R:354 go\r\n250 taken\r\n", "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_BODY, 0, "", "a reply to nothing" } },
    { "a 421 that comes with the reply before", { MAILED, "R:250 ok\r\n421 4.3.2 bye\r\n", "EOF" },
      .want = { ATTEMPT_REFUSED, PHASE_RCPT, 421, "4.3.2", "bye" } },
    { "a reply in pieces with bare line feeds", { "R:22", "R:0 x\n", "C:EHLO me.example", "R:250-a\n250 ", "R:b\n", MAIL,
                                                  "S:550 no", "C:RSET", "S:250 ok" },
      .want = { ATTEMPT_REFUSED, PHASE_MAIL, 550, "", "no" } },
};

static void run_dialogue(const struct dialogue *d)
{
    const char *const *scripts[] = { d->script };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    hold_back = d->hold_back;
    if (d->limit != 0)
        *(int64_t *)((char *)smtp_limits(f.t) + d->limit - 1) = SHORT_MS;
    struct mail *m = start(&f, "ann@example.org", "");
    run_until(&f, 1);
    check(d->name, m, &d->want);
    if (m->o.begun_us <= 0 || m->o.begun_us > clock_mono_us())
        fail_msg("%s: got begun %lld, want a time", d->name, (long long)m->o.begun_us);
    if (d->want.code != 0 && m->response[0] == '\0')
        fail_msg("%s: got no response, want the reply", d->name);
    teardown(&f, d->name);
}

static void every_phase_ends_as_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof DIALOGUES / sizeof DIALOGUES[0]; i++)
        run_dialogue(&DIALOGUES[i]);
}

static void an_accepted_mail_has_its_id_and_reply(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { WRITTEN, "S:250-2.0.0 fine", "S:250 2.0.0 Ok: queued as 4B7F21", NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    struct mail *m = start(&f, "ann@example.org", "");
    run_until(&f, 1);
    assert_string_equal(m->o.provider_id, "4B7F21");
    assert_string_equal(m->response, "250-2.0.0 fine\n250 2.0.0 Ok: queued as 4B7F21\n");
    teardown(&f, "id");
}

static void a_reply_that_never_ends_is_not_collected(void **state)
{
    (void)state;
    char line[4000] = "R:220 ", more[4000] = "S:220-x";
    memset(line + 6, 'x', sizeof line - 7);
    const char *script[] = { line, NULL };
    const char *endless[104] = { NULL };
    for (int i = 0; i < 102; i++)
        endless[i] = more;
    const char *const *scripts[2] = { script, endless };
    struct fixture f;
    setup(&f, scripts, 2, 1);
    struct mail *a = start(&f, "ann@example.org", "");
    run_until(&f, 1);
    check("a long line", a, &(struct want){ ATTEMPT_FAILED, PHASE_GREETING, 0, "", "does not end" });
    struct mail *b = start(&f, "ann@example.org", "");
    run_until(&f, 2);
    check("many lines", b, &(struct want){ ATTEMPT_FAILED, PHASE_GREETING, 0, "", "not an SMTP reply" });
    teardown(&f, "endless");
}

// ---- what goes over the wire ---------------------------------------------------------------------------------

static void dots_are_doubled_and_line_feeds_are_not_alone(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { WRITTEN, "S:250 ok", "C:MAIL*", "S:250 ok", "C:RCPT*", "S:250 ok", "C:DATA",
                                          "S:354 go", "M", "S:250 ok", NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    struct mail *a = start(&f, "ann@example.org", ",\"text\":\".\\n..\\n.a\\n\\n.\\nMAIL FROM:<eve@example.net>\\r\\n.\\r\"");
    run_until(&f, 1);
    check("dots", a, &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", NULL });
    static const char TAIL[] = "\r\n\r\n..\r\n...\r\n..a\r\n\r\n..\r\nMAIL FROM:<eve@example.net>\r\n..\r\n.\r\n";
    struct buf *got = &f.server.mail;
    assert_true(got->len > sizeof TAIL);
    assert_string_equal(got->data + got->len - sizeof TAIL + 1, TAIL);
    size_t first = got->len;
    start(&f, "ann@example.org", ",\"text\":\"no dots\""); // nothing of the former is left in the buffers
    run_until(&f, 2);
    assert_null(strstr(got->data + first, "eve"));
    assert_string_equal(got->data + got->len - 14, "\r\nno dots\r\n.\r\n");
    teardown(&f, "dots");
}

static void a_message_too_large_for_the_server_is_not_offered(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { "S:220 x", "C:EHLO me.example", "S:250-x", "S:250 SIZE 420",
                                          "C:MAIL FROM:<shop@example.com> SIZE=*", "S:250 ok", "C:RCPT*", "S:550 no",
                                          "C:RSET", "S:250 ok", NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    char big[300] = ",\"text\":\"";
    memset(big + 9, 'x', 200);
    strcpy(big + 209, "\"");
    struct mail *a = start(&f, "ann@example.org", big);
    run_until(&f, 1);
    check("too large", a, &(struct want){ ATTEMPT_REFUSED, PHASE_MAIL, 552, "5.3.4", " bytes, the server takes 420" });
    struct mail *b = start(&f, "ann@example.org", ""); // the connection is still good
    run_until(&f, 2);
    check("small enough", b, &(struct want){ ATTEMPT_REFUSED, PHASE_RCPT, 550, "", "no" });
    teardown(&f, "size");
}

static void the_declared_size_is_that_of_the_message(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { "S:220 x", "C:EHLO me.example", "S:250-x", "S:250 SIZE",
                                          "C:MAIL FROM:<shop@example.com> SIZE=279", "S:250 ok", "C:RCPT*", "S:250 ok",
                                          "C:DATA", "S:354 go", "M", "S:250 ok", NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    start(&f, "ann@example.org", ",\"text\":\".\\n.\\n\"");
    run_until(&f, 1);
    struct buf *got = &f.server.mail;
    if (got->len != 279 + 2 + 3) // two dots doubled, and the final one
        fail_msg("got %zu octets; server: %s", got->len, server_stop(&f.server));
    teardown(&f, "declared size");
}

static void addresses_that_are_not_ascii_need_smtputf8(void **state)
{
    (void)state;
    static const char *const PLAIN[] = { GREETED, NULL };
    static const char *const UTF8[] = { "S:220 x", "C:EHLO me.example", "S:250-x", "S:250-8BITMIME", "S:250 SMTPUTF8",
                                        "C:MAIL FROM:<shop@example.com> BODY=8BITMIME SMTPUTF8", "S:250 ok",
                                        "C:RCPT TO:<j\xc3\xb6rg@example.org>", "S:550 no", "C:RSET", "S:250 ok", NULL };
    static const struct {
        const char *const *script;
        struct want want;
    } CASES[] = { { PLAIN, { ATTEMPT_REFUSED, PHASE_MAIL, 553, "5.6.7", "SMTPUTF8" } },
                  { UTF8, { ATTEMPT_REFUSED, PHASE_RCPT, 550, "", "no" } } };
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        setup(&f, &CASES[i].script, 1, 1);
        struct mail *m = start(&f, "j\xc3\xb6rg@example.org", "");
        run_until(&f, 1);
        check("utf8", m, &CASES[i].want);
        teardown(&f, "utf8");
    }
}

static void what_cannot_be_built_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { GREETED, NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    struct mail *m = start(&f, "ann@example.org", ",\"headers\":{\"Bcc\":\"eve@example.net\"}");
    run_until(&f, 1);
    check("Bcc", m, &(struct want){ ATTEMPT_REFUSED, PHASE_MAIL, 554, "5.6.0", "Bcc" });
    m = start(&f, "ann@example.org", "");
    f.mails[1].job.to.spec = SLICE("a@example.org>\r\nRCPT TO:<eve@example.net");
    run_until(&f, 2);
    check("injection", m, &(struct want){ ATTEMPT_REFUSED, PHASE_MAIL, 553, "5.1.3", "to:" });
    m = start(&f, "ann@example.org", "");
    f.mails[2].job.from.spec = SLICE("a@example.com\r\nQUIT");
    run_until(&f, 3);
    check("line break", m, &(struct want){ ATTEMPT_REFUSED, PHASE_MAIL, 553, "5.1.7", "from:" });
    teardown(&f, "not built");
}

// ---- abort -----------------------------------------------------------------------------------------------------

static const struct dialogue ABORTS[] = {
    { "greeting", { "SIGNAL", "EOF" }, .want = { ATTEMPT_FAILED, PHASE_GREETING, 0, "", "given up" } },
    { "EHLO", { "S:220 x", "C:EHLO me.example", "SIGNAL", "EOF" },
      .want = { ATTEMPT_FAILED, PHASE_GREETING, 0, "", "given up" } },
    { "MAIL", { MAILED, "SIGNAL", "EOF" }, .want = { ATTEMPT_FAILED, PHASE_MAIL, 0, "", "given up" } },
    { "RCPT", { RCPTED, "SIGNAL", "EOF" }, .want = { ATTEMPT_FAILED, PHASE_RCPT, 0, "", "given up" } },
    { "DATA", { DATAED, "SIGNAL", "EOF" }, .want = { ATTEMPT_FAILED, PHASE_DATA, 0, "", "given up" } },
    { "body", { DATAED, "S:354 go", "C:Date:*", "SIGNAL" },
      .want = { ATTEMPT_FAILED, PHASE_BODY, 0, "", "given up" },
      .hold_back = 5 },
    { "within the dot", { DATAED, "S:354 go", "C:Date:*", "SIGNAL" },
      .want = { ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "given up" },
      .hold_back = 2 },
    { "dot", { WRITTEN, "SIGNAL", "EOF" }, .want = { ATTEMPT_UNKNOWN, PHASE_RESPONSE, 0, "", "given up" } },
};

static void an_abort_ends_an_attempt_where_it_stands(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ABORTS / sizeof ABORTS[0]; i++) {
        const struct dialogue *d = &ABORTS[i];
        const char *const *scripts[] = { d->script };
        struct fixture f;
        setup(&f, scripts, 1, 1);
        hold_back = d->hold_back;
        struct mail *m = start(&f, "ann@example.org", "");
        run_to_signal(&f);
        assert_false(m->done);
        transport_smtp.abort(f.t, &m->attempt);
        check(d->name, m, &d->want); // before abort returned
        teardown(&f, d->name);
    }
}

static void an_abort_in_the_queue_means_nothing_was_begun(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { "SIGNAL", "WAIT", GREETED, NEXT_MAIL, NEXT_MAIL, NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    struct mail *m[4];
    for (int i = 0; i < 4; i++)
        m[i] = start(&f, "ann@example.org", "");
    transport_smtp.abort(f.t, &m[1]->attempt); // before the loop turned
    run_to_signal(&f);
    transport_smtp.abort(f.t, &m[3]->attempt); // and after
    for (int i = 1; i < 4; i += 2) {
        check("queued", m[i], &(struct want){ ATTEMPT_FAILED, PHASE_QUEUED, 0, "", "given up" });
        assert_int_equal(m[i]->o.begun_us, 0);
    }
    sem_post(&f.server.go);
    run_until(&f, 4);
    check("the others", m[2], &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "ok" });
    teardown(&f, "queue");
}

struct turn_abort {
    struct fixture *f;
    int *when; // not 0: now
};

static void abort_on_turn(void *arg)
{
    struct turn_abort *t = arg;
    if (*t->when == 0 || t->f->mails[0].done)
        return;
    transport_smtp.abort(t->f->t, &t->f->mails[0].attempt);
}

static void an_abort_while_resolving_or_connecting(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        int fds[3];
        setup(&f, NULL, 0, 1);
        full_port(&f, fds);
        f.resolver.silent = i == 0;
        struct mail *m = start(&f, "ann@example.org", "");
        struct turn_abort t = { &f, i == 0 ? &f.resolver.asked : &f.resolver.answered };
        loop_on_turn(f.loop, abort_on_turn, &t);
        run_until(&f, 1);
        check("early abort", m, &(struct want){ ATTEMPT_FAILED, i == 0 ? PHASE_RESOLVE : PHASE_CONNECT, 0, "", "given up" });
        assert_int_equal(m->o.begun_us != 0, i == 1);
        for (int k = 0; k < 3; k++)
            close(fds[k]);
        teardown(&f, "early abort");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_phase_ends_as_it_should),
        cmocka_unit_test(an_accepted_mail_has_its_id_and_reply),
        cmocka_unit_test(a_reply_that_never_ends_is_not_collected),
        cmocka_unit_test(dots_are_doubled_and_line_feeds_are_not_alone),
        cmocka_unit_test(a_message_too_large_for_the_server_is_not_offered),
        cmocka_unit_test(the_declared_size_is_that_of_the_message),
        cmocka_unit_test(addresses_that_are_not_ascii_need_smtputf8),
        cmocka_unit_test(what_cannot_be_built_is_refused_by_name),
        cmocka_unit_test(an_abort_ends_an_attempt_where_it_stands),
        cmocka_unit_test(an_abort_in_the_queue_means_nothing_was_begun),
        cmocka_unit_test(an_abort_while_resolving_or_connecting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
