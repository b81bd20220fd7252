// SPDX-License-Identifier: Apache-2.0
// resolver: names to addresses on the worker's loop, see resolver.h.
//
// c-ares does the asking; the cache is ours, because its own (in the versions that have one) cannot be shared
// by look-ups of our shape and Debian 12's has none. A name is one entry that lives through
//
//   asked -> known (good or bad) until its time is over -> asked again
//
// and everybody who wants it meanwhile waits at that entry, so a burst of a thousand jobs for one host is one
// question. Answers are handed out from a timer of their own, never from inside the look-up and never from
// inside c-ares: a callback may then look up, cancel or start connections as it likes.
//
// Failures are remembered too, the definite ones longer: a dead domain in a burst of jobs must not become a
// burst of questions. What can go wrong: an entry that somebody still waits at must not be evicted (users
// counts them).
#include "worker/resolver.h"

#include "common/alloc.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"

#include <ares.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/queue.h>

enum {
    BUCKETS = 512, // power of two
    NAMES_MAX = 1024,
    NAME_LEN_MAX = 253, // RFC 1035 2.3.4, as text
    ASK_TIMEOUT_MS =
        700, // per server, doubled with every try: 0.7 + 1.4 + 2.8 s, less than a connect time-out
    ASK_TRIES = 3,
    GOOD_MIN_MS = 5 * CLOCK_SECOND_MS, // a TTL of 0 must not make every job a question
    GOOD_MAX_MS = 5 * CLOCK_MINUTE_MS, // a relay that moved is noticed
    GONE_MS = 30 * CLOCK_SECOND_MS,
    SICK_MS = 2 * CLOCK_SECOND_MS,
};

TAILQ_HEAD(query_list, resolver_query);
TAILQ_HEAD(name_list, name);
LIST_HEAD(bucket, name);

struct resolver_query {
    TAILQ_ENTRY(resolver_query) link;
    struct query_list *on; // the name's waiting or the resolver's ready
    struct name *name;
    uint64_t turn; // of the delivery before which it became ready
    resolver_cb cb;
    void *arg;
};

struct name {
    struct resolver *resolver;
    char *host; // owned, lower case
    LIST_ENTRY(name) in_bucket;
    TAILQ_ENTRY(name) by_age; // oldest first
    struct query_list waiting;
    int users;  // queries that point here
    bool asked; // c-ares owes an answer
    int64_t valid_until_ms;
    struct resolver_answer answer;
    char text[NAME_LEN_MAX + 64];
};

struct fd_watch {
    LIST_ENTRY(fd_watch) link;
    int fd;
    struct loop_watch *watch;
};

struct resolver {
    struct loop *loop;
    ares_channel channel;
    struct loop_timer *patience; // c-ares' time-outs
    struct loop_timer *delivery;
    struct query_list ready;
    uint64_t turn;
    struct bucket buckets[BUCKETS];
    struct name_list names;
    int name_count;
    LIST_HEAD(, fd_watch) watches;
};

// ---- c-ares on the loop ---------------------------------------------------------------------------------

static void arm_patience(struct resolver *r)
{
    struct timeval tv;
    if (ares_timeout(r->channel, NULL, &tv) == NULL)
        loop_timer_cancel(r->patience);
    else
        loop_timer_in(r->patience, (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1);
}

static void on_patience(void *arg)
{
    struct resolver *r = arg;
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_patience(r);
}

static void on_readiness(void *arg, int fd, int what)
{
    struct resolver *r = arg;
    ares_process_fd(r->channel, what & LOOP_READ ? fd : ARES_SOCKET_BAD,
                    what & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
    arm_patience(r);
}

static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *r = arg;
    int what = (readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0);
    struct fd_watch *w;
    LIST_FOREACH(w, &r->watches, link)
    {
        if (w->fd == fd)
            break;
    }
    if (w != NULL && what != 0) {
        loop_watch_set(w->watch, what);
    } else if (w != NULL) {
        LIST_REMOVE(w, link);
        loop_watch_free(w->watch);
        free(w);
    } else if (what != 0) {
        w = xcalloc(1, sizeof *w);
        w->fd = fd;
        w->watch = loop_watch_new(r->loop, fd, what, on_readiness, r);
        LIST_INSERT_HEAD(&r->watches, w, link);
    }
}

// ---- names ----------------------------------------------------------------------------------------------

static struct bucket *bucket_of(struct resolver *r, const char *host)
{
    uint32_t hash = 2166136261u;
    for (const char *p = host; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return &r->buckets[hash & (BUCKETS - 1)];
}

static void name_free(struct name *n)
{
    LIST_REMOVE(n, in_bucket);
    TAILQ_REMOVE(&n->resolver->names, n, by_age);
    n->resolver->name_count--;
    free(n->host);
    free(n);
}

static void make_room(struct resolver *r)
{
    struct name *n = TAILQ_FIRST(&r->names);
    while (n != NULL && r->name_count >= NAMES_MAX) {
        struct name *next = TAILQ_NEXT(n, by_age);
        if (n->users == 0 && !n->asked)
            name_free(n);
        n = next;
    }
}

static struct name *name_find(struct resolver *r, const char *host)
{
    char lower[NAME_LEN_MAX + 1];
    size_t len = 0;
    for (; host[len] != '\0' && len < sizeof lower - 1; len++)
        lower[len] = (char)tolower((unsigned char)host[len]);
    lower[len] = '\0';
    struct bucket *bucket = bucket_of(r, lower);
    struct name *n;
    LIST_FOREACH(n, bucket, in_bucket)
    {
        if (strcmp(n->host, lower) == 0)
            return n;
    }
    make_room(r);
    n = xcalloc(1, sizeof *n);
    n->resolver = r;
    n->host = xstrdup(lower);
    TAILQ_INIT(&n->waiting);
    LIST_INSERT_HEAD(bucket, n, in_bucket);
    TAILQ_INSERT_TAIL(&r->names, n, by_age);
    r->name_count++;
    return n;
}

static void query_ready(struct resolver_query *q)
{
    struct resolver *r = q->name->resolver;
    q->on = &r->ready;
    q->turn = r->turn;
    if (TAILQ_EMPTY(&r->ready))
        loop_timer_in(r->delivery, 0);
    TAILQ_INSERT_TAIL(&r->ready, q, link);
}

// The answer stands: it holds for ttl_ms, and everybody who waited gets it.
static void name_settle(struct name *n, int64_t ttl_ms)
{
    n->asked = false;
    n->valid_until_ms = loop_now_ms(n->resolver->loop) + ttl_ms;
    struct resolver_query *q;
    while ((q = TAILQ_FIRST(&n->waiting)) != NULL) {
        TAILQ_REMOVE(&n->waiting, q, link);
        query_ready(q);
    }
}

static void name_fail(struct name *n, bool temporary, const char *why)
{
    n->answer = (struct resolver_answer){ .temporary = temporary, .text = n->text };
    if (n->host[0] == '\0')
        snprintf(n->text, sizeof n->text, "no such host: not a name");
    else if (temporary)
        snprintf(n->text, sizeof n->text, "cannot look up %s: %s", n->host, why);
    else
        snprintf(n->text, sizeof n->text, "no such host %s", n->host);
    log_debug("resolver", "failed host=%s temporary=%d why=\"%s\"", n->host, temporary, why);
    name_settle(n, temporary ? SICK_MS : GONE_MS);
}

static void add_address(struct resolver_answer *answer, const void *address, size_t len)
{
    if (answer->count == RESOLVER_ADDRESSES_MAX || len > sizeof answer->addresses[0])
        return;
    memset(&answer->addresses[answer->count], 0, sizeof answer->addresses[0]);
    memcpy(&answer->addresses[answer->count++], address, len);
}

static void add_v4(struct resolver_answer *answer, struct in_addr address)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = address };
    add_address(answer, &sin, sizeof sin);
}

static void add_v6(struct resolver_answer *answer, struct in6_addr address)
{
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = address };
    add_address(answer, &sin6, sizeof sin6);
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    (void)timeouts;
    if (status == ARES_EDESTRUCTION)
        return;
    struct name *n = arg;
    if (status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME) {
        name_fail(n, false, ares_strerror(status));
        return;
    }
    if (status != ARES_SUCCESS) {
        name_fail(n, true, ares_strerror(status));
        return;
    }
    n->answer = (struct resolver_answer){ .ok = true };
    int64_t ttl_ms = GOOD_MAX_MS;
    for (struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next) {
        add_address(&n->answer, node->ai_addr, (size_t)node->ai_addrlen);
        if (node->ai_ttl >= 0 && (int64_t)node->ai_ttl * 1000 < ttl_ms)
            ttl_ms = (int64_t)node->ai_ttl * 1000;
    }
    ares_freeaddrinfo(info);
    if (n->answer.count == 0)
        name_fail(n, false, "no address");
    else
        name_settle(n, ttl_ms < GOOD_MIN_MS ? GOOD_MIN_MS : ttl_ms);
}

// RFC 6761 6.3: "localhost" and what is below it never leave this host.
static bool is_localhost(const char *host)
{
    static const char suffix[] = ".localhost";
    size_t len = strlen(host), suffix_len = sizeof suffix - 1;
    return strcmp(host, "localhost") == 0 ||
           (len > suffix_len && strcmp(host + len - suffix_len, suffix) == 0);
}

// True when the name needs no question.
static bool answer_at_once(struct name *n)
{
    struct in_addr v4;
    struct in6_addr v6;
    struct resolver_answer answer = { .ok = true };
    if (inet_pton(AF_INET, n->host, &v4) == 1) {
        add_v4(&answer, v4);
    } else if (inet_pton(AF_INET6, n->host, &v6) == 1) {
        add_v6(&answer, v6);
    } else if (is_localhost(n->host)) {
        add_v4(&answer, (struct in_addr){ .s_addr = htonl(INADDR_LOOPBACK) });
        add_v6(&answer, in6addr_loopback);
    } else {
        return false; // what an earlier answer left stays readable for those it was promised to
    }
    n->answer = answer;
    name_settle(n, GOOD_MAX_MS);
    return true;
}

static void name_ask(struct name *n)
{
    if (n->host[0] == '\0') {
        name_fail(n, false, "empty name");
        return;
    }
    if (answer_at_once(n))
        return;
    n->asked = true;
    // SOCK_STREAM: otherwise each address comes once for each kind of socket.
    const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    ares_getaddrinfo(n->resolver->channel, n->host, NULL, &hints, on_addresses, n); // may answer from inside
    arm_patience(n->resolver);
}

// ---- look-ups -------------------------------------------------------------------------------------------

static void deliver(void *arg)
{
    struct resolver *r = arg;
    r->turn++; // what becomes ready from here on waits for the next turn
    int64_t now_ms = loop_now_ms(r->loop);
    struct resolver_query *q;
    while ((q = TAILQ_FIRST(&r->ready)) != NULL && q->turn != r->turn) {
        TAILQ_REMOVE(&r->ready, q, link);
        struct name *n = q->name;
        struct resolver_answer answer = n->answer; // the callback may cause the entry to change
        answer.ttl_ms = n->valid_until_ms > now_ms ? n->valid_until_ms - now_ms : 0;
        char text[sizeof n->text];
        if (answer.text != NULL)
            answer.text = memcpy(text, n->text, sizeof text);
        n->users--;
        struct resolver_query copy = *q;
        free(q);
        copy.cb(copy.arg, &answer);
    }
    if (!TAILQ_EMPTY(&r->ready))
        loop_timer_in(r->delivery, 0);
}

struct resolver_query *resolver_lookup(struct resolver *r, const char *host, resolver_cb cb, void *arg)
{
    // A name that is too long is cut to one that cannot exist either, and fails as such.
    struct name *n = name_find(r, strlen(host) <= NAME_LEN_MAX ? host : "");
    struct resolver_query *q = xcalloc(1, sizeof *q);
    q->name = n;
    q->cb = cb;
    q->arg = arg;
    n->users++;
    if (!n->asked && loop_now_ms(r->loop) < n->valid_until_ms) {
        query_ready(q);
        return q;
    }
    q->on = &n->waiting;
    TAILQ_INSERT_TAIL(&n->waiting, q, link);
    if (!n->asked)
        name_ask(n);
    return q;
}

void resolver_cancel(struct resolver_query *q)
{
    if (q == NULL)
        return;
    TAILQ_REMOVE(q->on, q, link);
    q->name->users--;
    free(q);
}

void resolver_forget(struct resolver *r)
{
    struct name *n;
    TAILQ_FOREACH(n, &r->names, by_age)
    n->valid_until_ms = 0;
}

// ---- life -----------------------------------------------------------------------------------------------

bool resolver_new(struct resolver **out, struct loop *loop, const char *servers, struct err *e)
{
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return err_set(e, ERR_FATAL, "resolver: cannot start c-ares");
    struct resolver *r = xcalloc(1, sizeof *r);
    r->loop = loop;
    TAILQ_INIT(&r->ready);
    TAILQ_INIT(&r->names);
    struct ares_options options = { .timeout = ASK_TIMEOUT_MS, .tries = ASK_TRIES };
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = r;
    int status = ares_init_options(&r->channel, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        free(r);
        ares_library_cleanup();
        return err_set(e, ERR_CONFIG, "resolver: cannot read the system's name servers: %s",
                       ares_strerror(status));
    }
    r->patience = loop_timer_new(loop, on_patience, r);
    r->delivery = loop_timer_new(loop, deliver, r);
    if (servers != NULL && servers[0] != '\0') {
        status = ares_set_servers_ports_csv(r->channel, servers);
        if (status != ARES_SUCCESS) {
            resolver_free(r);
            return err_set(e, ERR_CONFIG, "worker.dns_servers: \"%s\" is not a list of address:port: %s",
                           servers, ares_strerror(status));
        }
    }
    *out = r;
    return true;
}

static void drop_queries(struct query_list *list)
{
    struct resolver_query *q;
    while ((q = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, q, link);
        free(q);
    }
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    ares_destroy(r->channel); // takes its sockets' watches with it
    ares_library_cleanup();
    drop_queries(&r->ready);
    struct name *n;
    while ((n = TAILQ_FIRST(&r->names)) != NULL) {
        drop_queries(&n->waiting);
        name_free(n);
    }
    loop_timer_free(r->patience);
    loop_timer_free(r->delivery);
    free(r);
}
