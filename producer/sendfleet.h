/* SPDX-License-Identifier: Apache-2.0 */
/* sendfleet.h: publish send jobs from a C program.
 *
 * A job is one JSON object (producer/README.md describes it). Publishing is asynchronous: sendfleet_publish hands
 * the job over, its result comes to the callback from inside sendfleet_poll, sendfleet_flush or sendfleet_close,
 * exactly once. PUBLISHED means that every in-sync replica has it; from then on Sendfleet answers for it.
 *
 * A handle belongs to one thread at a time. Nothing here blocks except sendfleet_open, and sendfleet_poll,
 * sendfleet_flush and sendfleet_close up to their timeouts. All strings are UTF-8; results are borrowed for the duration
 * of the callback. Link with pkg-config sendfleet, or find_package(sendfleet) and sendfleet::sendfleet. */
#ifndef SENDFLEET_H
#define SENDFLEET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SENDFLEET_API __attribute__((visibility("default")))

struct sendfleet;

enum sendfleet_status {
    SENDFLEET_PUBLISHED, /* acknowledged by the broker */
    SENDFLEET_REFUSED,   /* not a valid job: error says why; publishing it again will not help */
    SENDFLEET_FAILED,    /* not acknowledged: publish it again, the idempotency key protects it */
    SENDFLEET_FULL       /* only returned by sendfleet_publish: too much under way, poll and offer it again */
};

struct sendfleet_result {
    enum sendfleet_status status;
    const char *id;              /* the job's own, else topic-partition-offset; "" when not published without one */
    const char *idempotency_key; /* the job's own, else derived from its content; "" when refused without one */
    const char *topic;           /* "" when it never got that far */
    int32_t partition;           /* -1 when not published */
    int64_t offset;              /* -1 when not published */
    const char *error;           /* NULL when published */
};

typedef void (*sendfleet_callback)(void *arg, const struct sendfleet_result *result);

/* config_file: as for the programs; NULL reads $SENDFLEET_CONFIG and SENDFLEET_* from the environment.
 * Returns NULL and fills error (one line, at most error_size bytes) when the configuration is wrong or no broker
 * answers within ten seconds. */
SENDFLEET_API struct sendfleet *sendfleet_open(const char *config_file, char *error, size_t error_size);

/* Copies the job. PUBLISHED: taken, the callback will come. REFUSED, FAILED: the callback was called already, with
 * the reason. FULL: not taken and no callback; sendfleet_poll and offer it again. */
SENDFLEET_API enum sendfleet_status sendfleet_publish(struct sendfleet *sf, const char *job, size_t length,
                                                      sendfleet_callback callback, void *arg);

/* Calls the callbacks that are due; waits up to timeout_ms for the first. Returns how many were called. */
SENDFLEET_API int sendfleet_poll(struct sendfleet *sf, int timeout_ms);

/* Waits until everything handed over has its result. Returns how many are still under way after timeout_ms. */
SENDFLEET_API size_t sendfleet_flush(struct sendfleet *sf, int timeout_ms);

/* A descriptor for poll(2) or an event loop: readable when callbacks may be due (then sendfleet_poll(sf, 0)). */
SENDFLEET_API int sendfleet_fd(const struct sendfleet *sf);

/* Flushes, gives every job still under way the result FAILED, and frees. NULL is allowed. */
SENDFLEET_API void sendfleet_close(struct sendfleet *sf, int timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
