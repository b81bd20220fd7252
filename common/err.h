// SPDX-License-Identifier: Apache-2.0
// err: what a fallible function says when it returns false.
//
// The caller owns a struct err and passes it last. A function that returns true has not touched it. The text is
// one line for a person: what happened, to what, and what to do next. The kind is for the program: it decides
// exit codes and whether trying again makes sense.
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include <stdbool.h>

enum err_kind {
    ERR_NONE,
    ERR_USAGE,       // the command line is wrong                    exit 64
    ERR_INPUT,       // a job, record or reply is malformed          exit 65
    ERR_UNAVAILABLE, // a broker, store or host does not answer      exit 69
    ERR_TRANSIENT,   // may work later without anybody's doing       exit 75
    ERR_FATAL,       // this process cannot go on, a new one can     exit 75
    ERR_CONFIG,      // a person has to change the set-up            exit 78
};

struct err {
    enum err_kind kind;
    char text[256];
};

#define MUST_CHECK __attribute__((warn_unused_result))

// Fills *e (NULL is allowed) and returns false, so that "return err_set(e, ...);" is one line.
bool err_set(struct err *e, enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

// Puts "context: " in front of the text already there; returns false.
bool err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// The exit status of a program that ends because of this error (sysexits.h numbers; see above).
int err_exit_status(enum err_kind kind);

#endif
