// SPDX-License-Identifier: Apache-2.0
// transport: the table of transports, and the names of an attempt's phases as they appear in events, dead letters
// and metrics.
//
// A transport is one file (with helpers named after it) and one row here. What may go wrong is a route that
// names a transport nobody wrote: transport_find says NULL and the worker refuses that configuration at start-up.
#include "worker/transport/transport.h"

static const struct transport_ops *const TRANSPORTS[] = {
    &transport_http,
    &transport_smtp,
    NULL, // the end
};

static const char *const PHASES[PHASE_COUNT] = {
    [PHASE_QUEUED] = "queued", [PHASE_RESOLVE] = "resolve",   [PHASE_CONNECT] = "connect", [PHASE_TLS] = "tls",
    [PHASE_GREETING] = "greeting", [PHASE_MAIL] = "mail",     [PHASE_RCPT] = "rcpt",       [PHASE_DATA] = "data",
    [PHASE_BODY] = "body",     [PHASE_RESPONSE] = "response",
};

const char *phase_name(enum attempt_phase p)
{
    return p < PHASE_COUNT ? PHASES[p] : "unknown";
}

const struct transport_ops *transport_find(const char *name)
{
    for (size_t i = 0; TRANSPORTS[i] != NULL; i++)
        if (strcmp(TRANSPORTS[i]->name, name) == 0)
            return TRANSPORTS[i];
    return NULL;
}
