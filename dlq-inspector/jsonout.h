// SPDX-License-Identifier: Apache-2.0
// jsonout: JSON written front to back into a buffer; commas are kept here. Every call takes the member's name, NULL
// inside an array.
#ifndef DLQ_INSPECTOR_JSONOUT_H
#define DLQ_INSPECTOR_JSONOUT_H

#include "common/buf.h"

struct jsonout {
    struct buf *out; // borrowed
    bool comma;      // the next value needs one in front
};

void jsonout_open(struct jsonout *j, const char *name, char bracket); // '{' or '['
void jsonout_close(struct jsonout *j, char bracket);                  // '}' or ']'
void jsonout_text(struct jsonout *j, const char *name, struct slice text); // left out when absent (ptr NULL)
void jsonout_string(struct jsonout *j, const char *name, const char *text); // left out when NULL
void jsonout_int(struct jsonout *j, const char *name, int64_t value);
void jsonout_bool(struct jsonout *j, const char *name, bool value);
void jsonout_null(struct jsonout *j, const char *name);
void jsonout_raw(struct jsonout *j, const char *name, struct slice json); // already JSON
void jsonout_time(struct jsonout *j, const char *name, int64_t wall_ms);  // milliseconds; null when 0

#endif
