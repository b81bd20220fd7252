// SPDX-License-Identifier: Apache-2.0
// simulator: stands in for an HTTP mail provider in tests and benchmarks.
//
// It answers as the recipient's address says ("user+flaky-2@example.com"), counts every request by its
// idempotency key, and can be read and told to misbehave over the same port. tests/README.md lists paths and
// scripts. It is part of the tests, not of the product: nothing in producer/, worker/ or dlq-inspector/ knows
// of it.
#include "server.h"

#include <getopt.h>
#include <stdlib.h>

struct settings {
    int port;
    const char *port_file, *ledger;
};

static void usage(FILE *out)
{
    fputs("simulator [--port N] [--port-file PATH] [--ledger FILE]    an HTTP mail provider for tests\n\n"
          "  --port N           listen on 127.0.0.1:N (default 0: any free port, printed)\n"
          "  --port-file PATH   write the port there once it listens\n"
          "  --ledger FILE      append every request as a JSON line\n"
          "  --help\n\n"
          "POST /send, /dedup/send, /control, /reset; GET /stats, /ledger, /healthz. See tests/README.md.\n",
          out);
}

// 0 to go on, otherwise the exit status plus one.
static int parse_options(int argc, char **argv, struct settings *to)
{
    static const struct option options[] = {
        { "port", required_argument, NULL, 'p' },
        { "port-file", required_argument, NULL, 'f' },
        { "ledger", required_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int found;
    while ((found = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        char *end = NULL;
        if (found == 'p')
            to->port = (int)strtol(optarg, &end, 10);
        else if (found == 'f')
            to->port_file = optarg;
        else if (found == 'l')
            to->ledger = optarg;
        else if (found == 'h')
            return usage(stdout), 0 + 1;
        if (found == '?' || (end != NULL && (*end != '\0' || to->port < 0 || to->port > 65535)))
            return usage(stderr), 64 + 1;
    }
    if (optind < argc)
        return usage(stderr), 64 + 1;
    return 0;
}

// Written aside and renamed: a reader never sees half a number.
static bool write_port(const char *path, int port, struct err *e)
{
    struct buf aside = { 0 };
    buf_printf(&aside, "%s.new", path);
    FILE *f = fopen(aside.data, "w");
    bool good = f != NULL && fprintf(f, "%d\n", port) > 0;
    good = f != NULL && fclose(f) == 0 && good && rename(aside.data, path) == 0;
    buf_clear(&aside);
    return good || err_set(e, ERR_CONFIG, "cannot write the port to %s", path);
}

static bool serve(const struct settings *settings, struct err *e)
{
    FILE *log = settings->ledger != NULL ? fopen(settings->ledger, "a") : NULL;
    if (settings->ledger != NULL && log == NULL)
        return err_set(e, ERR_CONFIG, "cannot write %s", settings->ledger);
    struct sink sink = { .ledger = ledger_new(log) };
    struct server *server = server_new(&sink, settings->port, log, e);
    bool good = server != NULL &&
                (settings->port_file == NULL || write_port(settings->port_file, server_port(server), e));
    if (good) {
        fprintf(stderr, "simulator: http://127.0.0.1:%d\n", server_port(server));
        good = server_run(server, e);
    }
    server_free(server);
    ledger_free(sink.ledger);
    if (log != NULL && fclose(log) != 0 && good)
        good = err_set(e, ERR_FATAL, "cannot write %s", settings->ledger);
    return good;
}

int main(int argc, char **argv)
{
    struct settings settings = { 0 };
    struct err e;
    int stop = parse_options(argc, argv, &settings);
    if (stop != 0)
        return stop - 1;
    if (serve(&settings, &e))
        return 0;
    fprintf(stderr, "simulator: %s\n", e.text);
    return err_exit_status(e.kind);
}
