// SPDX-License-Identifier: Apache-2.0
// job_parts: checks of the members of a job that are structures. For job.c only.
#ifndef COMMON_JOB_PARTS_H
#define COMMON_JOB_PARTS_H

#include "common/job.h"
#include "common/text.h"

// One string: its bytes, borrowed from the text or decoded into scratch. False: the error is not prefixed yet.
MUST_CHECK bool job_text(const struct json_doc *doc, uint32_t value, struct buf *scratch, struct slice *out,
                         struct err *e);

// Each one checks the value at this index and, where the struct has a member for it, sets it. False: the error
// names the place ("headers.X-Foo: contains a line break").
MUST_CHECK bool job_check_headers(struct job *job, uint32_t value, struct err *e);
MUST_CHECK bool job_check_attachments(struct job *job, uint32_t value, struct err *e);
MUST_CHECK bool job_check_template(struct job *job, uint32_t value, struct err *e);
MUST_CHECK bool job_check_approval(struct job *job, uint32_t value, struct err *e);
MUST_CHECK bool job_check_tags(struct job *job, uint32_t value, struct err *e);
MUST_CHECK bool job_check_metadata(struct job *job, uint32_t value, struct err *e);

#endif
