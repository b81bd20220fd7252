// SPDX-License-Identifier: Apache-2.0
// log: see log.h. A line is formatted in one buffer and written with one call, so lines of several processes
// sharing a terminal or file do not mix; control characters (a server's reply may hold any) become spaces.
#include "common/log.h"

#include "common/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum log_level threshold = LOG_INFO;

static const char *const NAMES[] = { "debug", "info", "warn", "error" };

void log_set_level(enum log_level level)
{
    threshold = level;
}

bool log_parse_level(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return level >= threshold;
}

void log_line(enum log_level level, const char *at, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    char line[1024], when[CLOCK_RFC3339_SIZE];
    int head = snprintf(line, sizeof line, "ts=%s level=%s at=%s ", clock_format_rfc3339(clock_wall_ms(), when),
                        NAMES[level], at);
    va_list ap;
    va_start(ap, fmt);
    int body = vsnprintf(line + head, sizeof line - (size_t)head - 1, fmt, ap);
    va_end(ap);
    size_t len = (size_t)head + (body > 0 ? (size_t)body : 0);
    if (len > sizeof line - 2)
        len = sizeof line - 2;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20)
            line[i] = ' ';
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; // nowhere left to report it
}
