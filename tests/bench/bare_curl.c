// SPDX-License-Identifier: Apache-2.0
// bare_curl: the yardstick for the worker's HTTP path: what libcurl itself costs for the same POSTs.
//
//   bare_curl URL REQUESTS CONNECTIONS BODYFILE|BYTES
//
// The multi interface on epoll the way its documentation shows it: reused handles, one per connection, the
// same header lines as the worker's, nothing else. Prints one JSON line:
// {"requests":…,"bad":…,"cpu_us":…,"cpu_us_each":…, "per_s":…}. CPU is user + system of this process. Compare
// only runs that are interleaved and pinned alike.
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 512 };

struct bench {
    CURLM *multi;
    int epoll;
    long timeout_ms; // what libcurl asked for; -1 = none
    char *body;
    long body_len;
    long wanted, begun, ended, bad;
};

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

static void die(const char *what)
{
    fprintf(stderr, "bare_curl: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void read_body(struct bench *b, const char *from)
{
    struct stat st;
    if (stat(from, &st) != 0) { // a number of bytes
        b->body_len = strtol(from, NULL, 10);
        b->body = malloc((size_t)b->body_len + 1);
        memset(b->body, 'x', (size_t)b->body_len);
        return;
    }
    int fd = open(from, O_RDONLY);
    b->body_len = (long)st.st_size;
    b->body = malloc((size_t)b->body_len + 1);
    if (fd < 0 || read(fd, b->body, (size_t)b->body_len) != b->body_len)
        die(from);
    close(fd);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    (void)easy;
    struct bench *b = arg;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(b->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    struct epoll_event event = { .data.fd = fd };
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    int failed = epoll_ctl(b->epoll, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (failed != 0 && epoll_ctl(b->epoll, known != NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0)
        die("epoll_ctl");
    curl_multi_assign(b->multi, fd, b);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    ((struct bench *)arg)->timeout_ms = timeout_ms;
    return 0;
}

static size_t on_body(char *bytes, size_t one, size_t len, void *arg)
{
    (void)bytes, (void)one, (void)arg;
    return len;
}

static CURL *new_handle(const struct bench *b, const char *url, struct curl_slist *headers)
{
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, b->body_len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, b->body);
    return easy;
}

static void begin(struct bench *b, CURL *easy)
{
    if (b->begun == b->wanted)
        return;
    b->begun++;
    curl_multi_add_handle(b->multi, easy);
}

static void reap(struct bench *b)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(b->multi, &left)) != NULL) {
        long status = 0;
        CURL *easy = message->easy_handle;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        b->bad += message->data.result != CURLE_OK || status / 100 != 2;
        b->ended++;
        curl_multi_remove_handle(b->multi, easy);
        begin(b, easy);
    }
}

static void run(struct bench *b)
{
    struct epoll_event events[EVENTS_MAX];
    int running;
    while (b->ended < b->wanted) {
        int count = epoll_wait(b->epoll, events, EVENTS_MAX, (int)b->timeout_ms);
        if (count == 0 || b->timeout_ms == 0)
            curl_multi_socket_action(b->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        for (int i = 0; i < count; i++) {
            int bits = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                       (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
            curl_multi_socket_action(b->multi, events[i].data.fd, bits, &running);
        }
        reap(b);
    }
}

static struct curl_slist *same_headers(void)
{
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    list = curl_slist_append(list, "Expect:");
    list = curl_slist_append(list, "Idempotency-Key: 0123456789abcdef0123456789abcdef");
    list = curl_slist_append(list, "X-Sendfleet-Id: sendfleet.main-0-123456");
    return curl_slist_append(list, "X-Sendfleet-Attempt: 1");
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("bare_curl URL REQUESTS CONNECTIONS BODYFILE|BYTES\n", stderr);
        return 64;
    }
    struct bench b = { .wanted = strtol(argv[2], NULL, 10), .timeout_ms = -1 };
    long connections = strtol(argv[3], NULL, 10);
    read_body(&b, argv[4]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    b.multi = curl_multi_init();
    curl_multi_setopt(b.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(b.multi, CURLMOPT_SOCKETDATA, &b);
    curl_multi_setopt(b.multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(b.multi, CURLMOPT_TIMERDATA, &b);
    curl_multi_setopt(b.multi, CURLMOPT_MAXCONNECTS, connections);
    struct curl_slist *headers = same_headers();
    double cpu_before = cpu_us(), before = seconds_now();
    for (long i = 0; i < connections; i++)
        begin(&b, new_handle(&b, argv[1], headers));
    run(&b);
    double took = seconds_now() - before, cpu = cpu_us() - cpu_before;
    printf("{\"requests\":%ld,\"bad\":%ld,\"cpu_us\":%.0f,\"cpu_us_each\":%.2f,\"per_s\":%.0f}\n", b.ended,
           b.bad, cpu, cpu / (double)b.ended, (double)b.ended / took);
    return b.bad == 0 ? 0 : 1;
}
