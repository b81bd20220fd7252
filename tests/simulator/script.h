// SPDX-License-Identifier: Apache-2.0
// script: what the sink does with a request, as a word that people write: in a recipient, a share or a mode.
#ifndef SIMULATOR_SCRIPT_H
#define SIMULATOR_SCRIPT_H

#include "common/buf.h"

enum act {
    ACT_ACCEPT, // 200
    ACT_FAIL,   // answer `status`
    ACT_SLOW,   // accept, answer after `delay_ms`
    ACT_HANG,   // never answer, never accept
    ACT_DROP,   // accept, then close the connection without a byte
    ACT_RESET,  // reset the connection as soon as the recipient is known, accept nothing
};

struct script {
    enum act act;
    int status;        // ACT_FAIL
    int retry_after_s; // ACT_FAIL; -1 = not said
    int delay_ms;      // ACT_SLOW
    int times;         // only the first so many requests of a key, then accept; 0 = always
};

// "accept", "fail-CODE", "fail-CODE-TIMES", "flaky-TIMES", "throttle-SECONDS", "throttle-SECONDS-TIMES",
// "slow-MS", "hang", "hang-TIMES", "drop", "drop-once", "drop-TIMES", "reset", "reset-TIMES". False when it
// is none of these.
bool script_parse(struct slice word, struct script *s);

// The script in an address: behind the '+' of its local part, or the whole local part. False when there is
// none.
bool script_of_recipient(struct slice to, struct script *s);

#endif
