// SPDX-License-Identifier: Apache-2.0
// show: one letter, completely: why it is dead in plain words, what can be done, the job, every attempt, the last
// reply. Addresses are masked and content is only measured unless --reveal is given; everything else is printed as it
// is. A job that died, was replayed and died again has several letters: the newest is shown, the others are named.
#include "dlq-inspector/commands/commands.h"
#include "dlq-inspector/commands/select.h"
#include "dlq-inspector/commands/shown.h"

#include "dlq-inspector/letters.h"


static struct {
    struct filter_args filter; // only its ids
    bool reveal;
} args;

const struct option SHOW_OPTIONS[] = {
    { .name = "reveal", .type = OPTION_FLAG, .target = &args.reveal, .help = "show recipients and content in full" },
    { .name = NULL },
};

// Keeps the letter of the highest generation and notes all of them.
static bool find(struct letters *letters, struct shown *shown, struct err *e)
{
    struct letter *l;
    int got;
    bool any = false;
    for (got = letters_next(letters, &l, e); got > 0; got = letters_next(letters, &l, e)) {
        if (shown->generation_count < SHOWN_GENERATIONS_MAX)
            shown->generations[shown->generation_count++] =
                (struct shown_generation){ l->env.epoch.generation, l->mark };
        if (any && l->env.epoch.generation < shown->generation)
            continue;
        any = true;
        shown->generation = l->env.epoch.generation;
        record_free(shown->record);
        shown->record = letters_take(letters);
    }
    return got == 0;
}

static int show(const struct session *s, const struct filter *f)
{
    struct err e;
    struct buf out = { 0 };
    struct letters letters = { 0 };
    struct shown shown = { .session = s, .reveal = args.reveal };
    int status;
    if (!letters_open(&letters, &s->config, f, true, &e) || !find(&letters, &shown, &e)) {
        status = session_fail(&e);
    } else if (shown.record == NULL) {
        err_set(&e, ERR_INPUT, "no letter %s in %s; where the job is: sendfleet-dlq timeline %s", f->ids->items[0],
                s->config.topics.fixed[TOPIC_DLQ], f->ids->items[0]);
        status = session_fail(&e);
    } else {
        letter_read(&letters.letter, shown.record);
        letters.letter.mark = marks_find(&letters.marks, letters.letter.key);
        (s->json ? shown_json : shown_text)(&shown, &letters.letter, &out);
        status = session_print(&out);
    }
    record_free(shown.record);
    letters_close(&letters);
    buf_clear(&out);
    return status;
}

int show_run(int argc, char **argv)
{
    struct err e;
    if (argc != 1) {
        err_set(&e, ERR_USAGE, "show needs one id, as ls prints it: sendfleet-dlq show ID");
        return session_fail(&e);
    }
    struct selection sel = { .command = "show", .args = &args.filter, .ids = true, .body = show };
    return select_run(&sel, argc, argv);
}
