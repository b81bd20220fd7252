// SPDX-License-Identifier: Apache-2.0
// fields: the members of a job's value, each shown as far as it may be.
#ifndef DLQ_INSPECTOR_FIELDS_H
#define DLQ_INSPECTOR_FIELDS_H

#include "common/json.h"

struct field {
    struct slice name;  // borrowed from the value
    struct slice value; // borrowed from the scratch buffer: text for a person, in one line
};

typedef void (*fields_cb)(void *arg, const struct field *field);

// Calls back for every top-level member, in the order of the value. Addresses are masked; what is not known to be
// harmless (content, variables, unknown members) is measured instead of shown. reveal: everything as it is.
// False: the value is not a JSON object.
bool fields_each(struct slice value, bool reveal, fields_cb cb, void *arg);

#endif
