// SPDX-License-Identifier: Apache-2.0
// scan: see scan.h. Reading without a group leaves no trace in the cluster, and a snapshot of the end offsets bounds
// it: what is filed while we read (a replayed job that fails again at once) belongs to the next run.
#include "dlq-inspector/scan.h"

#include "common/alloc.h"

#include <stdlib.h>

enum { PATIENCE_MS = 15000 }; // without any record, although the snapshot says there are more

bool scan_open_ranges(struct scan *s, const struct config *c, const struct broker_range *ranges, int count,
                      struct err *e)
{
    *s = (struct scan){ 0 };
    struct broker_range *filled = xcalloc((size_t)count + 1, sizeof *filled);
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (ranges[i].high <= ranges[i].low)
            continue;
        filled[n++] = ranges[i];
        s->total += ranges[i].high - ranges[i].low;
    }
    bool ok = n == 0 || broker_reader_new(&s->reader, c, filled, n, e);
    free(filled);
    return ok;
}

bool scan_open(struct scan *s, const struct config *c, const char *const *topics, int count, struct err *e)
{
    struct broker_admin *admin = NULL;
    struct broker_range *ranges = NULL;
    int range_count = 0;
    *s = (struct scan){ 0 };
    bool ok = broker_admin_new(&admin, c, e) && broker_admin_ranges(admin, topics, count, NULL, &ranges, &range_count, e);
    broker_admin_free(admin);
    ok = ok && scan_open_ranges(s, c, ranges, range_count, e);
    free(ranges);
    return ok;
}

int scan_next(struct scan *s, struct record **record, struct err *e)
{
    return s->reader != NULL ? broker_reader_next(s->reader, PATIENCE_MS, record, e) : 0;
}

void scan_close(struct scan *s)
{
    broker_reader_free(s->reader);
    *s = (struct scan){ 0 };
}
