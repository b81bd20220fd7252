// SPDX-License-Identifier: Apache-2.0
// classify_builtin: worker/rules/default.rules as it was when the worker was built (the .c is generated from
// it).
#ifndef WORKER_CLASSIFY_BUILTIN_H
#define WORKER_CLASSIFY_BUILTIN_H

#include "common/buf.h"

struct slice classify_builtin(void);

#endif
