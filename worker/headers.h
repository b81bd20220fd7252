// SPDX-License-Identifier: Apache-2.0
// headers: those that a job sets itself ("headers" of the job).
#ifndef WORKER_HEADERS_H
#define WORKER_HEADERS_H

#include "common/job.h"

// Appends them. scratch is used and overwritten. False: ERR_INPUT naming the header and the reason; out is
// then to be reset.
MUST_CHECK bool headers_put(const struct job *job, struct buf *out, struct buf *scratch, struct err *e);

#endif
