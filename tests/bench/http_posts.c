// SPDX-License-Identifier: Apache-2.0
// http_posts: the worker's HTTP transport alone, with jobs from memory: what it adds to bare_curl.
//
//   http_posts URL REQUESTS CONNECTIONS BODYFILE|BYTES
//
// The same arguments and the same line of JSON as bare_curl. As many attempts as in a worker are under way,
// so the transport's own queue is always full.
#include "common/alloc.h"
#include "common/loop.h"
#include "worker/resolver.h"
#include "worker/transport/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { INFLIGHT = 1000 };

static struct {
    struct loop *loop;
    struct transport *transport;
    struct job job;
    struct attempt attempts[INFLIGHT];
    char ids[INFLIGHT][40];
    long wanted, begun, ended, bad;
} bench;

static double seconds_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void begin(struct attempt *a)
{
    if (bench.begun == bench.wanted)
        return;
    long i = a - bench.attempts;
    snprintf(bench.ids[i], sizeof bench.ids[i], "sendfleet.main-0-%ld", bench.begun++);
    a->job_id = bench.ids[i];
    transport_http.start(bench.transport, a);
}

static void on_done(struct attempt *a, const struct outcome *o)
{
    bench.bad += o->result != ATTEMPT_ACCEPTED;
    if (++bench.ended == bench.wanted)
        loop_stop(bench.loop);
    begin(a);
}

static struct slice read_body(const char *from)
{
    FILE *f = fopen(from, "r");
    size_t len = f == NULL ? strtoul(from, NULL, 10) : 1 << 20;
    char *bytes = xmalloc(len + 1);
    memset(bytes, 'x', len);
    if (f != NULL) {
        len = fread(bytes, 1, len, f);
        fclose(f);
    }
    return (struct slice){ bytes, len };
}

static void begin_all(void)
{
    for (int i = 0; i < INFLIGHT; i++) {
        struct attempt *a = &bench.attempts[i];
        a->job = &bench.job;
        a->number = 1;
        a->idempotency_key = SLICE("0123456789abcdef0123456789abcdef");
        a->done = on_done;
        begin(a);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("http_posts URL REQUESTS CONNECTIONS BODYFILE|BYTES\n", stderr);
        return 64;
    }
    struct err e;
    struct resolver *resolver;
    struct route_config route = { .name = "bench", .url = argv[1], .idempotency_header = "Idempotency-Key" };
    route.max_connections = (int)strtol(argv[3], NULL, 10);
    route.connect_timeout_ms = 5000;
    route.write_timeout_ms = route.reply_timeout_ms = 10000;
    bench.wanted = strtol(argv[2], NULL, 10);
    bench.job.value = read_body(argv[4]);
    bench.loop = loop_new();
    if (!resolver_new(&resolver, bench.loop, NULL, &e) ||
        !transport_http.open(&bench.transport, &route,
                             &(struct transport_env){ .loop = bench.loop, .resolver = resolver }, &e)) {
        fprintf(stderr, "http_posts: %s\n", e.text);
        return err_exit_status(e.kind);
    }
    double cpu_before = cpu_us(), before = seconds_now();
    begin_all();
    loop_run(bench.loop);
    double took = seconds_now() - before, cpu = cpu_us() - cpu_before;
    printf("{\"requests\":%ld,\"bad\":%ld,\"cpu_us\":%.0f,\"cpu_us_each\":%.2f,\"per_s\":%.0f}\n",
           bench.ended, bench.bad, cpu, cpu / (double)bench.ended, (double)bench.ended / took);
    transport_http.close(bench.transport);
    resolver_free(resolver);
    loop_free(bench.loop);
    return bench.bad == 0 ? 0 : 1;
}
