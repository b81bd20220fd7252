// SPDX-License-Identifier: Apache-2.0
// timeline: every step of one job from <prefix>.events, and where it is now. The topic has no index by job, so all of
// it is read; records are dropped by their key before anything is parsed. The first line is derived: the record that
// the first event came from says when and where the job was published.
#include "dlq-inspector/commands/commands.h"

#include "common/clock.h"
#include "dlq-inspector/format.h"
#include "dlq-inspector/jsonout.h"
#include "dlq-inspector/scan.h"
#include "dlq-inspector/session.h"
#include "dlq-inspector/steps.h"
#include "dlq-inspector/table.h"

static struct {
    bool reveal;
} args;

const struct option TIMELINE_OPTIONS[] = {
    { .name = "reveal", .type = OPTION_FLAG, .target = &args.reveal, .help = "show recipients in full" },
    { .name = NULL },
};

static bool collect(struct steps *steps, const struct config *c, struct slice job, struct err *e)
{
    struct scan scan;
    struct record *r;
    const char *topic = c->topics.fixed[TOPIC_EVENTS];
    int got = scan_open(&scan, c, &topic, 1, e) ? 1 : -1;
    for (got = got > 0 ? scan_next(&scan, &r, e) : got; got > 0; got = scan_next(&scan, &r, e)) {
        if (slice_eq(r->key, job))
            steps_add_take(steps, job, r);
        else
            record_free(r);
    }
    scan_close(&scan);
    steps_sort(steps);
    return got == 0;
}

// The first event came straight from a main topic: that record is the publication.
static bool knows_publication(const struct steps *steps, const struct config *c)
{
    const struct step *first = &steps->list[0];
    for (int p = 0; p <= JOB_BULK; p++)
        if (strcmp(first->source_topic, topics_lane(&c->topics, (enum job_priority)p)) == 0)
            return first->ev.epoch.generation == 0;
    return false;
}

static const struct table_column COLUMNS[] = {
    { .title = "TIME" },
    { .title = "AFTER", .right = true },
    { .title = "GEN/TRY", .right = true, .drop = 1 },
    { .title = "STEP" },
    { .title = "DETAIL", .min = 20 },
};

static void put_line(struct table *t, int64_t at_ms, int64_t start_ms, const char *try, const char *name, struct slice detail)
{
    char when[CLOCK_RFC3339_SIZE], span[FORMAT_AGE_SIZE], after[FORMAT_AGE_SIZE + 1];
    snprintf(after, sizeof after, "%s%s", at_ms >= start_ms ? "+" : "", format_span(at_ms - start_ms, span));
    table_cell_string(t, clock_format_rfc3339(at_ms, when));
    table_cell_string(t, after);
    table_cell_string(t, try);
    table_cell_string(t, name);
    table_cell(t, detail);
}

static void print_text(const struct steps *steps, const struct session *s, const char *id, struct buf *out)
{
    struct table t;
    struct buf detail = { 0 };
    char try[32];
    const struct step *first = &steps->list[0];
    bool published = knows_publication(steps, &s->config);
    int64_t start_ms = published ? first->ev.source_ms : first->ev.at_ms;
    table_init(&t, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    if (published) {
        buf_printf(&detail, "to %s, partition %d, offset %lld", first->source_topic, (int)first->ev.source_partition,
                   (long long)first->ev.source_offset);
        put_line(&t, start_ms, start_ms, "", "published", buf_slice(&detail));
    }
    for (size_t i = 0; i < steps->count; i++) {
        const struct step *step = &steps->list[i];
        buf_reset(&detail);
        step_describe(step, args.reveal, &detail);
        snprintf(try, sizeof try, "%u/%u", step->ev.epoch.generation, step->ev.epoch.try_no);
        put_line(&t, step->ev.at_ms, start_ms, try, event_name(step->ev.type), buf_slice(&detail));
    }
    table_print(&t, s->width, out);
    buf_printf(out, "\nnow: ");
    steps_where(steps, s->now_ms, args.reveal, out);
    const struct event *last = &steps->list[steps->count - 1].ev;
    if (last->type == EVENT_DEAD)
        buf_printf(out, "\n     why, and what to do: sendfleet-dlq show %s", id);
    buf_putc(out, '\n');
    table_clear(&t);
    buf_clear(&detail);
}

static void put_step(struct jsonout *j, const struct step *step, int64_t start_ms)
{
    struct buf detail = { 0 };
    step_describe(step, args.reveal, &detail);
    jsonout_open(j, NULL, '{');
    jsonout_int(j, "at", step->ev.at_ms);
    jsonout_int(j, "after_ms", step->ev.at_ms - start_ms);
    jsonout_string(j, "step", event_name(step->ev.type));
    jsonout_int(j, "generation", step->ev.epoch.generation);
    jsonout_int(j, "try", step->ev.epoch.try_no);
    jsonout_text(j, "detail", buf_slice(&detail));
    jsonout_int(j, "copies", step->copies);
    if (args.reveal)
        jsonout_raw(j, "event", step->record->value);
    jsonout_close(j, '}');
    buf_clear(&detail);
}

static void print_json(const struct steps *steps, const struct session *s, const char *id, struct buf *out)
{
    struct jsonout j = { .out = out };
    struct buf where = { 0 };
    const struct step *first = &steps->list[0];
    bool published = knows_publication(steps, &s->config);
    int64_t start_ms = published ? first->ev.source_ms : first->ev.at_ms;
    jsonout_open(&j, NULL, '{');
    jsonout_string(&j, "id", id);
    if (published) {
        jsonout_open(&j, "published", '{');
        jsonout_int(&j, "at", first->ev.source_ms);
        jsonout_string(&j, "topic", first->source_topic);
        jsonout_int(&j, "partition", first->ev.source_partition);
        jsonout_int(&j, "offset", first->ev.source_offset);
        jsonout_close(&j, '}');
    }
    jsonout_open(&j, "steps", '[');
    for (size_t i = 0; i < steps->count; i++)
        put_step(&j, &steps->list[i], start_ms);
    jsonout_close(&j, ']');
    steps_where(steps, s->now_ms, args.reveal, &where);
    jsonout_string(&j, "state", event_name(steps->list[steps->count - 1].ev.type));
    jsonout_text(&j, "now", buf_slice(&where));
    jsonout_close(&j, '}');
    buf_putc(out, '\n');
    buf_clear(&where);
}

static int timeline(const struct session *s, const char *id)
{
    struct err e;
    struct steps steps = { 0 };
    struct buf out = { 0 };
    char kept[FORMAT_AGE_SIZE];
    int status;
    if (!collect(&steps, &s->config, slice_of(id), &e)) {
        status = session_fail(&e);
    } else if (steps.count == 0) {
        err_set(&e, ERR_INPUT, "no events of job %s: events are kept for %s, and a job that no worker has taken yet has none",
                id, format_span(s->config.layout.retention_events_ms, kept));
        status = session_fail(&e);
    } else {
        (s->json ? print_json : print_text)(&steps, s, id, &out);
        status = session_print(&out);
    }
    steps_clear(&steps);
    buf_clear(&out);
    return status;
}

int timeline_run(int argc, char **argv)
{
    struct err e;
    struct session s;
    if (argc != 1) {
        err_set(&e, ERR_USAGE, "timeline needs one job id: sendfleet-dlq timeline ID");
        return session_fail(&e);
    }
    if (!session_open(&s, &e))
        return session_fail(&e);
    int status = timeline(&s, argv[0]);
    session_close(&s);
    return status;
}
