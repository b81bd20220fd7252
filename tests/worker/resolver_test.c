// SPDX-License-Identifier: Apache-2.0
// The resolver against a name server of our own: a thread with one UDP socket that answers by the first label
// of the name and counts what it was asked. Nothing here leaves the loopback interface.
#include "common/loop.h"
#include "worker/resolver.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TYPE_A = 1, TYPE_AAAA = 28, SERVFAIL = 2, NXDOMAIN = 3 };

static struct server {
    int fd;
    char address[32];
    pthread_t thread;
    atomic_int asked_a; // questions for A records, whatever the name
} server;

static struct {
    struct loop *loop;
    struct resolver *resolver;
    int answers, wanted;
    struct resolver_answer last;
    char text[256];
    bool inside_lookup, called_inside;
} seen;

// ---- the name server ------------------------------------------------------------------------------------

// Adds one resource record that points back to the question's name.
static size_t put_record(unsigned char *reply, size_t len, int type, const void *data, size_t data_len)
{
    const unsigned char head[] = { 0xc0, 12, 0, (unsigned char)type,    0, 1, 0, 0,
                                   0,    60, 0, (unsigned char)data_len };
    memcpy(reply + len, head, sizeof head);
    memcpy(reply + len + sizeof head, data, data_len);
    reply[7]++; // answer count
    return len + sizeof head + data_len;
}

static size_t answer_question(const char *label, int type, unsigned char *reply, size_t len)
{
    static const unsigned char v4[4] = { 192, 0, 2, 7 }, v4_second[4] = { 192, 0, 2, 8 };
    static const unsigned char v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };
    if (strcmp(label, "gone") == 0) {
        reply[3] |= NXDOMAIN;
    } else if (strcmp(label, "sick") == 0) {
        reply[3] |= SERVFAIL;
    } else if (strcmp(label, "both") == 0 && type == TYPE_AAAA) {
        len = put_record(reply, len, type, v6, sizeof v6);
    } else if (strcmp(label, "empty") != 0 && type == TYPE_A) {
        len = put_record(reply, len, type, v4, sizeof v4);
        if (strcmp(label, "both") == 0)
            len = put_record(reply, len, type, v4_second, sizeof v4_second);
    }
    return len;
}

static void *serve_names(void *arg)
{
    (void)arg;
    for (;;) {
        unsigned char q[512], reply[1024];
        struct sockaddr_in peer;
        socklen_t peer_len = sizeof peer;
        ssize_t got = recvfrom(server.fd, q, sizeof q, 0, (struct sockaddr *)&peer, &peer_len);
        if (got < 17)
            return NULL; // the test ends with a single byte
        char label[64] = { 0 };
        for (size_t i = 0; i < q[12] && i < sizeof label - 1; i++)
            label[i] = (char)tolower(q[13 + i]);
        size_t name_len = strlen((char *)q + 12) + 1, len = 12 + name_len + 4;
        int type = q[12 + name_len + 1];
        if (type == TYPE_A)
            atomic_fetch_add(&server.asked_a, 1);
        if (strcmp(label, "mute") == 0)
            continue;
        memcpy(reply, q, len);
        reply[2] = 0x81;
        reply[3] = 0x80;
        memset(reply + 6, 0, 6);
        len = answer_question(label, type, reply, len);
        sendto(server.fd, reply, len, 0, (struct sockaddr *)&peer, peer_len);
    }
}

static int start_server(void **state)
{
    (void)state;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(server.fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(server.fd, (struct sockaddr *)&at, &len) != 0)
        return -1;
    snprintf(server.address, sizeof server.address, "127.0.0.1:%d", ntohs(at.sin_port));
    return pthread_create(&server.thread, NULL, serve_names, NULL);
}

static int stop_server(void **state)
{
    (void)state;
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    getsockname(server.fd, (struct sockaddr *)&at, &len);
    sendto(server.fd, "", 1, 0, (struct sockaddr *)&at, len);
    pthread_join(server.thread, NULL);
    close(server.fd);
    return 0;
}

// ---- helpers --------------------------------------------------------------------------------------------

static int setup(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    atomic_store(&server.asked_a, 0);
    seen.loop = loop_new();
    struct err e = { 0 };
    if (!resolver_new(&seen.resolver, seen.loop, server.address, &e))
        fail_msg("resolver_new: %s", e.text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    resolver_free(seen.resolver);
    loop_free(seen.loop);
    return 0;
}

static void on_answer(void *arg, const struct resolver_answer *answer)
{
    (void)arg;
    seen.called_inside |= seen.inside_lookup;
    seen.last = *answer;
    snprintf(seen.text, sizeof seen.text, "%s", answer->text != NULL ? answer->text : "");
    if (++seen.answers == seen.wanted)
        loop_stop(seen.loop);
}

static struct resolver_query *look_up(const char *host)
{
    seen.inside_lookup = true;
    struct resolver_query *q = resolver_lookup(seen.resolver, host, on_answer, NULL);
    seen.inside_lookup = false;
    return q;
}

static void run_for_answers(int wanted)
{
    seen.wanted = seen.answers + wanted;
    loop_run(seen.loop);
}

static void resolve(const char *host)
{
    look_up(host);
    run_for_answers(1);
}

static void address_text(int i, char out[INET6_ADDRSTRLEN])
{
    const struct sockaddr_storage *ss = &seen.last.addresses[i];
    const void *bytes = ss->ss_family == AF_INET
                            ? (const void *)&((const struct sockaddr_in *)ss)->sin_addr
                            : (const void *)&((const struct sockaddr_in6 *)ss)->sin6_addr;
    inet_ntop(ss->ss_family, bytes, out, INET6_ADDRSTRLEN);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

// ---- tests ----------------------------------------------------------------------------------------------

static void literals_need_no_question(void **state)
{
    (void)state;
    static const struct {
        const char *host, *address;
        int count;
    } cases[] = {
        { "127.0.0.1", "127.0.0.1", 1 },
        { "::1", "::1", 1 },
        { "localhost", "127.0.0.1", 2 },
        { "mail.LocalHost", "127.0.0.1", 2 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        resolve(cases[i].host);
        char got[INET6_ADDRSTRLEN];
        address_text(0, got);
        if (!seen.last.ok || seen.last.count != cases[i].count || strcmp(got, cases[i].address) != 0)
            fail_msg("%s: got ok=%d count=%d %s, want %d x %s", cases[i].host, seen.last.ok, seen.last.count,
                     got, cases[i].count, cases[i].address);
    }
    assert_int_equal(atomic_load(&server.asked_a), 0);
    assert_false(seen.called_inside);
}

static void a_name_becomes_its_addresses_of_both_families(void **state)
{
    (void)state;
    resolve("both.test");
    assert_true(seen.last.ok);
    assert_int_equal(seen.last.count, 3);
    bool v4 = false, v6 = false;
    for (int i = 0; i < seen.last.count; i++) {
        char text[INET6_ADDRSTRLEN];
        address_text(i, text);
        v4 |= strcmp(text, "192.0.2.7") == 0;
        v6 |= strcmp(text, "2001:db8::7") == 0;
    }
    assert_true(v4);
    assert_true(v6);
    if (seen.last.ttl_ms <= 5000 || seen.last.ttl_ms > 60000)
        fail_msg("ttl: got %lld ms, want the record's 60 s", (long long)seen.last.ttl_ms);
}

static void failures_tell_gone_from_sick(void **state)
{
    (void)state;
    static const struct {
        const char *host, *text;
        bool temporary;
    } cases[] = {
        { "gone.test", "no such host gone.test", false },
        { "empty.test", "no such host empty.test", false },
        { "sick.test", "cannot look up sick.test", true },
        { "", "no such host", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        resolve(cases[i].host);
        if (seen.last.ok || seen.last.temporary != cases[i].temporary ||
            strncmp(seen.text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("%s: got ok=%d temporary=%d \"%s\", want temporary=%d \"%s\"", cases[i].host,
                     seen.last.ok, seen.last.temporary, seen.text, cases[i].temporary, cases[i].text);
    }
    assert_false(seen.called_inside);
}

static void many_who_want_one_name_share_one_question(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        look_up(i % 2 != 0 ? "one.test" : "ONE.test");
    run_for_answers(100);
    assert_int_equal(atomic_load(&server.asked_a), 1);
    for (int i = 0; i < 10; i++)
        resolve("one.test");
    assert_int_equal(atomic_load(&server.asked_a), 1);
    assert_false(seen.called_inside);
}

static void failures_are_remembered_too(void **state)
{
    (void)state;
    resolve("gone.test");
    int asked = atomic_load(&server.asked_a);
    resolve("gone.test");
    assert_int_equal(atomic_load(&server.asked_a), asked);
    resolve("sick.test");
    asked = atomic_load(&server.asked_a);
    resolve("sick.test");
    assert_int_equal(atomic_load(&server.asked_a), asked);
}

static void a_name_is_asked_again_when_its_time_is_over(void **state)
{
    (void)state;
    resolve("one.test");
    resolver_forget(seen.resolver);
    resolve("one.test");
    assert_int_equal(atomic_load(&server.asked_a), 2);
    assert_true(seen.last.ok);
}

static void a_silent_server_is_a_temporary_failure(void **state)
{
    (void)state;
    resolve("mute.test");
    assert_false(seen.last.ok);
    assert_true(seen.last.temporary);
}

static void who_gave_up_is_not_called(void **state)
{
    (void)state;
    struct resolver_query *waiting = look_up("one.test");
    look_up("one.test");
    resolver_cancel(waiting);
    run_for_answers(1);
    struct resolver_query *ready = look_up("one.test"); // known: waits only for the next turn
    look_up("one.test");
    resolver_cancel(ready);
    run_for_answers(1);
    struct loop_timer *later = loop_timer_new(seen.loop, stop_loop, seen.loop);
    loop_timer_in(later, 20);
    seen.wanted = 0;
    loop_run(seen.loop);
    loop_timer_free(later);
    assert_int_equal(seen.answers, 2);
}

static void a_cache_full_of_names_still_answers(void **state)
{
    (void)state;
    char host[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(host, sizeof host, "10.1.%d.%d", i / 250, i % 250);
        look_up(host);
    }
    run_for_answers(3000);
    for (int i = 0; i < 2000; i++) {
        snprintf(host, sizeof host, "10.2.%d.%d", i / 250, i % 250);
        resolve(host);
    }
    char got[INET6_ADDRSTRLEN];
    address_text(0, got);
    assert_string_equal(got, "10.2.7.249");
}

static void look_ups_under_way_are_dropped_with_the_resolver(void **state)
{
    (void)state;
    look_up("mute.test");
    look_up("127.0.0.1");
    // teardown frees; the address sanitizer tells
}

static void a_broken_server_list_is_a_configuration_error(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct resolver *r = NULL;
    assert_false(resolver_new(&r, seen.loop, "not an address", &e));
    assert_int_equal(e.kind, ERR_CONFIG);
    assert_non_null(strstr(e.text, "worker.dns_servers"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(literals_need_no_question),
        CASE(a_name_becomes_its_addresses_of_both_families),
        CASE(failures_tell_gone_from_sick),
        CASE(many_who_want_one_name_share_one_question),
        CASE(failures_are_remembered_too),
        CASE(a_name_is_asked_again_when_its_time_is_over),
        CASE(a_silent_server_is_a_temporary_failure),
        CASE(who_gave_up_is_not_called),
        CASE(a_cache_full_of_names_still_answers),
        CASE(look_ups_under_way_are_dropped_with_the_resolver),
        CASE(a_broken_server_list_is_a_configuration_error),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
