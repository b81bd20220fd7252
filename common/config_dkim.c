// SPDX-License-Identifier: Apache-2.0
// config_dkim: the keys that sign mail.
//
// In the file a domain has a list, because it usually has two keys (RSA, and Ed25519 beside it) and during an
// exchange more:
//   "dkim": {"example.com": [{"selector": "s1", "key": {"file": "/etc/sendfleet/s1.pem"}}, …]}
// Everywhere else one key is dkim.<domain>.<selector>.key.file=PATH (or .env=NAME); the file is read in the
// same words, so a source that comes later replaces a key by domain and selector. A selector is one label:
// RFC 6376 allows dots in it, but then nobody could tell where the domain ends.
#include "common/config_keys.h"

#include "common/alloc.h"

#include <stdlib.h>
#include <strings.h>

enum { DOMAIN_MAX = 253, LABEL_MAX = 63 };

static const char KEY[] = ".key";

static bool is_label(struct slice s)
{
    if (s.len == 0 || s.len > LABEL_MAX || s.ptr[0] == '-' || s.ptr[s.len - 1] == '-')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char lower = (char)(s.ptr[i] | 0x20);
        bool good = (lower >= 'a' && lower <= 'z') || (s.ptr[i] >= '0' && s.ptr[i] <= '9') ||
                    s.ptr[i] == '-' || s.ptr[i] == '_';
        if (!good)
            return false;
    }
    return true;
}

static bool is_domain(struct slice s)
{
    for (const char *dot; (dot = memchr(s.ptr, '.', s.len)) != NULL;) {
        size_t len = (size_t)(dot - s.ptr);
        if (s.len > DOMAIN_MAX || !is_label((struct slice){ s.ptr, len }))
            return false;
        s = (struct slice){ dot + 1, s.len - len - 1 };
    }
    return is_label(s);
}

static struct dkim_key_config *find(struct config *c, struct slice domain, struct slice selector)
{
    for (int i = 0; i < c->dkim_count; i++) {
        struct dkim_key_config *key = &c->dkim[i];
        if (strlen(key->domain) == domain.len && strncasecmp(key->domain, domain.ptr, domain.len) == 0 &&
            strlen(key->selector) == selector.len &&
            strncasecmp(key->selector, selector.ptr, selector.len) == 0)
            return key;
    }
    return NULL;
}

static char *lower_copy(struct slice s)
{
    char *copy = xstrndup(s.ptr, s.len);
    for (char *c = copy; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    return copy;
}

// The key of this domain and selector, made when it is new.
static struct dkim_key_config *open_key(struct config *c, struct slice domain, struct slice selector)
{
    struct dkim_key_config *key = find(c, domain, selector);
    if (key != NULL || c->dkim_count == CONFIG_DKIM_MAX)
        return key;
    key = &c->dkim[c->dkim_count++];
    *key = (struct dkim_key_config){ .domain = lower_copy(domain), .selector = lower_copy(selector) };
    return key;
}

bool config_dkim_set(struct config *c, const char *path, const struct given *g, struct err *e)
{
    size_t len = strlen(path), end = sizeof KEY - 1;
    bool is_key = len > end && strcmp(path + len - end, KEY) == 0;
    const char *dot = is_key ? memrchr(path, '.', len - end) : NULL;
    if (dot == NULL)
        return err_set(e, ERR_CONFIG, "is not <domain>.<selector>.key");
    struct slice domain = { path, (size_t)(dot - path) };
    struct slice selector = { dot + 1, len - end - domain.len - 1 };
    if (!is_domain(domain) || !is_label(selector))
        return err_set(e, ERR_CONFIG, "is not a domain in ASCII and a selector of one label");
    char *pem = NULL;
    if (!config_secret_text(&pem, g, e))
        return false;
    struct dkim_key_config *key = open_key(c, domain, selector);
    if (key == NULL) {
        free(pem);
        return err_set(e, ERR_CONFIG, "more than %d keys", CONFIG_DKIM_MAX);
    }
    free(key->pem);
    free(key->source);
    key->pem = pem;
    key->source = xstrdup(g->text);
    return true;
}

void config_dkim_clear(struct config *c)
{
    for (int i = 0; i < c->dkim_count; i++) {
        struct dkim_key_config *key = &c->dkim[i];
        if (key->pem != NULL)
            explicit_bzero(key->pem, strlen(key->pem));
        free(key->domain);
        free(key->selector);
        free(key->pem);
        free(key->source);
    }
    c->dkim_count = 0;
}
