// SPDX-License-Identifier: Apache-2.0
// shown_text: a letter as a page for a person: what, why, what now; then the job, the attempts and the last reply.
#include "dlq-inspector/commands/shown.h"

#include "common/clock.h"
#include "dlq-inspector/explain.h"
#include "dlq-inspector/fields.h"
#include "dlq-inspector/format.h"
#include "dlq-inspector/marks.h"
#include "dlq-inspector/mask.h"
#include "dlq-inspector/table.h"

#include <inttypes.h>

enum { LABEL = 17 };

static void put_label(struct buf *out, const char *label)
{
    buf_printf(out, "  %-*s ", LABEL, label);
}

static void put_time(struct buf *out, const char *label, int64_t at_ms, int64_t now_ms)
{
    char when[CLOCK_RFC3339_SIZE], span[FORMAT_AGE_SIZE];
    if (at_ms == 0)
        return;
    put_label(out, label);
    buf_printf(out, "%s (", clock_format_rfc3339(at_ms, when));
    if (at_ms <= now_ms)
        buf_printf(out, "%s ago)\n", format_span(now_ms - at_ms, span));
    else
        buf_printf(out, "in %s)\n", format_span(at_ms - now_ms, span));
}

static void put_slice(struct buf *out, const char *label, struct slice text, bool reveal)
{
    if (text.len == 0)
        return;
    put_label(out, label);
    mask_text(out, text, reveal);
    buf_putc(out, '\n');
}

static void put_head(const struct shown *shown, struct letter *l, struct buf *out)
{
    char origin[LETTER_ORIGIN_SIZE], when[CLOCK_RFC3339_SIZE];
    mask_plain(out, slice_of(l->id));
    buf_printf(out, ", generation %" PRIu32 ": ", l->env.epoch.generation);
    mask_plain(out, l->reason);
    if (l->mark == NULL)
        buf_puts(out, ", open\n");
    else
        buf_printf(out, ", %s at %s by %s: %s\n", mark_action_name(l->mark->action),
                   clock_format_rfc3339(l->mark->at_ms, when), l->mark->by, l->mark->reason);
    buf_puts(out, "\nWhy\n  ");
    explain_why(l, shown->reveal, out);
    buf_printf(out, "\n  %s\n\nWhat to do\n  %s\n", explain_meaning(l->reason), explain_remedy(l->reason));
    buf_puts(out, "\nLetter\n");
    put_label(out, "at");
    buf_printf(out, "%s\n", letter_origin(l->record, origin));
    put_time(out, "died", l->record->timestamp_ms, shown->session->now_ms);
}

static void put_envelope(const struct shown *shown, struct letter *l, struct buf *out)
{
    const struct envelope *env = &l->env;
    int64_t now_ms = shown->session->now_ms;
    if (l->broken.kind != ERR_NONE) {
        put_slice(out, "headers", slice_of(l->broken.text), true);
        return;
    }
    put_time(out, "first seen", env->first_seen_ms, now_ms);
    put_time(out, "expires", env->expires_ms, now_ms);
    put_label(out, "try");
    buf_printf(out, "%" PRIu32 " (%" PRIu32 " charged attempts)\n", env->epoch.try_no, env->attempt);
    put_slice(out, "lane", letter_lane(l), true);
    put_slice(out, "came from", env->origin, true);
    put_slice(out, "recipient hash", slice_of(env->rcpt), true);
    put_slice(out, "detail", l->detail, shown->reveal);
    put_slice(out, "approval", env->approval, shown->reveal);
    put_slice(out, "replayed before", env->replay, shown->reveal);
    put_slice(out, "traceparent", env->traceparent, true);
    for (size_t i = 0; i < env->other_count; i++) {
        struct header h = env->others[i];
        char name[64];
        if (h.name.len >= 3 && memcmp(h.name.ptr, "sf-", 3) == 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)h.name.len, h.name.ptr);
        if (strcmp(name, "traceparent") != 0)
            put_slice(out, name, h.value, shown->reveal);
    }
}

static void put_field(void *arg, const struct field *field)
{
    char name[64];
    struct buf *out = arg;
    snprintf(name, sizeof name, "%.*s", (int)field->name.len, field->name.ptr);
    put_slice(out, name, field->value, true); // masked already
}

static const struct table_column ATTEMPTS[] = {
    { .title = "  #", .right = true },
    { .title = "AT" },
    { .title = "TRANSPORT", .drop = 3 },
    { .title = "WORKER", .min = 8, .drop = 1 },
    { .title = "PHASE" },
    { .title = "CLASS" },
    { .title = "RULE", .drop = 2 },
    { .title = "CODE", .right = true },
    { .title = "TEXT", .min = 20 },
};

static void put_attempt(struct table *t, const struct trail_entry *a, bool reveal)
{
    char when[CLOCK_RFC3339_SIZE], number[48];
    struct buf text = { 0 };
    snprintf(number, sizeof number, "%" PRIu32 "/%" PRIu32, a->generation, a->try_no);
    table_cell_string(t, number);
    table_cell_string(t, a->at_ms > 0 ? clock_format_rfc3339(a->at_ms, when) : "-");
    table_cell(t, a->transport);
    table_cell(t, a->worker);
    table_cell(t, a->phase);
    table_cell_string(t, failure_name(a->class));
    table_cell(t, a->rule);
    buf_printf(&text, "%.0d", a->code);
    table_cell(t, buf_slice(&text));
    buf_reset(&text);
    if (a->enhanced.len > 0)
        buf_printf(&text, "%.*s ", (int)a->enhanced.len, a->enhanced.ptr);
    mask_text(&text, a->text, reveal);
    table_cell(t, buf_slice(&text));
    buf_clear(&text);
}

static void put_attempts(const struct shown *shown, struct letter *l, struct buf *out)
{
    struct table t;
    struct trail_entry entry;
    int64_t omitted;
    table_init(&t, ATTEMPTS, sizeof ATTEMPTS / sizeof ATTEMPTS[0]);
    attempts_open(&l->attempts, l->env.trail);
    while (attempts_next(&l->attempts, &entry, &omitted)) {
        if (omitted == 0) {
            put_attempt(&t, &entry, shown->reveal);
            continue;
        }
        struct buf gap = { 0 };
        buf_printf(&gap, "(%" PRId64 " attempts left out)", omitted);
        for (int c = 0; c < t.count; c++)
            table_cell(&t, c == t.count - 1 ? buf_slice(&gap) : SLICE(""));
        buf_clear(&gap);
    }
    buf_puts(out, "\nAttempts (generation/try)\n");
    if (t.cell_count > 0)
        table_print(&t, shown->session->width, out);
    else
        buf_puts(out, "  none\n");
    table_clear(&t);
}

static void put_lines(struct buf *out, struct slice text, bool reveal)
{
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        size_t shown_len = len > 0 && text.ptr[len - 1] == '\r' ? len - 1 : len;
        buf_puts(out, "  ");
        mask_text(out, (struct slice){ text.ptr, shown_len }, reveal);
        buf_putc(out, '\n');
        len += end != NULL;
        text = (struct slice){ text.ptr + len, text.len - len };
    }
}

void shown_text(const struct shown *shown, struct letter *l, struct buf *out)
{
    put_head(shown, l, out);
    put_envelope(shown, l, out);
    buf_puts(out, "\nJob\n");
    const struct record *r = l->record;
    if (!fields_each(r->has_value ? r->value : (struct slice){ 0 }, shown->reveal, put_field, out))
        buf_printf(out, "  not JSON, %zu bytes (export has them)\n", r->value.len);
    put_attempts(shown, l, out);
    if (l->env.response.len > 0) {
        buf_puts(out, "\nLast reply\n");
        put_lines(out, l->env.response, shown->reveal);
    }
    for (int i = 0; i < shown->generation_count; i++) {
        const struct shown_generation *g = &shown->generations[i];
        if (g->generation != l->env.epoch.generation)
            buf_printf(out, "\nOther letter: generation %" PRIu32 ", %s", g->generation,
                       g->mark != NULL ? mark_action_name(g->mark->action) : "open");
    }
    if (shown->generation_count > 1)
        buf_putc(out, '\n');
}
