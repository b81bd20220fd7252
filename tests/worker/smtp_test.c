// SPDX-License-Identifier: Apache-2.0
// Many mails to one relay: which connection a mail gets, when it waits, and who may do what from inside done.
#include "smtp_fixture.h"

#include "worker/dkim.h"

// ---- connections -------------------------------------------------------------------------------------------

static void a_connection_carries_mail_after_mail(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { GREETED, NEXT_MAIL, NEXT_MAIL, MAIL, "S:250 ok", RCPT, "S:550 no", "C:RSET",
                                          "S:250 ok", NEXT_MAIL, "C:QUIT", "S:221 bye", "EOF", NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    for (int i = 1; i <= 4; i++) {
        struct mail *m = start(&f, "ann@example.org", "");
        run_until(&f, i);
        check("reuse", m, i == 3 ? &(struct want){ ATTEMPT_REFUSED, PHASE_RCPT, 550, "", "no" }
                                 : &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "ok" });
    }
    teardown(&f, "reuse");
}

static void a_connection_whose_reset_fails_is_not_reused(void **state)
{
    (void)state;
    static const char *const FIRST[] = { RCPTED, "S:550 no", "C:RSET", "S:500 what", "EOF", NULL };
    static const char *const SECOND[] = { GREETED, NEXT_MAIL, NULL };
    const char *const *scripts[] = { FIRST, SECOND };
    struct fixture f;
    setup(&f, scripts, 2, 1);
    start(&f, "ann@example.org", "");
    run_until(&f, 1);
    struct mail *m = start(&f, "ann@example.org", "");
    run_until(&f, 2);
    check("after a failed reset", m, &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "ok" });
    teardown(&f, "failed reset");
}

static void a_reused_connection_that_is_dead_is_replaced_silently(void **state)
{
    (void)state;
    static const char *const CLOSED[] = { GREETED, NEXT_MAIL, MAIL, "CLOSE", NULL };
    static const char *const SAID_421[] = { GREETED, NEXT_MAIL, MAIL, "S:421 idle too long", "EOF", NULL };
    static const char *const *const DEAD[] = { CLOSED, SAID_421 };
    static const char *const SECOND[] = { GREETED, NEXT_MAIL, NULL };
    for (size_t i = 0; i < 2; i++) {
        const char *const *scripts[] = { DEAD[i], SECOND };
        struct fixture f;
        setup(&f, scripts, 2, 1);
        start(&f, "ann@example.org", "");
        run_until(&f, 1);
        struct mail *m = start(&f, "ann@example.org", "");
        run_until(&f, 2);
        check("dead", m, &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "ok" });
        teardown(&f, "dead");
    }
}

static void the_replacement_is_a_new_connection_not_another_idle_one(void **state)
{
    (void)state;
    static const char *const FIRST[] = { "WAIT", GREETED, NEXT_MAIL, MAIL, "CLOSE", NULL };
    static const char *const SECOND[] = { GREETED, NEXT_MAIL, "C:QUIT", NULL };
    static const char *const THIRD[] = { GREETED, NEXT_MAIL, "C:QUIT", NULL };
    const char *const *scripts[] = { FIRST, SECOND, THIRD };
    struct fixture f;
    setup(&f, scripts, 3, 2);
    start(&f, "ann@example.org", "");
    start(&f, "ann@example.org", "");
    run_until(&f, 1);
    sem_post(&f.server.go);
    run_until(&f, 2); // both are idle; the first was used last
    struct mail *m = start(&f, "ann@example.org", "");
    run_until(&f, 3);
    check("fresh", m, &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "ok" });
    teardown(&f, "fresh");
}

static void a_connection_that_says_too_much_is_not_reused(void **state)
{
    (void)state;
    static const char *const FIRST[] = { WRITTEN, "R:250 ok\r\n250 ok\r\n", "EOF", NULL };
    static const char *const SECOND[] = { GREETED, NEXT_MAIL, NULL };
    const char *const *scripts[] = { FIRST, SECOND };
    struct fixture f;
    setup(&f, scripts, 2, 1);
    for (int i = 1; i <= 2; i++) {
        struct mail *m = start(&f, "ann@example.org", "");
        run_until(&f, i);
        check("too much", m, &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "ok" });
    }
    teardown(&f, "too much");
}

static void a_second_dead_connection_is_a_failure(void **state)
{
    (void)state;
    static const char *const FIRST[] = { GREETED, NEXT_MAIL, MAIL, "CLOSE", NULL };
    static const char *const SECOND[] = { MAILED, "CLOSE", NULL };
    const char *const *scripts[] = { FIRST, SECOND };
    struct fixture f;
    setup(&f, scripts, 2, 1);
    start(&f, "ann@example.org", "");
    run_until(&f, 1);
    struct mail *m = start(&f, "ann@example.org", "");
    run_until(&f, 2);
    check("dead twice", m, &(struct want){ ATTEMPT_FAILED, PHASE_MAIL, 0, "", "the reply to MAIL" });
    teardown(&f, "dead twice");
}

static void a_reused_connection_lost_after_mail_is_a_failure(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { GREETED, NEXT_MAIL, MAIL, "S:250 ok", RCPT, "CLOSE", NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    start(&f, "ann@example.org", "");
    run_until(&f, 1);
    struct mail *m = start(&f, "ann@example.org", "");
    run_until(&f, 2);
    check("lost at RCPT", m, &(struct want){ ATTEMPT_FAILED, PHASE_RCPT, 0, "", "the reply to RCPT" });
    teardown(&f, "lost at RCPT");
}

static void an_idle_connection_says_quit_and_goes(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { GREETED, NEXT_MAIL, "C:QUIT", "S:221 bye", "EOF", "SIGNAL", NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    smtp_limits(f.t)->idle = SHORT_MS;
    start(&f, "ann@example.org", "");
    run_to_signal(&f); // the transport is open still: it was the client's own idea
    assert_int_equal(f.done, 1);
    teardown(&f, "idle");
}

static void one_slow_verdict_holds_one_connection(void **state)
{
    (void)state;
    static const char *const SLOW[] = { GREETED, MAIL, "S:250 ok", "C:RCPT TO:<slow@example.org>", "S:250 ok", "C:DATA",
                                        "S:354 go", "M", "WAIT", "S:250 at last", NULL };
    static const char *const FAST[] = { GREETED, NEXT_MAIL, NEXT_MAIL, NEXT_MAIL, NEXT_MAIL, NULL };
    const char *const *scripts[] = { SLOW, FAST };
    struct fixture f;
    setup(&f, scripts, 2, 2);
    struct mail *slow = start(&f, "slow@example.org", "");
    for (int i = 0; i < 4; i++)
        start(&f, "fast@example.org", "");
    run_until(&f, 4);
    assert_false(slow->done);
    sem_post(&f.server.go);
    run_until(&f, 5);
    check("slow", slow, &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "at last" });
    teardown(&f, "slow");
}

static void there_are_no_more_connections_than_allowed(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { GREETED, NEXT_MAIL, NEXT_MAIL, NEXT_MAIL, NULL };
    static const char *const FIRST[] = { "WAIT", GREETED, NEXT_MAIL, NULL };
    const char *const *scripts[] = { FIRST, SCRIPT };
    struct fixture f;
    setup(&f, scripts, 2, 2); // a third connection would wait for its greeting in vain: there are two scripts
    for (int i = 0; i < 4; i++)
        start(&f, "ann@example.org", "");
    run_until(&f, 3); // all of the second connection
    assert_false(f.mails[0].done);
    sem_post(&f.server.go);
    run_until(&f, 4);
    for (int i = 0; i < 4; i++)
        check("limit", &f.mails[i], &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "ok" });
    teardown(&f, "limit");
}

static void waiting_for_a_connection_is_bounded(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { "WAIT", GREETED, NEXT_MAIL, NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    smtp_limits(f.t)->queue = SHORT_MS;
    struct mail *first = start(&f, "ann@example.org", ""), *second = start(&f, "ann@example.org", "");
    run_until(&f, 1);
    check("waits", second, &(struct want){ ATTEMPT_FAILED, PHASE_QUEUED, 0, "", "no free connection to relay.example" });
    assert_int_equal(second->o.begun_us, 0);
    sem_post(&f.server.go);
    run_until(&f, 2);
    check("has one", first, &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "ok" });
    teardown(&f, "queue");
}

static void the_next_address_is_tried_when_one_does_not_answer(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { GREETED, NEXT_MAIL, NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    f.resolver.answer.count = 0;
    resolver_add(&f.resolver, "127.0.0.2"); // nobody listens there: refused
    resolver_add(&f.resolver, "127.0.0.3");
    resolver_add(&f.resolver, "127.0.0.1");
    struct mail *m = start(&f, "ann@example.org", "");
    run_until(&f, 1);
    check("third address", m, &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "ok" });
    f.resolver.answer.count = 2;
    transport_smtp.close(f.t);
    open_transport(&f);
    m = start(&f, "ann@example.org", "");
    run_until(&f, 2);
    check("no address", m, &(struct want){ ATTEMPT_FAILED, PHASE_CONNECT, 0, "", "[127.0.0.3]" });
    teardown(&f, "addresses");
}

static void a_name_that_does_not_resolve_is_a_failure(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, NULL, 0, 1);
    f.resolver.answer = (struct resolver_answer){ .text = "no such host relay.example" };
    struct mail *m = start(&f, "ann@example.org", "");
    run_until(&f, 1);
    check("no name", m, &(struct want){ ATTEMPT_FAILED, PHASE_RESOLVE, 0, "", "no such host relay.example" });
    f.resolver.silent = true;
    smtp_limits(f.t)->resolve = SHORT_MS;
    m = start(&f, "ann@example.org", "");
    run_until(&f, 2);
    check("no answer", m, &(struct want){ ATTEMPT_FAILED, PHASE_RESOLVE, 0, "", "timeout" });
    assert_int_equal(f.resolver.cancelled, 1);
    teardown(&f, "names");
}

static void a_connect_that_hangs_is_given_up(void **state)
{
    (void)state;
    struct fixture f;
    int fds[3];
    setup(&f, NULL, 0, 1);
    full_port(&f, fds);
    smtp_limits(f.t)->connect = SHORT_MS;
    struct mail *m = start(&f, "ann@example.org", "");
    run_until(&f, 1);
    check("hangs", m, &(struct want){ ATTEMPT_FAILED, PHASE_CONNECT, 0, "", "timeout" });
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    teardown(&f, "hangs");
}

// ---- from inside done --------------------------------------------------------------------------------------------

static void start_another(struct fixture *f, struct mail *m)
{
    (void)m;
    if (f->started < 3)
        start(f, "ann@example.org", "");
}

static void done_may_start_the_next_attempt(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { GREETED, NEXT_MAIL, NEXT_MAIL, NEXT_MAIL, NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    f.on_done = start_another;
    start(&f, "ann@example.org", "");
    run_until(&f, 3);
    teardown(&f, "next");
}

static void start_over(struct fixture *f, struct mail *m)
{
    if (f->done >= 1000)
        return;
    m->done = false;
    transport_smtp.start(f->t, &m->attempt);
}

static void count_turn(void *arg)
{
    ++*(int *)arg;
}

static void attempts_that_end_at_once_leave_the_loop_its_turns(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { GREETED, NEXT_MAIL, NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    int turns = 0;
    setup(&f, scripts, 1, 1);
    start(&f, "ann@example.org", "");
    run_until(&f, 1);
    f.on_done = start_over;
    start(&f, "ann@example.org", ",\"headers\":{\"Bcc\":\"x\"}");
    loop_on_turn(f.loop, count_turn, &turns);
    run_until(&f, 1000);
    if (turns < 3)
        fail_msg("got %d turns, want at least 3", turns);
    teardown(&f, "turns");
}

static void close_in_done(struct fixture *f, struct mail *m)
{
    (void)m;
    if (f->done == f->started)
        close_transport(f);
}

static void done_may_close_the_transport(void **state)
{
    (void)state;
    static const char *const ACCEPTS[] = { GREETED, NEXT_MAIL, "C:QUIT", "EOF", NULL };
    static const char *const REFUSES[] = { MAILED, "S:550 no", "C:RSET", "EOF", NULL };
    static const char *const CLOSES[] = { MAILED, "CLOSE", NULL };
    static const char *const *const SCRIPTS[] = { ACCEPTS, REFUSES, CLOSES };
    for (size_t i = 0; i < 3; i++) {
        struct fixture f;
        setup(&f, &SCRIPTS[i], 1, 1);
        f.on_done = close_in_done;
        start(&f, "ann@example.org", "");
        run_until(&f, 1);
        assert_null(f.t);
        teardown(&f, "close");
    }
}

static void done_may_close_the_transport_while_the_pump_runs(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { GREETED, NEXT_MAIL, "C:QUIT", "EOF", NULL };
    const char *const *scripts[] = { SCRIPT };
    struct fixture f;
    setup(&f, scripts, 1, 1);
    start(&f, "ann@example.org", "");
    run_until(&f, 1);
    f.on_done = close_in_done;
    for (int i = 0; i < 3; i++) // none can be built: all end inside one run of the pump
        start(&f, "ann@example.org", ",\"headers\":{\"Bcc\":\"x\"}");
    run_until(&f, 4);
    assert_null(f.t);
    teardown(&f, "close in the pump");
}

// ---- set-up --------------------------------------------------------------------------------------------------------

static void a_route_that_cannot_work_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct route_config route;
        const char *text;
    } CASES[] = {
        { { .name = (char *)"m", .port = 25, .helo = (char *)"me" }, "routes.m.host" },
        { { .name = (char *)"m", .host = (char *)"h", .port = 0, .helo = (char *)"me" }, "routes.m.port" },
        { { .name = (char *)"m", .host = (char *)"h", .port = 25, .helo = (char *)"me\r\nQUIT" }, "routes.m.helo" },
        { { .name = (char *)"m", .host = (char *)"h", .port = 25, .helo = (char *)"" }, "routes.m.helo" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct transport_env env = { 0 };
        struct transport *t = NULL;
        struct err e = { 0 };
        assert_false(transport_smtp.open(&t, &CASES[i].route, &env, &e));
        assert_int_equal(e.kind, ERR_CONFIG);
        if (strstr(e.text, CASES[i].text) == NULL)
            fail_msg("got \"%s\", want \"%s\"", e.text, CASES[i].text);
    }
}

static void the_limits_are_those_of_the_standard(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct transport_env env = { .loop = loop };
    struct route_config route = { .name = (char *)"m", .host = (char *)"h", .port = 25, .connect_timeout_ms = 5000,
                                  .dot_timeout_ms = 1234000 };
    struct transport *t = NULL;
    struct err e = { 0 };
    assert_true(transport_smtp.open(&t, &route, &env, &e));
    const struct smtp_limits *l = smtp_limits(t);
    assert_int_equal(l->connect, 5000);
    assert_int_equal(l->greeting, 300000);
    assert_int_equal(l->ehlo, 300000);
    assert_int_equal(l->mail, 300000);
    assert_int_equal(l->rcpt, 300000);
    assert_int_equal(l->data, 120000);
    assert_int_equal(l->block, 180000);
    assert_int_equal(l->dot, 1234000);
    assert_int_equal(l->idle, 30000);
    transport_smtp.close(t);
    loop_free(loop);
}

// ---- signatures --------------------------------------------------------------------------------------------

static struct dkim *open_key(const char *domain)
{
    static const char PEM[] = "-----BEGIN PRIVATE KEY-----\n" // RFC 8463 A.2
                              "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                              "-----END PRIVATE KEY-----\n";
    static struct config c;
    struct dkim *keys;
    struct err e = { 0 };
    c.dkim[0] = (struct dkim_key_config){ (char *)domain, (char *)"s1", (char *)PEM, (char *)"-" };
    c.dkim_count = 1;
    if (!dkim_open(&keys, &c, &e))
        fail_msg("key: %s", e.text);
    return keys;
}

static void mails_leave_signed_where_the_sender_has_a_key(void **state)
{
    (void)state;
    static const char *const SCRIPT[] = { GREETED, NEXT_MAIL, "C:QUIT", NULL };
    static const char *const DOMAINS[] = { "example.com", "example.net" }; // the sender's, and another
    for (size_t i = 0; i < 2; i++) {
        const char *const *scripts[] = { SCRIPT };
        struct fixture f;
        setup(&f, scripts, 1, 1);
        close_transport(&f);
        f.dkim = open_key(DOMAINS[i]);
        open_transport(&f);
        struct mail *m = start(&f, "ann@example.org", "");
        run_until(&f, 1);
        check("signed", m, &(struct want){ ATTEMPT_ACCEPTED, PHASE_RESPONSE, 250, "", "ok" });
        close_transport(&f);
        bool is_signed = strncmp(f.server.mail.data, "DKIM-Signature: v=1; a=ed25519-sha256;", 38) == 0;
        if (is_signed != (i == 0))
            fail_msg("%s: got\n%s\nwant it %ssigned", DOMAINS[i], f.server.mail.data, i == 0 ? "" : "un");
        assert_int_equal(dkim_counts(f.dkim).made[DKIM_ED25519_SHA256], i == 0);
        dkim_close(f.dkim);
        teardown(&f, DOMAINS[i]);
    }
}

static void the_transport_is_found_by_its_name(void **state)
{
    (void)state;
    assert_ptr_equal(transport_find("smtp"), &transport_smtp);
    assert_null(transport_find("pigeon"));
    assert_string_equal(phase_name(PHASE_QUEUED), "queued");
    assert_string_equal(phase_name(PHASE_RESPONSE), "response");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_carries_mail_after_mail),
        cmocka_unit_test(a_connection_whose_reset_fails_is_not_reused),
        cmocka_unit_test(a_reused_connection_that_is_dead_is_replaced_silently),
        cmocka_unit_test(the_replacement_is_a_new_connection_not_another_idle_one),
        cmocka_unit_test(a_connection_that_says_too_much_is_not_reused),
        cmocka_unit_test(a_second_dead_connection_is_a_failure),
        cmocka_unit_test(a_reused_connection_lost_after_mail_is_a_failure),
        cmocka_unit_test(an_idle_connection_says_quit_and_goes),
        cmocka_unit_test(one_slow_verdict_holds_one_connection),
        cmocka_unit_test(there_are_no_more_connections_than_allowed),
        cmocka_unit_test(waiting_for_a_connection_is_bounded),
        cmocka_unit_test(the_next_address_is_tried_when_one_does_not_answer),
        cmocka_unit_test(a_name_that_does_not_resolve_is_a_failure),
        cmocka_unit_test(a_connect_that_hangs_is_given_up),
        cmocka_unit_test(done_may_start_the_next_attempt),
        cmocka_unit_test(attempts_that_end_at_once_leave_the_loop_its_turns),
        cmocka_unit_test(done_may_close_the_transport),
        cmocka_unit_test(done_may_close_the_transport_while_the_pump_runs),
        cmocka_unit_test(a_route_that_cannot_work_is_refused),
        cmocka_unit_test(the_limits_are_those_of_the_standard),
        cmocka_unit_test(mails_leave_signed_where_the_sender_has_a_key),
        cmocka_unit_test(the_transport_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
