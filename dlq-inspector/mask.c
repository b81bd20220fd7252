// SPDX-License-Identifier: Apache-2.0
// mask: see mask.h. Recipients are masked by default because letters are read in terminals that are shared, recorded
// and pasted into tickets; the domain stays, since that is what an operator works with. Replies quote addresses
// ("550 <ada@example.com>: unknown user"), so running text is searched too: a run of address characters around an
// '@' is taken as one, which may mask a little more than an address and never less.
#include "dlq-inspector/mask.h"

void mask_plain(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.ptr[i];
        size_t n = utf8_sequence(text.ptr + i, text.len - i);
        bool c1 = n == 2 && c == 0xc2 && (unsigned char)text.ptr[i + 1] < 0xa0;
        if (n == 0)
            buf_putc(out, '?');
        else if (c < 0x20 || c == 0x7f || c1)
            buf_putc(out, ' ');
        else
            buf_put(out, text.ptr + i, n);
        i += n > 0 ? n : 1;
    }
}

static void put_masked(struct buf *out, struct slice local, struct slice domain)
{
    size_t first = utf8_sequence(local.ptr, local.len);
    mask_plain(out, (struct slice){ local.ptr, first });
    buf_puts(out, "***@");
    mask_plain(out, domain);
}

void mask_address(struct buf *out, struct slice address, bool reveal)
{
    if (reveal) {
        mask_plain(out, address);
        return;
    }
    const char *at = address.len > 0 ? memrchr(address.ptr, '@', address.len) : NULL;
    if (at == NULL) {
        buf_puts(out, "***");
        return;
    }
    // A display name names the person too: only what is inside <> remains.
    const char *start = memrchr(address.ptr, '<', (size_t)(at - address.ptr));
    start = start != NULL ? start + 1 : address.ptr;
    const char *end = address.ptr + address.len;
    const char *close = memchr(at, '>', (size_t)(end - at));
    end = close != NULL ? close : end;
    put_masked(out, (struct slice){ start, (size_t)(at - start) }, (struct slice){ at + 1, (size_t)(end - at - 1) });
}

static bool in_local(unsigned char c)
{
    return c > 0x20 && c != 0x7f && strchr("<>()[]:;,\"@\\", c) == NULL;
}

static bool in_domain(unsigned char c)
{
    return c >= 0x80 || c == '.' || c == '-' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

void mask_text(struct buf *out, struct slice text, bool reveal)
{
    size_t done = 0; // copied so far
    for (size_t at = 0; !reveal && at < text.len; at++) {
        if (text.ptr[at] != '@')
            continue;
        size_t start = at, end = at + 1;
        while (start > done && in_local((unsigned char)text.ptr[start - 1]))
            start--;
        while (end < text.len && in_domain((unsigned char)text.ptr[end]))
            end++;
        if (start == at)
            continue;
        mask_plain(out, (struct slice){ text.ptr + done, start - done });
        put_masked(out, (struct slice){ text.ptr + start, at - start }, (struct slice){ text.ptr + at + 1, end - at - 1 });
        done = end;
        at = end - 1;
    }
    if (text.len > done)
        mask_plain(out, (struct slice){ text.ptr + done, text.len - done });
}
