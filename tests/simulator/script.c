// SPDX-License-Identifier: Apache-2.0
// script: see script.h.
//
// A word is a name and up to two numbers. The table says what each number of a name sets, where it may lie,
// and what holds when it is left out, so a new behaviour is a row (and a case in sink.c when it is a new
// act).
#include "script.h"

enum { WORD_NUMBERS = 2 };

struct number {
    size_t field; // offset in struct script; 0 = the name takes no such number (act lies there)
    int min, max;
};

struct word {
    const char *name;
    struct script script; // with the numbers left out
    struct number numbers[WORD_NUMBERS];
};

#define NUMBER(name, low, high)                                                                              \
    {                                                                                                        \
        .field = offsetof(struct script, name), .min = low, .max = high                                      \
    }
#define STATUS  NUMBER(status, 100, 599)
#define SECONDS NUMBER(retry_after_s, 0, 86400)
#define DELAY   NUMBER(delay_ms, 0, 3600000)
#define TIMES   NUMBER(times, 1, 1000000)

static const struct word words[] = {
    { "accept", { .act = ACT_ACCEPT }, { { 0 } } },
    { "fail", { .act = ACT_FAIL, .status = 500, .retry_after_s = -1 }, { STATUS, TIMES } },
    { "flaky", { .act = ACT_FAIL, .status = 503, .retry_after_s = -1, .times = 1 }, { TIMES } },
    { "throttle", { .act = ACT_FAIL, .status = 429, .retry_after_s = 1, .times = 1 }, { SECONDS, TIMES } },
    { "slow", { .act = ACT_SLOW, .delay_ms = 1000 }, { DELAY } },
    { "hang", { .act = ACT_HANG }, { TIMES } },
    { "drop", { .act = ACT_DROP }, { TIMES } },
    { "reset", { .act = ACT_RESET }, { TIMES } },
};

static struct slice cut(struct slice *rest, char separator)
{
    const char *at = memchr(rest->ptr, separator, rest->len);
    size_t len = at != NULL ? (size_t)(at - rest->ptr) : rest->len;
    struct slice part = { rest->ptr, len };
    size_t used = at != NULL ? len + 1 : len;
    *rest = (struct slice){ rest->ptr + used, rest->len - used };
    return part;
}

static bool parse_number(struct slice text, const struct number *n, int *value)
{
    if (slice_is(text, "once"))
        text = SLICE("1");
    if (text.len == 0 || text.len > 7)
        return false;
    int sum = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        sum = sum * 10 + (text.ptr[i] - '0');
    }
    *value = sum;
    return sum >= n->min && sum <= n->max;
}

bool script_parse(struct slice text, struct script *s)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '-')
        return false;
    struct slice rest = text;
    struct slice name = cut(&rest, '-');
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const struct word *w = &words[i];
        if (!slice_is(name, w->name))
            continue;
        struct script result = w->script;
        for (int n = 0; rest.len > 0; n++) {
            int value;
            if (n == WORD_NUMBERS || w->numbers[n].field == 0 ||
                !parse_number(cut(&rest, '-'), &w->numbers[n], &value))
                return false;
            memcpy((char *)&result + w->numbers[n].field, &value, sizeof value);
        }
        *s = result;
        return true;
    }
    return false;
}

bool script_of_recipient(struct slice to, struct script *s)
{
    if (to.ptr == NULL)
        return false;
    struct slice local = cut(&to, '@');
    const char *plus = memchr(local.ptr, '+', local.len);
    if (plus == NULL)
        return script_parse(local, s);
    size_t before = (size_t)(plus - local.ptr) + 1;
    return script_parse((struct slice){ plus + 1, local.len - before }, s);
}
