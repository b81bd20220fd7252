// SPDX-License-Identifier: Apache-2.0
// clock: see clock.h. Dates are computed here (days-from-civil arithmetic) because strptime and timegm read the
// process's locale and accept more than RFC 3339 does.
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

static const struct unit {
    const char *name;
    int64_t ms;
} UNITS[] = { { "d", CLOCK_DAY_MS }, { "h", CLOCK_HOUR_MS }, { "ms", 1 }, { "m", CLOCK_MINUTE_MS }, { "s", CLOCK_SECOND_MS } };

enum { UNIT_COUNT = sizeof UNITS / sizeof UNITS[0] };

static const int64_t LONGEST_MS = (int64_t)3660 * CLOCK_DAY_MS;

static const struct unit *unit_at(const char *p)
{
    for (size_t i = 0; i < UNIT_COUNT; i++)
        if (strncmp(p, UNITS[i].name, strlen(UNITS[i].name)) == 0)
            return &UNITS[i];
    return NULL;
}

bool clock_parse_duration(const char *text, int64_t *ms)
{
    int64_t total = 0;
    const char *p = text;
    if (*p == '\0')
        return false;
    while (*p != '\0') {
        int64_t n = 0;
        const char *digits = p;
        for (; *p >= '0' && *p <= '9'; p++) {
            n = n * 10 + (*p - '0');
            if (n > LONGEST_MS)
                return false;
        }
        if (p == digits)
            return false;
        if (*p == '\0' && digits == text) { // a bare number
            total = n * CLOCK_SECOND_MS;
            break;
        }
        const struct unit *unit = unit_at(p);
        if (unit == NULL)
            return false;
        p += strlen(unit->name);
        if (n > LONGEST_MS / unit->ms)
            return false;
        total += n * unit->ms;
    }
    if (total > LONGEST_MS)
        return false;
    *ms = total;
    return true;
}

char *clock_format_duration(int64_t ms, char *out, size_t size)
{
    static const struct unit order[] = { { "d", CLOCK_DAY_MS }, { "h", CLOCK_HOUR_MS }, { "m", CLOCK_MINUTE_MS },
                                         { "s", CLOCK_SECOND_MS }, { "ms", 1 } };
    size_t at = 0;
    snprintf(out, size, "0s");
    for (size_t i = 0; i < UNIT_COUNT && ms > 0; i++) {
        if (ms < order[i].ms || at >= size)
            continue;
        at += (size_t)snprintf(out + at, size - at, "%" PRId64 "%s", ms / order[i].ms, order[i].name);
        ms %= order[i].ms;
    }
    return out;
}

static bool digits(const char *p, int n, int *out)
{
    *out = 0;
    for (int i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        *out = *out * 10 + (p[i] - '0');
    }
    return true;
}

// Days from 1970-01-01 in the proleptic Gregorian calendar.
static int64_t days_from_civil(int y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static bool parse_offset(const char *p, const char *end, int64_t *ms)
{
    if (end - p == 1 && (*p == 'Z' || *p == 'z')) {
        *ms = 0;
        return true;
    }
    int h, m;
    if (end - p != 6 || (*p != '+' && *p != '-') || p[3] != ':' || !digits(p + 1, 2, &h) || !digits(p + 4, 2, &m))
        return false;
    if (h > 23 || m > 59)
        return false;
    *ms = (h * 60 + m) * (int64_t)CLOCK_MINUTE_MS * (*p == '-' ? -1 : 1);
    return true;
}

static int days_in_month(int y, int m)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : days[m - 1];
}

bool clock_parse_rfc3339(const char *text, size_t len, int64_t *wall_ms)
{
    int y, mo, d, h, mi, s;
    if (len < 20 || len > 40)
        return false;
    if (!digits(text, 4, &y) || !digits(text + 5, 2, &mo) || !digits(text + 8, 2, &d) || !digits(text + 11, 2, &h) ||
        !digits(text + 14, 2, &mi) || !digits(text + 17, 2, &s))
        return false;
    if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't' && text[10] != ' ') || text[13] != ':' ||
        text[16] != ':')
        return false;
    if (mo < 1 || mo > 12 || d < 1 || d > days_in_month(y, mo) || h > 23 || mi > 59 || s > 60)
        return false;
    const char *p = text + 19, *end = text + len;
    int64_t fraction_ms = 0, scale = 100;
    if (*p == '.') {
        const char *start = ++p;
        for (; p < end && *p >= '0' && *p <= '9'; p++, scale /= 10)
            fraction_ms += (*p - '0') * scale;
        if (p == start)
            return false;
    }
    int64_t offset_ms;
    if (!parse_offset(p, end, &offset_ms))
        return false;
    int64_t seconds = days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + s;
    *wall_ms = seconds * 1000 + fraction_ms - offset_ms;
    return true;
}

char *clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE])
{
    int64_t ms = wall_ms % 1000;
    time_t seconds = (time_t)(wall_ms / 1000);
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year > 8099) {
        snprintf(out, CLOCK_RFC3339_SIZE, "out-of-range");
        return out;
    }
    size_t n = strftime(out, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, CLOCK_RFC3339_SIZE - n, ".%03dZ", (int)ms);
    return out;
}
