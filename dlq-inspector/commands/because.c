// SPDX-License-Identifier: Apache-2.0
// because: see because.h. A batch that failed before it began prints its error and no summary of zeros. Ids that no
// letter has are an error, not an empty success: they are nearly always typing errors.
#include "dlq-inspector/commands/because.h"

bool because_check(const char *reason, bool dry_run, struct err *e)
{
    enum failure_class word;
    if (reason == NULL || reason[0] == '\0')
        return dry_run || err_set(e, ERR_USAGE, "--reason TEXT is mandatory: say why, it is recorded with every letter");
    if (failure_parse(slice_of(reason), &word))
        return err_set(e, ERR_USAGE, "--reason says why you do this; to select letters use --dead-reason %s", reason);
    if (strlen(reason) > BECAUSE_MAX)
        return err_set(e, ERR_USAGE, "--reason is longer than %d bytes", BECAUSE_MAX);
    for (size_t i = 0, n; reason[i] != '\0'; i += n) {
        n = utf8_sequence(reason + i, strlen(reason + i));
        if (n == 0 || (unsigned char)reason[i] < 0x20 || reason[i] == 0x7f)
            return err_set(e, ERR_USAGE, "--reason has a control character or broken UTF-8 at byte %zu", i);
    }
    return true;
}

int because_finish(struct batch *b, const struct session *s, const struct batch_terms *terms, const struct filter *f)
{
    struct err e;
    struct buf out = { 0 };
    bool begun = b->started > 0 || b->letters.read > 0;
    if (b->error.kind != ERR_NONE)
        session_fail(&b->error);
    int status = batch_status(b);
    if (b->error.kind == ERR_NONE && f->ids->count > 0 && b->letters.matched == 0) {
        err_set(&e, ERR_INPUT, "no letter %s%s in %s", f->ids->items[0], f->ids->count > 1 ? " (nor the others)" : "",
                s->config.topics.fixed[TOPIC_DLQ]);
        status = session_fail(&e);
    }
    if (begun || b->error.kind == ERR_NONE) {
        batch_report(b, s, terms, &out);
        int printed = session_print(&out);
        status = status == 0 ? printed : status;
    }
    buf_clear(&out);
    return status;
}
