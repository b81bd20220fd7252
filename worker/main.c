// SPDX-License-Identifier: Apache-2.0
// sendfleet-worker: the command line.
#include "common/config.h"
#include "common/log.h"
#include "common/options.h"
#include "worker/classify.h"
#include "worker/dkim.h"
#include "worker/route.h"
#include "worker/worker.h"

#include <stdio.h>

extern char **environ;

static const char *config_file;
static struct option_list sets;

static int fail(const struct err *e)
{
    fprintf(stderr, "sendfleet-worker: %s\n", e->text);
    return err_exit_status(e->kind);
}

static bool load(struct config *c, struct err *e)
{
    struct config_sources from = { .file = config_file, .sets = sets.items, .set_count = sets.count, .environment = environ };
    if (!config_load(c, &from, e))
        return false;
    enum log_level level;
    if (log_parse_level(c->log_level, &level))
        log_set_level(level);
    return true;
}

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static struct config c;
    struct err e;
    if (!load(&c, &e))
        return fail(&e);
    e.text[0] = '\0';
    int status = worker_run(&c, &e);
    if (status != 0 && e.text[0] != '\0')
        fprintf(stderr, "sendfleet-worker: %s\n", e.text);
    config_clear(&c);
    return status;
}

static int check_config(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static struct config c;
    struct err e;
    struct dkim *keys = NULL;
    if (!load(&c, &e))
        return fail(&e);
    bool ok = routes_check(&c, &e) && classify_load(c.worker.rules, &e) && dkim_open(&keys, &c, &e); // whether they are keys
    if (ok)
        printf("ok: prefix %s, %d route%s\n", c.prefix, c.route_count, c.route_count == 1 ? "" : "s");
    dkim_close(keys);
    config_clear(&c);
    return ok ? 0 : fail(&e);
}

static int print_config(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static struct config c;
    struct err e;
    if (!load(&c, &e))
        return fail(&e);
    config_print(&c, stdout);
    config_clear(&c);
    return 0;
}

static int describe_config(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    config_describe(stdout);
    return 0;
}

static int run_classify(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static struct config c;
    struct err e;
    if (!load(&c, &e) || !classify_load(c.worker.rules, &e))
        return fail(&e);
    int status = classify_stream(stdin, stdout);
    classify_clear();
    config_clear(&c);
    return status;
}

static const struct option COMMON[] = {
    { .name = "config", .letter = 'c', .type = OPTION_STRING, .target = &config_file, .value = "FILE",
      .help = "configuration (JSON); default: $SENDFLEET_CONFIG" },
    { .name = "set", .letter = 's', .type = OPTION_LIST, .target = &sets, .value = "KEY=VALUE",
      .help = "override one key, repeatable: --set worker.max_inflight=200" },
    { 0 },
};

static const struct command COMMANDS[] = {
    { .name = "run", .arguments = "", .summary = "consume jobs and deliver them until SIGTERM", .run = run,
      .examples = "  sendfleet-worker --config sendfleet.json\n"
                  "  sendfleet-worker run --set routes.default.url=https://api.example.com/send\n" },
    { .name = "check-config", .arguments = "", .summary = "read the configuration, say what is wrong with it", .run = check_config,
      .examples = "  sendfleet-worker check-config --config sendfleet.json\n" },
    { .name = "print-config", .arguments = "", .summary = "print the effective configuration, secrets hidden", .run = print_config,
      .examples = "  SENDFLEET_DEDUP__LIFE=14d sendfleet-worker print-config\n" },
    { .name = "describe-config", .arguments = "", .summary = "print every configuration key: type, default, meaning", .run = describe_config,
      .examples = "  sendfleet-worker describe-config | grep dedup\n" },
    { .name = "classify", .arguments = "", .summary = "classify replies: JSON lines on stdin, verdicts on stdout", .run = run_classify,
      .examples = "  echo '{\"transport\":\"smtp\",\"code\":550,\"text\":\"5.1.1 no such user\"}' | sendfleet-worker classify\n"
                  "  sendfleet-worker classify --set worker.rules=my.rules <replies.jsonl\n" },
    { 0 },
};

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "sendfleet-worker",
        .summary = "Takes send jobs from Kafka and hands each to its next hop, once.",
        .commands = COMMANDS,
        .options = COMMON,
        .default_first = true,
        .epilogue = "SIGTERM drains within worker.drain (25s); a second signal ends at once.\n"
                    "Exit status: 0 drained, 64 usage, 69 broker away, 75 partly unsettled or restart me, 78 configuration.",
    };
    return program_run(&program, argc, argv);
}
