// SPDX-License-Identifier: Apache-2.0
// log: one logfmt line an event on standard error, ids first, never a recipient, secret or message content.
//
//   ts=2026-11-21T10:00:00.250Z level=warn at=store lost address=127.0.0.1:6390 error="connection refused"
//
// Severity says who must act: error = a person now, warn = a person if it goes on, info = life-cycle, debug = us.
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);
bool log_parse_level(const char *name, enum log_level *level);
bool log_enabled(enum log_level level);

// at: the module ("broker", "settle"). fmt: "event key=value key=value". Values with spaces are quoted by the caller.
void log_line(enum log_level level, const char *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(at, ...)                                                                                             \
    do {                                                                                                               \
        if (log_enabled(LOG_DEBUG))                                                                                    \
            log_line(LOG_DEBUG, at, __VA_ARGS__);                                                                      \
    } while (0)
#define log_info(at, ...)  log_line(LOG_INFO, at, __VA_ARGS__)
#define log_warn(at, ...)  log_line(LOG_WARN, at, __VA_ARGS__)
#define log_error(at, ...) log_line(LOG_ERROR, at, __VA_ARGS__)

#endif
