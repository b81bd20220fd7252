// SPDX-License-Identifier: Apache-2.0
// belts: reading the retry topics.
//
// A record rides a belt for exactly the belt's length, counted from the broker's append stamp. So only the head of
// each partition is looked at: it is read, held (unread by the tracker, dropped on revoke) and, when its ride is
// over,
//
//   due                    taken like a fresh record, when the retry lane has room (else it stays the head)
//   too short for a belt   put into the due-heap, when that has room (else it stays the head)
//   otherwise              put onto a shorter belt: a hop, same key, bytes and headers; done when acknowledged
//
// Everything is compared in the broker's time as this worker is sure of it, so nothing starts early.
#include "worker/intake.h"

#include "common/alloc.h"

#include <stdint.h>
#include <stdlib.h>

enum { HOPS_MAX = 2000, HOPS_BYTES_MAX = 8 << 20, HOP_AGAIN_MS = 1000, IN_A_ROW_MAX = 8 };

struct hop {
    struct intake *in;
    struct source *source;
    struct record *record; // owned
    uint64_t seq;
    int64_t due_ms;
    struct parcel parcel;
    struct loop_timer *again; // owned; NULL until a second try is needed
    struct hop *prev, *next;  // in the list of those under way, or next of the free ones
};

static void look_again_at(struct intake *in, int64_t due_ms)
{
    if (due_ms < in->next_due_ms)
        in->next_due_ms = due_ms;
}

// ---- hops --------------------------------------------------------------------------------------------------------

static void hop_send(struct hop *h);

static void on_hop_again(void *arg)
{
    hop_send(arg);
}

static void hop_later(struct hop *h)
{
    if (h->again == NULL)
        h->again = loop_timer_new(h->in->loop, on_hop_again, h);
    loop_timer_in(h->again, HOP_AGAIN_MS);
}

static void hop_end(struct hop *h)
{
    struct intake *in = h->in;
    in->hop_bytes -= h->record->bytes;
    record_free(h->record);
    loop_timer_free(h->again);
    if (h->prev != NULL)
        h->prev->next = h->next;
    else
        in->first_hop = h->next;
    if (h->next != NULL)
        h->next->prev = h->prev;
    in->hops--;
    *h = (struct hop){ .next = in->spare_hops };
    in->spare_hops = h;
}

static void on_hop_receipt(void *arg, bool acknowledged)
{
    struct hop *h = arg;
    struct intake *in = h->in;
    if (!acknowledged) {
        hop_later(h);
        return;
    }
    source_finish(h->source, h->seq);
    hop_end(h);
    in->dirty = true;
}

static void hop_send(struct hop *h)
{
    struct intake *in = h->in;
    struct deliveries *d = in->deliveries;
    int tier = tiers_pick(&in->config->tiers, h->due_ms - deliveries_now_ms(d));
    headers_reset(&d->headers);
    for (size_t i = 0; i < h->record->header_count; i++)
        headers_add_slice(&d->headers, h->record->headers[i].name, h->record->headers[i].value);
    struct broker_message m = {
        .topic = in->config->topics.retry[tier],
        .partition = -1,
        .key = h->record->has_key ? h->record->key : (struct slice){ NULL, 0 },
        .value = h->record->has_value ? h->record->value : (struct slice){ NULL, 0 },
        .headers = &d->headers,
    };
    h->parcel = (struct parcel){ .cb = on_hop_receipt, .arg = h };
    if (!post_record(in->post, &m, &h->parcel)) {
        hop_later(h);
        return;
    }
    meter_count1(in->meters->belt_hops, in->config->tiers.list[tier].name);
}

static void hop_start(struct intake *in, struct source *s, struct record *r, int64_t due_ms)
{
    struct hop *h = in->spare_hops;
    if (h != NULL)
        in->spare_hops = h->next;
    else
        h = xcalloc(1, sizeof *h);
    *h = (struct hop){ .in = in, .source = s, .record = r, .seq = intake_track(s, r), .due_ms = due_ms,
                       .next = in->first_hop };
    if (h->next != NULL)
        h->next->prev = h;
    in->first_hop = h;
    in->hops++;
    in->hop_bytes += r->bytes;
    hop_send(h);
}

// ---- heads -------------------------------------------------------------------------------------------------------

// When a record has to be looked at next: its sf-due, or at once when it has none that can be read.
static int64_t due_of(const struct record *r)
{
    struct slice text = record_header(r, "sf-due");
    int64_t due_ms = 0;
    if (text.ptr == NULL || text.len == 0 || text.len > 15)
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return 0;
        due_ms = due_ms * 10 + (text.ptr[i] - '0');
    }
    return due_ms;
}

static bool fetch_head(struct source *s)
{
    if (s->head == NULL && s->maybe_more) {
        s->head = broker_partition_next(s->partition);
        s->maybe_more = s->head != NULL;
    }
    return s->head != NULL;
}

// True when the head was moved on and the next one can be looked at.
static bool move_head(struct intake *in, struct source *s, int64_t now_ms)
{
    struct record *r = s->head;
    int64_t ride_ends_ms = r->timestamp_ms + in->config->tiers.list[s->tier].length_ms;
    if (now_ms < ride_ends_ms) {
        look_again_at(in, ride_ends_ms);
        return false;
    }
    int64_t due_ms = due_of(r), remaining_ms = due_ms - now_ms;
    if (!intake_window_has_room(in, s))
        return false;
    if (remaining_ms <= 0) {
        if (!budget_has_room(&in->deliveries->budget, LANE_RETRY))
            return false;
        s->head = NULL;
        deliveries_take(in->deliveries, r, s, intake_track(s, r));
        return true;
    }
    if (tiers_is_short(&in->config->tiers, remaining_ms)) {
        if (in->heap.bytes + r->bytes > (size_t)in->config->worker.due_heap_bytes)
            return false;
        s->head = NULL;
        dueheap_push(&in->heap, &(struct dueheap_item){ due_ms, r, s, intake_track(s, r) });
        look_again_at(in, due_ms);
        return true;
    }
    if (in->hops >= HOPS_MAX || in->hop_bytes >= HOPS_BYTES_MAX)
        return false;
    s->head = NULL;
    hop_start(in, s, r, due_ms);
    return true;
}

static void take_from_heap(struct intake *in, int64_t now_ms)
{
    const struct dueheap_item *top;
    while ((top = dueheap_top(&in->heap)) != NULL) {
        if (top->due_ms > now_ms) {
            look_again_at(in, top->due_ms);
            return;
        }
        if (!budget_has_room(&in->deliveries->budget, LANE_RETRY))
            return;
        struct dueheap_item item = dueheap_pop(&in->heap);
        deliveries_take(in->deliveries, item.record, item.source, item.seq);
    }
}

// A few from each belt, so that one with many due does not take every slot. False: nothing more can be moved now.
static bool move_some(struct intake *in, int64_t now_ms)
{
    bool any = false;
    for (struct source *s = in->belts; s != NULL; s = s->next)
        for (int i = 0; i < IN_A_ROW_MAX && s->state == SOURCE_OPEN && fetch_head(s) && move_head(in, s, now_ms); i++)
            any = true;
    return any;
}

void belts_turn(struct intake *in)
{
    int64_t now_ms = deliveries_now_ms(in->deliveries);
    in->next_due_ms = INT64_MAX;
    take_from_heap(in, now_ms);
    while (move_some(in, now_ms))
        continue;
    take_from_heap(in, now_ms);
    if (in->next_due_ms != INT64_MAX)
        loop_timer_in(in->wake, in->next_due_ms - now_ms);
}

void belts_drop(struct intake *in, struct source *s)
{
    record_free(s->head);
    s->head = NULL;
    size_t before = in->heap.count;
    dueheap_drop(&in->heap, s);
    s->outstanding -= before - in->heap.count;
}

void belts_clear(struct intake *in)
{
    dueheap_clear(&in->heap);
    while (in->first_hop != NULL) {
        struct hop *h = in->first_hop;
        source_abandon(h->source);
        hop_end(h);
    }
    while (in->spare_hops != NULL) {
        struct hop *h = in->spare_hops;
        in->spare_hops = h->next;
        free(h);
    }
}
