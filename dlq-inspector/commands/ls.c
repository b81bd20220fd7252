// SPDX-License-Identifier: Apache-2.0
// ls: the newest letters that match. The topic is read once from its beginning (Kafka has no index by anything we
// filter on); only the newest --limit records are kept, in a min-heap by time of death, so memory does not grow with
// the topic. Equal times are ordered by place, so that two runs print the same list.
#include "dlq-inspector/commands/commands.h"
#include "dlq-inspector/commands/select.h"

#include "common/alloc.h"
#include "dlq-inspector/format.h"
#include "dlq-inspector/jsonout.h"
#include "dlq-inspector/letters.h"
#include "dlq-inspector/mask.h"
#include "dlq-inspector/table.h"

#include <stdlib.h>

static struct {
    struct filter_args filter;
    int64_t limit;
    bool all, reveal;
} args = { .limit = 50 };

const struct option LS_OPTIONS[] = {
    FILTER_REASON_OPTION(args.filter),
    FILTER_OPTIONS(args.filter),
    { .name = "limit", .letter = 'n', .type = OPTION_INT, .target = &args.limit, .value = "N",
      .help = "at most so many, the newest (default 50)" },
    { .name = "all", .letter = 'a', .type = OPTION_FLAG, .target = &args.all,
      .help = "replayed and discarded letters too" },
    { .name = "reveal", .type = OPTION_FLAG, .target = &args.reveal, .help = "show recipients in full" },
    { .name = NULL },
};

enum { LIMIT_MAX = 100000 };

struct newest { // a min-heap: list[0] is the oldest of those kept
    struct record **list; // owned, and the records
    size_t count, limit;
};

static bool is_older(const struct record *a, const struct record *b)
{
    if (a->timestamp_ms != b->timestamp_ms)
        return a->timestamp_ms < b->timestamp_ms;
    return a->partition != b->partition ? a->partition > b->partition : a->offset < b->offset;
}

static void sift_down(struct newest *n, size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < n->count && is_older(n->list[left], n->list[least]))
            least = left;
        if (right < n->count && is_older(n->list[right], n->list[least]))
            least = right;
        if (least == i)
            return;
        struct record *moved = n->list[i];
        n->list[i] = n->list[least];
        n->list[least] = moved;
        i = least;
    }
}

static void sift_up(struct newest *n, size_t i)
{
    for (size_t parent = (i - 1) / 2; i > 0 && is_older(n->list[i], n->list[parent]); parent = (i - 1) / 2) {
        struct record *moved = n->list[i];
        n->list[i] = n->list[parent];
        n->list[parent] = moved;
        i = parent;
    }
}

static void offer(struct newest *n, struct letters *letters)
{
    const struct record *r = letters->record;
    if (n->limit == 0 || (n->count == n->limit && is_older(r, n->list[0])))
        return;
    if (n->count < n->limit) {
        n->list[n->count] = letters_take(letters);
        sift_up(n, n->count++);
        return;
    }
    record_free(n->list[0]);
    n->list[0] = letters_take(letters);
    sift_down(n, 0);
}

static int newer_first(const void *a, const void *b)
{
    struct record *const *x = a, *const *y = b;
    return is_older(*x, *y) ? 1 : -1;
}

static const struct table_column COLUMNS[] = {
    { .title = "AGE", .right = true },
    { .title = "REASON" },
    { .title = "CODE", .right = true, .drop = 4 },
    { .title = "ATT", .right = true, .drop = 3 },
    { .title = "RECIPIENT", .min = 14, .drop = 5 },
    { .title = "ROUTE", .min = 6, .drop = 1 },
    { .title = "ID" },
    { .title = "LAST TEXT", .min = 12, .drop = 2 },
};

static void put_row(struct letter *l, const struct session *s, struct table *t)
{
    char age[FORMAT_AGE_SIZE];
    struct buf text = { 0 };
    table_cell_string(t, format_age(s->now_ms - l->record->timestamp_ms, age));
    table_cell(t, l->reason);
    if (letter_code(l) != 0)
        table_cell_int(t, letter_code(l));
    else
        table_cell_string(t, "-");
    table_cell_int(t, l->env.attempt);
    const struct letter_job *job = letter_job(l);
    if (job->to.len > 0)
        mask_address(&text, job->to, args.reveal);
    else
        mask_plain(&text, job->domain.len > 0 ? job->domain : SLICE("-"));
    table_cell(t, buf_slice(&text));
    table_cell(t, job->route.len > 0 ? job->route : SLICE("-"));
    table_cell_string(t, l->id);
    buf_reset(&text);
    if (l->mark != NULL)
        buf_printf(&text, "(%s) ", mark_action_name(l->mark->action));
    mask_text(&text, letter_text(l), args.reveal);
    table_cell(t, buf_slice(&text));
    buf_clear(&text);
}

static void put_json(struct letter *l, const struct session *s, struct jsonout *j)
{
    char origin[LETTER_ORIGIN_SIZE];
    struct buf text = { 0 };
    const struct letter_job *job = letter_job(l);
    const struct trail_entry *last = letter_last(l);
    jsonout_open(j, NULL, '{');
    jsonout_string(j, "id", l->id);
    jsonout_int(j, "generation", l->env.epoch.generation);
    jsonout_string(j, "letter", letter_origin(l->record, origin));
    jsonout_int(j, "died_at", l->record->timestamp_ms);
    jsonout_int(j, "age_ms", s->now_ms - l->record->timestamp_ms);
    jsonout_text(j, "reason", l->reason);
    mask_text(&text, l->detail, args.reveal);
    jsonout_text(j, "detail", l->detail.ptr != NULL ? buf_slice(&text) : l->detail);
    jsonout_int(j, "code", letter_code(l));
    jsonout_int(j, "attempts", l->env.attempt);
    buf_reset(&text);
    if (job->to.len > 0)
        mask_address(&text, job->to, args.reveal);
    jsonout_text(j, "to", text.len > 0 ? buf_slice(&text) : (struct slice){ 0 });
    jsonout_text(j, "domain", job->domain);
    jsonout_text(j, "route", job->route);
    jsonout_text(j, "transport", last != NULL ? last->transport : (struct slice){ 0 });
    jsonout_text(j, "lane", letter_lane(l));
    buf_reset(&text);
    mask_text(&text, letter_text(l), args.reveal);
    jsonout_text(j, "text", text.len > 0 ? buf_slice(&text) : (struct slice){ 0 });
    jsonout_string(j, "state", l->mark != NULL ? mark_action_name(l->mark->action) : "open");
    jsonout_close(j, '}');
    buf_clear(&text);
}

static void print_table(struct letters *letters, const struct newest *n, const struct session *s, struct buf *out)
{
    struct table t;
    table_init(&t, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < n->count; i++) {
        letter_read(&letters->letter, n->list[i]);
        letters->letter.mark = marks_find(&letters->marks, letters->letter.key);
        put_row(&letters->letter, s, &t);
    }
    if (n->count > 0)
        table_print(&t, s->width, out);
    else
        buf_puts(out, "no dead letters match\n");
    if (letters->counts.matched > (int64_t)n->count) {
        char all[FORMAT_COUNT_SIZE];
        buf_printf(out, "… and %s older ones (--limit)\n",
                   format_count(letters->counts.matched - (int64_t)n->count, all));
    }
    table_clear(&t);
}

static void print_json(struct letters *letters, const struct newest *n, const struct session *s, struct buf *out)
{
    struct jsonout j = { .out = out };
    jsonout_open(&j, NULL, '{');
    jsonout_int(&j, "matched", letters->counts.matched);
    jsonout_int(&j, "closed", letters->counts.closed);
    jsonout_open(&j, "letters", '[');
    for (size_t i = 0; i < n->count; i++) {
        letter_read(&letters->letter, n->list[i]);
        letters->letter.mark = marks_find(&letters->marks, letters->letter.key);
        put_json(&letters->letter, s, &j);
    }
    jsonout_close(&j, ']');
    jsonout_close(&j, '}');
    buf_putc(out, '\n');
}

static bool collect(struct letters *letters, struct newest *n, struct err *e)
{
    struct letter *l;
    int got;
    for (got = letters_next(letters, &l, e); got > 0; got = letters_next(letters, &l, e))
        offer(n, letters);
    if (n->count > 0)
        qsort(n->list, n->count, sizeof *n->list, newer_first);
    return got == 0;
}

static int list(const struct session *s, const struct filter *f)
{
    struct err e;
    struct buf out = { 0 };
    struct letters letters = { 0 };
    struct newest n = { .limit = (size_t)(args.limit < LIMIT_MAX ? args.limit : LIMIT_MAX) };
    n.list = xcalloc(n.limit + 1, sizeof(struct record *));
    int status;
    if (letters_open(&letters, &s->config, f, args.all, &e) && collect(&letters, &n, &e)) {
        (s->json ? print_json : print_table)(&letters, &n, s, &out);
        status = session_print(&out);
    } else {
        status = session_fail(&e);
    }
    for (size_t i = 0; i < n.count; i++)
        record_free(n.list[i]);
    free(n.list);
    letters_close(&letters);
    buf_clear(&out);
    return status;
}

int ls_run(int argc, char **argv)
{
    return select_run(&(struct selection){ .command = "ls", .args = &args.filter, .body = list }, argc, argv);
}
