// SPDX-License-Identifier: Apache-2.0
// text: see text.h. A rule is a column of one table over bytes. Line breaks are named apart from other control
// characters, because they are what an attempt to smuggle a header or an SMTP command looks like.
#include "common/text.h"

enum { CONTROL = 1, WORD = 2, NAME = 4 };

static unsigned class_of(unsigned char c)
{
    if (c < 0x20 || c == 0x7f)
        return CONTROL;
    if (c == ' ' || c >= 0x80)
        return 0;
    unsigned char lower = c | 0x20;
    bool name = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    return name ? WORD | NAME : WORD;
}

size_t text_find_control(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f)
            return i;
        if (c == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0)
            return i;
    }
    return text.len;
}

static bool check_all(struct slice text, unsigned wanted, char but, const char *complaint, struct err *e)
{
    for (size_t i = 0; i < text.len; i++)
        if ((class_of((unsigned char)text.ptr[i]) & wanted) == 0 || text.ptr[i] == but)
            return err_set(e, ERR_INPUT, "%s", complaint);
    return true;
}

bool text_check(struct slice text, enum text_rule rule, size_t max, struct err *e)
{
    if (text.len > max)
        return err_set(e, ERR_INPUT, "is %zu bytes long, at most %zu are allowed", text.len, max);
    if (rule == TEXT_FREE)
        return true;
    if (text.len == 0)
        return rule == TEXT_LINE || err_set(e, ERR_INPUT, "is empty");
    size_t control = text_find_control(text);
    if (control < text.len) {
        char c = text.ptr[control];
        return err_set(e, ERR_INPUT, "contains a %s", c == '\r' || c == '\n' ? "line break" : "control character");
    }
    switch (rule) {
    case TEXT_WORD:
        return check_all(text, WORD, '\0', "has to be printable ASCII without spaces", e);
    case TEXT_NAME:
        return check_all(text, NAME, '\0', "may only contain letters, digits, '.', '_' and '-'", e);
    case TEXT_FTEXT:
        return check_all(text, WORD, ':', "has to be printable ASCII without spaces and colons", e);
    default:
        return true;
    }
}

size_t text_cut(struct slice text, size_t max)
{
    if (text.len <= max)
        return text.len;
    size_t n = max;
    while (n > 0 && max - n < 3 && ((unsigned char)text.ptr[n] & 0xc0) == 0x80)
        n--;
    return n;
}
