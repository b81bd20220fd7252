// SPDX-License-Identifier: Apache-2.0
// commands: what the commands share: configuration, errors and the result line.
#include "producer/commands.h"

#include "common/buf.h"
#include "common/log.h"

#include <stdlib.h>

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

static const char *const STATUSES[] = { [SENDFLEET_PUBLISHED] = "published", [SENDFLEET_REFUSED] = "refused",
                                        [SENDFLEET_FAILED] = "failed", [SENDFLEET_FULL] = "full" };

static void put_string(struct buf *b, const char *name, const char *value)
{
    buf_puts(b, name);
    if (value != NULL && value[0] != '\0')
        buf_put_json(b, slice_of(value));
    else
        buf_puts(b, "null");
}

void print_result(FILE *out, int64_t line, const struct sendfleet_result *r)
{
    static struct buf b; // one thread; the memory is worth keeping
    buf_reset(&b);
    buf_putc(&b, '{');
    if (line > 0) {
        buf_puts(&b, "\"line\":");
        buf_put_i64(&b, line);
        buf_putc(&b, ',');
    }
    put_string(&b, "\"status\":", STATUSES[r->status]);
    put_string(&b, ",\"id\":", r->id);
    put_string(&b, ",\"idempotency_key\":", r->idempotency_key);
    put_string(&b, ",\"topic\":", r->topic);
    if (r->offset >= 0) {
        buf_puts(&b, ",\"partition\":");
        buf_put_i64(&b, r->partition);
        buf_puts(&b, ",\"offset\":");
        buf_put_i64(&b, r->offset);
    } else {
        buf_puts(&b, ",\"partition\":null,\"offset\":null");
    }
    put_string(&b, ",\"error\":", r->error);
    buf_puts(&b, "}\n");
    fwrite(b.data, 1, b.len, out);
}
