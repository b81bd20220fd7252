// SPDX-License-Identifier: Apache-2.0
// because: what replay and discard share on the command line: a reason that is recorded, and the report at the end.
#ifndef DLQ_INSPECTOR_COMMANDS_BECAUSE_H
#define DLQ_INSPECTOR_COMMANDS_BECAUSE_H

#include "dlq-inspector/batch.h"

enum { BECAUSE_MAX = 300 };

// The reason must be there (not for a dry run), printable, and more than a filter word.
MUST_CHECK bool because_check(const char *reason, bool dry_run, struct err *e);

// Prints the report and returns the exit status.
int because_finish(struct batch *b, const struct session *s, const struct batch_terms *terms, const struct filter *f);

#endif
