// SPDX-License-Identifier: Apache-2.0
// redis_fixture: a redis-server of the test's own, on a unix socket in a temporary folder. The kernel kills
// it when the test dies, however that dies.
#ifndef TESTS_COMMON_REDIS_FIXTURE_H
#define TESTS_COMMON_REDIS_FIXTURE_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct redis_fixture {
    char folder[64], socket[96];
    char port[8]; // "0" = none
    pid_t pid;    // 0 = not running
};

static inline void redis_start(struct redis_fixture *r, const char *password)
{
    r->pid = fork();
    if (r->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", "--port", r->port, "--bind", "127.0.0.1", "--unixsocket",
               r->socket, "--dir", r->folder, "--save", "", "--appendonly", "no", "--logfile", "redis.log",
               "--requirepass", password != NULL ? password : "", (char *)NULL);
        perror("redis-server");
        _exit(127);
    }
}

static inline void redis_prepare(struct redis_fixture *r)
{
    *r = (struct redis_fixture){ .folder = "/tmp/sendfleet-redis-XXXXXX", .port = "0" };
    if (mkdtemp(r->folder) == NULL)
        abort();
    snprintf(r->socket, sizeof r->socket, "%s/redis.sock", r->folder);
}

static inline void redis_kill(struct redis_fixture *r)
{
    if (r->pid <= 0)
        return;
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    r->pid = 0;
}

static inline void redis_end(struct redis_fixture *r)
{
    static const char *const FILES[] = { "redis.sock", "redis.log" };
    redis_kill(r);
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", r->folder, FILES[i]);
        unlink(path);
    }
    rmdir(r->folder);
}

#endif
