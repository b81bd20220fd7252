// SPDX-License-Identifier: Apache-2.0
// admin: see admin.h. Healthy means that the loop turns and no client library has given up: a broker or Redis that is
// away is no reason to restart a worker, so it shows in /readyz and never in /healthz.
#include "worker/admin.h"

#include "common/httpd.h"
#include "common/metrics.h"

#include <stdio.h>

static int on_health(void *arg, struct buf *body, const char **content_type)
{
    const struct admin *a = arg;
    (void)content_type;
    buf_printf(body, "%s\n", a->fatal != NULL ? a->fatal : "ok");
    return a->fatal != NULL ? 503 : 200;
}

static int on_ready(void *arg, struct buf *body, const char **content_type)
{
    const struct admin *a = arg;
    (void)content_type;
    buf_puts(body, a->ready ? "ready\n" : "not ready: Redis, Kafka or the clocks are missing, or the worker is draining\n");
    return a->ready ? 200 : 503;
}

static int on_metrics(void *arg, struct buf *body, const char **content_type)
{
    const struct admin *a = arg;
    *content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_print(a->metrics, body);
    return 200;
}

static bool write_port_file(const struct admin *a, const char *path, struct err *e)
{
    FILE *f = fopen(path, "w");
    if (f == NULL)
        return err_set(e, ERR_CONFIG, "config: worker.admin_port_file: cannot write %s", path);
    fprintf(f, "%d\n", admin_port(a));
    fclose(f);
    return true;
}

bool admin_open(struct admin *a, const struct config *c, struct loop *loop, struct metrics *metrics, struct err *e)
{
    *a = (struct admin){ .metrics = metrics };
    if (c->worker.admin == NULL || c->worker.admin[0] == '\0')
        return true;
    if (!httpd_new(&a->httpd, loop, c->worker.admin, e))
        return false;
    httpd_on(a->httpd, "/healthz", on_health, a);
    httpd_on(a->httpd, "/readyz", on_ready, a);
    httpd_on(a->httpd, "/metrics", on_metrics, a);
    return c->worker.admin_port_file == NULL || write_port_file(a, c->worker.admin_port_file, e);
}

int admin_port(const struct admin *a)
{
    return a->httpd != NULL ? httpd_port(a->httpd) : 0;
}

void admin_close(struct admin *a)
{
    httpd_free(a->httpd);
    a->httpd = NULL;
}
