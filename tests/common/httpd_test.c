// SPDX-License-Identifier: Apache-2.0
// A client on the same loop: each case is the bytes of a request and what the answer has to hold.
#include "common/httpd.h"
#include "common/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <cmocka.h>

struct client {
    struct loop *loop;
    struct buf answer;
};

static void on_bytes(void *arg, int fd, int what)
{
    (void)what;
    struct client *c = arg;
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n > 0)
        buf_put(&c->answer, bytes, (size_t)n);
    else
        loop_stop(c->loop);
}

static int connect_to(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void give_up(void *arg)
{
    fail_msg("no answer in time; got so far: %s", ((struct client *)arg)->answer.data);
}

static void ask(struct client *c, int port, const char *request)
{
    int fd = connect_to(port);
    buf_reset(&c->answer);
    assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    struct loop_watch *w = loop_watch_new(c->loop, fd, LOOP_READ, on_bytes, c);
    struct loop_timer *patience = loop_timer_new(c->loop, give_up, c);
    loop_timer_in(patience, 5000);
    loop_run(c->loop);
    loop_timer_free(patience);
    loop_watch_free(w);
    close(fd);
}

static int ready(void *arg, struct buf *body, const char **content_type)
{
    (void)content_type;
    ++*(int *)arg;
    buf_puts(body, "not ready: redis\n");
    return 503;
}

static int metrics(void *arg, struct buf *body, const char **content_type)
{
    ++*(int *)arg;
    *content_type = "text/plain; version=0.0.4";
    buf_puts(body, "up 1\n");
    return 200;
}

static struct httpd *start(struct loop *loop, const char *address)
{
    struct httpd *h;
    struct err e = { 0 };
    if (!httpd_new(&h, loop, address, &e))
        fail_msg("%s", e.text);
    return h;
}

static void requests_get_the_answers_they_deserve(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        const char *says[3];
        const char *not_says;
        int calls;
    } cases[] = {
        { "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
          { "HTTP/1.1 200 OK\r\n", "Content-Type: text/plain; version=0.0.4\r\n", "\r\n\r\nup 1\n" }, NULL, 1 },
        { "GET /metrics?x=1 HTTP/1.0\r\n\r\n", { " 200 OK\r\n", "Content-Length: 5\r\n", "up 1\n" }, NULL, 1 },
        { "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
          { " 200 OK\r\n", "Content-Length: 5\r\n" }, "up 1", 1 },
        { "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
          { " 503 Service Unavailable\r\n", "text/plain; charset=utf-8", "not ready: redis\n" }, NULL, 1 },
        { "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
          { " 404 Not Found\r\n", "/metrics\n", "/readyz\n" }, NULL, 0 },
        { "GET /metrics/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", { " 404 " }, "up 1", 0 },
        { "GET /%6detrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", { " 404 " }, "up 1", 0 },
        { "DELETE /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
          { " 405 Method Not Allowed\r\n", "Allow: GET, HEAD\r\n" }, "up 1", 0 },
        { "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", { " 405 " }, "up 1", 0 },
        { "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", { " 4" }, "up 1", 0 },
        { "rubbish\r\n\r\n", { "" }, "up 1", 0 },
    };
    int calls = 0;
    struct client c = { .loop = loop_new() };
    struct httpd *h = start(c.loop, "127.0.0.1:0");
    httpd_on(h, "/metrics", metrics, &calls);
    httpd_on(h, "/readyz", ready, &calls);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        calls = 0;
        ask(&c, httpd_port(h), cases[i].request);
        const char *answer = c.answer.data != NULL ? c.answer.data : "";
        for (int s = 0; s < 3 && cases[i].says[s] != NULL; s++)
            if (strstr(answer, cases[i].says[s]) == NULL)
                fail_msg("case %zu: got %s, want it to hold %s", i, answer, cases[i].says[s]);
        if (cases[i].not_says != NULL && strstr(answer, cases[i].not_says) != NULL)
            fail_msg("case %zu: got %s, want it without %s", i, answer, cases[i].not_says);
        if (calls != cases[i].calls)
            fail_msg("case %zu: got %d calls of a handler, want %d", i, calls, cases[i].calls);
    }
    httpd_free(h);
    loop_free(c.loop);
    buf_clear(&c.answer);
}

static void a_taken_port_and_a_bad_address_are_errors(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct httpd *h = start(loop, "127.0.0.1:0"), *second;
    assert_in_range(httpd_port(h), 1, 65535);
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%d", httpd_port(h));
    const char *const addresses[] = { taken, "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "", ":-1" };
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct err e = { 0 };
        if (httpd_new(&second, loop, addresses[i], &e))
            fail_msg("\"%s\" was accepted", addresses[i]);
        assert_int_equal(e.kind, ERR_CONFIG);
        assert_non_null(strstr(e.text, addresses[i]));
    }
    httpd_free(h);
    loop_free(loop);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void a_server_can_be_freed_with_a_connection_open(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct httpd *h = start(loop, "127.0.0.1:0");
    int fd = connect_to(httpd_port(h));
    assert_int_equal(write(fd, "GET /", 5), 5);
    struct loop_timer *t = loop_timer_new(loop, stop, loop);
    loop_timer_in(t, 20); // lets the server accept and read the half request
    loop_run(loop);
    loop_timer_free(t);
    httpd_free(h);
    close(fd);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_get_the_answers_they_deserve),
        cmocka_unit_test(a_taken_port_and_a_bad_address_are_errors),
        cmocka_unit_test(a_server_can_be_freed_with_a_connection_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
