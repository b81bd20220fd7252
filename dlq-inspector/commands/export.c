// SPDX-License-Identifier: Apache-2.0
// export: letters as JSON lines, complete: nothing is masked, because this is what one keeps before topics are deleted
// or feeds into another tool. A value that is JSON on one line is put in as it is, byte for byte; anything else as
// base64, so that no letter is changed by being exported. Lines are written as they are read: memory stays flat.
#include "dlq-inspector/commands/commands.h"
#include "dlq-inspector/commands/select.h"

#include "dlq-inspector/jsonout.h"
#include "dlq-inspector/letters.h"

static struct {
    struct filter_args filter;
    bool all;
} args;

const struct option EXPORT_OPTIONS[] = {
    FILTER_REASON_OPTION(args.filter),
    FILTER_OPTIONS(args.filter),
    { .name = "all", .letter = 'a', .type = OPTION_FLAG, .target = &args.all,
      .help = "replayed and discarded letters too" },
    { .name = NULL },
};

enum { FLUSH_BYTES = 1 << 16 };

static void put_base64(struct jsonout *j, const char *name, struct slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct buf text = { 0 };
    buf_reserve(&text, bytes.len / 3 * 4 + 4);
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? (unsigned char)bytes.ptr[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_putc(&text, k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=');
    }
    jsonout_text(j, name, buf_slice(&text));
    buf_clear(&text);
}

static bool is_utf8(struct slice s)
{
    for (size_t i = 0, n; i < s.len; i += n) {
        n = utf8_sequence(s.ptr + i, s.len - i);
        if (n == 0)
            return false;
    }
    return true;
}

// name as text when it is UTF-8, else name_base64.
static void put_bytes(struct jsonout *j, const char *name, const char *name_base64, struct slice bytes)
{
    if (is_utf8(bytes))
        jsonout_text(j, name, bytes);
    else
        put_base64(j, name_base64, bytes);
}

static void put_value(struct jsonout *j, struct letter *l)
{
    const struct record *r = l->record;
    struct json_doc doc = { 0 };
    bool one_line = r->value.len > 0 && memchr(r->value.ptr, '\n', r->value.len) == NULL &&
                    memchr(r->value.ptr, '\r', r->value.len) == NULL;
    if (!r->has_value)
        jsonout_null(j, "value");
    else if (one_line && json_parse(&doc, r->value.ptr, r->value.len, NULL))
        jsonout_raw(j, "value", r->value);
    else
        put_base64(j, "value_base64", r->value);
    json_clear(&doc);
}

static void put_letter(struct letter *l, struct buf *out)
{
    const struct record *r = l->record;
    struct jsonout j = { .out = out };
    jsonout_open(&j, NULL, '{');
    jsonout_string(&j, "id", l->id);
    jsonout_int(&j, "generation", l->env.epoch.generation);
    jsonout_text(&j, "reason", l->reason);
    jsonout_text(&j, "detail", l->detail);
    jsonout_string(&j, "state", l->mark != NULL ? mark_action_name(l->mark->action) : "open");
    jsonout_string(&j, "topic", r->topic);
    jsonout_int(&j, "partition", r->partition);
    jsonout_int(&j, "offset", r->offset);
    jsonout_int(&j, "timestamp", r->timestamp_ms);
    if (r->has_key)
        put_bytes(&j, "key", "key_base64", r->key);
    jsonout_open(&j, "headers", '[');
    for (size_t i = 0; i < r->header_count; i++) {
        jsonout_open(&j, NULL, '{');
        put_bytes(&j, "name", "name_base64", r->headers[i].name);
        put_bytes(&j, "value", "value_base64", r->headers[i].value);
        jsonout_close(&j, '}');
    }
    jsonout_close(&j, ']');
    put_value(&j, l);
    jsonout_close(&j, '}');
    buf_putc(out, '\n');
}

static int export_letters(const struct session *s, const struct filter *f)
{
    struct err e;
    struct buf out = { 0 };
    struct letters letters = { 0 };
    struct letter *l;
    int status = 0;
    int got = letters_open(&letters, &s->config, f, args.all, &e) ? 1 : -1;
    while (got > 0 && status == 0) {
        got = letters_next(&letters, &l, &e);
        if (got > 0)
            put_letter(l, &out);
        if (out.len >= FLUSH_BYTES || (got == 0 && out.len > 0)) {
            status = session_print(&out);
            buf_reset(&out);
        }
    }
    if (got < 0)
        status = session_fail(&e);
    letters_close(&letters);
    buf_clear(&out);
    return status;
}

int export_run(int argc, char **argv)
{
    struct selection sel = { .command = "export", .args = &args.filter, .body = export_letters };
    return select_run(&sel, argc, argv);
}
