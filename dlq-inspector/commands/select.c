// SPDX-License-Identifier: Apache-2.0
// select: see select.h. Everything that can be wrong with the command line is found before the broker is asked.
#include "dlq-inspector/commands/select.h"

static bool take_ids(const struct selection *sel, int argc, char **argv, struct err *e)
{
    struct option_list *ids = &sel->args->ids;
    if (argc > 0 && !sel->ids)
        return err_set(e, ERR_USAGE, "%s takes no argument \"%s\"; to select a job use --id", sel->command, argv[0]);
    for (int i = 0; i < argc; i++) {
        if (ids->count == OPTION_LIST_MAX)
            return err_set(e, ERR_USAGE, "%s: more than %d ids; use a filter", sel->command, OPTION_LIST_MAX);
        ids->items[ids->count++] = argv[i];
    }
    return true;
}

int select_run(const struct selection *sel, int argc, char **argv)
{
    struct err e;
    struct session s;
    struct filter f;
    if (!take_ids(sel, argc, argv, &e) || !session_open(&s, &e))
        return session_fail(&e);
    int status = filter_init(&f, sel->args, s.now_ms, &e) ? sel->body(&s, &f) : session_fail(&e);
    session_close(&s);
    return status;
}
