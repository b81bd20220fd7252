// SPDX-License-Identifier: Apache-2.0
// options: command lines as tables. Every program is commands x options; --help is printed from the same tables.
#ifndef COMMON_OPTIONS_H
#define COMMON_OPTIONS_H

#include "common/err.h"

#include <stdint.h>
#include <stdio.h>

enum option_type {
    OPTION_FLAG,     // --json              bool
    OPTION_STRING,   // --text WORD         const char * (borrowed from argv)
    OPTION_INT,      // --limit N           int64_t, >= 0
    OPTION_DURATION, // --timeout 30s       int64_t ms
    OPTION_LIST,     // --set k=v, repeatable: struct option_list
};

enum { OPTION_LIST_MAX = 64 };
struct option_list {
    char *items[OPTION_LIST_MAX]; // borrowed from argv
    int count;
};

struct option {
    const char *name;  // without the dashes
    char letter;       // 0 = none
    enum option_type type;
    void *target;      // of the type above
    const char *value; // how the value is called in help; NULL for flags
    const char *help;
};

struct command {
    const char *name;
    const char *arguments; // "[FILE|-]" or ""
    const char *summary;   // one line
    const char *examples;  // lines, each indented; may be NULL
    const struct option *options; // terminated by name == NULL; may be NULL
    int (*run)(int argc, char **argv); // the positional arguments; returns the exit status
};

struct program {
    const char *name;
    const char *summary;
    const struct command *commands; // terminated by name == NULL; the first is the default when default_first
    const struct option *options;   // common to all commands; terminated by name == NULL
    bool default_first;
    const char *epilogue; // "Exit status: …"; may be NULL
};

// Finds the command, parses its options and the common ones (before or after the command, "--name value",
// "--name=value", "-n value", "--" ends options), handles --help and --version, runs it, returns its exit status.
// Wrong usage prints one line with the nearest option or command and returns 64.
int program_run(const struct program *p, int argc, char **argv);

// Edit distance based suggestion: the closest of the NULL-terminated names, or NULL when none is close.
const char *nearest_name(const char *wanted, const char *const *names);

#endif
