// SPDX-License-Identifier: Apache-2.0
// metrics: counters, gauges and histograms with bounded labels, printed as Prometheus text (0.0.4).
//
// A family is declared once, with its label names (again with the same name and type: the same family). metric_child finds or makes the sample for one set of label
// values; hot paths look it up once and keep the pointer. A family holds at most METRIC_CHILDREN_MAX label sets: what
// comes after goes to the child whose values are all "other". Single-threaded: belongs to the event loop.
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include "common/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum { METRIC_LABELS_MAX = 4, METRIC_BUCKETS_MAX = 24, METRIC_CHILDREN_MAX = 1000 };

struct metrics; // registry
struct metric_family;
struct metric;

struct metrics *metrics_new(const char *prefix); // "sendfleet_"
void metrics_free(struct metrics *m);

// labels: comma separated names or "" ; buckets: ascending upper bounds (histograms only), terminated by a 0.
struct metric_family *metrics_family(struct metrics *m, enum metric_type type, const char *name, const char *help,
                                     const char *labels, const double *buckets);

// values: one string a label, in the order declared. The pointer is stable until metrics_free.
struct metric *metric_child(struct metric_family *f, const char *const *values);

void metric_add(struct metric *m, double by);       // counters, gauges
void metric_set(struct metric *m, double value);    // gauges; counters mirrored from elsewhere
void metric_observe(struct metric *m, double value); // histograms
double metric_value(const struct metric *m);        // counters, gauges; histograms: the count

void metrics_print(const struct metrics *m, struct buf *out);

#endif
