// SPDX-License-Identifier: Apache-2.0
// libsendfleet: the public C interface (sendfleet.h), a thin layer over publisher.c that owns its configuration.
// Standard error belongs to the application: only what a person has to act on is logged there.
#include "producer/sendfleet.h"

#include "common/alloc.h"
#include "common/log.h"
#include "producer/publisher.h"

#include <stdio.h>
#include <stdlib.h>

extern char **environ;

struct sendfleet {
    struct config config;
    struct publisher *publisher;
};

struct sendfleet *sendfleet_open(const char *config_file, char *error, size_t error_size)
{
    struct err e;
    struct sendfleet *sf = xcalloc(1, sizeof *sf);
    struct config_sources from = { .file = config_file, .environment = environ };
    log_set_level(LOG_ERROR);
    bool loaded = config_load(&sf->config, &from, &e);
    if (loaded && publisher_open(&sf->publisher, &sf->config, &e))
        return sf;
    if (error != NULL && error_size > 0)
        snprintf(error, error_size, "%s", e.text);
    if (loaded)
        config_clear(&sf->config);
    free(sf);
    return NULL;
}

enum sendfleet_status sendfleet_publish(struct sendfleet *sf, const char *job, size_t length, sendfleet_callback callback,
                                        void *arg)
{
    return publisher_offer(sf->publisher, (struct slice){ job, length }, callback, arg);
}

int sendfleet_poll(struct sendfleet *sf, int timeout_ms)
{
    return publisher_poll(sf->publisher, timeout_ms);
}

size_t sendfleet_flush(struct sendfleet *sf, int timeout_ms)
{
    return publisher_flush(sf->publisher, timeout_ms);
}

int sendfleet_fd(const struct sendfleet *sf)
{
    return publisher_fd(sf->publisher);
}

void sendfleet_close(struct sendfleet *sf, int timeout_ms)
{
    if (sf == NULL)
        return;
    publisher_close(sf->publisher, timeout_ms);
    config_clear(&sf->config);
    free(sf);
}
