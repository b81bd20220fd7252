// SPDX-License-Identifier: Apache-2.0
// meters: see meters.h. Labels are bounded: routes, providers, classes, tiers and lanes are configuration or enums;
// never an address, an id or a domain.
#include "worker/meters.h"

static const double SECONDS[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600, 0 };
static const double WAITS[] = { 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 43200, 172800, 0 };

static struct metric_family *family(struct meters *m, enum metric_type type, const char *name, const char *labels,
                                    const char *help)
{
    return metrics_family(m->registry, type, name, help, labels, NULL);
}

static struct metric_family *histogram(struct meters *m, const char *name, const char *labels, const double *buckets,
                                       const char *help)
{
    return metrics_family(m->registry, METRIC_HISTOGRAM, name, help, labels, buckets);
}

static struct metric *single(struct metric_family *f)
{
    return metric_child(f, NULL);
}

static void declare_families(struct meters *m)
{
    m->jobs = family(m, METRIC_COUNTER, "jobs_total", "outcome,route,class",
                     "Jobs that reached an outcome: accepted, waiting, dead, review, duplicate.");
    m->attempts = family(m, METRIC_COUNTER, "attempts_total", "provider,class", "Attempts by how they ended.");
    m->attempt_seconds = histogram(m, "attempt_seconds", "provider", SECONDS, "Duration of an attempt.");
    m->end_to_end = histogram(m, "end_to_end_seconds", "route", WAITS,
                              "From the job's first sight by a worker to acceptance by the next hop.");
    m->first_wait = histogram(m, "first_attempt_wait_seconds", "lane", WAITS,
                              "From the record's timestamp to the start of the job's first attempt.");
    m->retry_waiting = family(m, METRIC_GAUGE, "retry_waiting", "tier",
                              "Records waiting on the belts of this tier that this worker reads.");
    m->belt_hops = family(m, METRIC_COUNTER, "belt_hops_total", "tier", "Records put onto a belt.");
    m->inflight = family(m, METRIC_GAUGE, "inflight", "budget", "Jobs under way, by budget.");
    m->unknown = family(m, METRIC_COUNTER, "unknown_total", "phase", "Attempts whose outcome could not be known.");
    m->unclassified = family(m, METRIC_COUNTER, "unclassified_total", "provider",
                             "Replies whose text no rule knows: decided by the code's first digit.");
    m->dlq = family(m, METRIC_COUNTER, "dlq_total", "reason,priority", "Dead letters filed.");
    m->offset_lag = family(m, METRIC_GAUGE, "offset_lag", "topic,partition",
                           "Records of this worker's partitions that are not finished, those it has not read included.");
    m->dkim_signed = family(m, METRIC_COUNTER, "dkim_signed_total", "algorithm", "DKIM signatures made.");
}

static void declare_singles(struct meters *m)
{
    m->lateness = single(histogram(m, "retry_lateness_seconds", "", SECONDS, "Start of a retry minus its due time."));
    m->duplicates = single(family(m, METRIC_COUNTER, "duplicates_total", "", "Jobs dropped as duplicates of another job."));
    m->redelivered = single(family(m, METRIC_COUNTER, "redelivered_total", "",
                                   "Records read again whose job was settled already."));
    m->busy_parked = single(family(m, METRIC_COUNTER, "busy_parked_total", "",
                                   "Records parked because another worker held the claim."));
    m->double_accept = single(family(m, METRIC_COUNTER, "double_accept_total", "",
                                     "Keys accepted twice by the next hop. Must stay 0."));
    m->claims_refused = single(family(m, METRIC_COUNTER, "verdicts_refused_total", "",
                                      "Verdicts that came too late: another worker had spoken."));
    m->store_up = single(family(m, METRIC_GAUGE, "store_up", "", "1 while Redis answers."));
    m->clock_offset = single(family(m, METRIC_GAUGE, "clock_offset_seconds", "", "Broker time minus local time."));
    m->frontier_age = single(family(m, METRIC_GAUGE, "frontier_age_seconds", "",
                                    "Age of the oldest record under way that holds an offset back."));
    m->dkim_failed = single(family(m, METRIC_COUNTER, "dkim_failed_total", "",
                                   "Mails that could not be signed and were not sent."));
    m->dueheap_bytes = single(family(m, METRIC_GAUGE, "due_heap_bytes", "", "Records waiting in memory for less than a belt."));
}

void meters_init(struct meters *m)
{
    *m = (struct meters){ .registry = metrics_new("sendfleet_") };
    declare_families(m);
    declare_singles(m);
    const char *version[] = { SENDFLEET_VERSION };
    metric_set(metric_child(family(m, METRIC_GAUGE, "build_info", "version", "1, with the version."), version), 1);
}

void meters_clear(struct meters *m)
{
    metrics_free(m->registry);
    m->registry = NULL;
}

void meter_count1(struct metric_family *f, const char *a)
{
    metric_add(metric_child(f, (const char *[]){ a }), 1);
}

void meter_count2(struct metric_family *f, const char *a, const char *b)
{
    metric_add(metric_child(f, (const char *[]){ a, b }), 1);
}

void meter_count3(struct metric_family *f, const char *a, const char *b, const char *c)
{
    metric_add(metric_child(f, (const char *[]){ a, b, c }), 1);
}

void meter_observe1(struct metric_family *f, const char *a, double value)
{
    metric_observe(metric_child(f, (const char *[]){ a }), value);
}

void meter_set1(struct metric_family *f, const char *a, double value)
{
    metric_set(metric_child(f, (const char *[]){ a }), value);
}
