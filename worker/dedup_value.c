// SPDX-License-Identifier: Apache-2.0
// dedup_value: the text of a record as the worker writes it without a script, and the owner tokens.
//
// The job id is preceded by its length because it may hold anything a publisher likes, bars included. A token
// must be unlike any other in the fleet for as long as the record lives: 64 bits from a generator seeded by
// the system, and seeded again in a child after fork, which would otherwise go on with its parent's numbers.
#include "worker/dedup_value.h"

#include "common/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

static void write_hex64(char out[16], uint64_t n)
{
    static const char DIGITS[] = "0123456789abcdef";
    for (int i = 15; i >= 0; i--, n >>= 4)
        out[i] = DIGITS[n & 15];
}

static unsigned fork_count;

static void on_fork(void)
{
    fork_count++;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, on_fork);
}

static void seed(struct dedup_tokens *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    if (getrandom(t->state, sizeof t->state, 0) != (ssize_t)sizeof t->state) {
        log_error("dedup", "the system has no random numbers");
        abort(); // a guessed token could release somebody else's claim
    }
    t->state[0] |= 1;
    t->forks = fork_count;
    t->seeded = true;
}

void dedup_tokens_next(struct dedup_tokens *t, char token[DEDUP_TOKEN_SIZE])
{
    if (!t->seeded || t->forks != fork_count)
        seed(t);
    uint64_t a = t->state[0], b = t->state[1], n = a + b; // xorshift128+ (Vigna 2014)
    a ^= a << 23;
    t->state[0] = b;
    t->state[1] = a ^ b ^ a >> 18 ^ b >> 5;
    write_hex64(token, n);
    token[DEDUP_TOKEN_SIZE - 1] = '\0';
}

void dedup_value_put(struct buf *out, char state, const struct dedup_subject *s, int version)
{
    size_t job_len = strlen(s->job_id);
    buf_putc(out, state);
    buf_putc(out, '|');
    buf_put_i64(out, s->epoch.generation);
    buf_putc(out, '.');
    buf_put_i64(out, s->epoch.try_no);
    buf_putc(out, '|');
    buf_puts(out, s->token);
    buf_putc(out, '|');
    char print[16];
    write_hex64(print, s->fingerprint);
    buf_put(out, print, sizeof print);
    buf_putc(out, '|');
    buf_put_i64(out, version);
    buf_putc(out, '|');
    buf_put_i64(out, (int64_t)job_len);
    buf_putc(out, '|');
    buf_put(out, s->job_id, job_len);
    buf_putc(out, '|');
}

static struct slice next_field(struct slice *rest)
{
    const char *bar = rest->len > 0 ? memchr(rest->ptr, '|', rest->len) : NULL;
    size_t len = bar != NULL ? (size_t)(bar - rest->ptr) : rest->len;
    struct slice field = { rest->ptr, len };
    size_t skip = bar != NULL ? len + 1 : len;
    *rest = (struct slice){ rest->ptr + skip, rest->len - skip };
    return field;
}

struct slice dedup_value_acceptance(struct slice value, const char *token)
{
    struct slice rest = value;
    struct slice state = next_field(&rest);
    next_field(&rest);
    struct slice its_token = next_field(&rest);
    next_field(&rest);
    next_field(&rest);
    size_t job_len = (size_t)strtoul(next_field(&rest).ptr, NULL, 10);
    if (!slice_is(state, "s") || slice_is(its_token, token) || rest.len < job_len + 1)
        return SLICE("");
    rest = (struct slice){ rest.ptr + job_len + 1, rest.len - job_len - 1 };
    return rest.len > 0 ? rest : SLICE("-");
}
