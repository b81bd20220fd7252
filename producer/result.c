// SPDX-License-Identifier: Apache-2.0
// result: see result.h. The line is a contract with scripts: members and their order stay, new ones go to the end.
// Every string in it may come from a publisher, so each passes through the JSON escaper.
#include "producer/result.h"

static const char *const STATUSES[] = { [SENDFLEET_PUBLISHED] = "published",
                                        [SENDFLEET_REFUSED] = "refused",
                                        [SENDFLEET_FAILED] = "failed",
                                        [SENDFLEET_FULL] = "full" };

static void put_string(struct buf *b, const char *name, const char *value)
{
    buf_puts(b, name);
    if (value != NULL && value[0] != '\0')
        buf_put_json(b, slice_of(value));
    else
        buf_puts(b, "null");
}

void result_put(struct buf *out, int64_t line, const struct sendfleet_result *r)
{
    buf_putc(out, '{');
    if (line > 0) {
        buf_puts(out, "\"line\":");
        buf_put_i64(out, line);
        buf_putc(out, ',');
    }
    put_string(out, "\"status\":", STATUSES[r->status]);
    put_string(out, ",\"id\":", r->id);
    put_string(out, ",\"idempotency_key\":", r->idempotency_key);
    put_string(out, ",\"topic\":", r->topic);
    if (r->offset >= 0) {
        buf_puts(out, ",\"partition\":");
        buf_put_i64(out, r->partition);
        buf_puts(out, ",\"offset\":");
        buf_put_i64(out, r->offset);
    } else {
        buf_puts(out, ",\"partition\":null,\"offset\":null");
    }
    put_string(out, ",\"error\":", r->error);
    buf_puts(out, "}\n");
}
