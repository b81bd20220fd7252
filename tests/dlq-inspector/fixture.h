// SPDX-License-Identifier: Apache-2.0
// fixture: letters for the tests of this folder, described by what matters about them.
#ifndef TESTS_DLQ_INSPECTOR_FIXTURE_H
#define TESTS_DLQ_INSPECTOR_FIXTURE_H

#include "dlq-inspector/letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const int64_t NOW_MS = INT64_C(1700000000000);

struct sample {
    const char *id, *generation, *reason, *code, *lane, *trail, *response, *origin;
    const char *extra_name, *extra_value; // one more header
    const char *value;
    int64_t age_ms, offset;
};

static inline struct record *sample_record(const struct sample *s)
{
    const struct { const char *name, *value; } all[] = {
        { "sf-id", s->id }, { "sf-generation", s->generation }, { "sf-reason", s->reason }, { "sf-code", s->code },
        { "sf-lane", s->lane }, { "sf-trail", s->trail }, { "sf-response", s->response }, { "sf-origin", s->origin },
        { s->extra_name, s->extra_value },
    };
    struct header headers[sizeof all / sizeof all[0]];
    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].value != NULL)
            headers[count++] = (struct header){ slice_of(all[i].name), slice_of(all[i].value) };
    struct record shape = {
        .topic = "sendfleet.dlq",
        .partition = 1,
        .offset = s->offset,
        .timestamp_ms = NOW_MS - s->age_ms,
        .has_key = s->id != NULL,
        .has_value = s->value != NULL,
        .key = slice_of(s->id),
        .value = slice_of(s->value),
    };
    return record_new(&shape, headers, count);
}

static inline void expect_text(const char *what, struct slice got, const char *want)
{
    if (!slice_is(got, want))
        fail_msg("%s: got \"%.*s\", want \"%s\"", what, (int)got.len, got.ptr != NULL ? got.ptr : "", want);
}

static inline void expect_int(const char *what, int64_t got, int64_t want)
{
    if (got != want)
        fail_msg("%s: got %lld, want %lld", what, (long long)got, (long long)want);
}

#endif
