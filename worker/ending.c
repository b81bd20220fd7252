// SPDX-License-Identifier: Apache-2.0
// ending: see ending.h. The detail is read seldom (only after a crash) but written with every failure, so it is
// written by hand and read with the strict scanner.
#include "worker/ending.h"

#include "common/json.h"

#include <stdio.h>

static const char *const KINDS[] = {
    [ENDING_DROP] = "drop",     [ENDING_ACCEPTED] = "accepted", [ENDING_WAIT] = "wait",
    [ENDING_LETTER] = "letter", [ENDING_REVIEW] = "review",
};

enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

static void put_number(struct buf *out, const char *name, int64_t value)
{
    buf_puts(out, name);
    buf_put_i64(out, value);
}

void ending_format(const struct ending *e, struct buf *out)
{
    buf_puts(out, "{\"kind\":\"");
    buf_puts(out, KINDS[e->kind]);
    buf_puts(out, "\",\"wait\":\"");
    buf_puts(out, wait_name(e->wait));
    buf_puts(out, "\",\"class\":\"");
    buf_puts(out, failure_name(e->class));
    put_number(out, "\",\"due\":", e->due_ms);
    put_number(out, ",\"continues\":", e->continues ? 1 : 0);
    put_number(out, ",\"attempt\":", e->attempt);
    put_number(out, ",\"code\":", e->code);
    buf_puts(out, ",\"reason\":");
    buf_put_json(out, slice_of(e->reason));
    if (e->entry[0] != '\0') {
        buf_puts(out, ",\"entry\":");
        buf_puts(out, e->entry);
    }
    buf_putc(out, '}');
}

static int64_t number(const struct json_doc *doc, const char *name)
{
    int64_t value = 0;
    uint32_t at = json_member(doc, 0, name);
    if (at == 0 || !json_int(doc, at, &value))
        return 0;
    return value;
}

static struct slice raw(const struct json_doc *doc, const char *name)
{
    uint32_t at = json_member(doc, 0, name);
    return at != 0 ? json_raw(doc, at) : SLICE("");
}

static bool kind_parse(struct slice name, enum ending_kind *kind)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (slice_is(name, KINDS[i])) {
            *kind = (enum ending_kind)i;
            return true;
        }
    }
    return false;
}

static void copy(char *out, size_t size, struct slice s)
{
    size_t n = s.len < size ? s.len : size - 1;
    memcpy(out, s.ptr, n);
    out[n] = '\0';
}

static bool read_members(struct ending *e, const struct json_doc *doc)
{
    if (doc->tokens[0].type != JSON_TYPE_OBJECT || !kind_parse(raw(doc, "kind"), &e->kind))
        return false;
    if (!wait_parse(raw(doc, "wait"), &e->wait) || !failure_parse(raw(doc, "class"), &e->class))
        return false;
    e->due_ms = number(doc, "due");
    e->continues = number(doc, "continues") != 0;
    e->attempt = (uint32_t)number(doc, "attempt");
    e->code = (int)number(doc, "code");
    struct buf scratch = { 0 };
    uint32_t reason = json_member(doc, 0, "reason");
    if (reason != 0 && doc->tokens[reason].type == JSON_TYPE_STRING)
        copy(e->reason, sizeof e->reason, json_text(doc, reason, &scratch));
    buf_clear(&scratch);
    if (raw(doc, "entry").len < sizeof e->entry)
        copy(e->entry, sizeof e->entry, raw(doc, "entry"));
    return true;
}

bool ending_parse(struct ending *e, struct slice detail)
{
    *e = (struct ending){ 0 };
    struct json_doc doc = { 0 };
    struct err ignored;
    bool ok = json_parse(&doc, detail.ptr, detail.len, &ignored) && read_members(e, &doc);
    json_clear(&doc);
    return ok;
}
