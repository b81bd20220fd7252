// SPDX-License-Identifier: Apache-2.0
// json_string: see json_string.h. Texts are decoded in runs from backslash to backslash, since a mail has few of
// them; comparing goes byte by byte, since names have none. Neither form ever gets longer than what was written
// (the shortest escape of a character is never longer than another one), which lets callers reserve once.
#include "common/json_string.h"

const char JSON_ESCAPES[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int32_t json_hex4(const char *p, const char *end)
{
    if (end - p < 4)
        return -1;
    int32_t n = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        n = n * 16 + digit;
    }
    return n;
}

// p: at a backslash. Returns the character and moves p behind the escape.
static uint32_t read_escape(const char **p, const char *end)
{
    const char *q = *p;
    if (q[1] != 'u') {
        *p = q + 2;
        return (uint32_t)JSON_ESCAPES[(unsigned char)q[1]];
    }
    uint32_t unit = (uint32_t)json_hex4(q + 2, end);
    *p = q + 6;
    if (unit < 0xd800 || unit > 0xdbff)
        return unit;
    uint32_t low = (uint32_t)json_hex4(q + 8, end);
    *p = q + 12;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

static size_t encode_utf8(uint32_t c, char out[4])
{
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

// ---- order --------------------------------------------------------------------------------------------------

struct reading { // a string's decoded bytes, one after the other
    const char *p, *end;
    char decoded[4];
    size_t have, used;
};

static int next_byte(struct reading *r)
{
    if (r->used < r->have)
        return (unsigned char)r->decoded[r->used++];
    if (r->p == r->end)
        return -1;
    if (*r->p != '\\')
        return (unsigned char)*r->p++;
    r->have = encode_utf8(read_escape(&r->p, r->end), r->decoded);
    r->used = 1;
    return (unsigned char)r->decoded[0];
}

int json_string_compare(struct slice a, struct slice b, bool escaped)
{
    if (!escaped) {
        int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
        return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
    }
    struct reading ra = { .p = a.ptr, .end = a.ptr + a.len }, rb = { .p = b.ptr, .end = b.ptr + b.len };
    int ca, cb;
    do {
        ca = next_byte(&ra);
        cb = next_byte(&rb);
    } while (ca == cb && ca >= 0);
    return ca - cb;
}

// ---- copies -------------------------------------------------------------------------------------------------

// Appends the run up to the next backslash; false when there is none.
static bool copy_run(const char **p, const char *end, struct buf *out)
{
    const char *stop = memchr(*p, '\\', (size_t)(end - *p));
    if (stop == NULL)
        stop = end;
    buf_put(out, *p, (size_t)(stop - *p));
    *p = stop;
    return stop < end;
}

void json_string_decode(struct slice raw, struct buf *out)
{
    const char *p = raw.ptr, *end = raw.ptr + raw.len;
    char encoded[4];
    while (copy_run(&p, end, out)) {
        uint32_t c = read_escape(&p, end);
        buf_put(out, encoded, encode_utf8(c, encoded));
    }
}

// Characters that cannot stand for themselves have a short escape, or \u00xx.
static void put_canonical(uint32_t c, struct buf *out)
{
    static const char digits[] = "0123456789abcdef", letters[] = "\"\\bfnrt";
    for (const char *l = letters; *l != '\0'; l++) {
        if ((uint32_t)JSON_ESCAPES[(unsigned char)*l] == c) {
            buf_put(out, (char[]){ '\\', *l }, 2);
            return;
        }
    }
    char encoded[4];
    if (c < 0x20)
        buf_put(out, (char[]){ '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] }, 6);
    else
        buf_put(out, encoded, encode_utf8(c, encoded));
}

void json_string_canonical(struct slice raw, struct buf *out)
{
    const char *p = raw.ptr, *end = raw.ptr + raw.len;
    while (copy_run(&p, end, out))
        put_canonical(read_escape(&p, end), out);
}
