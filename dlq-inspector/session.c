// SPDX-License-Identifier: Apache-2.0
// session: see session.h. Output is collected and written at once: a command that fails half way prints an error and
// no half table, and what a script reads is whole or absent. Logs stay quiet (warnings and up), because standard error
// belongs to the person at the terminal here.
#include "dlq-inspector/session.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

extern char **environ;

static struct {
    bool json;
    const char *config;
    struct option_list sets;
} args;

const struct option SESSION_OPTIONS[] = {
    { .name = "json", .type = OPTION_FLAG, .target = &args.json, .help = "machine-readable output" },
    { .name = "config", .letter = 'c', .type = OPTION_STRING, .target = &args.config, .value = "FILE",
      .help = "configuration; default $SENDFLEET_CONFIG" },
    { .name = "set", .letter = 's', .type = OPTION_LIST, .target = &args.sets, .value = "KEY=VALUE",
      .help = "one configuration key; repeatable" },
    { .name = NULL },
};

// A pipe or file has no width: nothing is cut, except at $COLUMNS for those who set it.
static int terminal_width(void)
{
    enum { LEAST = 40, UNLIMITED = 10000 };
    struct winsize size;
    if (isatty(STDOUT_FILENO))
        return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= LEAST ? size.ws_col : 80;
    const char *columns = getenv("COLUMNS");
    int wanted = columns != NULL ? atoi(columns) : 0;
    return wanted >= LEAST ? wanted : UNLIMITED;
}

static void name_user(char out[SESSION_USER_SIZE])
{
    char host[64] = "localhost";
    const struct passwd *pw = getpwuid(getuid());
    gethostname(host, sizeof host - 1);
    if (pw != NULL)
        snprintf(out, SESSION_USER_SIZE, "%s@%s", pw->pw_name, host);
    else
        snprintf(out, SESSION_USER_SIZE, "uid%u@%s", (unsigned)getuid(), host);
}

bool session_open(struct session *s, struct err *e)
{
    *s = (struct session){ .now_ms = clock_wall_ms(), .width = terminal_width(), .json = args.json };
    name_user(s->user);
    struct config_sources from = {
        .file = args.config,
        .sets = args.sets.items,
        .set_count = args.sets.count,
        .environment = environ,
    };
    if (!config_load(&s->config, &from, e))
        return false;
    log_set_level(LOG_WARN);
    return true;
}

void session_close(struct session *s)
{
    config_clear(&s->config);
}

int session_fail(const struct err *e)
{
    fprintf(stderr, "sendfleet-dlq: %s\n", e->text);
    return err_exit_status(e->kind);
}

int session_print(const struct buf *out)
{
    struct err e;
    if (fwrite(out->data != NULL ? out->data : "", 1, out->len, stdout) == out->len && fflush(stdout) == 0)
        return 0;
    err_set(&e, ERR_TRANSIENT, "cannot write the output: %s", strerror(errno));
    return session_fail(&e);
}
