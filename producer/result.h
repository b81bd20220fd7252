// SPDX-License-Identifier: Apache-2.0
// result: what became of a job, as a line of JSON.
#ifndef PRODUCER_RESULT_H
#define PRODUCER_RESULT_H

#include "common/buf.h"
#include "producer/sendfleet.h"

// Appends {"line":1,"status":"published",…} and a line end; always all members, null where there is nothing to say.
// line 0: the member is left out.
void result_put(struct buf *out, int64_t line, const struct sendfleet_result *r);

#endif
