// SPDX-License-Identifier: Apache-2.0
// commands: each returns an exit status; argc/argv are the positional arguments.
#ifndef DLQ_INSPECTOR_COMMANDS_COMMANDS_H
#define DLQ_INSPECTOR_COMMANDS_COMMANDS_H

#include "common/options.h"

extern const struct program INSPECTOR;

extern const struct option LS_OPTIONS[], SHOW_OPTIONS[], STATS_OPTIONS[], REPLAY_OPTIONS[], DISCARD_OPTIONS[],
    EXPORT_OPTIONS[], STATUS_OPTIONS[], TIMELINE_OPTIONS[];

int ls_run(int argc, char **argv);
int show_run(int argc, char **argv);
int stats_run(int argc, char **argv);
int replay_run(int argc, char **argv);
int discard_run(int argc, char **argv);
int export_run(int argc, char **argv);
int status_run(int argc, char **argv);
int timeline_run(int argc, char **argv);

#endif
