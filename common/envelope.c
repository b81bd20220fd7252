// SPDX-License-Identifier: Apache-2.0
// envelope: see envelope.h.
//
// One table says for every header how it is read, where it goes and how much it may take. A header of ours that
// somebody damaged is refused rather than guessed at: a try or a due time read wrongly would send twice or early.
// traceparent is not ours to judge, it is only carried. What a worker writes can always be read again by the next
// one: the limits add up to less than ENVELOPE_MAX whatever the publisher's own headers were, and writing cuts and
// cleans texts (a reason may quote a server) instead of trusting its caller, since a header that is refused later
// would make a dead letter of a job that only had to wait.
#include "common/envelope.h"

#include "common/text.h"

#include <stddef.h>

enum {
    COUNT_MAX = 1000000,
    CODE_MAX = 999,
    LANE_MAX = 64,
    ORIGIN_MAX = 256,
    REASON_MAX = 512,
    NOTE_MAX = 1024,
    NAMES_AND_NUMBERS_MAX = 768, // all the other headers of ours, with all names
};

_Static_assert(NAMES_AND_NUMBERS_MAX + LANE_MAX + ORIGIN_MAX + REASON_MAX + 2 * NOTE_MAX + ENVELOPE_TRAIL_MAX +
                       ENVELOPE_RESPONSE_MAX + ENVELOPE_FOREIGN_MAX <= ENVELOPE_MAX,
               "what is written can be read again");

static const int64_t LAST_TIME_MS = 253402300799999; // the end of the year 9999

struct spec {
    const char *name;
    size_t len;
    bool (*read)(struct envelope *env, const struct spec *s, struct slice value, struct err *e);
    void (*write)(const struct envelope *env, const struct spec *s, struct headers *out);
    size_t offset;
    size_t max;    // bytes of a text, highest number
    bool lines_ok; // the text may have several lines
};

// ---- names --------------------------------------------------------------------------------------------------

static const char *const WAITS[WAIT_KIND_COUNT] = {
    [WAIT_NONE] = "none",
    [WAIT_RETRY] = "retry",
    [WAIT_THROTTLED] = "throttled",
    [WAIT_UNKNOWN] = "unknown",
    [WAIT_BUSY] = "busy",
    [WAIT_LIMITED] = "limited",
    [WAIT_SCHEDULED] = "scheduled",
    [WAIT_CARRY] = "carry",
};

const char *wait_name(enum wait_kind w)
{
    return w < WAIT_KIND_COUNT ? WAITS[w] : "none";
}

bool wait_parse(struct slice name, enum wait_kind *w)
{
    for (int i = 0; i < WAIT_KIND_COUNT; i++) {
        if (slice_is(name, WAITS[i])) {
            *w = (enum wait_kind)i;
            return true;
        }
    }
    return false;
}

int epoch_compare(struct epoch a, struct epoch b)
{
    if (a.generation != b.generation)
        return a.generation < b.generation ? -1 : 1;
    return (a.try_no > b.try_no) - (a.try_no < b.try_no);
}

// ---- one kind of header each --------------------------------------------------------------------------------

static void *member(struct envelope *env, const struct spec *s)
{
    return (char *)env + s->offset;
}

static const void *const_member(const struct envelope *env, const struct spec *s)
{
    return (const char *)env + s->offset;
}

static bool refuse(const struct spec *s, const char *why, struct err *e)
{
    return err_set(e, ERR_INPUT, "header %s: %s", s->name, why);
}

static bool read_number(const struct spec *s, struct slice value, int64_t max, int64_t *out, struct err *e)
{
    int64_t n = 0;
    if (value.len == 0 || value.len > 15)
        return refuse(s, "is not a decimal number", e);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return refuse(s, "is not a decimal number", e);
        n = n * 10 + (value.ptr[i] - '0');
    }
    if (n > max)
        return refuse(s, "is too large", e);
    *out = n;
    return true;
}

static bool read_count(struct envelope *env, const struct spec *s, struct slice value, struct err *e)
{
    int64_t n;
    if (!read_number(s, value, COUNT_MAX, &n, e))
        return false;
    *(uint32_t *)member(env, s) = (uint32_t)n;
    return true;
}

static void write_count(const struct envelope *env, const struct spec *s, struct headers *out)
{
    uint32_t n = *(const uint32_t *)const_member(env, s);
    if (n > 0)
        headers_add_i64(out, s->name, n < COUNT_MAX ? n : COUNT_MAX);
}

static bool read_code(struct envelope *env, const struct spec *s, struct slice value, struct err *e)
{
    int64_t n;
    if (!read_number(s, value, CODE_MAX, &n, e))
        return false;
    env->code = (int)n;
    return true;
}

static void write_code(const struct envelope *env, const struct spec *s, struct headers *out)
{
    if (env->code > 0 && env->code <= CODE_MAX)
        headers_add_i64(out, s->name, env->code);
}

static bool read_time(struct envelope *env, const struct spec *s, struct slice value, struct err *e)
{
    return read_number(s, value, LAST_TIME_MS, member(env, s), e);
}

static void write_time(const struct envelope *env, const struct spec *s, struct headers *out)
{
    int64_t ms = *(const int64_t *)const_member(env, s);
    if (ms > 0)
        headers_add_i64(out, s->name, ms < LAST_TIME_MS ? ms : LAST_TIME_MS);
}

static bool read_wait(struct envelope *env, const struct spec *s, struct slice value, struct err *e)
{
    return wait_parse(value, &env->wait) || refuse(s, "is not a known kind of waiting", e);
}

static void write_wait(const struct envelope *env, const struct spec *s, struct headers *out)
{
    if (env->wait != WAIT_NONE)
        headers_add(out, s->name, slice_of(wait_name(env->wait)));
}

static bool read_class(struct envelope *env, const struct spec *s, struct slice value, struct err *e)
{
    return failure_parse(value, &env->class) || refuse(s, "is not a known failure class", e);
}

static void write_class(const struct envelope *env, const struct spec *s, struct headers *out)
{
    if (env->class != FAILURE_NONE)
        headers_add(out, s->name, slice_of(failure_name(env->class)));
}

// A short word of printable ASCII in an array of the envelope; max is the array's size.
static bool read_word(struct envelope *env, const struct spec *s, struct slice value, struct err *e)
{
    if (value.len == 0 || value.len >= s->max)
        return refuse(s, value.len == 0 ? "is empty" : "is too long", e);
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= ' ' || value.ptr[i] > '~')
            return refuse(s, "has to be printable ASCII without spaces", e);
    char *word = member(env, s);
    memcpy(word, value.ptr, value.len);
    word[value.len] = '\0';
    return true;
}

static void write_word(const struct envelope *env, const struct spec *s, struct headers *out)
{
    const char *word = const_member(env, s);
    if (word[0] != '\0')
        headers_add(out, s->name, slice_of(word));
}

static bool read_hash(struct envelope *env, const struct spec *s, struct slice value, struct err *e)
{
    bool hex = value.len == ENVELOPE_RCPT_SIZE - 1;
    for (size_t i = 0; hex && i < value.len; i++)
        hex = (value.ptr[i] >= '0' && value.ptr[i] <= '9') || (value.ptr[i] >= 'a' && value.ptr[i] <= 'f');
    return hex ? read_word(env, s, value, e) : refuse(s, "is not a hash of 32 hexadecimal digits", e);
}

static bool is_allowed(const struct spec *s, unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || (s->lines_ok && (c == '\n' || c == '\r' || c == '\t'));
}

static size_t allowed_run(const struct spec *s, struct slice text)
{
    size_t n = 0;
    while (n < text.len && is_allowed(s, (unsigned char)text.ptr[n]))
        n++;
    return n;
}

static bool read_text(struct envelope *env, const struct spec *s, struct slice value, struct err *e)
{
    if (value.len > s->max)
        return refuse(s, "is too long", e);
    if (allowed_run(s, value) < value.len)
        return refuse(s, "contains a control character", e);
    *(struct slice *)member(env, s) = value;
    return true;
}

static void write_text(const struct envelope *env, const struct spec *s, struct headers *out)
{
    struct slice text = *(const struct slice *)const_member(env, s);
    if (text.ptr == NULL)
        return;
    if (text.len > s->max)
        text.len = text_cut(text, s->max);
    if (allowed_run(s, text) == text.len) {
        headers_add(out, s->name, text);
        return;
    }
    struct buf clean = { 0 };
    buf_put_slice(&clean, text);
    for (size_t i = 0; i < clean.len; i++)
        if (!is_allowed(s, (unsigned char)clean.data[i]))
            clean.data[i] = ' ';
    headers_add(out, s->name, buf_slice(&clean));
    buf_clear(&clean);
}

static bool read_any(struct envelope *env, const struct spec *s, struct slice value, struct err *e)
{
    (void)e;
    *(struct slice *)member(env, s) = value;
    return true;
}

static void write_any(const struct envelope *env, const struct spec *s, struct headers *out)
{
    struct slice bytes = *(const struct slice *)const_member(env, s);
    if (bytes.ptr != NULL)
        headers_add(out, s->name, bytes);
}

// ---- the table ----------------------------------------------------------------------------------------------

#define NAME(n) .name = (n), .len = sizeof(n) - 1
#define TO(m) .offset = offsetof(struct envelope, m)
#define WORD(m) read_word, write_word, TO(m), .max = sizeof(((struct envelope *)NULL)->m)

static const struct spec SPECS[] = {
    { NAME("sf-id"), WORD(id) },
    { NAME("sf-generation"), read_count, write_count, TO(epoch.generation) },
    { NAME("sf-try"), read_count, write_count, TO(epoch.try_no) },
    { NAME("sf-attempt"), read_count, write_count, TO(attempt) },
    { NAME("sf-due"), read_time, write_time, TO(due_ms) },
    { NAME("sf-first-seen"), read_time, write_time, TO(first_seen_ms) },
    { NAME("sf-expires"), read_time, write_time, TO(expires_ms) },
    { NAME("sf-wait"), read_wait, write_wait, 0 },
    { NAME("sf-class"), read_class, write_class, 0 },
    { NAME("sf-code"), read_code, write_code, 0 },
    { NAME("sf-rcpt"), read_hash, write_word, TO(rcpt), .max = ENVELOPE_RCPT_SIZE },
    { NAME("sf-lane"), read_text, write_text, TO(lane), .max = LANE_MAX },
    { NAME("sf-reason"), read_text, write_text, TO(reason), .max = REASON_MAX },
    { NAME("sf-replay"), read_text, write_text, TO(replay), .max = NOTE_MAX },
    { NAME("sf-origin"), read_text, write_text, TO(origin), .max = ORIGIN_MAX },
    { NAME("sf-approval"), read_text, write_text, TO(approval), .max = NOTE_MAX },
    { NAME("sf-trail"), read_text, write_text, TO(trail), .max = ENVELOPE_TRAIL_MAX, .lines_ok = true },
    { NAME("sf-response"), read_text, write_text, TO(response), .max = ENVELOPE_RESPONSE_MAX, .lines_ok = true },
    { NAME("traceparent"), read_any, write_any, TO(traceparent) },
};

enum { SPEC_COUNT = sizeof SPECS / sizeof SPECS[0] };

static const struct spec *find_spec(struct slice name)
{
    for (size_t i = 0; i < SPEC_COUNT; i++)
        if (SPECS[i].len == name.len && memcmp(SPECS[i].name, name.ptr, name.len) == 0)
            return &SPECS[i];
    return NULL;
}

bool envelope_read(struct envelope *env, const struct header *h, size_t count, struct err *e)
{
    struct envelope read = { .others = h, .other_count = count };
    size_t foreign = 0;
    for (size_t i = 0; i < count; i++) {
        const struct spec *s = find_spec(h[i].name);
        if (s == NULL || s->read == read_any)
            foreign += h[i].name.len + h[i].value.len;
        if (s == NULL)
            continue;
        struct slice value = h[i].value.ptr != NULL ? h[i].value : SLICE(""); // null reads as empty
        if (!s->read(&read, s, value, e))
            return false;
    }
    if (foreign > ENVELOPE_FOREIGN_MAX)
        return err_set(e, ERR_INPUT, "the record's own headers take %zu bytes, at most %d are allowed", foreign,
                       ENVELOPE_FOREIGN_MAX);
    *env = read;
    return true;
}

void envelope_write(const struct envelope *env, struct headers *out)
{
    for (size_t i = 0; i < SPEC_COUNT; i++)
        SPECS[i].write(env, &SPECS[i], out);
    size_t foreign = env->traceparent.ptr != NULL ? sizeof "traceparent" - 1 + env->traceparent.len : 0;
    for (size_t i = 0; i < env->other_count; i++) {
        const struct header *h = &env->others[i];
        size_t size = h->name.len + h->value.len;
        if (find_spec(h->name) != NULL || foreign + size > ENVELOPE_FOREIGN_MAX)
            continue;
        headers_add_slice(out, h->name, h->value);
        foreign += size;
    }
}
