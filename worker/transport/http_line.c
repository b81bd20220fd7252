// SPDX-License-Identifier: Apache-2.0
// http_line: one reusable libcurl handle, and what a call changes on it.
//
// Setting a handle up costs as much as a small request, so a line is set up once: its header lines are list
// nodes of our own whose bytes are rewritten for each call (libcurl only borrows the list), and of its
// options only body, size and, for URLs that come with a job, the URL change.
//
// The body goes out of our memory in one piece with the header lines (one system call). libcurl may then
// repeat a request by itself when a reused connection turns out to be dead. http_socket.c forbids that for
// receivers that do not know our key; here a call that was stopped so ends as unknown, because the first try
// may have been accepted:
//
//   the connection died idle, noticed before the write     libcurl takes another one, nobody notices
//   ... noticed while nothing was written                  the same
//   ... noticed after some of the request went out         UNKNOWN (not idempotent), or repeated with the key
//
// Values in header lines are checked for control characters once more: a header line injected into a
// provider's API would act with our credential. That credential never goes to a URL that came with a job.
#include "worker/transport/http.h"
#include "worker/transport/http_wait.h"

#include "common/alloc.h"
#include "common/clock.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONNECTION_AGE_S = 300, // so that a host that moved is left
    // Servers close idle connections after 60 s or more (the small ones after 5, and little helps against
    // that). Not to use one that is about to be closed keeps requests from crossing with its end.
    CONNECTION_IDLE_S = 50,
};

// ---- set-up, once ---------------------------------------------------------------------------------------

static size_t on_body(char *bytes, size_t one, size_t len, void *arg)
{
    (void)one;
    struct line *l = arg;
    size_t room = OUTCOME_RESPONSE_MAX - l->reply.len;
    buf_put(&l->reply, bytes, len < room ? len : room);
    l->reply_bytes += len;
    return l->reply_bytes > LINE_REPLY_MAX ? 0 : len; // 0: closes the connection
}

// The list is an array whose nodes point at each other; its texts are ours.
static struct curl_slist *add_node(struct line *l, size_t size, const char *name, const char *value)
{
    struct curl_slist *node = &l->nodes[l->node_count];
    node->data = xcalloc(1, size);
    snprintf(node->data, size, "%s:%s%s", name, value[0] != '\0' ? " " : "", value);
    if (l->node_count > 0)
        l->nodes[l->node_count - 1].next = node;
    l->node_count++;
    return node;
}

static void add_fixed(struct line *l, const char *name, const char *value)
{
    add_node(l, strlen(name) + strlen(value) + 3, name, value);
}

static struct line_header add_rewritten(struct line *l, const char *name)
{
    char *text = add_node(l, LINE_HEADER_SIZE, name, "")->data;
    strcat(text, " ");
    return (struct line_header){ .text = text, .name_len = strlen(text) };
}

static void add_headers(struct line *l)
{
    const struct route_config *route = l->transport->route;
    l->nodes = xcalloc(LINE_HEADERS_MAX, sizeof *l->nodes);
    add_fixed(l, "Content-Type", "application/json");
    add_fixed(l, "Expect",
              ""); // takes libcurl's own away, which waits a second for permission to send a large body
    if (route->idempotency_header != NULL && route->idempotency_header[0] != '\0')
        l->key = add_rewritten(l, route->idempotency_header);
    l->id = add_rewritten(l, "X-Sendfleet-Id");
    l->number = add_rewritten(l, "X-Sendfleet-Attempt");
    if (route->authorization != NULL) {
        add_fixed(l, "Authorization", route->authorization);
        l->credential = &l->nodes[l->node_count - 1];
    }
}

// The parsed form is what is used; without it libcurl would take the text apart again for each request.
static void use_route_url(struct line *l)
{
    if (l->transport->route->url == NULL)
        return;
    curl_easy_setopt(l->easy, CURLOPT_URL, l->transport->route->url);
    curl_easy_setopt(l->easy, CURLOPT_CURLU, l->transport->parsed_url);
}

static struct line *line_new(struct transport *t)
{
    struct line *l = xcalloc(1, sizeof *l);
    l->transport = t;
    l->easy = curl_easy_init();
    add_headers(l);
    CURL *easy = l->easy;
    use_route_url(l);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, l);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, l->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); // the environment's proxy would hide the target from the guard
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "sendfleet/" SENDFLEET_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, l->nodes);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, l);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT,
                     -1L); // its addresses come from us and are replaced by us
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_AGE_S);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S);
    http_sockets_prepare(l);
    return l;
}

struct line *http_line_take(struct transport *t)
{
    struct line *l = t->idle_lines;
    if (l == NULL)
        return line_new(t);
    t->idle_lines = l->next;
    return l;
}

void http_line_free(struct line *l)
{
    curl_easy_cleanup(l->easy);
    for (int i = 0; i < l->node_count; i++)
        free(l->nodes[i].data);
    free(l->nodes);
    curl_slist_free_all(l->resolve);
    buf_clear(&l->reply);
    free(l->url);
    free(l);
}

// ---- one call -------------------------------------------------------------------------------------------

static bool set_header(struct line_header *h, struct slice value, struct err *e)
{
    if (h->name_len == 0)
        return true;
    if (value.len >= LINE_HEADER_SIZE - h->name_len)
        return err_set(e, ERR_INPUT, "%.*s value is too long for a header line", (int)h->name_len, h->text);
    char *to = h->text + h->name_len;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < 0x20 || c == 0x7f)
            return err_set(e, ERR_INPUT, "%.*s value has a control character", (int)h->name_len, h->text);
        to[i] = (char)c;
    }
    to[value.len] = '\0';
    return true;
}

static bool set_headers(struct line *l, const struct attempt *a, struct err *e)
{
    struct buf *number = &l->transport->scratch;
    buf_reset(number);
    buf_put_i64(number, a->number);
    return set_header(&l->key, a->idempotency_key, e) && set_header(&l->id, slice_of(a->job_id), e) &&
           set_header(&l->number, buf_slice(number), e);
}

static void set_url(struct line *l, struct slice url)
{
    bool own = url.ptr == NULL;
    if (own && l->url != NULL) {
        use_route_url(l);
        free(l->url);
        l->url = NULL;
    } else if (!own && (l->url == NULL || !slice_is(url, l->url))) {
        free(l->url);
        l->url = xstrndup(url.ptr, url.len);
        curl_easy_setopt(l->easy, CURLOPT_CURLU, NULL);
        curl_easy_setopt(l->easy, CURLOPT_URL, l->url);
    }
    if (l->credential != NULL)
        l->nodes[l->node_count - 2].next = own ? l->credential : NULL;
}

// A webhook's body is the job's "body" as it was written, everything else is the job itself.
static struct slice body_of(const struct job *job)
{
    if (job->url.ptr == NULL || job->body == 0)
        return job->value;
    struct slice raw = json_raw(&job->doc, job->body);
    if (job->doc.tokens[job->body].type == JSON_TYPE_STRING)
        return (struct slice){ raw.ptr - 1, raw.len + 2 }; // with its quotes
    return raw;
}

static void set_addresses(struct line *l, struct origin *o)
{
    curl_slist_free_all(l->resolve); // was read when its call began
    l->resolve = l->transport->to_drop;
    l->transport->to_drop = NULL;
    if (!o->literal && !o->loaded)
        l->resolve = curl_slist_append(l->resolve, o->addresses.data);
    if (l->resolve != NULL)
        curl_easy_setopt(l->easy, CURLOPT_RESOLVE, l->resolve);
}

bool http_line_prepare(struct line *l, struct call *c, struct err *e)
{
    const struct job *job = c->attempt->job;
    if (!set_headers(l, c->attempt, e))
        return false;
    l->call = c;
    l->tries = 0;
    l->in_handshake = l->never_arrived = l->written_once = l->stopped = false;
    l->denied = NULL;
    l->error[0] = '\0';
    l->reply_bytes = 0;
    buf_reset(&l->reply);
    l->body = body_of(job);
    set_url(l, job->url);
    set_addresses(l, c->origin);
    curl_easy_setopt(l->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)l->body.len);
    curl_easy_setopt(l->easy, CURLOPT_POSTFIELDS, l->body.ptr);
    return true;
}

// ---- how it ended ---------------------------------------------------------------------------------------

// Completely written, as far as can be known.
static bool request_is_out(const struct line *l)
{
    if (l->written_once)
        return true;
    if (l->never_arrived)
        return false;
    curl_off_t uploaded = 0;
    long out_bytes = 0;
    curl_easy_getinfo(l->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    curl_easy_getinfo(l->easy, CURLINFO_REQUEST_SIZE, &out_bytes);
    return l->tries > 0 && out_bytes > 0 && (size_t)uploaded >= l->body.len;
}

static enum attempt_phase phase_reached(const struct line *l)
{
    if (l->tries > 0)
        return PHASE_BODY;
    if (l->call->begun_us == 0)
        return PHASE_QUEUED;
    return l->in_handshake ? PHASE_TLS : PHASE_CONNECT;
}

static const char *header_of(const struct line *l, const char *name)
{
    struct curl_header *h = NULL;
    return curl_easy_header(l->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
}

static void read_reply(struct line *l, int status, bool whole, struct outcome *o)
{
    struct http_reply reply = { .status = status, .body = buf_slice(&l->reply) };
    reply.whole = whole && l->reply_bytes == l->reply.len;
    if (status >= 200 && status < 300) {
        reply.message_id = header_of(l, "X-Message-Id");
    } else {
        reply.retry_after = header_of(l, "Retry-After");
        reply.retry_after_ms = header_of(l, "Retry-After-Ms");
        reply.date = header_of(l, "Date");
        for (size_t i = 0; reply.reset == NULL && HTTP_RESET_HEADERS[i] != NULL; i++)
            reply.reset = header_of(l, HTTP_RESET_HEADERS[i]);
    }
    o->phase = PHASE_RESPONSE;
    o->response = reply.body;
    http_reply_read(l->transport, &reply, clock_wall_ms(), o);
}

static void no_reply(struct line *l, int curl_code, const char *text, struct outcome *o)
{
    const char *why = text != NULL          ? text
                      : l->error[0] != '\0' ? l->error
                                            : curl_easy_strerror((CURLcode)curl_code);
    if (l->denied != NULL) {
        *o = (struct outcome){ .result = ATTEMPT_REFUSED, .phase = PHASE_CONNECT };
        snprintf(o->text, sizeof o->text, "target %s:%d is not allowed: its address is %s",
                 l->call->origin->host, l->call->origin->port, l->denied);
    } else if (request_is_out(l)) {
        *o = (struct outcome){ .result = ATTEMPT_UNKNOWN, .phase = PHASE_RESPONSE };
        snprintf(o->text, sizeof o->text, "no reply: %s",
                 l->stopped ? "the reused connection closed after the request was written" : why);
    } else {
        *o = (struct outcome){ .result = ATTEMPT_FAILED, .phase = phase_reached(l) };
        if (curl_code == CURLE_COULDNT_RESOLVE_HOST)
            l->call->origin->loaded = false; // libcurl lost the addresses: give them again
        snprintf(o->text, sizeof o->text, "%s", why);
    }
    o->retry_after_ms = -1;
}

void http_line_outcome(struct line *l, int curl_code, const char *text, struct outcome *o)
{
    long status = 0;
    if (l->tries > 0) // else the handle still tells about the call before
        curl_easy_getinfo(l->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200) { // a verdict stands, even when the rest of the reply did not come
        *o = (struct outcome){ .code = (int)status };
        read_reply(l, (int)status, curl_code == CURLE_OK, o);
    } else {
        no_reply(l, curl_code, text, o);
    }
    o->begun_us = l->call->begun_us;
}
