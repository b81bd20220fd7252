// SPDX-License-Identifier: Apache-2.0
// batch_report: what a batch did, for a person and for a script, and its exit status. "Replayed" counts acknowledged
// and marked records only; what is uncertain has a line of its own and never hides in a total.
#include "dlq-inspector/batch.h"

#include "dlq-inspector/format.h"
#include "dlq-inspector/jsonout.h"
#include "dlq-inspector/table.h"

int batch_status(const struct batch *b)
{
    bool begun = b->closing.done + b->closing.unmarked > 0;
    if (b->error.kind != ERR_NONE && !begun)
        return err_exit_status(b->error.kind);
    if (b->error.kind != ERR_NONE || b->interrupted || b->closing.failed + b->closing.unmarked + b->closing.pending > 0)
        return err_exit_status(ERR_TRANSIENT);
    return batch_refused(b) > 0 ? err_exit_status(ERR_INPUT) : 0;
}

static int64_t done(const struct batch *b, const struct batch_terms *terms)
{
    return terms->dry_run ? b->started : b->closing.done;
}

static void report_json(const struct batch *b, const struct batch_terms *terms, struct buf *out)
{
    struct jsonout j = { .out = out };
    jsonout_open(&j, NULL, '{');
    jsonout_bool(&j, "dry_run", terms->dry_run);
    jsonout_int(&j, "matched", b->letters.matched);
    jsonout_int(&j, mark_action_name(terms->action), done(b, terms));
    jsonout_int(&j, "refused", batch_refused(b));
    jsonout_open(&j, "refused_by", '{');
    for (int i = 1; i < REFUSAL_COUNT; i++)
        if (b->refused[i] > 0)
            jsonout_int(&j, refusal_name((enum refusal)i), b->refused[i]);
    jsonout_close(&j, '}');
    jsonout_open(&j, "lanes", '{');
    for (int p = 0; p <= JOB_BULK && terms->action == MARK_REPLAYED; p++)
        jsonout_int(&j, job_priority_name((enum job_priority)p), b->lanes[p]);
    jsonout_close(&j, '}');
    jsonout_int(&j, "may_repeat", b->unknown);
    jsonout_int(&j, "closed_before", b->letters.closed - b->refused[REFUSAL_CLOSED]);
    jsonout_int(&j, "failed", b->closing.failed);
    jsonout_int(&j, "unmarked", b->closing.unmarked + b->closing.pending);
    jsonout_bool(&j, "interrupted", b->interrupted);
    jsonout_string(&j, "error", b->error.kind != ERR_NONE ? b->error.text : NULL);
    jsonout_open(&j, "groups", '[');
    for (size_t i = 0; i < b->groups.count; i++) {
        const struct group *g = &b->groups.list[i];
        jsonout_open(&j, NULL, '{');
        jsonout_string(&j, "reason", g->fields[0]);
        jsonout_string(&j, "domain", g->fields[1]);
        jsonout_string(&j, "outcome", g->fields[2]);
        jsonout_int(&j, "count", g->count);
        jsonout_close(&j, '}');
    }
    jsonout_close(&j, ']');
    jsonout_close(&j, '}');
    buf_putc(out, '\n');
}

static void put_refusals(const struct batch *b, struct buf *out)
{
    char number[FORMAT_COUNT_SIZE];
    if (batch_refused(b) == 0)
        return;
    buf_printf(out, "refused %s:", format_count(batch_refused(b), number));
    const char *comma = "";
    for (int i = 1; i < REFUSAL_COUNT; i++) {
        if (b->refused[i] == 0)
            continue;
        buf_printf(out, "%s %s %s", comma, format_count(b->refused[i], number), refusal_name((enum refusal)i));
        comma = ",";
    }
    buf_putc(out, '\n');
}

static const struct table_column COLUMNS[] = {
    { .title = "COUNT", .right = true },
    { .title = "REASON" },
    { .title = "DOMAIN", .min = 20 },
    { .title = "OUTCOME" },
};

static void put_groups(const struct batch *b, int width, struct buf *out)
{
    struct table t;
    char number[FORMAT_COUNT_SIZE];
    enum { LINES_MAX = 40 };
    table_init(&t, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < b->groups.count && i < LINES_MAX; i++) {
        table_cell_string(&t, format_count(b->groups.list[i].count, number));
        for (int f = 0; f < 3; f++)
            table_cell_string(&t, b->groups.list[i].fields[f]);
    }
    table_print(&t, width, out);
    if (b->groups.count > LINES_MAX)
        buf_printf(out, "… and %zu smaller groups (--json has all)\n", b->groups.count - LINES_MAX);
    table_clear(&t);
}

static void put_lanes(const struct batch *b, const struct session *s, struct buf *out)
{
    char number[FORMAT_COUNT_SIZE];
    const char *comma = ":";
    for (int p = 0; p <= JOB_BULK; p++) {
        if (b->lanes[p] == 0)
            continue;
        buf_printf(out, "%s %s to %s", comma, format_count(b->lanes[p], number),
                   topics_lane(&s->config.topics, (enum job_priority)p));
        comma = ",";
    }
}

static void report_text(const struct batch *b, const struct session *s, const struct batch_terms *terms, struct buf *out)
{
    char number[FORMAT_COUNT_SIZE];
    buf_printf(out, "%s%s %s letters", terms->dry_run ? "dry run: would have " : "", mark_action_name(terms->action),
               format_count(done(b, terms), number));
    put_lanes(b, s, out);
    buf_putc(out, '\n');
    put_refusals(b, out);
    if (b->unknown > 0)
        buf_printf(out, "%s of them may have been accepted before\n", format_count(b->unknown, number));
    int64_t closed_before = b->letters.closed - b->refused[REFUSAL_CLOSED];
    if (closed_before > 0)
        buf_printf(out, "passed over %s that were replayed or discarded before\n", format_count(closed_before, number));
    if (b->closing.failed > 0)
        buf_printf(out, "failed: %s; they are open as before\n", format_count(b->closing.failed, number));
    if (b->closing.unmarked + b->closing.pending > 0)
        buf_printf(out, "uncertain: %s went out or may have, but are not marked; run again, workers drop what is done\n",
                   format_count(b->closing.unmarked + b->closing.pending, number));
    if (b->interrupted)
        buf_puts(out, "interrupted; run again to go on\n");
    if (terms->dry_run && b->groups.count > 0) {
        buf_putc(out, '\n');
        put_groups(b, s->width, out);
    }
}

void batch_report(struct batch *b, const struct session *s, const struct batch_terms *terms, struct buf *out)
{
    groups_sort(&b->groups);
    if (s->json)
        report_json(b, terms, out);
    else
        report_text(b, s, terms, out);
}
