// SPDX-License-Identifier: Apache-2.0
// stats: letters counted by reason, domain and provider, and the oldest one of each lane. One pass, one counter a
// group, memory bounded by groups.h.
#include "dlq-inspector/commands/commands.h"
#include "dlq-inspector/commands/select.h"

#include "dlq-inspector/format.h"
#include "dlq-inspector/groups.h"
#include "dlq-inspector/jsonout.h"
#include "dlq-inspector/letters.h"
#include "dlq-inspector/table.h"

static struct {
    struct filter_args filter;
    int64_t limit;
    bool all;
} args = { .limit = 30 };

const struct option STATS_OPTIONS[] = {
    FILTER_REASON_OPTION(args.filter),
    FILTER_OPTIONS(args.filter),
    { .name = "limit", .letter = 'n', .type = OPTION_INT, .target = &args.limit, .value = "N",
      .help = "at most so many lines, the largest (default 30; --json has all)" },
    { .name = "all", .letter = 'a', .type = OPTION_FLAG, .target = &args.all,
      .help = "count replayed and discarded letters too" },
    { .name = NULL },
};

struct totals {
    struct groups groups; // reason, domain, provider
    struct groups lanes;
    struct groups reasons;
};

static bool count(struct letters *letters, struct totals *t, struct err *e)
{
    struct letter *l;
    int got;
    for (got = letters_next(letters, &l, e); got > 0; got = letters_next(letters, &l, e)) {
        const struct trail_entry *last = letter_last(l);
        const struct letter_job *job = letter_job(l);
        struct slice provider = last != NULL && last->transport.len > 0 ? last->transport : job->route;
        struct slice lane = letter_lane(l);
        int64_t died_ms = l->record->timestamp_ms;
        group_count(groups_at(&t->groups, (struct slice[]){ l->reason, job->domain, provider }), died_ms, 0);
        group_count(groups_at(&t->lanes, &lane), died_ms, 0);
        group_count(groups_at(&t->reasons, &l->reason), died_ms, 0);
    }
    groups_sort(&t->groups);
    groups_sort(&t->lanes);
    groups_sort(&t->reasons);
    return got == 0;
}

static void put_group(struct jsonout *j, const struct group *g, const char *const *names)
{
    jsonout_open(j, NULL, '{');
    for (int i = 0; names[i] != NULL; i++)
        jsonout_string(j, names[i], g->fields[i]);
    jsonout_int(j, "count", g->count);
    jsonout_time(j, "oldest_at", g->oldest_ms);
    jsonout_close(j, '}');
}

static void put_groups(struct jsonout *j, const char *name, const struct groups *g, const char *const *names)
{
    jsonout_open(j, name, '[');
    for (size_t i = 0; i < g->count; i++)
        put_group(j, &g->list[i], names);
    jsonout_close(j, ']');
}

static void print_json(const struct letters *letters, const struct totals *t, struct buf *out)
{
    struct jsonout j = { .out = out };
    jsonout_open(&j, NULL, '{');
    jsonout_int(&j, "letters", letters->counts.matched);
    jsonout_int(&j, "closed", letters->counts.closed);
    jsonout_int(&j, "copies", letters->counts.copies);
    put_groups(&j, "by_reason", &t->reasons, (const char *const[]){ "reason", NULL });
    put_groups(&j, "by_lane", &t->lanes, (const char *const[]){ "lane", NULL });
    put_groups(&j, "groups", &t->groups, (const char *const[]){ "reason", "domain", "provider", NULL });
    jsonout_close(&j, '}');
    buf_putc(out, '\n');
}

static const struct table_column COLUMNS[] = {
    { .title = "COUNT", .right = true },
    { .title = "REASON" },
    { .title = "DOMAIN", .min = 20 },
    { .title = "PROVIDER", .min = 10 },
    { .title = "OLDEST", .right = true },
};

static void print_groups(const struct totals *t, const struct session *s, struct buf *out)
{
    struct table table;
    char age[FORMAT_AGE_SIZE], number[FORMAT_COUNT_SIZE];
    int64_t rest = 0;
    table_init(&table, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < t->groups.count; i++) {
        const struct group *g = &t->groups.list[i];
        if ((int64_t)i >= args.limit) {
            rest += g->count;
            continue;
        }
        table_cell_string(&table, format_count(g->count, number));
        for (int f = 0; f < 3; f++)
            table_cell_string(&table, g->fields[f]);
        table_cell_string(&table, format_age(s->now_ms - g->oldest_ms, age));
    }
    table_print(&table, s->width, out);
    if (rest > 0)
        buf_printf(out, "… and %s in smaller groups (--limit)\n", format_count(rest, number));
    table_clear(&table);
}

static void print_text(const struct letters *letters, const struct totals *t, const struct session *s, struct buf *out)
{
    char age[FORMAT_AGE_SIZE], number[FORMAT_COUNT_SIZE];
    buf_printf(out, "%s dead letters%s", format_count(letters->counts.matched, number),
               args.all ? "" : " open");
    buf_printf(out, ", %s replayed or discarded%s\n", format_count(letters->counts.closed, number),
               args.all ? " among them" : " before");
    for (size_t i = 0; i < t->lanes.count; i++)
        buf_printf(out, "%s: %s, the oldest %s old\n", t->lanes.list[i].fields[0],
                   format_count(t->lanes.list[i].count, number),
                   format_age(s->now_ms - t->lanes.list[i].oldest_ms, age));
    if (t->groups.count > 0) {
        buf_putc(out, '\n');
        print_groups(t, s, out);
    }
}

static int stats(const struct session *s, const struct filter *f)
{
    struct err e;
    struct buf out = { 0 };
    struct letters letters = { 0 };
    struct totals t = { .groups = { .fields = 3, .open_field = 1 }, .lanes = { .fields = 1 }, .reasons = { .fields = 1 } };
    int status;
    if (letters_open(&letters, &s->config, f, args.all, &e) && count(&letters, &t, &e)) {
        if (s->json)
            print_json(&letters, &t, &out);
        else
            print_text(&letters, &t, s, &out);
        status = session_print(&out);
    } else {
        status = session_fail(&e);
    }
    groups_clear(&t.groups);
    groups_clear(&t.lanes);
    groups_clear(&t.reasons);
    letters_close(&letters);
    buf_clear(&out);
    return status;
}

int stats_run(int argc, char **argv)
{
    return select_run(&(struct selection){ .command = "stats", .args = &args.filter, .body = stats }, argc, argv);
}
