// SPDX-License-Identifier: Apache-2.0
// control: the body of POST /control, which changes what the sink does while it runs.
//
//   {"mode":"refuse","for_ms":3000}   close the listener and all connections; open again after that time
//   {"mode":"fail-503","for_ms":5000} any script, for every request; without for_ms until changed
//   {"mode":"normal"}                 no mode
//   {"latency_ms":50}                 before every answer
//   {"share":{"flaky-2":0.1}}         scripts for shares of the keys whose recipient has none; replaces all
//   {"heal":true}                     recipients' scripts are ignored (the provider was repaired)
//
// A member that is not one of these is an error, and then nothing has been changed: a test with a typing
// error must not pass because it tested nothing.
#include "sink.h"

#include <jansson.h>

static bool read_share(struct sink *s, const json_t *shares, struct err *e)
{
    const char *word;
    json_t *value;
    double sum = 0;
    s->share_count = 0;
    json_object_foreach((json_t *)shares, word, value) // the macro wants it without const
    {
        struct share *share = &s->shares[s->share_count];
        if (s->share_count == SINK_SHARES_MAX)
            return err_set(e, ERR_INPUT, "more than %d shares", SINK_SHARES_MAX);
        if (!script_parse(slice_of(word), &share->script))
            return err_set(e, ERR_INPUT, "share: there is no script %s", word);
        sum += json_number_value(value);
        if (!json_is_number(value) || json_number_value(value) < 0 || sum > 1)
            return err_set(e, ERR_INPUT, "share %s: shares are fractions, together at most 1", word);
        share->upto = sum;
        s->share_count++;
    }
    return true;
}

struct change { // what is read before anything is applied
    struct sink next;
    const char *mode;
    int64_t for_ms; // -1 = until changed
};

static bool read_member(struct change *c, const char *name, const json_t *value, struct err *e)
{
    if (strcmp(name, "mode") == 0 && json_is_string(value)) {
        c->mode = json_string_value(value);
        return true;
    }
    if (strcmp(name, "for_ms") == 0 && json_is_integer(value)) {
        c->for_ms = json_integer_value(value);
        return c->for_ms >= 0 || err_set(e, ERR_INPUT, "for_ms is a number of milliseconds");
    }
    if (strcmp(name, "latency_ms") == 0 && json_is_integer(value)) {
        c->next.latency_ms = (int)json_integer_value(value);
        return c->next.latency_ms >= 0 || err_set(e, ERR_INPUT, "latency_ms is a number of milliseconds");
    }
    if (strcmp(name, "heal") == 0 && json_is_boolean(value)) {
        c->next.healed = json_is_true(value);
        return true;
    }
    if (strcmp(name, "share") == 0 && json_is_object(value))
        return read_share(&c->next, value, e);
    return err_set(e, ERR_INPUT, "%s: unknown, or of the wrong type", name);
}

static bool apply_mode(struct change *c, int64_t wall_ms, int64_t *refuse_ms, struct err *e)
{
    int64_t until = c->for_ms >= 0 ? wall_ms + c->for_ms : INT64_MAX;
    if (c->mode == NULL)
        return c->for_ms < 0 || err_set(e, ERR_INPUT, "for_ms without a mode");
    c->next.mode_until_ms = 0;
    if (strcmp(c->mode, "normal") == 0)
        return true;
    if (strcmp(c->mode, "refuse") == 0) {
        *refuse_ms = c->for_ms;
        return c->for_ms >= 0 || err_set(e, ERR_INPUT, "refuse needs for_ms: nobody could end it");
    }
    if (!script_parse(slice_of(c->mode), &c->next.mode))
        return err_set(e, ERR_INPUT, "mode: there is no script %s", c->mode);
    c->next.mode_until_ms = until;
    return true;
}

bool sink_control(struct sink *s, struct slice json, int64_t wall_ms, int64_t *refuse_ms, struct err *e)
{
    json_error_t where;
    json_t *root = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &where);
    *refuse_ms = -1;
    if (!json_is_object(root)) {
        json_decref(root);
        return err_set(e, ERR_INPUT, "not a JSON object: %s", where.text);
    }
    struct change c = { .next = *s, .for_ms = -1 };
    const char *name;
    json_t *value;
    bool good = true;
    json_object_foreach(root, name, value)
    {
        good = good && read_member(&c, name, value, e);
    }
    good = good && apply_mode(&c, wall_ms, refuse_ms, e);
    if (good)
        *s = c.next;
    json_decref(root);
    return good;
}
