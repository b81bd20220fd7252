// SPDX-License-Identifier: Apache-2.0
// format: numbers and times as people read them in a table.
#ifndef DLQ_INSPECTOR_FORMAT_H
#define DLQ_INSPECTOR_FORMAT_H

#include <stddef.h>
#include <stdint.h>

enum { FORMAT_AGE_SIZE = 24, FORMAT_COUNT_SIZE = 32 };

// "0s", "45s", "12m", "3h", "9d": one unit, rounded down. Negative counts as 0. Returns out.
char *format_age(int64_t ms, char out[FORMAT_AGE_SIZE]);

// Two units where it helps: "450ms", "12s", "1m30s", "2h5m", "3d4h". Returns out.
char *format_span(int64_t ms, char out[FORMAT_AGE_SIZE]);

// "1,234,567". Returns out.
char *format_count(int64_t n, char out[FORMAT_COUNT_SIZE]);

#endif
