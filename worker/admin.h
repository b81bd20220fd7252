// SPDX-License-Identifier: Apache-2.0
// admin: /healthz, /readyz and /metrics on the admin port.
#ifndef WORKER_ADMIN_H
#define WORKER_ADMIN_H

#include "common/config.h"
#include "common/err.h"

struct httpd;
struct loop;
struct metrics;

struct admin {
    struct httpd *httpd; // owned; NULL when there is no admin port
    struct metrics *metrics; // borrowed
    bool ready;          // the intake is open and the clocks agree
    const char *fatal;   // why the process has to be restarted; NULL = it has not
};

MUST_CHECK bool admin_open(struct admin *a, const struct config *c, struct loop *loop, struct metrics *metrics, struct err *e);
int admin_port(const struct admin *a); // 0 = none
void admin_close(struct admin *a);

#endif
