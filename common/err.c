// SPDX-License-Identifier: Apache-2.0
// err: see err.h. Formatting truncates; a truncated message is still better than a failing error path.
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
    if (e == NULL)
        return false;
    char text[sizeof e->text]; // the arguments may point into e->text
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    e->kind = kind;
    memcpy(e->text, text, sizeof text);
    return false;
}

bool err_prefix(struct err *e, const char *fmt, ...)
{
    if (e == NULL)
        return false;
    char text[sizeof e->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t len = strlen(text);
    snprintf(text + len, sizeof text - len, ": %s", e->text);
    memcpy(e->text, text, sizeof text);
    return false;
}

int err_exit_status(enum err_kind kind)
{
    switch (kind) {
    case ERR_NONE:
        return 0;
    case ERR_USAGE:
        return 64;
    case ERR_INPUT:
        return 65;
    case ERR_UNAVAILABLE:
        return 69;
    case ERR_TRANSIENT:
    case ERR_FATAL:
        return 75;
    case ERR_CONFIG:
        return 78;
    }
    return 70;
}
