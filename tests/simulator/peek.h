// SPDX-License-Identifier: Apache-2.0
// peek: the two members of a job that the sink looks at, found without parsing the rest.
#ifndef SIMULATOR_PEEK_H
#define SIMULATOR_PEEK_H

#include "common/buf.h"

struct peek { // as written in the JSON, escapes included; ptr NULL = absent or not a string
    struct slice to, id;
};

// json may be cut off: what lies before the cut is found.
void peek_job(struct slice json, struct peek *p);

#endif
