// SPDX-License-Identifier: Apache-2.0
// format: see format.h. Ages are rounded down: a letter is "3d" old when three days have passed, and a column of them
// stays four characters wide. clock_format_duration is exact and therefore too long for a column.
#include "dlq-inspector/format.h"

#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

char *format_age(int64_t ms, char out[FORMAT_AGE_SIZE])
{
    int64_t age_ms = ms > 0 ? ms : 0;
    if (age_ms < CLOCK_MINUTE_MS)
        snprintf(out, FORMAT_AGE_SIZE, "%" PRId64 "s", age_ms / CLOCK_SECOND_MS);
    else if (age_ms < CLOCK_HOUR_MS)
        snprintf(out, FORMAT_AGE_SIZE, "%" PRId64 "m", age_ms / CLOCK_MINUTE_MS);
    else if (age_ms < 2 * (int64_t)CLOCK_DAY_MS)
        snprintf(out, FORMAT_AGE_SIZE, "%" PRId64 "h", age_ms / CLOCK_HOUR_MS);
    else
        snprintf(out, FORMAT_AGE_SIZE, "%" PRId64 "d", age_ms / CLOCK_DAY_MS);
    return out;
}

char *format_span(int64_t ms, char out[FORMAT_AGE_SIZE])
{
    static const int64_t unit_ms[] = { CLOCK_SECOND_MS, CLOCK_MINUTE_MS, CLOCK_HOUR_MS };
    int64_t rest = ms > 0 ? ms : -ms;
    int64_t whole = rest < CLOCK_SECOND_MS ? 1 : unit_ms[0];
    if (rest >= CLOCK_HOUR_MS)
        whole = unit_ms[1];
    if (rest >= CLOCK_DAY_MS)
        whole = unit_ms[2];
    char text[FORMAT_AGE_SIZE];
    clock_format_duration(rest - rest % whole, text, sizeof text);
    snprintf(out, FORMAT_AGE_SIZE, "%s%.*s", ms < 0 ? "-" : "", FORMAT_AGE_SIZE - 2, text);
    return out;
}

char *format_count(int64_t n, char out[FORMAT_COUNT_SIZE])
{
    char digits[FORMAT_COUNT_SIZE];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n < 0 ? -n : n);
    char *p = out;
    if (n < 0)
        *p++ = '-';
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return out;
}
