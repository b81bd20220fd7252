// SPDX-License-Identifier: Apache-2.0
// status: what waits where, right now. The quick form asks for offsets and reads one record a partition, so it answers
// in well under a second however much is waiting; --exact reads everything that waits and breaks it down. Dead letters
// are counted from offsets too, less the marks of letters that are still kept; letters filed twice are in that number
// twice, so it is called "about", and stats counts them exactly.
#include "dlq-inspector/commands/commands.h"
#include "dlq-inspector/commands/standing.h"

#include "common/alloc.h"
#include "dlq-inspector/letters.h"

#include <stdlib.h>

static struct {
    bool exact;
} args;

const struct option STATUS_OPTIONS[] = {
    { .name = "exact", .type = OPTION_FLAG, .target = &args.exact,
      .help = "read all that waits: jobs by tier, wait, class and domain" },
    { .name = NULL },
};

enum { MARKS_QUICK = 300000 }; // so many are read within the second

struct ranges {
    struct broker_range *list; // owned
    int count;
};

static bool ask(struct broker_admin *admin, struct ranges *out, const char *const *names, int count, const char *group,
                struct err *e)
{
    return broker_admin_ranges(admin, names, count, group, &out->list, &out->count, e);
}

static bool read_belts(struct standing *st, const struct session *s, struct broker_admin *admin, struct ranges *waiting,
                       struct err *e)
{
    const struct topics *t = &s->config.topics;
    const char *names[TIERS_MAX];
    for (int i = 0; i < t->tiers.count; i++)
        names[i] = t->retry[i];
    if (!ask(admin, waiting, names, t->tiers.count, t->retry_group, e))
        return false;
    st->belts.topics = t;
    for (int i = 0; i < waiting->count; i++) {
        belts_count(&st->belts, &waiting->list[i]);
        waiting->list[i].low = belts_start(&waiting->list[i]);
    }
    return true;
}

static bool read_lanes(struct standing *st, const struct session *s, struct broker_admin *admin, struct err *e)
{
    struct ranges main = { 0 };
    const char *names[JOB_BULK + 1];
    for (int p = 0; p <= JOB_BULK; p++)
        names[p] = topics_lane(&s->config.topics, (enum job_priority)p);
    if (!ask(admin, &main, names, JOB_BULK + 1, s->config.topics.main_group, e))
        return false;
    for (int i = 0; i < main.count; i++)
        for (int p = 0; p <= JOB_BULK; p++)
            if (strcmp(main.list[i].topic, names[p]) == 0)
                st->lag[p] += main.list[i].high - belts_start(&main.list[i]);
    free(main.list);
    return true;
}

static bool count_closed(struct standing *st, const struct session *s, const struct ranges *dead, struct err *e)
{
    struct marks marks = { 0 };
    bool ok = letters_read_marks(&marks, &s->config, e);
    for (int i = 0; ok && i < dead->count; i++)
        st->closed += marks_count(&marks, dead->list[i].partition, dead->list[i].low);
    marks_clear(&marks);
    return ok;
}

static int64_t records_in(const struct ranges *r)
{
    int64_t n = 0;
    for (int i = 0; i < r->count; i++)
        n += r->list[i].high - r->list[i].low;
    return n;
}

static bool read_dead(struct standing *st, const struct session *s, struct broker_admin *admin, struct err *e)
{
    struct ranges dead = { 0 }, log = { 0 };
    const char *letters = s->config.topics.fixed[TOPIC_DLQ], *marks = s->config.topics.fixed[TOPIC_DLQ_LOG];
    bool ok = ask(admin, &dead, &letters, 1, NULL, e) && ask(admin, &log, &marks, 1, NULL, e);
    if (ok) {
        st->letters = records_in(&dead);
        st->closed = records_in(&log) <= MARKS_QUICK ? 0 : -1;
    }
    if (ok && st->closed == 0)
        ok = count_closed(st, s, &dead, e);
    free(dead.list);
    free(log.list);
    return ok;
}

static bool read_heads(struct standing *st, const struct session *s, const struct ranges *waiting, struct err *e)
{
    struct scan scan;
    struct record *r;
    struct broker_range *heads = xcalloc((size_t)waiting->count + 1, sizeof *heads);
    for (int i = 0; i < waiting->count; i++) {
        heads[i] = waiting->list[i];
        if (heads[i].high > heads[i].low + 1)
            heads[i].high = heads[i].low + 1;
    }
    int got = scan_open_ranges(&scan, &s->config, heads, waiting->count, e) ? 1 : -1;
    for (got = got > 0 ? scan_next(&scan, &r, e) : got; got > 0; got = scan_next(&scan, &r, e)) {
        belts_head(&st->belts, r, s->now_ms);
        record_free(r);
    }
    scan_close(&scan);
    free(heads);
    return got == 0;
}

static bool read_all(struct standing *st, const struct session *s, const struct ranges *waiting, struct err *e)
{
    struct scan scan;
    struct record *r;
    struct letter job = { 0 }; // any record with an envelope reads like a letter
    int got = scan_open_ranges(&scan, &s->config, waiting->list, waiting->count, e) ? 1 : -1;
    for (got = got > 0 ? scan_next(&scan, &r, e) : got; got > 0; got = scan_next(&scan, &r, e)) {
        int tier = topics_tier_of(&s->config.topics, r->topic);
        letter_read(&job, r);
        struct slice fields[] = {
            slice_of(tier >= 0 ? s->config.tiers.list[tier].name : "-"),
            slice_of(wait_name(job.env.wait)),
            slice_of(failure_name(job.env.class)),
            letter_job(&job)->domain,
        };
        group_count(groups_at(&st->exact, fields), r->timestamp_ms, job.env.due_ms);
        record_free(r);
    }
    scan_close(&scan);
    letter_clear(&job);
    groups_sort(&st->exact);
    return got == 0;
}

static bool look(struct standing *st, const struct session *s, struct err *e)
{
    struct broker_admin *admin = NULL;
    struct ranges waiting = { 0 };
    bool ok = broker_admin_new(&admin, &s->config, e) && read_belts(st, s, admin, &waiting, e) &&
              read_lanes(st, s, admin, e) && read_dead(st, s, admin, e) && read_heads(st, s, &waiting, e);
    if (ok && args.exact)
        ok = read_all(st, s, &waiting, e);
    broker_admin_free(admin);
    free(waiting.list);
    return ok;
}

int status_run(int argc, char **argv)
{
    struct err e;
    struct session s;
    struct buf out = { 0 };
    struct standing st = { .exact = { .fields = 4, .open_field = 3 } };
    if (argc > 0) {
        err_set(&e, ERR_USAGE, "status takes no argument \"%s\"; where one job is: sendfleet-dlq timeline ID", argv[0]);
        return session_fail(&e);
    }
    if (!session_open(&s, &e))
        return session_fail(&e);
    st.has_exact = args.exact;
    int status;
    if (look(&st, &s, &e)) {
        (s.json ? standing_json : standing_text)(&st, &s, &out);
        status = session_print(&out);
    } else {
        status = session_fail(&e);
    }
    groups_clear(&st.exact);
    buf_clear(&out);
    session_close(&s);
    return status;
}
