// SPDX-License-Identifier: Apache-2.0
// httpd: the small HTTP server of the admin port (libevent). GET only, plain text, loopback unless told otherwise.
#ifndef COMMON_HTTPD_H
#define COMMON_HTTPD_H

#include "common/buf.h"
#include "common/err.h"

struct httpd;
struct loop;

// Fills body and returns the status (200, 503 …). content_type may be set to a static string.
typedef int (*httpd_handler)(void *arg, struct buf *body, const char **content_type);

// address: "127.0.0.1:9464"; port 0 binds any free one.
MUST_CHECK bool httpd_new(struct httpd **h, struct loop *loop, const char *address, struct err *e);
int httpd_port(const struct httpd *h);
void httpd_on(struct httpd *h, const char *path, httpd_handler handler, void *arg);
void httpd_free(struct httpd *h);

#endif
