// SPDX-License-Identifier: Apache-2.0
// dedup_scripts: the transitions of the dedup record as Lua, one script each. Which rules they follow and
// why: dedup.c; the same rules over a struct: tests/explorer/rules.c.
#ifndef WORKER_DEDUP_SCRIPTS_H
#define WORKER_DEDUP_SCRIPTS_H

// Arguments: life lease generation try token fingerprint job, then what each says.
enum { DEDUP_COMMON_ARGS = 7 };

// + mode ("claim" or "look"), worker. {finding, wait_ms, detail, generation, try, value written or ""}
extern const char DEDUP_SCRIPT_FIND[];
// + state (f, u or d), detail. {taken, value written}
extern const char DEDUP_SCRIPT_MARK[];
// + generation, try of the continuation. {taken, value written}
extern const char DEDUP_SCRIPT_QUEUED[];
// {taken, value written}
extern const char DEDUP_SCRIPT_RELEASE[];
// {taken}
extern const char DEDUP_SCRIPT_RENEW[];
// Arguments: life, value. {taken}
extern const char DEDUP_SCRIPT_REPAIR[];

#endif
