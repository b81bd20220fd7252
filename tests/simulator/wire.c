// SPDX-License-Identifier: Apache-2.0
// wire: see wire.h.
//
// Written for a sink that must cost less than what is measured against it: the head is scanned once, line by
// line, and only the six headers that matter here are looked at, told apart by their length first. A request
// that is not complete is scanned again when more has come; heads are small and large bodies arrive in few
// reads, so that is cheaper than keeping a parser's state. Chunked requests are refused with 411: no client
// under test sends them.
#include "wire.h"

#include <strings.h>

static bool is_name(struct slice line, size_t colon, const char *name)
{
    return strncasecmp(line.ptr, name, colon) == 0;
}

static struct slice header_value(struct slice line, size_t colon)
{
    const char *start = line.ptr + colon + 1;
    const char *end = line.ptr + line.len;
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct slice){ start, (size_t)(end - start) };
}

static bool parse_length(struct slice value, size_t *len)
{
    size_t n = 0;
    if (value.len == 0 || value.len > 9)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
        n = n * 10 + (size_t)(value.ptr[i] - '0');
    }
    *len = n;
    return true;
}

static int take_header(struct slice line, struct request *r)
{
    const char *found = memchr(line.ptr, ':', line.len);
    if (found == NULL)
        return 400;
    size_t colon = (size_t)(found - line.ptr);
    struct slice value = header_value(line, colon);
    switch (colon) {
    case 6:
        if (is_name(line, colon, "expect"))
            r->expects_continue = true;
        break;
    case 10:
        if (is_name(line, colon, "connection"))
            r->keep_alive = !(value.len == 5 && strncasecmp(value.ptr, "close", 5) == 0);
        break;
    case 14:
        if (is_name(line, colon, "x-sendfleet-id"))
            r->job_id = value;
        else if (is_name(line, colon, "content-length") && !parse_length(value, &r->body_len))
            return 400;
        break;
    case 15:
        if (is_name(line, colon, "idempotency-key"))
            r->idempotency_key = value;
        break;
    case 17:
        if (is_name(line, colon, "transfer-encoding"))
            return 411;
        break;
    default:
        break;
    }
    return 0;
}

static bool take_request_line(struct slice line, struct request *r)
{
    const char *first = memchr(line.ptr, ' ', line.len);
    if (first == NULL)
        return false;
    const char *target = first + 1;
    const char *last = memchr(target, ' ', (size_t)(line.ptr + line.len - target));
    if (last == NULL || line.ptr + line.len - last != 9 || memcmp(last + 1, "HTTP/1.", 7) != 0)
        return false;
    r->keep_alive = last[8] != '0';
    r->method = (struct slice){ line.ptr, (size_t)(first - line.ptr) };
    const char *mark = memchr(target, '?', (size_t)(last - target));
    const char *path_end = mark != NULL ? mark : last;
    r->path = (struct slice){ target, (size_t)(path_end - target) };
    r->query = mark != NULL ? (struct slice){ mark + 1, (size_t)(last - mark - 1) } : SLICE("");
    return true;
}

static enum wire_state refuse(struct request *r, int status)
{
    r->refusal = status;
    return WIRE_BAD;
}

enum wire_state wire_parse(struct slice in, struct request *r)
{
    *r = (struct request){ 0 };
    const char *at = in.ptr, *end = in.ptr + in.len;
    for (bool first = true;; first = false) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            return in.len > WIRE_HEAD_MAX ? refuse(r, 431) : WIRE_HEAD;
        struct slice line = { at, (size_t)(newline - at) };
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        at = newline + 1;
        if (line.len == 0)
            break;
        int status = !first ? take_header(line, r) : take_request_line(line, r) ? 0 : 400;
        if (status != 0)
            return refuse(r, status);
    }
    if (r->method.ptr == NULL)
        return refuse(r, 400);
    if (r->body_len > WIRE_BODY_MAX)
        return refuse(r, 413);
    size_t have = (size_t)(end - at);
    r->body = (struct slice){ at, have < r->body_len ? have : r->body_len };
    r->total = (size_t)(at - in.ptr) + r->body_len;
    return have < r->body_len ? WIRE_BODY : WIRE_COMPLETE;
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 422:
        return "Unprocessable Entity";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Status";
    }
}

void wire_put_response(struct buf *out, int status, int retry_after_s, struct slice body)
{
    buf_puts(out, "HTTP/1.1 ");
    buf_put_i64(out, status);
    buf_putc(out, ' ');
    buf_puts(out, reason(status));
    if (retry_after_s >= 0) {
        buf_puts(out, "\r\nRetry-After: ");
        buf_put_i64(out, retry_after_s);
    }
    buf_puts(out, "\r\nContent-Type: application/json\r\nContent-Length: ");
    buf_put_i64(out, (int64_t)body.len);
    buf_puts(out, "\r\n\r\n");
    buf_put_slice(out, body);
}

void wire_put_stream_head(struct buf *out)
{
    buf_puts(out, "HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\nTransfer-Encoding: chunked\r\n\r\n");
}

void wire_put_chunk(struct buf *out, struct slice chunk)
{
    buf_printf(out, "%zx\r\n", chunk.len);
    buf_put_slice(out, chunk);
    buf_puts(out, "\r\n");
}
