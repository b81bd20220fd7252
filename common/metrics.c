// SPDX-License-Identifier: Apache-2.0
// metrics: samples in families, printed as Prometheus text.
//
// Updates are plain additions on a pointer the caller kept; everything costly (looking up labels, formatting) is
// at set-up or at scrape time. A family that meets more label sets than METRIC_CHILDREN_MAX adds up the rest under
// "other", so that a mistake in choosing labels costs precision and not memory. Buckets are counted singly and
// summed up when printed. Label values come from outside at times (a tier, a route's name), so they are escaped
// and cut.
#include "common/metrics.h"

#include "common/alloc.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 48, VALUE_SIZE = 128 };

struct metric {
    struct metric_family *family;
    char *values[METRIC_LABELS_MAX]; // owned
    double value; // counters, gauges; histograms: the sum
    uint64_t count;                       // histograms
    uint64_t buckets[METRIC_BUCKETS_MAX]; // histograms, not cumulative; above the last bound only count knows
};

struct metric_family {
    enum metric_type type;
    char *name, *help; // owned; name with the prefix
    char labels[METRIC_LABELS_MAX][NAME_SIZE];
    int label_count;
    double bounds[METRIC_BUCKETS_MAX];
    int bound_count;
    struct metric **children; // owned
    int child_count;
    struct metric_family *next;
};

struct metrics {
    char *prefix; // owned
    struct metric_family *first, **last; // in the order declared
};

struct metrics *metrics_new(const char *prefix)
{
    struct metrics *m = xcalloc(1, sizeof *m);
    m->prefix = xstrdup(prefix);
    m->last = &m->first;
    return m;
}

static void free_family(struct metric_family *f)
{
    for (int i = 0; i < f->child_count; i++) {
        for (int l = 0; l < f->label_count; l++)
            free(f->children[i]->values[l]);
        free(f->children[i]);
    }
    free(f->children);
    free(f->name);
    free(f->help);
    free(f);
}

void metrics_free(struct metrics *m)
{
    if (m == NULL)
        return;
    while (m->first != NULL) {
        struct metric_family *f = m->first;
        m->first = f->next;
        free_family(f);
    }
    free(m->prefix);
    free(m);
}

// ---- declaring --------------------------------------------------------------------------------------------------

static struct metric_family *find_family(const struct metrics *m, const char *name)
{
    size_t skip = strlen(m->prefix);
    for (struct metric_family *f = m->first; f != NULL; f = f->next)
        if (strcmp(f->name + skip, name) == 0)
            return f;
    return NULL;
}

static void check_name(const char *name)
{
    assert(*name != '\0' && !isdigit((unsigned char)*name));
    for (; *name != '\0'; name++)
        assert(isalnum((unsigned char)*name) || *name == '_');
}

static void set_labels(struct metric_family *f, const char *labels)
{
    while (*labels != '\0') {
        size_t len = strcspn(labels, ",");
        assert(f->label_count < METRIC_LABELS_MAX && len < NAME_SIZE);
        char *name = f->labels[f->label_count++];
        memcpy(name, labels, len);
        name[len] = '\0';
        check_name(name);
        labels += len + (labels[len] == ',');
    }
}

static void set_bounds(struct metric_family *f, const double *buckets)
{
    assert((f->type == METRIC_HISTOGRAM) == (buckets != NULL));
    for (; buckets != NULL && *buckets != 0; buckets++) {
        assert(f->bound_count < METRIC_BUCKETS_MAX);
        assert(f->bound_count == 0 || *buckets > f->bounds[f->bound_count - 1]);
        f->bounds[f->bound_count++] = *buckets;
    }
}

struct metric_family *metrics_family(struct metrics *m, enum metric_type type, const char *name, const char *help,
                                     const char *labels, const double *buckets)
{
    struct metric_family *f = find_family(m, name);
    if (f != NULL) {
        assert(f->type == type);
        return f;
    }
    check_name(name);
    f = xcalloc(1, sizeof *f);
    f->type = type;
    size_t size = strlen(m->prefix) + strlen(name) + 1;
    f->name = xmalloc(size);
    snprintf(f->name, size, "%s%s", m->prefix, name);
    f->help = xstrdup(help);
    set_labels(f, labels);
    set_bounds(f, buckets);
    *m->last = f;
    m->last = &f->next;
    if (f->label_count == 0)
        metric_child(f, NULL); // shows as 0 from the start
    return f;
}

static struct metric *find_child(const struct metric_family *f, const char *const *values)
{
    for (int i = 0; i < f->child_count; i++) {
        int same = 0;
        while (same < f->label_count && strncmp(f->children[i]->values[same], values[same], VALUE_SIZE - 1) == 0)
            same++;
        if (same == f->label_count)
            return f->children[i];
    }
    return NULL;
}

static struct metric *add_child(struct metric_family *f, const char *const *values)
{
    struct metric *child = xcalloc(1, sizeof *child);
    child->family = f;
    for (int l = 0; l < f->label_count; l++)
        child->values[l] = xstrndup(values[l], strnlen(values[l], VALUE_SIZE - 1));
    f->children = xrealloc(f->children, (size_t)(f->child_count + 1) * sizeof(struct metric *));
    f->children[f->child_count++] = child;
    return child;
}

struct metric *metric_child(struct metric_family *f, const char *const *values)
{
    static const char *const others[METRIC_LABELS_MAX] = { "other", "other", "other", "other" };
    struct metric *child = find_child(f, values);
    if (child != NULL)
        return child;
    if (f->child_count < METRIC_CHILDREN_MAX)
        return add_child(f, values);
    child = find_child(f, others);
    return child != NULL ? child : add_child(f, others);
}

// ---- counting ---------------------------------------------------------------------------------------------------

void metric_add(struct metric *m, double by)
{
    assert(m->family->type != METRIC_HISTOGRAM && (by >= 0 || m->family->type == METRIC_GAUGE));
    m->value += by;
}

void metric_set(struct metric *m, double value)
{
    assert(m->family->type != METRIC_HISTOGRAM);
    m->value = value;
}

void metric_observe(struct metric *m, double value)
{
    const struct metric_family *f = m->family;
    assert(f->type == METRIC_HISTOGRAM);
    m->value += value;
    m->count++;
    for (int i = 0; i < f->bound_count; i++) {
        if (value > f->bounds[i])
            continue;
        m->buckets[i]++;
        return;
    }
}

double metric_value(const struct metric *m)
{
    return m->family->type == METRIC_HISTOGRAM ? (double)m->count : m->value;
}

// ---- printing ---------------------------------------------------------------------------------------------------

static void put_number(struct buf *out, double n)
{
    if (isnan(n))
        buf_puts(out, "NaN");
    else if (isinf(n))
        buf_puts(out, n > 0 ? "+Inf" : "-Inf");
    else if (n == floor(n) && fabs(n) < 1e15)
        buf_put_i64(out, (int64_t)n);
    else
        buf_printf(out, "%.15g", n);
}

// Backslash, line end and (in label values) the quote are escaped; what is not UTF-8 becomes U+FFFD.
static void put_escaped(struct buf *out, const char *text, bool quoted)
{
    for (size_t left = strlen(text); left > 0;) {
        size_t n = utf8_sequence(text, left);
        if (*text == '\n')
            buf_puts(out, "\\n");
        else if (*text == '\\' || (*text == '"' && quoted))
            buf_printf(out, "\\%c", *text);
        else if (n == 0)
            buf_puts(out, "\xef\xbf\xbd");
        else
            buf_put(out, text, n);
        n = n > 0 ? n : 1;
        text += n;
        left -= n;
    }
}

// bound: of a histogram's bucket, NULL = none.
static void put_sample_head(struct buf *out, const struct metric *m, const char *suffix, const double *bound)
{
    const struct metric_family *f = m->family;
    buf_printf(out, "%s%s", f->name, suffix);
    const char *before = "{";
    for (int l = 0; l < f->label_count; l++) {
        buf_printf(out, "%s%s=\"", before, f->labels[l]);
        put_escaped(out, m->values[l], true);
        buf_putc(out, '"');
        before = ",";
    }
    if (bound != NULL) {
        buf_printf(out, "%sle=\"", before);
        put_number(out, *bound);
        buf_putc(out, '"');
    }
    buf_puts(out, f->label_count > 0 || bound != NULL ? "} " : " ");
}

static void put_sample(struct buf *out, const struct metric *m, const char *suffix, const double *bound, double value)
{
    put_sample_head(out, m, suffix, bound);
    put_number(out, value);
    buf_putc(out, '\n');
}

static void print_child(struct buf *out, const struct metric *m)
{
    static const double infinite = INFINITY;
    const struct metric_family *f = m->family;
    if (f->type != METRIC_HISTOGRAM) {
        put_sample(out, m, "", NULL, m->value);
        return;
    }
    uint64_t below = 0;
    for (int i = 0; i < f->bound_count; i++) {
        below += m->buckets[i];
        put_sample(out, m, "_bucket", &f->bounds[i], (double)below);
    }
    put_sample(out, m, "_bucket", &infinite, (double)m->count);
    put_sample(out, m, "_sum", NULL, m->value);
    put_sample(out, m, "_count", NULL, (double)m->count);
}

void metrics_print(const struct metrics *m, struct buf *out)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    for (const struct metric_family *f = m->first; f != NULL; f = f->next) {
        buf_printf(out, "# HELP %s ", f->name);
        put_escaped(out, f->help, false);
        buf_printf(out, "\n# TYPE %s %s\n", f->name, types[f->type]);
        for (int i = 0; i < f->child_count; i++)
            print_child(out, f->children[i]);
    }
}
