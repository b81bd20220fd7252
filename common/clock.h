// SPDX-License-Identifier: Apache-2.0
// clock: the two clocks of the process, and times as people write them.
//
// Time is read once per turn of the loop and passed in; nothing below the programs calls these to decide
// anything. Wall time is for what others read (milliseconds since the epoch); timers run on the monotonic clock.
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);

enum { CLOCK_SECOND_MS = 1000, CLOCK_MINUTE_MS = 60000, CLOCK_HOUR_MS = 3600000, CLOCK_DAY_MS = 86400000 };

// "250ms", "30s", "10m", "2h", "7d", "1h30m"; a bare number is seconds. False when it is anything else, negative
// or above ten years.
bool clock_parse_duration(const char *text, int64_t *ms);

// Writes the shortest exact form that clock_parse_duration reads back ("90s" is "1m30s"). Returns out.
char *clock_format_duration(int64_t ms, char *out, size_t size);

// RFC 3339 date-time in UTC or with an offset, fraction optional ("2026-11-21T10:00:00.250Z").
bool clock_parse_rfc3339(const char *text, size_t len, int64_t *wall_ms);

// "2026-11-21T10:00:00.250Z" (24 characters and a NUL). Returns out.
enum { CLOCK_RFC3339_SIZE = 32 };
char *clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);

#endif
