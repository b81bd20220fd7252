// SPDX-License-Identifier: Apache-2.0
// commands: what sendfleet-producer can do; one file a command.
#ifndef PRODUCER_COMMANDS_H
#define PRODUCER_COMMANDS_H

#include "common/config.h"
#include "common/options.h"
#include "producer/sendfleet.h"

extern const struct option publish_options[], send_options[], topics_options[], common_options[];

int publish_run(int argc, char **argv);
int send_run(int argc, char **argv);
int topics_run(int argc, char **argv);

// Shared: the configuration from --config, the environment and --set; prints what is wrong and returns the status.
int load_config(struct config *c);
int fail(const struct err *e); // prints the error, returns the exit status

// The line of result.h. Whether it could be written: ferror(out).
void print_result(FILE *out, int64_t line, const struct sendfleet_result *r);

#endif
