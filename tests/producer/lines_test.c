// SPDX-License-Identifier: Apache-2.0
#include "producer/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { MAX_LEN = 8 };

// Reads all of it and writes down what came: "1:one|3:TOO LONG|", the numbers are those of the lines.
static void transcribe(struct lines *l, struct buf *out)
{
    struct slice line;
    struct err e;
    for (;;) {
        switch (lines_next(l, &line)) {
        case LINES_LINE:
            buf_printf(out, "%lld:%.*s|", (long long)l->number, (int)line.len, line.ptr);
            break;
        case LINES_TOO_LONG:
            buf_printf(out, "%lld:TOO LONG|", (long long)l->number);
            break;
        case LINES_MORE:
            assert_true(lines_fill(l, &e));
            break;
        case LINES_END:
            return;
        }
    }
}

static char *write_file(const char *bytes, size_t len)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/lines_test.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
    return path;
}

static const struct {
    const char *name, *text, *want;
} CASES[] = {
    { "an empty file has no lines", "", "" },
    { "lines are numbered from one", "one\ntwo\n", "1:one|2:two|" },
    { "the last line needs no line end", "one\ntwo", "1:one|2:two|" },
    { "blank lines are passed over but counted", "\n \t\none\n\r\n\ntwo\n\n", "3:one|6:two|" },
    { "a carriage return before the line end is dropped", "one\r\ntwo\r", "1:one|2:two|" },
    { "only one carriage return is", "one\r\r\n", "1:one\r|" },
    { "a byte order mark is dropped from the first line", "\xEF\xBB\xBFone\n\xEF\xBB\xBFtwo\n", "1:one|2:\xEF\xBB\xBFtwo|" },
    { "a byte order mark alone is a blank line", "\xEF\xBB\xBF\none\n", "2:one|" },
    { "a line of the greatest length is taken", "12345678\n", "1:12345678|" },
    { "its carriage return and byte order mark do not count", "\xEF\xBB\xBF" "12345678\r\n", "1:12345678|" },
    { "a longer line is named and the next one taken", "one\n123456789\ntwo\n", "1:one|2:TOO LONG|3:two|" },
    { "a longer line may be the last", "one\n123456789", "1:one|2:TOO LONG|" },
    { "spaces make a line too long, too", "         \none\n", "1:TOO LONG|2:one|" },
};

static void every_line_comes_once_with_its_number(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct lines l;
        struct err e = { 0 };
        struct buf got = { 0 };
        char *path = write_file(CASES[i].text, strlen(CASES[i].text));
        assert_true(lines_open(&l, path, MAX_LEN, &e));
        transcribe(&l, &got);
        if (!slice_is(buf_slice(&got), CASES[i].want))
            fail_msg("%s: got \"%.*s\", want \"%s\"", CASES[i].name, (int)got.len, got.data, CASES[i].want);
        assert_int_equal(l.bytes, strlen(CASES[i].text));
        assert_int_equal(l.total_bytes, strlen(CASES[i].text));
        lines_close(&l);
        unlink(path);
        buf_clear(&got);
    }
}

// The same through a pipe, a byte at a time: where a read ends must not matter.
static void where_a_read_ends_does_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int ends[2];
        struct err e = { 0 };
        struct buf got = { 0 };
        assert_int_equal(pipe(ends), 0);
        struct lines l = { .fd = ends[0], .max_len = MAX_LEN, .total_bytes = -1, .name = "a pipe" };
        for (const char *c = CASES[i].text; *c != '\0'; c++) {
            struct slice line;
            enum lines_result r = lines_next(&l, &line);
            for (; r != LINES_MORE; r = lines_next(&l, &line)) {
                if (r == LINES_LINE)
                    buf_printf(&got, "%lld:%.*s|", (long long)l.number, (int)line.len, line.ptr);
                else
                    buf_printf(&got, "%lld:TOO LONG|", (long long)l.number);
            }
            assert_int_equal(write(ends[1], c, 1), 1);
            assert_true(lines_fill(&l, &e));
        }
        close(ends[1]);
        transcribe(&l, &got);
        if (!slice_is(buf_slice(&got), CASES[i].want))
            fail_msg("%s: got \"%.*s\", want \"%s\"", CASES[i].name, (int)got.len, got.data, CASES[i].want);
        lines_close(&l);
        buf_clear(&got);
    }
}

static void a_line_that_is_not_complete_is_not_waited_for(void **state)
{
    (void)state;
    int ends[2];
    struct slice line;
    struct err e;
    assert_int_equal(pipe(ends), 0);
    struct lines l = { .fd = ends[0], .max_len = MAX_LEN, .name = "a pipe" };
    assert_int_equal(write(ends[1], "one\ntw", 6), 6);
    assert_int_equal(lines_next(&l, &line), LINES_MORE);
    assert_true(lines_fill(&l, &e));
    assert_int_equal(lines_next(&l, &line), LINES_LINE);
    assert_true(slice_is(line, "one"));
    assert_int_equal(lines_next(&l, &line), LINES_MORE);
    assert_int_equal(write(ends[1], "o\n", 2), 2);
    assert_true(lines_fill(&l, &e));
    assert_int_equal(lines_next(&l, &line), LINES_LINE);
    assert_true(slice_is(line, "two"));
    close(ends[1]);
    lines_close(&l);
}

static void an_endless_line_does_not_fill_the_memory(void **state)
{
    (void)state;
    enum { LENGTH = 20 << 20 };
    char *text = malloc(LENGTH + 5);
    assert_non_null(text);
    memset(text, 'x', LENGTH);
    memcpy(text + LENGTH, "\none\n", 5);
    char *path = write_file(text, LENGTH + 5);
    free(text);
    struct lines l;
    struct err e;
    struct buf got = { 0 };
    assert_true(lines_open(&l, path, MAX_LEN, &e));
    transcribe(&l, &got);
    assert_true(slice_is(buf_slice(&got), "1:TOO LONG|2:one|"));
    if (l.cap > 1 << 20)
        fail_msg("got a buffer of %zu bytes for a line of %d, want less than a MiB", l.cap, LENGTH);
    lines_close(&l);
    unlink(path);
    buf_clear(&got);
}

static void what_cannot_be_read_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *path, *reason;
    } cases[] = { { "/nowhere/jobs.jsonl", "cannot read /nowhere/jobs.jsonl: No such file" },
                  { "/tmp", "cannot read /tmp: it is a directory" } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lines l;
        struct err e = { 0 };
        assert_false(lines_open(&l, cases[i].path, MAX_LEN, &e));
        assert_int_equal(e.kind, ERR_USAGE);
        if (strstr(e.text, cases[i].reason) == NULL)
            fail_msg("got \"%s\", want it to say \"%s\"", e.text, cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_comes_once_with_its_number),
        cmocka_unit_test(where_a_read_ends_does_not_matter),
        cmocka_unit_test(a_line_that_is_not_complete_is_not_waited_for),
        cmocka_unit_test(an_endless_line_does_not_fill_the_memory),
        cmocka_unit_test(what_cannot_be_read_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
