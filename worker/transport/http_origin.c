// SPDX-License-Identifier: Apache-2.0
// http_origin: the hosts we POST to and their addresses.
//
// libcurl must never look up a name itself: on Debian that is a thread per look-up, and taking a request back
// then blocks the loop until the thread is done. So every host is resolved here first and libcurl is given
// the addresses (CURLOPT_RESOLVE), again only when they changed; in its cache they stay until replaced or
// taken out.
//
//   unknown -> asked -> known and fresh -> known and stale (used, while it is asked again) -> …
//
// A stale address is better than none: while the name server has trouble we keep sending to the host we know,
// for up to an hour. "No such host" is believed at once.
#include "worker/transport/http.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/loop.h"
#include "worker/resolver.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUCKETS = 64, ORIGINS_MAX = 256, STALE_MS = CLOCK_HOUR_MS, HOST_MAX = 253 };

LIST_HEAD(origin_bucket, origin);
TAILQ_HEAD(origin_list, origin);

struct http_origins {
    struct origin_bucket buckets[BUCKETS];
    struct origin_list all; // oldest first
    int count;
};

// ---- addresses ------------------------------------------------------------------------------------------

// "host:port:192.0.2.1,[2001:db8::1]", as CURLOPT_RESOLVE wants it.
static void format_addresses(const struct origin *o, const struct resolver_answer *answer, struct buf *out)
{
    buf_printf(out, "%s:%d:", o->host, o->port);
    for (int i = 0; i < answer->count; i++) {
        const struct sockaddr_storage *ss = &answer->addresses[i];
        char text[INET6_ADDRSTRLEN];
        if (ss->ss_family == AF_INET)
            inet_ntop(AF_INET, &((const struct sockaddr_in *)ss)->sin_addr, text, sizeof text);
        else
            inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)ss)->sin6_addr, text, sizeof text);
        buf_printf(out, ss->ss_family == AF_INET ? "%s%s" : "%s[%s]", i > 0 ? "," : "", text);
    }
}

static void keep_addresses(struct origin *o, const struct resolver_answer *answer)
{
    struct buf fresh = { 0 };
    format_addresses(o, answer, &fresh);
    if (!o->known || !slice_eq(buf_slice(&fresh), buf_slice(&o->addresses))) {
        buf_clear(&o->addresses);
        o->addresses = fresh;
        o->loaded = false;
    } else {
        buf_clear(&fresh);
    }
    o->known = true;
}

// Everybody who waited for this host goes on, or ends.
static void tell_waiting(struct origin *o, const char *failure)
{
    char text[200];
    if (failure != NULL)
        snprintf(text, sizeof text, "%s%s", failure, o->guarded ? " (named by the job)" : "");
    struct call *next;
    for (struct call *c = TAILQ_FIRST(&o->transport->steps[CALL_NAMING]); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (c->origin != o)
            continue;
        if (failure == NULL)
            http_call_named(c);
        else
            http_call_refuse(c, ATTEMPT_FAILED, PHASE_RESOLVE, text);
    }
}

static void on_answer(void *arg, const struct resolver_answer *answer)
{
    struct origin *o = arg;
    o->query = NULL;
    int64_t now_ms = loop_now_ms(o->transport->env.loop);
    o->fresh_until_ms = now_ms + answer->ttl_ms;
    if (answer->ok) {
        keep_addresses(o, answer);
        o->stale_until_ms = o->fresh_until_ms + STALE_MS;
        tell_waiting(o, NULL);
        return;
    }
    if (!answer->temporary || now_ms >= o->stale_until_ms)
        o->known = false;
    if (!o->known)
        tell_waiting(o, answer->text);
}

bool http_origin_ready(struct origin *o)
{
    if (o->literal)
        return true;
    bool fresh = o->known && loop_now_ms(o->transport->env.loop) < o->fresh_until_ms;
    if (!fresh && o->query == NULL)
        o->query = resolver_lookup(o->transport->env.resolver, o->host, on_answer, o);
    return o->known;
}

// ---- URLs -----------------------------------------------------------------------------------------------

static bool part_of(CURLU *url, CURLUPart part, unsigned flags, char **out)
{
    *out = NULL;
    return curl_url_get(url, part, out, flags) == CURLUE_OK;
}

static bool host_is_usable(const char *host)
{
    size_t len = strlen(host);
    if (len == 0 || len > HOST_MAX)
        return false;
    for (const unsigned char *p = (const unsigned char *)host; *p != '\0'; p++) {
        if (*p <= ' ' || *p >= 0x7f || *p == '%')
            return false;
    }
    return true;
}

// Fills host (IPv6 literals without brackets) and port.
static bool read_url(CURLU *url, const char *text, char host[HOST_MAX + 3], int *port, struct err *e)
{
    char *scheme = NULL, *name = NULL, *number = NULL, *user = NULL;
    bool ok = false;
    // CURLU_NON_SUPPORT_SCHEME: so that "gopher://" is told from nonsense
    CURLUcode bad = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    if (bad != CURLUE_OK)
        err_set(e, ERR_INPUT, "url is not one: %s", curl_url_strerror(bad));
    else if (!part_of(url, CURLUPART_SCHEME, 0, &scheme) ||
             (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        err_set(e, ERR_INPUT, "url begins with \"%s:\", only http and https are possible",
                scheme != NULL ? scheme : "");
    else if (part_of(url, CURLUPART_USER, 0, &user))
        err_set(e, ERR_INPUT, "url has credentials in it; use the route's \"authorization\"");
    else if (!part_of(url, CURLUPART_HOST, 0, &name) || !host_is_usable(name))
        err_set(e, ERR_INPUT, "url has no usable host name (write international names in their xn-- form)");
    else if (!part_of(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, &number))
        err_set(e, ERR_INPUT, "url has no port");
    else
        ok = true;
    if (ok) {
        size_t len = strlen(name);
        bool brackets = name[0] == '[' && name[len - 1] == ']';
        snprintf(host, HOST_MAX + 3, "%.*s", (int)(brackets ? len - 2 : len), brackets ? name + 1 : name);
        *port = (int)strtol(number, NULL, 10);
    }
    curl_free(scheme);
    curl_free(name);
    curl_free(number);
    curl_free(user);
    return ok;
}

// ---- the table ------------------------------------------------------------------------------------------

static struct origin_bucket *bucket_of(struct http_origins *all, const char *host, int port)
{
    uint32_t hash = 2166136261u ^ (uint32_t)port;
    for (const char *p = host; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return &all->buckets[hash & (BUCKETS - 1)];
}

// libcurl keeps a host's addresses until it is told to drop them.
static void drop_from_curl(const struct origin *o)
{
    if (!o->loaded || o->literal)
        return;
    struct buf text = { 0 };
    buf_printf(&text, "-%s:%d", o->host, o->port);
    o->transport->to_drop = curl_slist_append(o->transport->to_drop, text.data);
    buf_clear(&text);
}

static void origin_free(struct origin *o)
{
    LIST_REMOVE(o, in_bucket);
    TAILQ_REMOVE(&o->transport->origins->all, o, by_age);
    o->transport->origins->count--;
    resolver_cancel(o->query);
    buf_clear(&o->addresses);
    free(o->host);
    free(o);
}

static void make_room(struct transport *t)
{
    struct origin *o = TAILQ_FIRST(&t->origins->all);
    while (o != NULL && t->origins->count >= ORIGINS_MAX) {
        struct origin *next = TAILQ_NEXT(o, by_age);
        if (o->users == 0 && o != t->home) {
            drop_from_curl(o);
            origin_free(o);
        }
        o = next;
    }
}

static struct origin *origin_of(struct transport *t, char *host, int port)
{
    for (char *p = host; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    struct origin_bucket *bucket = bucket_of(t->origins, host, port);
    struct origin *o;
    LIST_FOREACH(o, bucket, in_bucket)
    {
        if (o->port == port && strcmp(o->host, host) == 0)
            return o;
    }
    make_room(t);
    o = xcalloc(1, sizeof *o);
    o->transport = t;
    o->host = xstrdup(host);
    o->port = port;
    o->guarded = true; // http.c knows the one that the operator named
    unsigned char bytes[sizeof(struct in6_addr)];
    o->literal = inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
    LIST_INSERT_HEAD(bucket, o, in_bucket);
    TAILQ_INSERT_TAIL(&t->origins->all, o, by_age);
    t->origins->count++;
    return o;
}

bool http_origin_find(struct transport *t, const char *text, struct origin **out, struct err *e)
{
    char host[HOST_MAX + 3];
    int port;
    CURLU *url = curl_url();
    bool ok = read_url(url, text, host, &port, e);
    curl_url_cleanup(url);
    if (ok)
        *out = origin_of(t, host, port);
    return ok;
}

void http_origins_open(struct transport *t)
{
    t->origins = xcalloc(1, sizeof *t->origins);
    TAILQ_INIT(&t->origins->all);
}

void http_origins_close(struct transport *t)
{
    struct origin *o;
    while ((o = TAILQ_FIRST(&t->origins->all)) != NULL)
        origin_free(o);
    curl_slist_free_all(t->to_drop);
    free(t->origins);
}
