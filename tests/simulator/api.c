// SPDX-License-Identifier: Apache-2.0
// api: see api.h.
//
// A table of paths, the two that are measured first. Everything but those two is for tests and people; the
// stream of the whole ledger is only begun here, because a million lines must neither be built in memory nor
// stop the sink.
#include "api.h"

#include <inttypes.h>

static struct effect answer(struct buf *out, int status, struct slice body)
{
    wire_put_response(out, status, -1, body);
    return (struct effect){ .how = CARRY_ANSWER, .refuse_ms = -1 };
}

static struct effect complain(struct buf *out, int status, const char *text)
{
    struct buf body = { 0 };
    buf_puts(&body, "{\"error\":");
    buf_put_json(&body, slice_of(text));
    buf_puts(&body, "}\n");
    struct effect effect = answer(out, status, buf_slice(&body));
    buf_clear(&body);
    return effect;
}

static struct effect take_send(struct sink *s, const struct request *r, bool dedup, int64_t wall_ms,
                               struct buf *out)
{
    struct verdict v = sink_decide(s, r, dedup, wall_ms);
    struct effect effect = { .how = v.how, .delay_ms = v.delay_ms, .refuse_ms = -1 };
    char text[64];
    if (v.how != CARRY_ANSWER)
        return effect;
    int len = v.status == 200 ? snprintf(text, sizeof text, "{\"id\":\"sim-%" PRIu64 "\"}", v.serial)
                              : snprintf(text, sizeof text, "{\"error\":\"simulated %d\"}", v.status);
    wire_put_response(out, v.status, v.retry_after_s, (struct slice){ text, (size_t)len });
    return effect;
}

static struct effect post_send(struct sink *s, const struct request *r, int64_t wall_ms, struct buf *out)
{
    return take_send(s, r, false, wall_ms, out);
}

static struct effect post_dedup_send(struct sink *s, const struct request *r, int64_t wall_ms,
                                     struct buf *out)
{
    return take_send(s, r, true, wall_ms, out);
}

static struct effect post_control(struct sink *s, const struct request *r, int64_t wall_ms, struct buf *out)
{
    struct err e;
    int64_t refuse_ms;
    if (!sink_control(s, r->body, wall_ms, &refuse_ms, &e))
        return complain(out, 400, e.text);
    struct effect effect = answer(out, 200, SLICE("{\"ok\":true}\n"));
    effect.refuse_ms = refuse_ms;
    return effect;
}

static struct effect post_reset(struct sink *s, const struct request *r, int64_t wall_ms, struct buf *out)
{
    (void)r, (void)wall_ms;
    ledger_clear(s->ledger);
    return answer(out, 200, SLICE("{\"ok\":true}\n"));
}

static struct effect get_stats(struct sink *s, const struct request *r, int64_t wall_ms, struct buf *out)
{
    (void)r, (void)wall_ms;
    const struct ledger_totals *t = ledger_totals(s->ledger);
    struct buf body = { 0 };
    buf_printf(&body,
               "{\"requests\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"replayed\":%" PRIu64 ",\"keys\":%" PRIu64
               ",\"accepted_keys\":%" PRIu64 ",\"accepted_twice\":%" PRIu64 ",\"by_status\":{",
               t->requests, t->accepted, t->replayed, t->keys, t->accepted_keys, t->accepted_twice);
    const char *separator = "";
    for (int i = 0; i < LEDGER_STATUS_MAX; i++) {
        if (t->by_status[i] > 0) {
            buf_printf(&body, "%s\"%d\":%" PRIu64, separator, i, t->by_status[i]);
            separator = ",";
        }
    }
    buf_puts(&body, "}}\n");
    struct effect effect = answer(out, 200, buf_slice(&body));
    buf_clear(&body);
    return effect;
}

static int hex(char c)
{
    const char *digits = "0123456789abcdef0123456789ABCDEF", *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) % 16 : -1;
}

// The value of name=… in a query, with %XX decoded. False when the query has no such parameter.
static bool parameter(struct slice query, const char *name, struct buf *value)
{
    size_t name_len = strlen(name);
    while (query.len > 0) {
        const char *amp = memchr(query.ptr, '&', query.len);
        size_t len = amp != NULL ? (size_t)(amp - query.ptr) : query.len;
        bool here = len > name_len && query.ptr[name_len] == '=' && memcmp(query.ptr, name, name_len) == 0;
        for (size_t i = name_len + 1; here && i < len; i++) {
            char c = query.ptr[i];
            bool coded = c == '%' && i + 2 < len && hex(query.ptr[i + 1]) >= 0 && hex(query.ptr[i + 2]) >= 0;
            buf_putc(value, coded ? (char)(hex(query.ptr[i + 1]) * 16 + hex(query.ptr[i + 2])) : c);
            i += coded ? 2 : 0;
        }
        if (here)
            return true;
        size_t used = amp != NULL ? len + 1 : len;
        query = (struct slice){ query.ptr + used, query.len - used };
    }
    return false;
}

static struct effect get_ledger(struct sink *s, const struct request *r, int64_t wall_ms, struct buf *out)
{
    (void)wall_ms;
    struct buf id = { 0 }, key = { 0 }, body = { 0 };
    bool by_id = parameter(r->query, "id", &id);
    bool by_key = parameter(r->query, "key", &key);
    struct effect effect = { .how = CARRY_ANSWER, .streams = true, .refuse_ms = -1 };
    if (by_id || by_key) {
        const struct entry *e;
        for (size_t i = 0; (e = ledger_at(s->ledger, i)) != NULL; i++) {
            if ((!by_id || slice_eq(e->id, buf_slice(&id))) && (!by_key || slice_eq(e->key, buf_slice(&key))))
                ledger_put_entry(&body, e);
        }
        effect = answer(out, 200, buf_slice(&body));
    } else {
        wire_put_stream_head(out);
    }
    buf_clear(&id);
    buf_clear(&key);
    buf_clear(&body);
    return effect;
}

static struct effect get_health(struct sink *s, const struct request *r, int64_t wall_ms, struct buf *out)
{
    (void)s, (void)r, (void)wall_ms;
    return answer(out, 200, SLICE("{\"ok\":true}\n"));
}

static const struct {
    const char *method, *path;
    struct effect (*run)(struct sink *s, const struct request *r, int64_t wall_ms, struct buf *out);
} endpoints[] = {
    { "POST", "/send", post_send },       { "POST", "/dedup/send", post_dedup_send },
    { "POST", "/control", post_control }, { "POST", "/reset", post_reset },
    { "GET", "/stats", get_stats },       { "GET", "/ledger", get_ledger },
    { "GET", "/healthz", get_health },
};

struct effect api_handle(struct sink *s, const struct request *r, int64_t wall_ms, struct buf *out)
{
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        if (slice_is(r->path, endpoints[i].path) && slice_is(r->method, endpoints[i].method))
            return endpoints[i].run(s, r, wall_ms, out);
    }
    return complain(out, 404,
                    "there are POST /send, /dedup/send, /control, /reset and GET /stats, /ledger, /healthz");
}
