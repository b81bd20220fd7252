// SPDX-License-Identifier: Apache-2.0
#include "producer/progress.h"
#include "producer/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void every_result_is_one_line_with_all_members(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t line;
        struct sendfleet_result result;
        const char *want;
    } cases[] = {
        { "a published job has its place", 7,
          { .status = SENDFLEET_PUBLISHED, .id = "a", .idempotency_key = "k", .topic = "t", .partition = 0, .offset = 0 },
          "{\"line\":7,\"status\":\"published\",\"id\":\"a\",\"idempotency_key\":\"k\",\"topic\":\"t\",\"partition\":0,"
          "\"offset\":0,\"error\":null}\n" },
        { "a refused line has a reason and nulls", 1,
          { .status = SENDFLEET_REFUSED, .id = "", .idempotency_key = "", .topic = "", .partition = -1, .offset = -1,
            .error = "to: has no '@'" },
          "{\"line\":1,\"status\":\"refused\",\"id\":null,\"idempotency_key\":null,\"topic\":null,\"partition\":null,"
          "\"offset\":null,\"error\":\"to: has no '@'\"}\n" },
        { "without a line there is no such member", 0,
          { .status = SENDFLEET_FAILED, .id = "a", .idempotency_key = "k", .topic = "t", .partition = -1, .offset = -1,
            .error = "no broker" },
          "{\"status\":\"failed\",\"id\":\"a\",\"idempotency_key\":\"k\",\"topic\":\"t\",\"partition\":null,"
          "\"offset\":null,\"error\":\"no broker\"}\n" },
        { "what a publisher wrote is escaped", 1,
          { .status = SENDFLEET_REFUSED, .id = "a\"b\\", .idempotency_key = NULL, .topic = NULL, .partition = -1,
            .offset = -1, .error = "line\nbreak" },
          "{\"line\":1,\"status\":\"refused\",\"id\":\"a\\\"b\\\\\",\"idempotency_key\":null,\"topic\":null,"
          "\"partition\":null,\"offset\":null,\"error\":\"line\\nbreak\"}\n" },
    };
    struct buf got = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_reset(&got);
        result_put(&got, cases[i].line, &cases[i].result);
        if (!slice_is(buf_slice(&got), cases[i].want))
            fail_msg("%s: got %.*s, want %s", cases[i].name, (int)got.len, got.data, cases[i].want);
    }
    buf_clear(&got);
}

static void progress_shows_a_bar_where_the_size_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct progress_counts counts;
        const char *want;
    } cases[] = {
        { "half of a file", { .published = 500, .under_way = 3, .bytes = 50, .total_bytes = 100 },
          "\r\033[K[############............]  50 %  500 published, 3 under way  250/s\n" },
        { "a pipe", { .published = 10, .refused = 2, .failed = 1, .bytes = 50, .total_bytes = -1 },
          "\r\033[K10 published, 2 refused, 1 failed  5/s\n" },
        { "a file that has grown", { .published = 10, .bytes = 150, .total_bytes = 100 },
          "\r\033[K[########################] 100 %  10 published  5/s\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char got[256] = "";
        FILE *out = fmemopen(got, sizeof got, "w");
        struct progress p = { .shown = true, .started_ms = 1000 };
        progress_finish(&p, out, 3000, &cases[i].counts);
        fclose(out);
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", cases[i].name, got, cases[i].want);
    }
}

static void progress_is_drawn_five_times_a_second_at_most(void **state)
{
    (void)state;
    char *got = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&got, &size);
    struct progress p = { .shown = true, .started_ms = 1000 }, hidden = { .started_ms = 1000 };
    struct progress_counts none = { .total_bytes = -1 };
    for (int64_t now_ms = 1000; now_ms < 2000; now_ms += 10) {
        progress_draw(&p, out, now_ms, &none);
        progress_draw(&hidden, out, now_ms, &none);
    }
    fclose(out);
    int drawn = 0;
    for (size_t i = 0; i < size; i++)
        drawn += got[i] == '\r';
    if (drawn != 5)
        fail_msg("got it drawn %d times in a second, want 5", drawn);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_result_is_one_line_with_all_members),
        cmocka_unit_test(progress_shows_a_bar_where_the_size_is_known),
        cmocka_unit_test(progress_is_drawn_five_times_a_second_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
