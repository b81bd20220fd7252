// SPDX-License-Identifier: Apache-2.0
// dkim: which keys sign, and what a signature says.
//
// Every key that is configured for the domain signs, in the order of the file: RSA for those who know nothing
// else, Ed25519 beside it, two of one kind while a key is exchanged. Body hash and signed fields are the same
// for all of them and are made once.
//
// Fields that would change what a person sees are signed once more than they are there: adding a second
// Subject later breaks the signature ("oversigning"). t= is the message's own date, not the clock, so that a
// repeated attempt has the same bytes; there is no x=, since mail may wait for days. A message that cannot be
// signed is not sent unsigned: under DMARC that would be refused for good, while a failure here is worth
// another try.
#include "worker/dkim.h"

#include "common/alloc.h"
#include "common/base64.h"
#include "worker/dkim_canon.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

enum { WIDTH = 72, NAMES_MAX = DKIM_FIELDS_MAX + 32 };

// Fields that are signed when they are there (RFC 6376 5.4.1, RFC 8058 4), and always where a reader's eye
// falls on.
static const struct signed_field {
    struct slice name;
    bool oversigned;
} SIGNED[] = {
    { { "From", 4 }, true },
    { { "To", 2 }, true },
    { { "Cc", 2 }, true },
    { { "Subject", 7 }, true },
    { { "Date", 4 }, true },
    { { "Reply-To", 8 }, true },
    { { "Sender", 6 }, false },
    { { "Message-ID", 10 }, false },
    { { "In-Reply-To", 11 }, false },
    { { "References", 10 }, false },
    { { "MIME-Version", 12 }, false },
    { { "Content-Type", 12 }, false },
    { { "Content-Transfer-Encoding", 25 }, false },
    { { "Content-ID", 10 }, false },
    { { "List-Id", 7 }, false },
    { { "List-Help", 9 }, false },
    { { "List-Unsubscribe", 16 }, false },
    { { "List-Unsubscribe-Post", 21 }, false },
    { { "List-Subscribe", 14 }, false },
    { { "List-Post", 9 }, false },
    { { "List-Owner", 10 }, false },
    { { "List-Archive", 12 }, false },
    { { "Feedback-ID", 11 }, false },
};

struct signer {
    const char *domain, *selector; // borrowed from the configuration
    struct dkim_key *key;          // owned
};

struct dkim {
    struct signer *signers; // owned
    int count;
    struct dkim_counts counts;
    struct dkim_message message; // the rest is reused from mail to mail; owned
    struct buf fields, common, head, relaxed;
};

bool dkim_open(struct dkim **out, const struct config *c, struct err *e)
{
    struct dkim *d = xcalloc(1, sizeof *d);
    d->signers = xcalloc((size_t)c->dkim_count + 1, sizeof *d->signers);
    for (int i = 0; i < c->dkim_count; i++) {
        const struct dkim_key_config *from = &c->dkim[i];
        struct signer *s = &d->signers[i];
        *s = (struct signer){ .domain = from->domain, .selector = from->selector };
        if (!dkim_key_new(&s->key, from->pem, e)) {
            dkim_close(d);
            return err_prefix(e, "dkim: %s, selector %s, from %s", from->domain, from->selector,
                              from->source);
        }
        d->count++;
    }
    *out = d;
    return true;
}

void dkim_close(struct dkim *d)
{
    if (d == NULL)
        return;
    for (int i = 0; i < d->count; i++)
        dkim_key_free(d->signers[i].key);
    free(d->signers);
    buf_clear(&d->fields);
    buf_clear(&d->common);
    buf_clear(&d->head);
    buf_clear(&d->relaxed);
    free(d);
}

// ---- whose keys -------------------------------------------------------------------------------------------

// Is name the domain itself or, when it is not a top-level one, above it?
static bool covers(const char *name, struct slice domain)
{
    size_t len = strlen(name);
    if (domain.len < len || strncasecmp(domain.ptr + domain.len - len, name, len) != 0)
        return false;
    return domain.len == len || (domain.ptr[domain.len - len - 1] == '.' && strchr(name, '.') != NULL);
}

static const char *signing_domain(const struct dkim *d, struct slice domain)
{
    const char *best = NULL;
    for (int i = 0; i < d->count; i++)
        if (covers(d->signers[i].domain, domain) &&
            (best == NULL || strlen(d->signers[i].domain) > strlen(best)))
            best = d->signers[i].domain;
    return best;
}

// ---- what is signed ---------------------------------------------------------------------------------------

static int choose_names(const struct dkim_message *m, struct slice names[NAMES_MAX])
{
    int n = 0;
    for (size_t i = 0; i < sizeof SIGNED / sizeof SIGNED[0]; i++) {
        const struct signed_field *f = &SIGNED[i];
        for (int k = 0; k < m->count; k++)
            if (m->fields[k].name.len == f->name.len &&
                strncasecmp(m->fields[k].name.ptr, f->name.ptr, f->name.len) == 0)
                names[n++] = f->name;
        if (f->oversigned)
            names[n++] = f->name;
    }
    return n;
}

static void put_names(struct buf *out, const struct slice *names, int count)
{
    size_t col = 3; // " h="
    for (int i = 0; i < count; i++) {
        if (i > 0 && col + names[i].len + 1 > WIDTH) {
            buf_puts(out, ":\r\n  ");
            col = 2;
        } else if (i > 0) {
            buf_putc(out, ':');
            col++;
        }
        buf_put_slice(out, names[i]);
        col += names[i].len;
    }
}

// The part of the field that all signatures have in common: h=, bh= and the start of b=.
static void put_common(struct dkim *d, const struct slice *names, int count)
{
    unsigned char hash[DIGEST_SIZE];
    dkim_hash_body(d->message.body, hash);
    buf_puts(&d->common, ";\r\n h=");
    put_names(&d->common, names, count);
    buf_puts(&d->common, ";\r\n bh=");
    base64_put(&d->common, (struct slice){ (const char *)hash, sizeof hash });
    buf_puts(&d->common, ";\r\n b=");
}

static void put_folded(struct buf *out, struct slice base64)
{
    for (size_t i = 0; i < base64.len; i += WIDTH) {
        if (i > 0)
            buf_puts(out, "\r\n  ");
        buf_put(out, base64.ptr + i, base64.len - i < WIDTH ? base64.len - i : WIDTH);
    }
    buf_puts(out, "\r\n");
}

static bool put_signature(struct dkim *d, const struct signer *s, int64_t date_ms, struct err *e)
{
    size_t start = d->head.len;
    unsigned char hash[DIGEST_SIZE];
    buf_printf(&d->head, "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n d=%s; s=%s;\r\n t=%" PRId64,
               dkim_algorithm_name(dkim_key_algorithm(s->key)), s->domain, s->selector, date_ms / 1000);
    buf_put_slice(&d->head, buf_slice(&d->common));
    buf_reset(&d->relaxed);
    dkim_relax_field((struct slice){ d->head.data + start, d->head.len - start }, &d->relaxed);
    digest_begin();
    digest_add(buf_slice(&d->fields));
    digest_add(buf_slice(&d->relaxed));
    digest_end(hash);
    buf_reset(&d->relaxed);
    if (!dkim_key_sign(s->key, hash, &d->relaxed, e))
        return err_prefix(e, "dkim: %s, selector %s", s->domain, s->selector);
    put_folded(&d->head, buf_slice(&d->relaxed));
    return true;
}

static bool put_signatures(struct dkim *d, const char *domain, int64_t date_ms, struct err *e)
{
    struct slice names[NAMES_MAX];
    int count = choose_names(&d->message, names);
    buf_reset(&d->fields);
    buf_reset(&d->common);
    buf_reset(&d->head);
    put_common(d, names, count);
    dkim_put_signed(&d->message, names, count, &d->fields);
    for (int i = 0; i < d->count; i++)
        if (strcmp(d->signers[i].domain, domain) == 0 && !put_signature(d, &d->signers[i], date_ms, e))
            return false;
    return true;
}

static void put_on_top(struct buf *message, struct slice head)
{
    buf_reserve(message, head.len);
    memmove(message->data + head.len, message->data, message->len + 1);
    memcpy(message->data, head.ptr, head.len);
    message->len += head.len;
}

bool dkim_sign(struct dkim *d, struct slice domain, int64_t date_ms, struct buf *message, struct err *e)
{
    const char *as = d != NULL ? signing_domain(d, domain) : NULL;
    if (as == NULL)
        return true;
    if (!dkim_split(&d->message, buf_slice(message), e) || !put_signatures(d, as, date_ms, e)) {
        d->counts.failed++;
        return false;
    }
    put_on_top(message, buf_slice(&d->head));
    for (int i = 0; i < d->count; i++)
        if (strcmp(d->signers[i].domain, as) == 0)
            d->counts.made[dkim_key_algorithm(d->signers[i].key)]++;
    return true;
}

struct dkim_counts dkim_counts(const struct dkim *d)
{
    return d != NULL ? d->counts : (struct dkim_counts){ 0 };
}
