// SPDX-License-Identifier: Apache-2.0
// address: see address.h.
//
// The full grammar of RFC 5322 (comments, groups, routes, folding, quoted local parts) has given every mail system
// its injection bugs, and no address that a person types needs it. So this accepts three plain forms and refuses the
// rest by name. One address is one address: a comma, a semicolon or a second '@' outside of quotes is always refused,
// since what comes behind it would become a recipient that nobody deduplicates.
#include "common/address.h"

#include "common/text.h"

enum { SPEC_MAX = 254, LOCAL_MAX = 64, LABEL_MAX = 63, TEXT_MAX = 998 };

static bool refuse(struct err *e, const char *why)
{
    return err_set(e, ERR_INPUT, "%s", why);
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && s.ptr[0] == ' ')
        s = (struct slice){ s.ptr + 1, s.len - 1 };
    while (s.len > 0 && s.ptr[s.len - 1] == ' ')
        s.len--;
    return s;
}

static bool is_utf8(struct slice s)
{
    size_t n;
    for (size_t i = 0; i < s.len; i += n) {
        n = utf8_sequence(s.ptr + i, s.len - i);
        if (n == 0)
            return false;
    }
    return true;
}

static bool is_alnum(unsigned char c)
{
    unsigned char lower = c | 0x20;
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

static bool check_local(struct slice local, struct err *e)
{
    if (local.len == 0)
        return refuse(e, "has nothing before '@'");
    if (local.len > LOCAL_MAX)
        return refuse(e, "has more than 64 bytes before '@'");
    for (size_t i = 0; i < local.len; i++) {
        unsigned char c = (unsigned char)local.ptr[i];
        bool dot_misplaced = c == '.' && (i == 0 || i + 1 == local.len || local.ptr[i + 1] == '.');
        if (dot_misplaced)
            return refuse(e, "has a misplaced dot before '@'");
        if (!is_alnum(c) && c < 0x80 && strchr(".!#$%&'*+-/=?^_`{|}~", c) == NULL)
            return err_set(e, ERR_INPUT, "contains '%c' before '@'", c);
    }
    return true;
}

static bool check_label(struct slice label, struct err *e)
{
    if (label.len == 0)
        return refuse(e, "has an empty part in its domain");
    if (label.len > LABEL_MAX)
        return refuse(e, "has a part of more than 63 bytes in its domain");
    if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return refuse(e, "has a part of its domain that begins or ends with '-'");
    for (size_t i = 0; i < label.len; i++) {
        unsigned char c = (unsigned char)label.ptr[i];
        if (!is_alnum(c) && c < 0x80 && c != '-')
            return err_set(e, ERR_INPUT, "contains '%c' in its domain", c);
    }
    return true;
}

static bool check_domain(struct slice domain, struct err *e)
{
    if (domain.len == 0)
        return refuse(e, "has nothing after '@'");
    const char *p = domain.ptr, *end = domain.ptr + domain.len;
    for (;;) {
        const char *dot = memchr(p, '.', (size_t)(end - p));
        if (!check_label((struct slice){ p, (size_t)((dot != NULL ? dot : end) - p) }, e))
            return false;
        if (dot == NULL)
            return true;
        p = dot + 1;
    }
}

// Anything that separates or nests addresses.
static bool check_single(struct slice s, struct err *e)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == ',' || s.ptr[i] == ';' || s.ptr[i] == '<' || s.ptr[i] == '>')
            return refuse(e, "contains a second address");
    return true;
}

static bool parse_spec(struct address *a, struct slice spec, struct err *e)
{
    if (spec.len == 0)
        return refuse(e, "is empty");
    if (!check_single(spec, e))
        return false;
    if (spec.len > SPEC_MAX)
        return refuse(e, "is longer than 254 bytes");
    const char *sign = memchr(spec.ptr, '@', spec.len);
    if (sign == NULL)
        return refuse(e, "has no '@'");
    a->spec = spec;
    a->local = (struct slice){ spec.ptr, (size_t)(sign - spec.ptr) };
    a->domain = (struct slice){ sign + 1, spec.len - a->local.len - 1 };
    if (spec.ptr[0] == '"')
        return refuse(e, "has a quoted part before '@', which is not supported");
    if (memchr(a->domain.ptr, '@', a->domain.len) != NULL)
        return refuse(e, "contains a second address");
    return check_local(a->local, e) && check_domain(a->domain, e);
}

// s: begins with a quote. Returns the display name and what follows it, or false.
static bool split_quoted(struct slice s, struct slice *display, struct slice *rest, struct err *e)
{
    bool escapes = false;
    size_t i = 1;
    for (; i < s.len && s.ptr[i] != '"'; i++) {
        if (s.ptr[i] != '\\')
            continue;
        escapes = true;
        i++;
    }
    if (i >= s.len)
        return refuse(e, "has a display name without a closing quote");
    *display = escapes ? (struct slice){ s.ptr, i + 1 } : (struct slice){ s.ptr + 1, i - 1 };
    *rest = trim((struct slice){ s.ptr + i + 1, s.len - i - 1 });
    return true;
}

static bool split_plain(struct slice s, struct slice *display, struct slice *rest, struct err *e)
{
    const char *open = memchr(s.ptr, '<', s.len);
    size_t n = open != NULL ? (size_t)(open - s.ptr) : 0;
    *display = trim((struct slice){ s.ptr, n });
    *rest = (struct slice){ s.ptr + n, s.len - n };
    if (display->len == 0)
        *display = (struct slice){ 0 };
    for (size_t i = 0; i < display->len; i++) {
        char c = display->ptr[i];
        if (c == '@' || c == ',' || c == ';')
            return refuse(e, "contains a second address (or a display name that needs quotes)");
        if (strchr("\"()<>:\\[]", c) != NULL)
            return err_set(e, ERR_INPUT, "has a display name with '%c', which needs quotes", c);
    }
    return true;
}

bool address_parse(struct address *a, struct slice text, struct err *e)
{
    if (!text_check(text, TEXT_SOME, TEXT_MAX, e))
        return false;
    if (!is_utf8(text))
        return refuse(e, "is not UTF-8");
    struct slice s = trim(text), rest;
    struct address parsed = { 0 };
    if (s.len == 0)
        return refuse(e, "is empty");
    bool quoted = s.ptr[0] == '"' && memchr(s.ptr, '<', s.len) != NULL;
    if (!(quoted ? split_quoted : split_plain)(s, &parsed.display, &rest, e))
        return false;
    if (parsed.display.ptr != NULL && (rest.len == 0 || rest.ptr[0] != '<'))
        return refuse(e, "has something between the display name and '<'");
    if (rest.ptr[0] == '<') {
        if (rest.ptr[rest.len - 1] != '>')
            return refuse(e, memchr(rest.ptr, '>', rest.len) == NULL ? "has no '>'" : "has something behind '>'");
        rest = (struct slice){ rest.ptr + 1, rest.len - 2 };
    }
    if (!parse_spec(&parsed, rest, e))
        return false;
    *a = parsed;
    return true;
}
