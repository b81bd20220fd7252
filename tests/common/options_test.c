// SPDX-License-Identifier: Apache-2.0
// A made-up program with two commands; each case is a command line and what came of it.
#include "common/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct {
    bool json, dry;
    const char *text;
    int64_t limit, timeout_ms;
    struct option_list sets;
    char ran[16], words[128]; // the command and its arguments, joined
} got;

static int record(const char *name, int argc, char **argv)
{
    snprintf(got.ran, sizeof got.ran, "%s", name);
    for (int i = 0; i < argc; i++) {
        strcat(got.words, i > 0 ? " " : "");
        strcat(got.words, argv[i]);
    }
    return 7;
}

static int run_list(int argc, char **argv)
{
    return record("list", argc, argv);
}

static int run_show(int argc, char **argv)
{
    return record("show", argc, argv);
}

static const struct option LIST_OPTIONS[] = {
    { .name = "limit", .letter = 'n', .type = OPTION_INT, .target = &got.limit, .value = "N", .help = "at most N" },
    { .name = "text", .letter = 't', .type = OPTION_STRING, .target = &got.text, .value = "WORD", .help = "with WORD" },
    { .name = "dry-run", .type = OPTION_FLAG, .target = &got.dry, .help = "change nothing" },
    { 0 },
};

static const struct option COMMON[] = {
    { .name = "json", .letter = 'j', .type = OPTION_FLAG, .target = &got.json, .help = "as JSON" },
    { .name = "set", .type = OPTION_LIST, .target = &got.sets, .value = "K=V", .help = "a setting" },
    { .name = "timeout", .type = OPTION_DURATION, .target = &got.timeout_ms, .value = "T", .help = "give up after T" },
    { 0 },
};

static const struct command COMMANDS[] = {
    { .name = "list", .arguments = "", .summary = "lists", .options = LIST_OPTIONS, .run = run_list,
      .examples = "  demo list -n 5" },
    { .name = "show", .arguments = "[ID…]", .summary = "shows", .run = run_show },
    { 0 },
};

static const struct program PLAIN = { .name = "demo", .summary = "A demo.", .commands = COMMANDS, .options = COMMON,
                                      .epilogue = "Exit status: 7" };
static const struct program DEFAULTED = { .name = "demo", .summary = "A demo.", .commands = COMMANDS, .options = COMMON,
                                          .default_first = true };
static const struct program SHOW_FIRST = { .name = "demo", .summary = "A demo.", .commands = COMMANDS + 1,
                                           .options = COMMON, .default_first = true };

// Runs with descriptor fd (1 or 2) going into output.
static int run(const struct program *p, const char *const *words, int fd, char output[4096])
{
    char *argv[80] = { 0 };
    int argc = 0;
    for (; words[argc] != NULL; argc++)
        argv[argc] = (char *)words[argc];
    memset(&got, 0, sizeof got);
    FILE *stream = fd == 1 ? stdout : stderr;
    FILE *file = tmpfile();
    fflush(stream);
    int saved = dup(fd);
    dup2(fileno(file), fd);
    int status = program_run(p, argc, argv);
    fflush(stream);
    dup2(saved, fd);
    close(saved);
    rewind(file);
    size_t len = fread(output, 1, 4095, file);
    output[len] = '\0';
    fclose(file);
    return status;
}

static void a_command_line_sets_what_it_says(void **state)
{
    (void)state;
    static const struct {
        const struct program *program;
        const char *argv[10];
        const char *ran, *words, *text;
        int64_t limit, timeout_ms;
        bool json, dry;
        int sets;
    } cases[] = {
        { &PLAIN, { "demo", "list" }, .ran = "list" },
        { &PLAIN, { "demo", "list", "--limit", "5", "--json" }, .ran = "list", .limit = 5, .json = true },
        { &PLAIN, { "demo", "--limit=5", "--json", "list" }, .ran = "list", .limit = 5, .json = true },
        { &PLAIN, { "demo", "--limit", "5", "list" }, .ran = "list", .limit = 5 },
        { &PLAIN, { "demo", "-n", "5", "-j", "list", "-t", "a b" }, .ran = "list", .limit = 5, .json = true, .text = "a b" },
        { &PLAIN, { "demo", "-n5", "list" }, .ran = "list", .limit = 5 },
        { &PLAIN, { "demo", "list", "--text", "--json" }, .ran = "list", .text = "--json" },
        { &PLAIN, { "demo", "list", "--text=" }, .ran = "list", .text = "" },
        { &PLAIN, { "demo", "list", "--text=a=b" }, .ran = "list", .text = "a=b" },
        { &PLAIN, { "demo", "list", "--dry-run", "--timeout", "1m30s" }, .ran = "list", .dry = true, .timeout_ms = 90000 },
        { &PLAIN, { "demo", "--set", "a=1", "show", "--set=b=2" }, .ran = "show", .sets = 2 },
        { &PLAIN, { "demo", "show", "a", "-j", "b" }, .ran = "show", .words = "a b", .json = true },
        { &PLAIN, { "demo", "show", "-" }, .ran = "show", .words = "-" },
        { &PLAIN, { "demo", "show", "--", "--json", "-x" }, .ran = "show", .words = "--json -x" },
        { &PLAIN, { "demo", "show", "show" }, .ran = "show", .words = "show" },
        { &PLAIN, { "demo", "--text", "show", "list" }, .ran = "list", .text = "show" },
        { &DEFAULTED, { "demo" }, .ran = "list" },
        { &DEFAULTED, { "demo", "--limit", "3" }, .ran = "list", .limit = 3 },
        { &DEFAULTED, { "demo", "show", "x" }, .ran = "show", .words = "x" },
        { &SHOW_FIRST, { "demo", "x", "y" }, .ran = "show", .words = "x y" },
        { &SHOW_FIRST, { "demo", "--", "-x" }, .ran = "show", .words = "-x" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char output[4096];
        int status = run(cases[i].program, cases[i].argv, 2, output);
        if (status != 7 || strcmp(got.ran, cases[i].ran) != 0)
            fail_msg("case %zu: got status %d, ran \"%s\": %s", i, status, got.ran, output);
        const char *words = cases[i].words != NULL ? cases[i].words : "";
        if (strcmp(got.words, words) != 0)
            fail_msg("case %zu: got words \"%s\", want \"%s\"", i, got.words, words);
        if ((got.text == NULL) != (cases[i].text == NULL) || (got.text != NULL && strcmp(got.text, cases[i].text) != 0))
            fail_msg("case %zu: got text %s", i, got.text != NULL ? got.text : "NULL");
        if (got.limit != cases[i].limit || got.timeout_ms != cases[i].timeout_ms || got.json != cases[i].json ||
            got.dry != cases[i].dry || got.sets.count != cases[i].sets)
            fail_msg("case %zu: got limit %d timeout %d json %d dry %d sets %d", i, (int)got.limit, (int)got.timeout_ms,
                     got.json, got.dry, got.sets.count);
    }
}

static void wrong_usage_is_one_line_that_helps_and_status_64(void **state)
{
    (void)state;
    static const struct {
        const struct program *program;
        const char *argv[8];
        const char *says;
    } cases[] = {
        { &PLAIN, { "demo" }, "which command?" },
        { &PLAIN, { "demo", "lits" }, "unknown command lits, did you mean list?" },
        { &PLAIN, { "demo", "elsewhere" }, "unknown command elsewhere" },
        { &DEFAULTED, { "demo", "hsow" }, "did you mean show?" },
        { &PLAIN, { "demo", "list", "--jsno" }, "demo list: unknown option --jsno, did you mean --json?" },
        { &PLAIN, { "demo", "list", "--jsno=1" }, "did you mean --json?" },
        { &PLAIN, { "demo", "show", "--limit", "5" }, "unknown option --limit" },
        { &PLAIN, { "demo", "list", "-x" }, "unknown option -x" },
        { &PLAIN, { "demo", "list", "--limit" }, "--limit needs N" },
        { &PLAIN, { "demo", "list", "--limit", "-1" }, "--limit: \"-1\" is not a whole number" },
        { &PLAIN, { "demo", "list", "--limit", "5x" }, "\"5x\"" },
        { &PLAIN, { "demo", "list", "--limit=99999999999999999999" }, "whole number" },
        { &PLAIN, { "demo", "list", "--timeout", "soon" }, "is not a duration" },
        { &PLAIN, { "demo", "list", "--json=yes" }, "takes no value" },
        { &PLAIN, { "demo", "list", "word" }, "takes no arguments, got word" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char output[4096];
        int status = run(cases[i].program, cases[i].argv, 2, output);
        if (status != 64 || got.ran[0] != '\0')
            fail_msg("case %zu: got status %d, ran \"%s\"", i, status, got.ran);
        if (strstr(output, cases[i].says) == NULL)
            fail_msg("case %zu: got %s, want it to say %s", i, output, cases[i].says);
        const char *end = strchr(output, '\n');
        if (end == NULL || end[1] != '\0')
            fail_msg("case %zu: not one line: %s", i, output);
    }
}

static void help_and_version_are_printed_and_nothing_runs(void **state)
{
    (void)state;
    static const struct {
        const char *argv[8];
        const char *says[4];
    } cases[] = {
        { { "demo", "--help" }, { "Usage: demo command", "list", "shows", "Exit status: 7" } },
        { { "demo", "-h" }, { "A demo." } },
        { { "demo", "list", "--help" }, { "Usage: demo list [options]", "-n, --limit N", "--json", "  demo list -n 5" } },
        { { "demo", "--help", "list" }, { "Usage: demo list" } },
        { { "demo", "show", "--help" }, { "Usage: demo show [options] [ID…]" } },
        { { "demo", "--version" }, { "demo " SENDFLEET_VERSION "\n" } },
        { { "demo", "list", "--version" }, { "demo " SENDFLEET_VERSION "\n" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char output[4096];
        int status = run(&PLAIN, cases[i].argv, 1, output);
        if (status != 0 || got.ran[0] != '\0')
            fail_msg("case %zu: got status %d, ran \"%s\"", i, status, got.ran);
        for (int s = 0; s < 4 && cases[i].says[s] != NULL; s++)
            if (strstr(output, cases[i].says[s]) == NULL)
                fail_msg("case %zu: got %s, want it to say %s", i, output, cases[i].says[s]);
    }
}

static void a_repeated_option_beyond_its_limit_is_refused(void **state)
{
    (void)state;
    char *argv[2 + OPTION_LIST_MAX + 2] = { 0 };
    argv[0] = "demo";
    argv[1] = "show";
    for (int i = 2; i < 2 + OPTION_LIST_MAX + 1; i++)
        argv[i] = "--set=a=1";
    memset(&got, 0, sizeof got);
    assert_int_equal(program_run(&PLAIN, 2 + OPTION_LIST_MAX, argv), 7);
    assert_int_equal(got.sets.count, OPTION_LIST_MAX);
    char output[4096];
    assert_int_equal(run(&PLAIN, (const char *const *)argv, 2, output), 64);
    assert_non_null(strstr(output, "one too many"));
}

static void the_nearest_name_is_close_or_none(void **state)
{
    (void)state;
    static const char *const names[] = { "dedup.life", "dedup.replay_window", "max_age", "tiers", "json", NULL };
    static const struct {
        const char *wanted, *nearest;
    } cases[] = {
        { "dedup.lief", "dedup.life" }, { "dedup.live", "dedup.life" }, { "max_aeg", "max_age" },
        { "tier", "tiers" },            { "jsn", "json" },              { "js", NULL },
        { "something", NULL },          { "", NULL },                   { "dedup.replaywindow", "dedup.replay_window" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *near = nearest_name(cases[i].wanted, names);
        const char *want = cases[i].nearest;
        if ((near == NULL) != (want == NULL) || (near != NULL && strcmp(near, want) != 0))
            fail_msg("%s: got %s, want %s", cases[i].wanted, near != NULL ? near : "none", want != NULL ? want : "none");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_line_sets_what_it_says),
        cmocka_unit_test(wrong_usage_is_one_line_that_helps_and_status_64),
        cmocka_unit_test(help_and_version_are_printed_and_nothing_runs),
        cmocka_unit_test(a_repeated_option_beyond_its_limit_is_refused),
        cmocka_unit_test(the_nearest_name_is_close_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
