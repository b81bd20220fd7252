// SPDX-License-Identifier: Apache-2.0
// select: the frame of every command that works on a selection of letters.
#ifndef DLQ_INSPECTOR_COMMANDS_SELECT_H
#define DLQ_INSPECTOR_COMMANDS_SELECT_H

#include "dlq-inspector/filter.h"
#include "dlq-inspector/session.h"

struct selection {
    const char *command;
    struct filter_args *args;
    bool ids; // positional arguments are ids; else there must be none
    int (*body)(const struct session *s, const struct filter *f);
};

// Opens the session, turns the arguments into a filter, calls body and returns its exit status.
int select_run(const struct selection *sel, int argc, char **argv);

#endif
