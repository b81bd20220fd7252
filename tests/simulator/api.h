// SPDX-License-Identifier: Apache-2.0
// api: paths to answers.
#ifndef SIMULATOR_API_H
#define SIMULATOR_API_H

#include "sink.h"

struct effect { // what the connection does with what was put into `out`
    enum carry_out how;
    int delay_ms;
    bool streams;      // the ledger's entries follow, in chunks
    int64_t refuse_ms; // refuse connections for so long; -1 = no
};

// A complete request. The answer, if there is one, is appended to out.
struct effect api_handle(struct sink *s, const struct request *r, int64_t wall_ms, struct buf *out);

#endif
