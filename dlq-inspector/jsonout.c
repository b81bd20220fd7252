// SPDX-License-Identifier: Apache-2.0
// jsonout: see jsonout.h. A tree (jansson) would refuse text that is not UTF-8, which is just what dead letters hold;
// here such bytes become U+FFFD and the line is still valid JSON.
#include "dlq-inspector/jsonout.h"

static void begin(struct jsonout *j, const char *name)
{
    if (j->comma)
        buf_putc(j->out, ',');
    j->comma = true;
    if (name != NULL) {
        buf_put_json(j->out, slice_of(name));
        buf_putc(j->out, ':');
    }
}

void jsonout_open(struct jsonout *j, const char *name, char bracket)
{
    begin(j, name);
    buf_putc(j->out, bracket);
    j->comma = false;
}

void jsonout_close(struct jsonout *j, char bracket)
{
    buf_putc(j->out, bracket);
    j->comma = true;
}

void jsonout_text(struct jsonout *j, const char *name, struct slice text)
{
    if (text.ptr == NULL)
        return;
    begin(j, name);
    buf_put_json(j->out, text);
}

void jsonout_string(struct jsonout *j, const char *name, const char *text)
{
    jsonout_text(j, name, slice_of(text));
}

void jsonout_int(struct jsonout *j, const char *name, int64_t value)
{
    begin(j, name);
    buf_put_i64(j->out, value);
}

void jsonout_bool(struct jsonout *j, const char *name, bool value)
{
    begin(j, name);
    buf_puts(j->out, value ? "true" : "false");
}

void jsonout_null(struct jsonout *j, const char *name)
{
    begin(j, name);
    buf_puts(j->out, "null");
}

void jsonout_raw(struct jsonout *j, const char *name, struct slice json)
{
    begin(j, name);
    buf_put_slice(j->out, json);
}

void jsonout_time(struct jsonout *j, const char *name, int64_t wall_ms)
{
    if (wall_ms == 0)
        jsonout_null(j, name);
    else
        jsonout_int(j, name, wall_ms);
}
