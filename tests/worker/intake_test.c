// SPDX-License-Identifier: Apache-2.0
// Which record is taken next: lanes and partitions in turn, belts on time, partitions given back with nothing lost.
#include "tests/worker/delivery_fixture.h"

#include "worker/census.h"
#include "worker/intake.h"

// ---- a pretended group -------------------------------------------------------------------------------------------

static struct broker_consumer_events group; // the same for both handles
static struct intake in;
static struct broker_partition parts[8];
static int part_count;

bool broker_consumer_new(struct broker_consumer **c, const struct config *config, const struct broker_consumer_options *o,
                         const struct broker_consumer_events *events, struct err *e)
{
    (void)config;
    (void)o;
    (void)e;
    group = *events;
    *c = NULL;
    return true;
}

int broker_consumer_fd(const struct broker_consumer *c)
{
    (void)c;
    return -1;
}

void broker_consumer_poll(struct broker_consumer *c)
{
    (void)c;
}

const char *broker_consumer_fatal(const struct broker_consumer *c)
{
    (void)c;
    return NULL;
}

void broker_consumer_close(struct broker_consumer *c)
{
    (void)c;
}

bool broker_consumer_closed(const struct broker_consumer *c)
{
    (void)c;
    return true;
}

void broker_consumer_free(struct broker_consumer *c)
{
    (void)c;
}

void broker_partition_set_owner(struct broker_partition *p, void *owner)
{
    p->owner = owner;
}

void *broker_partition_owner(const struct broker_partition *p)
{
    return p->owner;
}

struct record *broker_partition_next(struct broker_partition *p)
{
    if (p->first == p->count)
        return NULL;
    return p->queue[p->first++];
}

struct loop_watch *loop_watch_new(struct loop *l, int fd, int what, loop_watch_cb cb, void *arg)
{
    (void)l;
    (void)fd;
    (void)what;
    (void)cb;
    (void)arg;
    return NULL;
}

void loop_watch_free(struct loop_watch *watch)
{
    (void)watch;
}

int64_t census_high(struct census *c, const char *topic, int32_t id)
{
    (void)c;
    (void)topic;
    (void)id;
    return 25;
}

static struct broker_partition *assigned(const char *topic)
{
    struct broker_partition *p = &parts[part_count++];
    *p = (struct broker_partition){ .topic = topic };
    group.on_assigned(group.arg, p);
    return p;
}

// A job arrives on a partition, stamped now; due_ms in broker time, 0 = none.
static void arrives(struct broker_partition *p, const char *id, int64_t due_ms)
{
    char value[300], due[24];
    snprintf(value, sizeof value, "{\"v\":1,\"id\":\"%s\",\"idempotency_key\":\"%s\",\"route\":\"default\",\"from\":\"a@example.com\","
                                  "\"to\":\"b@example.com\",\"subject\":\"s\",\"text\":\"t\"}", id, id);
    snprintf(due, sizeof due, "%lld", (long long)due_ms);
    struct header list[] = { { SLICE("sf-due"), slice_of(due) }, { SLICE("mine"), SLICE("kept") } };
    struct record shape = { .topic = p->topic, .offset = p->count, .timestamp_ms = broker_now_ms(), .has_value = true,
                            .value = slice_of(value) };
    p->queue[p->count++] = record_new(&shape, due_ms > 0 ? list : NULL, due_ms > 0 ? 2 : 0);
}

static void turn(void)
{
    intake_poll(&in);
    intake_turn(&in);
}

static const char *belt(int tier)
{
    return w.config.topics.retry[tier];
}

static struct source *source_of(const struct broker_partition *p)
{
    return p->owner;
}

static void on_room(void *arg)
{
    intake_poke(arg);
}

static int intake_begins(void **state)
{
    struct err e;
    world_begins(state);
    part_count = 0;
    w.all.on_room = on_room;
    w.all.on_room_arg = &in;
    assert_true(intake_open(&in, &w.config, NULL, &w.all, &w.post, &e));
    intake_set_open(&in, true);
    return 0;
}

static int intake_ends(void **state)
{
    deliveries_clear(&w.all);
    intake_clear(&in);
    w.asked = 0;
    for (int i = 0; i < part_count; i++)
        while (parts[i].first < parts[i].count)
            record_free(parts[i].queue[parts[i].first++]);
    w.all = (struct deliveries){ 0 };
    return world_ends(state);
}

// Lets time pass as the loop does: the timer first, then the turn's end.
static void pass_in_turns(int64_t ms)
{
    for (int64_t i = 0; i < ms; i++) {
        pass(1);
        intake_turn(&in);
    }
}

// ---- in turn -----------------------------------------------------------------------------------------------------

// Ends the oldest job that runs, whichever it is.
static void one_slot_comes_free(void)
{
    redis_finds(ASKED_CLAIM, DEDUP_STALE, "", 0);
}

static int taken_of(const struct broker_partition *p)
{
    return p->first - (source_of(p)->head != NULL ? 1 : 0);
}

static void partitions_of_a_lane_take_turns_when_slots_are_few(void **state)
{
    (void)state;
    struct broker_partition *a = assigned(w.config.topics.fixed[TOPIC_MAIN]), *b = assigned(w.config.topics.fixed[TOPIC_MAIN]);
    char id[16];
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof id, "a%d", i);
        arrives(a, id, 0);
        snprintf(id, sizeof id, "b%d", i);
        arrives(b, id, 0);
    }
    for (int i = 0; i < 30; i++) {
        turn();
        one_slot_comes_free();
    }
    if (abs(taken_of(a) - taken_of(b)) > 3)
        fail_msg("got %d of one partition and %d of the other, want about as many", taken_of(a), taken_of(b));
}

static void a_belt_with_many_due_does_not_hold_up_another(void **state)
{
    (void)state;
    struct broker_partition *flood = assigned(belt(0)), *other = assigned(belt(1));
    char id[16];
    arrives(other, "o", broker_now_ms() + 5000);
    pass(4000);
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof id, "f%d", i);
        arrives(flood, id, broker_now_ms() + 1000);
    }
    pass(1000);
    for (int i = 0; i < 12 && taken_of(other) == 0; i++) {
        turn();
        one_slot_comes_free();
    }
    assert_int_equal(taken_of(other), 1);
}

static void a_slot_is_left_for_what_is_critical(void **state)
{
    (void)state;
    struct broker_partition *normal = assigned(w.config.topics.fixed[TOPIC_MAIN]), *retry = assigned(belt(0));
    char id[16];
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "n%d", i);
        arrives(normal, id, 0);
        snprintf(id, sizeof id, "r%d", i);
        arrives(retry, id, broker_now_ms() + 1000);
    }
    pass(1000);
    turn();
    size_t before = w.all.count;
    struct broker_partition *critical = assigned(w.config.topics.fixed[TOPIC_MAIN_CRITICAL]);
    arrives(critical, "c", 0);
    turn();
    assert_int_equal(w.all.count, before + 1);
}

// ---- on time -----------------------------------------------------------------------------------------------------

static void a_retry_starts_when_it_is_due_and_not_before(void **state)
{
    static const int64_t DELAYS_MS[] = { 1000, 1049, 1700, 1999 };
    (void)state;
    struct broker_partition *p = assigned(belt(0));
    char id[16];
    for (size_t i = 0; i < sizeof DELAYS_MS / sizeof DELAYS_MS[0]; i++) {
        int64_t due_ms = broker_now_ms() + DELAYS_MS[i];
        snprintf(id, sizeof id, "j%zu", i);
        arrives(p, id, due_ms);
        turn();
        pass_in_turns(DELAYS_MS[i] - 1);
        assert_int_equal(w.asked, 0);
        pass_in_turns(1);
        assert_int_equal(w.asked, 1);
        one_slot_comes_free();
    }
    assert_int_equal(w.stored, 4);
}

static void what_is_due_later_hops_onto_a_shorter_belt_untouched(void **state)
{
    (void)state;
    struct broker_partition *p = assigned(belt(1));
    int64_t due_ms = broker_now_ms() + 5000 + 1800;
    char due[24];
    snprintf(due, sizeof due, "%lld", (long long)due_ms);
    arrives(p, "j", due_ms);
    pass(5000);
    turn();
    assert_int_equal(w.posts, 1);
    assert_string_equal(w.posted[0].topic, belt(0));
    assert_string_equal(header_of(&w.posted[0], "sf-due"), due);
    assert_string_equal(header_of(&w.posted[0], "mine"), "kept");
    assert_false(w.posted[0].record->has_key);
    kafka_answers(&w.posted[0], false);
    assert_int_equal(w.stored, -1);
    pass(1000);
    assert_int_equal(w.posts, 2);
    kafka_answers(&w.posted[1], true);
    assert_int_equal(w.stored, 1);
    assert_int_equal(in.hops, 0);
}

static void a_full_heap_holds_the_belt_and_loses_nothing(void **state)
{
    (void)state;
    struct broker_partition *p = assigned(belt(0));
    char id[16];
    for (int i = 0; i < 4; i++) {
        snprintf(id, sizeof id, "j%d", i);
        arrives(p, id, broker_now_ms() + 1500 + i * 10);
    }
    w.config.worker.due_heap_bytes = (int64_t)p->queue[0]->bytes + 100;
    turn();
    pass_in_turns(1530);
    assert_int_equal(w.asked, 4);
    for (int i = 0; i < 4; i++)
        one_slot_comes_free();
    assert_int_equal(w.stored, 4);
}

static void nothing_is_taken_while_closed(void **state)
{
    (void)state;
    struct broker_partition *p = assigned(belt(0)), *m = assigned(w.config.topics.fixed[TOPIC_MAIN]);
    arrives(p, "r", broker_now_ms() + 1000);
    arrives(m, "m", 0);
    intake_set_open(&in, false);
    pass_in_turns(3000);
    assert_int_equal(w.asked, 0);
    intake_set_open(&in, true);
    pass_in_turns(1);
    assert_int_equal(w.asked, 2);
}

// ---- giving back -------------------------------------------------------------------------------------------------

static void a_revoked_belt_forgets_what_it_held_and_waits_for_what_runs(void **state)
{
    (void)state;
    struct broker_partition *p = assigned(belt(0));
    arrives(p, "runs", broker_now_ms() + 1000);
    arrives(p, "heap", broker_now_ms() + 1500);
    turn();
    pass_in_turns(1001);
    arrives(p, "head", broker_now_ms() + 1000);
    turn();
    assert_int_equal(w.asked, 1);
    assert_int_equal(in.heap.count, 1);
    group.on_revoked(group.arg, p);
    assert_int_equal(in.heap.count, 0);
    turn();
    assert_int_equal(w.released, 0);
    one_slot_comes_free();
    turn();
    assert_int_equal(w.released, 1);
    assert_int_equal(w.stored, 1); // the one in the heap and the head are the next owner's
}

static void a_lost_partition_stores_nothing_any_more(void **state)
{
    (void)state;
    struct broker_partition *p = assigned(w.config.topics.fixed[TOPIC_MAIN]);
    arrives(p, "j", 0);
    turn();
    group.on_lost(group.arg, p);
    one_slot_comes_free();
    assert_int_equal(w.stored, -1);
    assert_int_equal(w.released, 0);
}

static void what_stands_in_line_goes_with_its_partition(void **state)
{
    (void)state;
    w.config.worker.max_inflight = 40;
    w.all.budget.max_inflight = 40;
    for (int lost = 0; lost < 2; lost++) {
        struct broker_partition *p = assigned(w.config.topics.fixed[TOPIC_MAIN]);
        char id[16];
        for (int i = 0; i < 20; i++) {
            snprintf(id, sizeof id, "j%d.%d", lost, i);
            arrives(p, id, 0);
        }
        turn();
        assert_int_equal(w.all.count, 20);
        int claimed = w.asked;
        assert_in_range(claimed, 1, 19);
        if (lost)
            group.on_lost(group.arg, p);
        else
            group.on_revoked(group.arg, p);
        assert_int_equal(w.all.count, claimed);
        while (w.asked > 0)
            one_slot_comes_free();
        assert_int_equal(w.all.count, 0);
        turn();
    }
    assert_int_equal(w.released, 1);
}

static void the_lag_counts_what_was_not_read(void **state)
{
    (void)state;
    struct broker_partition *p = assigned(w.config.topics.fixed[TOPIC_MAIN]);
    char id[16];
    struct buf out = { 0 };
    for (int i = 0; i < 12; i++) {
        snprintf(id, sizeof id, "j%d", i);
        arrives(p, id, 0);
    }
    turn();
    one_slot_comes_free();
    intake_measure(&in, NULL);
    metrics_print(w.meters.registry, &out);
    assert_non_null(strstr(out.data, "sendfleet_offset_lag{topic=\"t.main\",partition=\"0\"} 24"));
    group.on_lost(group.arg, p);
    buf_reset(&out);
    intake_measure(&in, NULL);
    metrics_print(w.meters.registry, &out);
    assert_non_null(strstr(out.data, "sendfleet_offset_lag{topic=\"t.main\",partition=\"0\"} 0")); // another's now
    buf_clear(&out);
}

static void hops_under_way_at_the_end_are_let_go(void **state)
{
    (void)state; // the sanitizer counts what is left
    struct broker_partition *p = assigned(belt(1));
    arrives(p, "j", broker_now_ms() + 5000 + 1800);
    pass(5000);
    turn();
    kafka_answers(&w.posted[0], false);
    assert_int_equal(source_of(p)->outstanding, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, intake_begins, intake_ends)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(partitions_of_a_lane_take_turns_when_slots_are_few),
        CASE(a_belt_with_many_due_does_not_hold_up_another),
        CASE(a_slot_is_left_for_what_is_critical),
        CASE(a_retry_starts_when_it_is_due_and_not_before),
        CASE(what_is_due_later_hops_onto_a_shorter_belt_untouched),
        CASE(a_full_heap_holds_the_belt_and_loses_nothing),
        CASE(nothing_is_taken_while_closed),
        CASE(a_revoked_belt_forgets_what_it_held_and_waits_for_what_runs),
        CASE(a_lost_partition_stores_nothing_any_more),
        CASE(what_stands_in_line_goes_with_its_partition),
        CASE(the_lag_counts_what_was_not_read),
        CASE(hops_under_way_at_the_end_are_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
