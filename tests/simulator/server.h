// SPDX-License-Identifier: Apache-2.0
// server: the sink on a socket, one thread, one epoll loop.
#ifndef SIMULATOR_SERVER_H
#define SIMULATOR_SERVER_H

#include "common/err.h"
#include "sink.h"

struct server;

// Listens on 127.0.0.1:port (0 = any free one). log is flushed now and then (borrowed; NULL = none).
struct server *server_new(struct sink *sink, int port, FILE *log, struct err *e);
void server_free(struct server *s);
int server_port(const struct server *s);

// Until SIGTERM or SIGINT. False when the loop itself failed.
MUST_CHECK bool server_run(struct server *s, struct err *e);

#endif
