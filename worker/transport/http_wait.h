// SPDX-License-Identifier: Apache-2.0
// http_wait: how long an HTTP peer asked us to wait.
#ifndef WORKER_TRANSPORT_HTTP_WAIT_H
#define WORKER_TRANSPORT_HTTP_WAIT_H

#include <stdint.h>

#define HTTP_WAIT_MAX_MS ((int64_t)365 * 86400 * 1000)

// From the values of Retry-After (RFC 9110 10.2.3: seconds or a date), Retry-After-Ms and Date, each NULL
// when absent. -1: they did not ask.
int64_t http_wait_ms(const char *retry_after, const char *retry_after_ms, const char *date,
                     int64_t now_wall_ms);

enum { HTTP_TOO_MANY = 429 }; // the one status whose reset header is a wait (others carry it as information)

// Headers that say when a rate limit is lifted, best first; ends with NULL.
extern const char *const HTTP_RESET_HEADERS[];

// From such a header's value: seconds from now (Resend, the IETF drafts), an epoch in seconds (SendGrid, Mailgun) or
// milliseconds, a date, or a list with "reset=" or "t=". -1: none of these.
int64_t http_reset_ms(const char *value, const char *date, int64_t now_wall_ms);

#endif
