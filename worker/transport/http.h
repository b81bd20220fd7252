// SPDX-License-Identifier: Apache-2.0
// http: what the parts of the HTTP transport share. Nobody else includes this.
//
//   http.c         the life of a call: queue, launch, time-outs, the end
//   http_line.c    a line: one reusable request handle with its header lines
//   http_socket.c  libcurl's sockets and timer on the worker's loop
//   http_origin.c  URL -> origin -> addresses
//   http_guard.c   which addresses a job may name
//   http_reply.c   from status, header lines and body to an outcome
#ifndef WORKER_TRANSPORT_HTTP_H
#define WORKER_TRANSPORT_HTTP_H

#include "common/json.h"
#include "worker/transport/transport.h"

#include <netinet/in.h>
#include <sys/queue.h>

struct curl_slist;
struct loop_timer;
struct loop_watch;
struct resolver_query;
struct sockaddr;
struct transport;

// ---- calls ----------------------------------------------------------------------------------------------

enum call_step { // each is a list, oldest first; the time allowed is the same for all in a list, so deadlines
                 // ascend
    CALL_NAMING, // waits for its host's addresses
    CALL_QUEUED, // waits for a line
    CALL_CONNECT,
    CALL_WRITE,
    CALL_REPLY,
    CALL_OVER, // ended before it began; reported on the next turn
    CALL_STEPS
};

struct call { // one attempt on its way
    TAILQ_ENTRY(call) link;
    enum call_step step;
    struct transport *transport;
    struct attempt *attempt;         // borrowed until it is done
    struct origin *origin;           // users counted; NULL: refused
    struct line *line;               // from CALL_CONNECT to CALL_REPLY
    int64_t deadline_ms;             // of this step
    int64_t begun_us;                // 0: nothing was opened or written yet
    enum attempt_result over_result; // CALL_OVER
    enum attempt_phase over_phase;
    char over_text[160];
};
TAILQ_HEAD(call_list, call);

struct transport {
    const struct route_config *route;
    struct transport_env env;
    void *multi; // CURLM
    void *parsed_url; // CURLU, the route's; NULL: it has none
    struct loop_timer *curl_timer, *deadline_timer;
    int64_t deadline_armed_ms; // 0 = not
    struct call_list steps[CALL_STEPS];
    struct call_list spare; // reusable
    struct line *idle_lines;
    int busy_lines;
    struct line *last_begun;
    struct http_sockets *sockets;
    struct http_origins *origins;
    struct origin *home;        // the route's own; NULL: it has no url
    struct curl_slist *to_drop; // addresses of forgotten hosts that libcurl still holds
    struct json_doc doc;        // scratch
    struct buf scratch;
};

void http_call_move(struct call *c,
                    enum call_step step); // to the end of that list, with that step's deadline
void http_call_named(struct call *c);     // its origin has addresses now: it may be queued
void http_call_refuse(struct call *c, enum attempt_result result, enum attempt_phase phase, const char *text);
void http_reap(struct transport *t); // ends what libcurl has finished

// ---- lines ----------------------------------------------------------------------------------------------

enum { LINE_HEADERS_MAX = 8, LINE_HEADER_SIZE = 768, LINE_REPLY_MAX = 64 * 1024 };

struct line_header { // "Name: value", the value rewritten for each call
    char *text;      // owned, LINE_HEADER_SIZE bytes
    size_t name_len; // with ": "; 0: this line has none
};

struct line {
    struct line *next; // idle
    struct transport *transport;
    void *easy;               // CURL
    struct call *call;        // while busy
    char *url;                // owned: what the handle is set to; NULL: the route's
    struct curl_slist *nodes; // owned: the header lines
    int node_count;
    struct curl_slist *credential; // the last node: only for the route's own url; NULL: none
    struct line_header key, id, number;
    struct curl_slist *resolve; // owned
    struct slice body;          // borrowed from the job
    size_t reply_bytes;         // all that came
    struct buf reply;           // its first OUTCOME_RESPONSE_MAX bytes
    int tries;                  // requests that libcurl began; over 1: it found the reused connection dead
    bool in_handshake;          // connected, and TLS waits for the peer
    int local_port;             // of the connection that the last try is on
    bool never_arrived;         // that connection was ended by the peer before it had the request
    bool written_once;          // some of an earlier try's request went out
    bool stopped;               // a further try was forbidden
    const char *denied;         // the guard refused this kind of address
    char error[256];
};

struct line *http_line_take(struct transport *t); // an idle one or a new one
void http_line_free(struct line *l);
// False: the text says which value cannot be sent.
MUST_CHECK bool http_line_prepare(struct line *l, struct call *c, struct err *e);
// How it ended. curl_code: CURLcode, or -1 when we ended it; text: then why.
void http_line_outcome(struct line *l, int curl_code, const char *text, struct outcome *o);

// ---- sockets --------------------------------------------------------------------------------------------

void http_sockets_open(struct transport *t);
void http_sockets_close(struct transport *t); // after the multi handle is gone
void http_sockets_prepare(struct line *l);    // options of a new handle that belong to sockets

// ---- origins --------------------------------------------------------------------------------------------

struct origin { // scheme does not matter: libcurl keys its addresses by host and port
    LIST_ENTRY(origin) in_bucket;
    TAILQ_ENTRY(origin) by_age;
    struct transport *transport;
    char *host;
    int port;
    bool literal; // an address already
    bool known;   // has addresses
    bool guarded; // named by a job: only public addresses
    bool loaded;  // libcurl has the present addresses
    int users;
    int64_t fresh_until_ms, stale_until_ms;
    struct resolver_query *query; // under way
    struct buf addresses;         // "host:port:a,b"
};

void http_origins_open(struct transport *t);
void http_origins_close(struct transport *t);
// The origin of a URL. False: ERR_INPUT, not http(s), credentials in it, not ASCII …
MUST_CHECK bool http_origin_find(struct transport *t, const char *url, struct origin **out, struct err *e);
// True: it has addresses (which may be refreshed behind the scenes). False: its calls are told later.
bool http_origin_ready(struct origin *o);

// ---- guard ----------------------------------------------------------------------------------------------

// NULL when the address is public; else what it is ("loopback", "private" …).
const char *http_guard(const struct sockaddr *address);

// ---- replies --------------------------------------------------------------------------------------------

struct http_reply { // header lines: NULL when absent
    int status;
    struct slice body;
    bool whole; // body is all of it
    const char *message_id, *retry_after, *retry_after_ms, *date, *reset; // reset: of HTTP_RESET_HEADERS
};

// Fills result, code, text, provider_id and retry_after_ms.
void http_reply_read(struct transport *t, const struct http_reply *r, int64_t now_wall_ms, struct outcome *o);

#endif
