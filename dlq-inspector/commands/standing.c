// SPDX-License-Identifier: Apache-2.0
// standing: see standing.h. Every time is printed as a distance from now ("in 12s"): that is the question people ask.
#include "dlq-inspector/commands/standing.h"

#include "dlq-inspector/format.h"
#include "dlq-inspector/jsonout.h"
#include "dlq-inspector/table.h"

enum { OVERDUE_SHOWN_MS = 3000, EXACT_LINES_MAX = 40 };

static const struct table_column TIERS[] = {
    { .title = "TIER" },
    { .title = "WAITING", .right = true },
    { .title = "OLDEST", .right = true },
    { .title = "NEXT DUE", .right = true },
    { .title = "NOTE", .min = 10 },
};

static const char *distance(int64_t at_ms, int64_t now_ms, char out[FORMAT_AGE_SIZE + 8])
{
    char span[FORMAT_AGE_SIZE];
    if (at_ms == 0)
        return "-";
    if (at_ms > now_ms)
        snprintf(out, FORMAT_AGE_SIZE + 8, "in %s", format_span(at_ms - now_ms, span));
    else
        snprintf(out, FORMAT_AGE_SIZE + 8, "%s ago", format_span(now_ms - at_ms, span));
    return out;
}

static void put_tiers(const struct standing *st, const struct session *s, struct buf *out)
{
    struct table t;
    char number[FORMAT_COUNT_SIZE], when[FORMAT_AGE_SIZE + 8], span[FORMAT_AGE_SIZE], note[64];
    table_init(&t, TIERS, sizeof TIERS / sizeof TIERS[0]);
    for (int i = 0; i < s->config.topics.tiers.count; i++) {
        const struct belt *b = &st->belts.list[i];
        note[0] = '\0';
        if (b->overdue_ms >= OVERDUE_SHOWN_MS)
            snprintf(note, sizeof note, "%s behind: are workers running?", format_span(b->overdue_ms, span));
        table_cell_string(&t, s->config.topics.tiers.list[i].name);
        table_cell_string(&t, format_count(b->waiting, number));
        table_cell_string(&t, b->oldest_ms == 0 ? "-" : format_span(s->now_ms - b->oldest_ms, span));
        table_cell_string(&t, distance(b->next_due_ms, s->now_ms, when));
        table_cell_string(&t, note);
    }
    table_print(&t, s->width, out);
    table_clear(&t);
}

static const struct table_column EXACT[] = {
    { .title = "JOBS", .right = true }, { .title = "TIER" },
    { .title = "WAIT" },                { .title = "CLASS" },
    { .title = "DOMAIN", .min = 16 },   { .title = "OLDEST", .right = true },
    { .title = "NEXT DUE", .right = true }, { .title = "LAST DUE", .right = true },
};

static void put_exact(const struct standing *st, const struct session *s, struct buf *out)
{
    struct table t;
    char number[FORMAT_COUNT_SIZE], when[FORMAT_AGE_SIZE + 8], span[FORMAT_AGE_SIZE];
    table_init(&t, EXACT, sizeof EXACT / sizeof EXACT[0]);
    for (size_t i = 0; i < st->exact.count && i < EXACT_LINES_MAX; i++) {
        const struct group *g = &st->exact.list[i];
        table_cell_string(&t, format_count(g->count, number));
        for (int f = 0; f < 4; f++)
            table_cell_string(&t, g->fields[f]);
        table_cell_string(&t, format_age(s->now_ms - g->oldest_ms, span));
        table_cell_string(&t, distance(g->first_due_ms, s->now_ms, when));
        table_cell_string(&t, distance(g->last_due_ms, s->now_ms, when));
    }
    buf_putc(out, '\n');
    table_print(&t, s->width, out);
    if (st->exact.count > EXACT_LINES_MAX)
        buf_printf(out, "… and %zu smaller groups (--json has all)\n", st->exact.count - EXACT_LINES_MAX);
    table_clear(&t);
}

void standing_text(const struct standing *st, const struct session *s, struct buf *out)
{
    char number[FORMAT_COUNT_SIZE];
    buf_printf(out, "%s jobs waiting in retry\n", format_count(belts_waiting(&st->belts), number));
    put_tiers(st, s, out);
    int64_t lag = 0;
    for (int p = 0; p <= JOB_BULK; p++)
        lag += st->lag[p];
    buf_printf(out, "\n%s jobs not finished on the main topics (", format_count(lag, number));
    for (int p = 0; p <= JOB_BULK; p++)
        buf_printf(out, "%s%s %s", p > 0 ? ", " : "", job_priority_name((enum job_priority)p),
                   format_count(st->lag[p], number));
    buf_printf(out, ")\nabout %s dead letters", format_count(st->letters - (st->closed > 0 ? st->closed : 0), number));
    if (st->closed >= 0)
        buf_printf(out, " open, %s closed", format_count(st->closed, number));
    buf_puts(out, " (copies count; exactly: sendfleet-dlq stats)\n");
    if (st->has_exact && st->exact.count > 0)
        put_exact(st, s, out);
}

static void put_tiers_json(const struct standing *st, const struct session *s, struct jsonout *j)
{
    jsonout_open(j, "tiers", '[');
    for (int i = 0; i < s->config.topics.tiers.count; i++) {
        const struct belt *b = &st->belts.list[i];
        jsonout_open(j, NULL, '{');
        jsonout_string(j, "tier", s->config.topics.tiers.list[i].name);
        jsonout_string(j, "topic", s->config.topics.retry[i]);
        jsonout_int(j, "length_ms", s->config.topics.tiers.list[i].length_ms);
        jsonout_int(j, "waiting", b->waiting);
        jsonout_time(j, "oldest_at", b->oldest_ms);
        jsonout_time(j, "next_due", b->next_due_ms);
        jsonout_int(j, "overdue_ms", b->overdue_ms);
        jsonout_close(j, '}');
    }
    jsonout_close(j, ']');
}

static void put_exact_json(const struct standing *st, struct jsonout *j)
{
    static const char *const names[] = { "tier", "wait", "class", "domain" };
    jsonout_open(j, "exact", '[');
    for (size_t i = 0; i < st->exact.count; i++) {
        const struct group *g = &st->exact.list[i];
        jsonout_open(j, NULL, '{');
        for (int f = 0; f < 4; f++)
            jsonout_string(j, names[f], g->fields[f]);
        jsonout_int(j, "count", g->count);
        jsonout_time(j, "oldest_at", g->oldest_ms);
        jsonout_time(j, "next_due", g->first_due_ms);
        jsonout_time(j, "last_due", g->last_due_ms);
        jsonout_close(j, '}');
    }
    jsonout_close(j, ']');
}

void standing_json(const struct standing *st, const struct session *s, struct buf *out)
{
    struct jsonout j = { .out = out };
    jsonout_open(&j, NULL, '{');
    jsonout_int(&j, "at", s->now_ms);
    jsonout_int(&j, "waiting", belts_waiting(&st->belts));
    put_tiers_json(st, s, &j);
    jsonout_open(&j, "main_lag", '{');
    for (int p = 0; p <= JOB_BULK; p++)
        jsonout_int(&j, job_priority_name((enum job_priority)p), st->lag[p]);
    jsonout_close(&j, '}');
    jsonout_open(&j, "dead", '{');
    jsonout_int(&j, "records", st->letters);
    if (st->closed >= 0) {
        jsonout_int(&j, "closed", st->closed);
        jsonout_int(&j, "open_about", st->letters - st->closed);
    } else {
        jsonout_null(&j, "closed");
        jsonout_null(&j, "open_about");
    }
    jsonout_close(&j, '}');
    if (st->has_exact)
        put_exact_json(st, &j);
    jsonout_close(&j, '}');
    buf_putc(out, '\n');
}
