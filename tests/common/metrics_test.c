// SPDX-License-Identifier: Apache-2.0
#include "common/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void expect_text(const struct metrics *m, const char *want)
{
    struct buf out = { 0 };
    metrics_print(m, &out);
    const char *got = out.data != NULL ? out.data : "";
    if (strcmp(got, want) != 0)
        fail_msg("got:\n%s\nwant:\n%s", got, want);
    buf_clear(&out);
}

static void counters_and_gauges_print_with_help_and_type_once(void **state)
{
    (void)state;
    struct metrics *m = metrics_new("sendfleet_");
    struct metric_family *jobs = metrics_family(m, METRIC_COUNTER, "jobs_total", "Jobs by end.", "outcome,route", NULL);
    struct metric_family *up = metrics_family(m, METRIC_GAUGE, "store_up", "1 = Redis answers.", "", NULL);
    struct metric *sent = metric_child(jobs, (const char *const[]){ "accepted", "default" });
    metric_add(sent, 2);
    metric_add(metric_child(jobs, (const char *const[]){ "dead", "default" }), 1);
    metric_add(metric_child(jobs, (const char *const[]){ "accepted", "default" }), 1);
    expect_text(m, "# HELP sendfleet_jobs_total Jobs by end.\n"
                   "# TYPE sendfleet_jobs_total counter\n"
                   "sendfleet_jobs_total{outcome=\"accepted\",route=\"default\"} 3\n"
                   "sendfleet_jobs_total{outcome=\"dead\",route=\"default\"} 1\n"
                   "# HELP sendfleet_store_up 1 = Redis answers.\n"
                   "# TYPE sendfleet_store_up gauge\n"
                   "sendfleet_store_up 0\n");
    assert_true(metric_value(sent) > 2.9 && metric_value(sent) < 3.1);
    metric_set(metric_child(up, NULL), 1);
    metric_add(metric_child(up, NULL), -0.25);
    assert_true(metric_value(metric_child(up, NULL)) == 0.75);
    metrics_free(m);
}

static void a_histogram_prints_cumulative_buckets_sum_and_count(void **state)
{
    (void)state;
    struct metrics *m = metrics_new("s_");
    static const double bounds[] = { 0.1, 1, 2.5, 0 };
    struct metric_family *f = metrics_family(m, METRIC_HISTOGRAM, "attempt_seconds", "How long.", "provider", bounds);
    struct metric *h = metric_child(f, (const char *const[]){ "smtp" });
    static const double seen[] = { 0.05, 0.1, 0.5, 2.5, 7 }; // a bound itself belongs to its bucket
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++)
        metric_observe(h, seen[i]);
    expect_text(m, "# HELP s_attempt_seconds How long.\n"
                   "# TYPE s_attempt_seconds histogram\n"
                   "s_attempt_seconds_bucket{provider=\"smtp\",le=\"0.1\"} 2\n"
                   "s_attempt_seconds_bucket{provider=\"smtp\",le=\"1\"} 3\n"
                   "s_attempt_seconds_bucket{provider=\"smtp\",le=\"2.5\"} 4\n"
                   "s_attempt_seconds_bucket{provider=\"smtp\",le=\"+Inf\"} 5\n"
                   "s_attempt_seconds_sum{provider=\"smtp\"} 10.15\n"
                   "s_attempt_seconds_count{provider=\"smtp\"} 5\n");
    assert_int_equal((int)metric_value(h), 5);
    metrics_free(m);
}

static void a_histogram_without_labels_shows_from_the_start(void **state)
{
    (void)state;
    struct metrics *m = metrics_new("");
    metrics_family(m, METRIC_HISTOGRAM, "late", "x", "", (const double[]){ 1, 0 });
    expect_text(m, "# HELP late x\n# TYPE late histogram\n"
                   "late_bucket{le=\"1\"} 0\nlate_bucket{le=\"+Inf\"} 0\nlate_sum 0\nlate_count 0\n");
    metrics_free(m);
}

static void text_from_outside_is_escaped(void **state)
{
    (void)state;
    struct metrics *m = metrics_new("");
    struct metric_family *f = metrics_family(m, METRIC_GAUGE, "g", "a \\ b\nc \"d\"", "l", NULL);
    metric_set(metric_child(f, (const char *const[]){ "q\"b\\n\nü\xff" }), 0.1);
    expect_text(m, "# HELP g a \\\\ b\\nc \"d\"\n# TYPE g gauge\n"
                   "g{l=\"q\\\"b\\\\n\\nü\xef\xbf\xbd\"} 0.1\n");
    metrics_free(m);
}

static void a_family_has_bounded_children_and_the_rest_is_other(void **state)
{
    (void)state;
    struct metrics *m = metrics_new("");
    struct metric_family *f = metrics_family(m, METRIC_COUNTER, "c", "x", "a,b", NULL);
    struct metric *first = NULL;
    for (int i = 0; i < METRIC_CHILDREN_MAX + 50; i++) {
        char value[16];
        snprintf(value, sizeof value, "v%d", i);
        struct metric *child = metric_child(f, (const char *const[]){ value, "x" });
        metric_add(child, 1);
        first = first == NULL ? child : first;
    }
    struct metric *other = metric_child(f, (const char *const[]){ "other", "other" });
    assert_int_equal((int)metric_value(other), 50);
    assert_ptr_equal(metric_child(f, (const char *const[]){ "v0", "x" }), first);
    assert_int_equal((int)metric_value(first), 1);
    metrics_free(m);
}

static void declaring_a_family_twice_gives_the_same_one(void **state)
{
    (void)state;
    struct metrics *m = metrics_new("p_");
    struct metric_family *f = metrics_family(m, METRIC_COUNTER, "c", "x", "a", NULL);
    assert_ptr_equal(metrics_family(m, METRIC_COUNTER, "c", "x", "a", NULL), f);
    assert_ptr_not_equal(metrics_family(m, METRIC_COUNTER, "d", "x", "a", NULL), f);
    metrics_free(m);
}

static void a_long_value_is_cut_and_found_again(void **state)
{
    (void)state;
    struct metrics *m = metrics_new("");
    struct metric_family *f = metrics_family(m, METRIC_COUNTER, "c", "x", "a", NULL);
    char value[400];
    memset(value, 'a', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    struct metric *child = metric_child(f, (const char *const[]){ value });
    assert_ptr_equal(metric_child(f, (const char *const[]){ value }), child);
    metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_print_with_help_and_type_once),
        cmocka_unit_test(a_histogram_prints_cumulative_buckets_sum_and_count),
        cmocka_unit_test(a_histogram_without_labels_shows_from_the_start),
        cmocka_unit_test(text_from_outside_is_escaped),
        cmocka_unit_test(a_family_has_bounded_children_and_the_rest_is_other),
        cmocka_unit_test(declaring_a_family_twice_gives_the_same_one),
        cmocka_unit_test(a_long_value_is_cut_and_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
