// SPDX-License-Identifier: Apache-2.0
// event: see event.h.
//
// Every job leaves at least one event, so this is written straight into a buffer: no printf, no tree. Names and
// order are contract; a reader may rely on the names, the order is for people. The id is a 64-bit FNV-1a hash over
// what happened: equal steps of one job have equal ids, whoever files them and however often.
#include "common/event.h"

enum { ID_DIGITS = 16 };

static const char *const NAMES[EVENT_TYPE_COUNT] = {
    [EVENT_ACCEPTED] = "accepted",
    [EVENT_WAITING] = "waiting",
    [EVENT_UNKNOWN] = "unknown",
    [EVENT_DEAD] = "dead",
    [EVENT_DUPLICATE] = "duplicate",
    [EVENT_REVIEW] = "review",
    [EVENT_REPLAYED] = "replayed",
    [EVENT_DISCARDED] = "discarded",
    [EVENT_WORKER] = "worker",
};

const char *event_name(enum event_type t)
{
    return t < EVENT_TYPE_COUNT ? NAMES[t] : "unknown";
}

bool event_parse_name(struct slice name, enum event_type *t)
{
    for (int i = 0; i < EVENT_TYPE_COUNT; i++) {
        if (slice_is(name, NAMES[i])) {
            *t = (enum event_type)i;
            return true;
        }
    }
    return false;
}

// ---- id -----------------------------------------------------------------------------------------------------

static uint64_t hash_byte(uint64_t h, unsigned byte)
{
    return (h ^ (byte & 0xff)) * 0x100000001b3u;
}

static uint64_t hash_bytes(uint64_t h, struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        h = hash_byte(h, (unsigned char)s.ptr[i]);
    return hash_byte(h, 0); // so that neighbours do not run into each other
}

static uint64_t hash_number(uint64_t h, uint64_t n)
{
    for (int i = 0; i < 8; i++, n >>= 8)
        h = hash_byte(h, (unsigned)(n & 0xff));
    return h;
}

static uint64_t hash_event(const struct event *ev)
{
    uint64_t h = hash_bytes(0xcbf29ce484222325u, ev->job);
    h = hash_number(h, ev->epoch.generation);
    h = hash_number(h, ev->epoch.try_no);
    h = hash_number(h, ev->type);
    if (ev->type == EVENT_WAITING)
        h = hash_number(h, ev->wait);
    if (ev->type == EVENT_WORKER) // has no job: every start and stop is a step of its own
        h = hash_number(hash_bytes(hash_bytes(h, ev->worker), ev->detail), (uint64_t)ev->at_ms);
    return h;
}

static void put_id(struct buf *out, uint64_t h)
{
    static const char digits[] = "0123456789abcdef";
    char hex[ID_DIGITS];
    for (int i = ID_DIGITS - 1; i >= 0; i--, h >>= 4)
        hex[i] = digits[h & 15];
    buf_put(out, hex, sizeof hex);
}

// ---- members ------------------------------------------------------------------------------------------------

static void put_name(struct buf *out, struct slice name)
{
    buf_put(out, ",\"", 2);
    buf_put_slice(out, name);
    buf_put(out, "\":", 2);
}

static void put_number(struct buf *out, struct slice name, int64_t n)
{
    put_name(out, name);
    buf_put_i64(out, n);
}

static void put_nonzero(struct buf *out, struct slice name, int64_t n)
{
    if (n != 0)
        put_number(out, name, n);
}

static void put_text(struct buf *out, struct slice name, struct slice text)
{
    if (text.ptr == NULL)
        return;
    put_name(out, name);
    buf_put_json(out, text);
}

static void put_flag(struct buf *out, struct slice name, bool set)
{
    if (!set)
        return;
    put_name(out, name);
    buf_put(out, "true", 4);
}

static void put_source(struct buf *out, const struct event *ev)
{
    if (ev->source_topic == NULL)
        return;
    put_name(out, SLICE("source")); // a topic's name needs no escapes
    buf_putc(out, '"');
    buf_puts(out, ev->source_topic);
    buf_putc(out, '-');
    buf_put_i64(out, ev->source_partition);
    buf_putc(out, '-');
    buf_put_i64(out, ev->source_offset);
    buf_putc(out, '"');
    put_nonzero(out, SLICE("source_at"), ev->source_ms);
}

static void put_attempt(struct buf *out, const struct event *ev)
{
    if (ev->class != FAILURE_NONE)
        put_text(out, SLICE("class"), slice_of(failure_name(ev->class)));
    put_nonzero(out, SLICE("code"), ev->code);
    put_text(out, SLICE("phase"), ev->phase);
    put_text(out, SLICE("enhanced"), ev->enhanced);
    put_text(out, SLICE("rule"), ev->rule);
    put_text(out, SLICE("text"), ev->text);
    put_text(out, SLICE("reason"), ev->reason);
    put_text(out, SLICE("detail"), ev->detail);
    put_text(out, SLICE("provider_id"), ev->provider_id);
    put_text(out, SLICE("duplicate_of"), ev->duplicate_of);
    put_nonzero(out, SLICE("attempt_us"), ev->attempt_us);
    if (ev->lateness_ms >= 0)
        put_number(out, SLICE("lateness_ms"), ev->lateness_ms);
}

void event_format(const struct event *ev, struct buf *out)
{
    buf_reserve(out, 512);
    buf_puts(out, "{\"v\":1,\"event\":\"");
    buf_puts(out, event_name(ev->type));
    buf_puts(out, "\",\"id\":\"");
    put_id(out, hash_event(ev));
    buf_putc(out, '"');
    put_text(out, SLICE("job"), ev->job);
    put_number(out, SLICE("at"), ev->at_ms);
    put_text(out, SLICE("worker"), ev->worker);
    put_text(out, SLICE("route"), ev->route);
    put_text(out, SLICE("transport"), ev->transport);
    put_number(out, SLICE("gen"), ev->epoch.generation);
    put_number(out, SLICE("try"), ev->epoch.try_no);
    put_nonzero(out, SLICE("attempt"), ev->attempt);
    put_source(out, ev);
    put_nonzero(out, SLICE("first_seen"), ev->first_seen_ms);
    if (ev->wait != WAIT_NONE)
        put_text(out, SLICE("wait"), slice_of(wait_name(ev->wait)));
    put_nonzero(out, SLICE("due"), ev->due_ms);
    put_text(out, SLICE("tier"), ev->tier);
    put_attempt(out, ev);
    put_flag(out, SLICE("unfenced"), ev->unfenced);
    put_flag(out, SLICE("refiled"), ev->refiled);
    buf_putc(out, '}');
}
