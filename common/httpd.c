// SPDX-License-Identifier: Apache-2.0
// httpd: libevent's HTTP server cut down to what an admin port needs.
//
// It answers GET and HEAD for a handful of exact paths and nothing else: bodies are refused, headers are bounded,
// idle connections go after ten seconds. A handler runs on the event loop and must not wait for anything. There is
// no authentication; the address decides who can ask (loopback by default, the pod's network in Kubernetes).
#include "common/httpd.h"

#include "common/alloc.h"
#include "common/loop.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { PAGES_MAX = 16, HEADERS_MAX_BYTES = 8192, IDLE_S = 10, HOST_SIZE = 256 };

struct page {
    char *path; // owned
    httpd_handler handler;
    void *arg;
};

struct httpd {
    struct evhttp *server;
    int port;
    struct page pages[PAGES_MAX];
    int page_count;
};

static const struct page *find_page(const struct httpd *h, const char *path)
{
    for (int i = 0; i < h->page_count; i++)
        if (strcmp(h->pages[i].path, path) == 0)
            return &h->pages[i];
    return NULL;
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 503:
        return "Service Unavailable";
    default:
        return status < 400 ? "OK" : "Error";
    }
}

static int list_pages(const struct httpd *h, struct buf *body)
{
    buf_puts(body, "not here; there is:\n");
    for (int i = 0; i < h->page_count; i++)
        buf_printf(body, "%s\n", h->pages[i].path);
    return 404;
}

static int answer(struct httpd *h, struct evhttp_request *request, struct buf *body, const char **type)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
        buf_puts(body, "only GET and HEAD\n");
        return 405;
    }
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    const struct page *page = find_page(h, path != NULL ? path : "");
    return page != NULL ? page->handler(page->arg, body, type) : list_pages(h, body);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct buf body = { 0 };
    const char *type = "text/plain; charset=utf-8";
    char length[24];
    int status = answer(arg, request, &body, &type);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    snprintf(length, sizeof length, "%zu", body.len);
    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Content-Length", length);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    // libevent would send a body with the answer to HEAD.
    if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD && body.len > 0)
        evbuffer_add(evhttp_request_get_output_buffer(request), body.data, body.len);
    evhttp_send_reply(request, status, reason(status), NULL);
    buf_clear(&body);
}

// ---- set-up -----------------------------------------------------------------------------------------------------

// "127.0.0.1:9464", "[::1]:0", ":9464" (any address).
static bool split_address(const char *address, char host[HOST_SIZE], int *port, struct err *e)
{
    const char *colon = strrchr(address, ':');
    char *end;
    long n = colon != NULL ? strtol(colon + 1, &end, 10) : -1;
    size_t len = colon != NULL ? (size_t)(colon - address) : 0;
    if (colon == NULL || end == colon + 1 || *end != '\0' || n < 0 || n > 65535 || len >= HOST_SIZE)
        return err_set(e, ERR_CONFIG, "httpd: \"%.80s\" is not an address such as 127.0.0.1:9464", address);
    bool bracketed = len >= 2 && address[0] == '[' && address[len - 1] == ']';
    snprintf(host, HOST_SIZE, "%.*s", (int)(bracketed ? len - 2 : len), bracketed ? address + 1 : address);
    *port = (int)n;
    return true;
}

static int bound_port(struct evhttp_bound_socket *socket)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&address, &size) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

bool httpd_new(struct httpd **h, struct loop *loop, const char *address, struct err *e)
{
    char host[HOST_SIZE];
    int port = 0;
    if (!split_address(address, host, &port, e))
        return false;
    struct evhttp *server = evhttp_new(loop_base(loop));
    if (server == NULL)
        return err_set(e, ERR_FATAL, "httpd: cannot create a server");
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(server, host[0] != '\0' ? host : NULL, (ev_uint16_t)port);
    if (bound == NULL) {
        const char *why = strerror(errno);
        evhttp_free(server);
        return err_set(e, ERR_CONFIG, "httpd: cannot listen on %.80s: %s; choose another address", address, why);
    }
    struct httpd *made = xcalloc(1, sizeof *made);
    made->server = server;
    made->port = bound_port(bound);
    // All methods reach on_request, so that the refusal is ours.
    evhttp_set_allowed_methods(server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                           EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                           EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    evhttp_set_max_headers_size(server, HEADERS_MAX_BYTES);
    evhttp_set_max_body_size(server, 0);
    evhttp_set_timeout(server, IDLE_S);
    evhttp_set_gencb(server, on_request, made);
    *h = made;
    return true;
}

int httpd_port(const struct httpd *h)
{
    return h->port;
}

void httpd_on(struct httpd *h, const char *path, httpd_handler handler, void *arg)
{
    if (h->page_count == PAGES_MAX)
        abort(); // a table of ours is full
    h->pages[h->page_count++] = (struct page){ .path = xstrdup(path), .handler = handler, .arg = arg };
}

void httpd_free(struct httpd *h)
{
    if (h == NULL)
        return;
    evhttp_free(h->server);
    for (int i = 0; i < h->page_count; i++)
        free(h->pages[i].path);
    free(h);
}
