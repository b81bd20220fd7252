// SPDX-License-Identifier: Apache-2.0
// filter: see filter.h. Tests run from cheap to dear: time and headers first, then the trail, then the value, so that
// a scan over a large topic parses only what the cheap tests left over. A reason that is close to a known word but
// none is refused: a typing error must not look like an empty queue.
#include "dlq-inspector/filter.h"

#include "common/clock.h"

#include <strings.h>

static bool split_words(struct filter_words *w, const char *text, const char *option, struct err *e)
{
    w->count = 0;
    for (const char *p = text; p != NULL && *p != '\0';) {
        size_t len = strcspn(p, ",");
        if (len > 0) {
            if (w->count == FILTER_WORDS_MAX)
                return err_set(e, ERR_USAGE, "--%s: more than %d words", option, FILTER_WORDS_MAX);
            w->list[w->count++] = (struct slice){ p, len };
        }
        p += len + (p[len] == ',');
    }
    if (text != NULL && w->count == 0)
        return err_set(e, ERR_USAGE, "--%s: needs a word", option);
    return true;
}

static bool check_reasons(const struct filter_words *w, struct err *e)
{
    const char *names[FAILURE_CLASS_COUNT + 1] = { NULL };
    for (int i = 1; i < FAILURE_CLASS_COUNT; i++)
        names[i - 1] = failure_name((enum failure_class)i);
    for (int i = 0; i < w->count; i++) {
        enum failure_class known;
        char word[32];
        if (failure_parse(w->list[i], &known) || w->list[i].len >= sizeof word)
            continue;
        memcpy(word, w->list[i].ptr, w->list[i].len);
        word[w->list[i].len] = '\0';
        const char *near = nearest_name(word, names);
        if (near != NULL)
            return err_set(e, ERR_USAGE, "no letter is dead for \"%s\"; did you mean \"%s\"?", word, near);
    }
    return true;
}

static bool parse_when(int64_t *out, const char *text, const char *option, int64_t now_ms, struct err *e)
{
    int64_t ms;
    *out = 0;
    if (text == NULL)
        return true;
    if (clock_parse_rfc3339(text, strlen(text), &ms)) {
        *out = ms;
        return true;
    }
    if (clock_parse_duration(text, &ms)) {
        *out = now_ms - ms;
        return true;
    }
    return err_set(e, ERR_USAGE, "--%s %s: neither a duration ago (90s, 2h, 1d) nor a time (2026-11-21T10:00:00Z)",
                   option, text);
}

bool filter_init(struct filter *f, const struct filter_args *args, int64_t now_ms, struct err *e)
{
    *f = (struct filter){ .text = slice_of(args->text), .ids = &args->ids };
    if (args->reason != NULL && args->dead_reason != NULL)
        return err_set(e, ERR_USAGE, "--reason and --dead-reason are the same filter: give one of them");
    const char *reason = args->dead_reason != NULL ? args->dead_reason : args->reason;
    return split_words(&f->reasons, reason, "dead-reason", e) && check_reasons(&f->reasons, e) &&
           split_words(&f->domains, args->domain, "domain", e) &&
           split_words(&f->providers, args->provider, "provider", e) &&
           parse_when(&f->since_ms, args->since, "since", now_ms, e) &&
           parse_when(&f->until_ms, args->until, "until", now_ms, e);
}

static bool one_of(const struct filter_words *w, struct slice text)
{
    for (int i = 0; i < w->count; i++)
        if (w->list[i].len == text.len && strncasecmp(w->list[i].ptr, text.ptr, text.len) == 0)
            return true;
    return false;
}

bool filter_names_reason(const struct filter *f, const char *word)
{
    return one_of(&f->reasons, slice_of(word));
}

static bool id_matches(const struct filter *f, const struct letter *l)
{
    for (int i = 0; i < f->ids->count; i++)
        if (strcmp(f->ids->items[i], l->id) == 0 || strcmp(f->ids->items[i], l->key) == 0)
            return true;
    return f->ids->count == 0;
}

static bool contains(struct slice where, struct slice what)
{
    for (size_t i = 0; i + what.len <= where.len; i++)
        if (strncasecmp(where.ptr + i, what.ptr, what.len) == 0)
            return true;
    return false;
}

static bool text_matches(const struct filter *f, struct letter *l)
{
    if (f->text.len == 0 || contains(l->detail, f->text) || contains(l->env.response, f->text))
        return true;
    const struct trail_entry *last = letter_last(l);
    return last != NULL && contains(last->text, f->text);
}

static bool provider_matches(const struct filter *f, struct letter *l)
{
    if (f->providers.count == 0)
        return true;
    const struct trail_entry *last = letter_last(l);
    return (last != NULL && one_of(&f->providers, last->transport)) || one_of(&f->providers, letter_job(l)->route);
}

bool filter_match(const struct filter *f, struct letter *l)
{
    int64_t died_ms = l->record->timestamp_ms;
    if ((f->since_ms != 0 && died_ms < f->since_ms) || (f->until_ms != 0 && died_ms >= f->until_ms))
        return false;
    if (!id_matches(f, l) || (f->reasons.count > 0 && !one_of(&f->reasons, l->reason)))
        return false;
    if (!text_matches(f, l) || !provider_matches(f, l))
        return false;
    return f->domains.count == 0 || one_of(&f->domains, letter_job(l)->domain);
}
