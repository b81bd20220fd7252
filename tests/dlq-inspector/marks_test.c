// SPDX-License-Identifier: Apache-2.0
// What became of letters, as their log says.
#include "dlq-inspector/marks.h"
#include "tests/dlq-inspector/fixture.h"

static void add(struct marks *m, const char *key, const char *value)
{
    marks_add(m, slice_of(key), slice_of(value));
}

static void the_log_is_read(void **state)
{
    (void)state;
    struct marks m = { 0 };
    add(&m, "a/0", "{\"v\":1,\"action\":\"replayed\",\"at\":5,\"by\":\"ada@ops\",\"reason\":\"why \\\"so\\\"\"}");
    add(&m, "b/0", "{\"v\":1,\"action\":\"discarded\",\"at\":6,\"by\":\"ada@ops\"}");
    add(&m, "c/0", "{\"v\":1,\"action\":\"replayed\",\"at\":7}");
    add(&m, "c/0", NULL); // taken back
    add(&m, "d/0", "{\"v\":1,\"action\":\"burnt\",\"at\":8}");
    add(&m, "e/0", "no JSON");
    const struct mark *a = marks_find(&m, "a/0"), *b = marks_find(&m, "b/0");
    assert_non_null(a);
    assert_non_null(b);
    expect_int("what was done", a->action, MARK_REPLAYED);
    expect_int("when", a->at_ms, 5);
    expect_text("why", slice_of(a->reason), "why \"so\"");
    expect_int("the other one", b->action, MARK_DISCARDED);
    if (a->by != b->by)
        fail_msg("got two copies of the same name, want one shared by all marks");
    assert_null(marks_find(&m, "a/1")); // another generation is another letter
    assert_null(marks_find(&m, "c/0"));
    assert_null(marks_find(&m, "d/0"));
    assert_null(marks_find(&m, "e/0"));
    marks_clear(&m);
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    struct marks m = { 0 };
    struct buf value = { 0 };
    const struct mark mark = { .action = MARK_REPLAYED, .at_ms = NOW_MS, .by = "ada@ops", .reason = "outage over" };
    mark_format(&mark, &(struct mark_place){ "sendfleet.dlq", 1, 7 }, &(struct mark_place){ "sendfleet.main", 2, 9 }, &value);
    expect_text("the value of a mark", buf_slice(&value),
                "{\"v\":1,\"action\":\"replayed\",\"at\":1700000000000,\"by\":\"ada@ops\",\"reason\":\"outage over\","
                "\"letter\":{\"topic\":\"sendfleet.dlq\",\"partition\":1,\"offset\":7},"
                "\"record\":{\"topic\":\"sendfleet.main\",\"partition\":2,\"offset\":9}}");
    marks_add(&m, SLICE("j/0"), buf_slice(&value));
    expect_int("marks of letters still kept", marks_count(&m, 1, 7), 1);
    expect_int("marks of letters passed by retention", marks_count(&m, 1, 8), 0);
    expect_int("marks of another partition", marks_count(&m, 0, 0), 0);
    const struct mark *got = marks_find(&m, "j/0");
    assert_non_null(got);
    expect_text("by", slice_of(got->by), "ada@ops");
    marks_clear(&m);
    buf_clear(&value);
}

static void many_marks(void **state)
{
    (void)state;
    struct marks m = { 0 };
    char key[32];
    enum { MANY = 20000 };
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "job-%d/0", i);
        add(&m, key, i % 2 == 0 ? "{\"action\":\"replayed\",\"at\":1}" : "{\"action\":\"discarded\",\"at\":1}");
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "job-%d/0", i);
        const struct mark *mark = marks_find(&m, key);
        if (mark == NULL || mark->action != (i % 2 == 0 ? MARK_REPLAYED : MARK_DISCARDED))
            fail_msg("%s: got %s, want its own mark", key, mark == NULL ? "none" : mark_action_name(mark->action));
    }
    marks_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_is_read),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(many_marks),
    };
    return cmocka_run_group_tests_name("marks", tests, NULL, NULL);
}
