// SPDX-License-Identifier: Apache-2.0
// json_names: the member names of an object. For the json files only.
#ifndef COMMON_JSON_NAMES_H
#define COMMON_JSON_NAMES_H

#include "common/json.h"

enum { JSON_NAMES_FEW = 64 };

struct json_names { // of an object that is being read; all zero at its start
    uint64_t seen;  // one bit per short hash
    uint32_t count;
    bool sort; // too many, or escaped ones: compared when the object closes
};

// Takes note of a name (the token index key) of the object. Returns 0, or key when the object has it already.
uint32_t json_names_add(struct json_names *names, const struct json_doc *doc, uint32_t object, uint32_t key);

// At the object's end: returns 0, or a name that it has twice.
uint32_t json_names_close(const struct json_names *names, const struct json_doc *doc, uint32_t object);

// Indices of an object's names in the order of their decoded bytes: in few when they fit, else allocated (free what
// is not few).
uint32_t *json_names_sorted(const struct json_doc *doc, uint32_t object, uint32_t few[JSON_NAMES_FEW],
                            uint32_t *count);

#endif
