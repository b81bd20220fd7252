// SPDX-License-Identifier: Apache-2.0
// commands: what the commands share: configuration, errors and the result line.
#include "producer/commands.h"

#include "common/buf.h"
#include "common/log.h"
#include "producer/result.h"


extern char **environ;

static const char *config_file;
static struct option_list sets;

const struct option common_options[] = {
    { .name = "config", .letter = 'c', .type = OPTION_STRING, .target = &config_file, .value = "FILE",
      .help = "configuration (JSON); default: $SENDFLEET_CONFIG" },
    { .name = "set", .letter = 's', .type = OPTION_LIST, .target = &sets, .value = "KEY=VALUE",
      .help = "override one key, repeatable: --set kafka.bootstrap.servers=127.0.0.1:19092" },
    { 0 },
};

int fail(const struct err *e)
{
    fprintf(stderr, "sendfleet-producer: %s\n", e->text);
    return err_exit_status(e->kind);
}

int load_config(struct config *c)
{
    struct err e;
    struct config_sources from = { .file = config_file, .sets = sets.items, .set_count = sets.count, .environment = environ };
    log_set_level(LOG_WARN); // a tool's standard error belongs to its user
    if (!config_load(c, &from, &e))
        return fail(&e);
    return 0;
}

void print_result(FILE *out, int64_t line, const struct sendfleet_result *r)
{
    static struct buf b; // one thread; the memory is worth keeping
    buf_reset(&b);
    result_put(&b, line, r);
    fwrite(b.data, 1, b.len, out);
}
