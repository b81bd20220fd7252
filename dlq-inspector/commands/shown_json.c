// SPDX-License-Identifier: Apache-2.0
// shown_json: a letter as one JSON object. The value itself is there only with --reveal; "job" has its members as far
// as they may be shown.
#include "dlq-inspector/commands/shown.h"

#include "dlq-inspector/explain.h"
#include "dlq-inspector/fields.h"
#include "dlq-inspector/jsonout.h"
#include "dlq-inspector/marks.h"
#include "dlq-inspector/mask.h"

static void put_masked(struct jsonout *j, const char *name, struct slice text, bool reveal)
{
    struct buf shown = { 0 };
    mask_text(&shown, text, reveal);
    if (text.ptr != NULL)
        jsonout_text(j, name, buf_slice(&shown));
    buf_clear(&shown);
}

static void put_state(struct jsonout *j, const struct mark *mark)
{
    jsonout_string(j, "state", mark != NULL ? mark_action_name(mark->action) : "open");
    if (mark == NULL)
        return;
    jsonout_int(j, "closed_at", mark->at_ms);
    jsonout_string(j, "closed_by", mark->by);
    jsonout_string(j, "closed_reason", mark->reason);
}

static void put_envelope(struct jsonout *j, struct letter *l, bool reveal)
{
    const struct envelope *env = &l->env;
    jsonout_open(j, "envelope", '{');
    jsonout_int(j, "try", env->epoch.try_no);
    jsonout_int(j, "attempts", env->attempt);
    jsonout_time(j, "first_seen", env->first_seen_ms);
    jsonout_time(j, "expires", env->expires_ms);
    jsonout_string(j, "class", failure_name(env->class));
    jsonout_int(j, "code", env->code);
    jsonout_text(j, "lane", letter_lane(l));
    jsonout_text(j, "origin", env->origin);
    jsonout_string(j, "recipient_hash", env->rcpt[0] != '\0' ? env->rcpt : NULL);
    put_masked(j, "approval", env->approval, reveal);
    put_masked(j, "replay", env->replay, reveal);
    jsonout_text(j, "traceparent", env->traceparent);
    jsonout_string(j, "broken", l->broken.kind != ERR_NONE ? l->broken.text : NULL);
    jsonout_close(j, '}');
}

static void put_attempts(struct jsonout *j, struct letter *l, bool reveal)
{
    struct trail_entry a;
    int64_t omitted;
    jsonout_open(j, "attempts", '[');
    attempts_open(&l->attempts, l->env.trail);
    while (attempts_next(&l->attempts, &a, &omitted)) {
        jsonout_open(j, NULL, '{');
        if (omitted > 0) {
            jsonout_int(j, "omitted", omitted);
        } else {
            jsonout_time(j, "at", a.at_ms);
            jsonout_int(j, "generation", a.generation);
            jsonout_int(j, "try", a.try_no);
            jsonout_text(j, "worker", a.worker);
            jsonout_text(j, "transport", a.transport);
            jsonout_text(j, "phase", a.phase);
            jsonout_int(j, "code", a.code);
            jsonout_text(j, "enhanced", a.enhanced);
            jsonout_string(j, "class", failure_name(a.class));
            jsonout_text(j, "rule", a.rule);
            put_masked(j, "text", a.text, reveal);
        }
        jsonout_close(j, '}');
    }
    jsonout_close(j, ']');
}

static void put_field(void *arg, const struct field *field)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)field->name.len, field->name.ptr);
    jsonout_text(arg, name, field->value);
}

static void put_generations(struct jsonout *j, const struct shown *shown)
{
    jsonout_open(j, "generations", '[');
    for (int i = 0; i < shown->generation_count; i++) {
        jsonout_open(j, NULL, '{');
        jsonout_int(j, "generation", shown->generations[i].generation);
        put_state(j, shown->generations[i].mark);
        jsonout_close(j, '}');
    }
    jsonout_close(j, ']');
}

void shown_json(const struct shown *shown, struct letter *l, struct buf *out)
{
    struct jsonout j = { .out = out };
    struct buf why = { 0 };
    char origin[LETTER_ORIGIN_SIZE];
    const struct record *r = l->record;
    struct slice value = r->has_value ? r->value : (struct slice){ 0 };
    explain_why(l, shown->reveal, &why);
    jsonout_open(&j, NULL, '{');
    jsonout_string(&j, "id", l->id);
    jsonout_int(&j, "generation", l->env.epoch.generation);
    jsonout_text(&j, "reason", l->reason);
    put_masked(&j, "detail", l->detail, shown->reveal);
    put_state(&j, l->mark);
    jsonout_string(&j, "letter", letter_origin(r, origin));
    jsonout_int(&j, "died_at", r->timestamp_ms);
    jsonout_text(&j, "why", buf_slice(&why));
    jsonout_string(&j, "meaning", explain_meaning(l->reason));
    jsonout_string(&j, "remedy", explain_remedy(l->reason));
    put_envelope(&j, l, shown->reveal);
    jsonout_open(&j, "job", '{');
    bool is_json = fields_each(value, shown->reveal, put_field, &j);
    jsonout_close(&j, '}');
    if (shown->reveal && is_json)
        jsonout_raw(&j, "value", value);
    put_attempts(&j, l, shown->reveal);
    put_masked(&j, "response", l->env.response, shown->reveal);
    put_generations(&j, shown);
    jsonout_close(&j, '}');
    buf_putc(out, '\n');
    buf_clear(&why);
}
