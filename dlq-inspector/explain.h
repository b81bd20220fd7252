// SPDX-License-Identifier: Apache-2.0
// explain: why a letter is dead and what one can do, in plain sentences.
#ifndef DLQ_INSPECTOR_EXPLAIN_H
#define DLQ_INSPECTOR_EXPLAIN_H

#include "dlq-inspector/letter.h"

// One sentence made from this letter: "Attempt 3 was refused for good over smtp at 2026-…: 550 5.1.1 …".
void explain_why(struct letter *l, bool reveal, struct buf *out);

// What the reason means and what can be done about it; both borrowed constants.
const char *explain_meaning(struct slice reason);
const char *explain_remedy(struct slice reason);

#endif
