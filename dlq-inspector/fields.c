// SPDX-License-Identifier: Apache-2.0
// fields: see fields.h. The list below is of what is harmless, so a member that is new or unknown is hidden until
// somebody decided about it.
#include "dlq-inspector/fields.h"

#include "dlq-inspector/mask.h"

static const char *const PLAIN[] = {
    "v", "id", "route", "priority", "created_at", "expires_at", "max_age_s", "not_before", "on_unknown", "replay",
    "agent_task_id", "draft_id", "tags", "recipient_id", NULL,
};
static const char *const ADDRESSES[] = { "from", "to", "reply_to", NULL };
static const char *const TEXTS[] = { "idempotency_key", "url", NULL }; // may quote an address

static bool listed(const char *const *names, struct slice name)
{
    for (int i = 0; names[i] != NULL; i++)
        if (slice_is(name, names[i]))
            return true;
    return false;
}

static void put_value(struct slice name, struct slice raw, enum json_type type, bool reveal, struct buf *out)
{
    if (listed(ADDRESSES, name))
        mask_address(out, raw, reveal);
    else if (reveal || listed(PLAIN, name))
        mask_plain(out, raw);
    else if (listed(TEXTS, name))
        mask_text(out, raw, false);
    else if (type == JSON_TYPE_STRING || type == JSON_TYPE_OBJECT || type == JSON_TYPE_ARRAY)
        buf_printf(out, "(%zu bytes; --reveal shows them)", raw.len);
    else
        mask_plain(out, raw);
}

bool fields_each(struct slice value, bool reveal, fields_cb cb, void *arg)
{
    struct json_doc doc = { 0 };
    struct buf text = { 0 }, shown = { 0 };
    bool ok = value.ptr != NULL && json_parse(&doc, value.ptr, value.len, NULL) && doc.tokens[0].type == JSON_TYPE_OBJECT;
    for (uint32_t key = 1; ok && key < doc.tokens[0].next; key = doc.tokens[key + 1].next) {
        uint32_t i = key + 1;
        enum json_type type = (enum json_type)doc.tokens[i].type;
        buf_reset(&text);
        buf_reset(&shown);
        struct slice raw = type == JSON_TYPE_STRING ? json_text(&doc, i, &text) : json_raw(&doc, i);
        put_value(json_raw(&doc, key), raw, type, reveal, &shown);
        cb(arg, &(struct field){ json_raw(&doc, key), buf_slice(&shown) });
    }
    json_clear(&doc);
    buf_clear(&text);
    buf_clear(&shown);
    return ok;
}
