// SPDX-License-Identifier: Apache-2.0
// send: one job from flags, for a first try and for scripts. The flags become a JSON job and go the way of every
// other one, so nothing is checked here that job_parse checks.
#include "producer/commands.h"

#include "producer/publisher.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { FLUSH_MS = 3600 * 1000 }; // the client itself gives up after delivery.timeout.ms

static const char *id, *key, *route, *priority, *from, *to, *reply_to, *subject, *text, *html, *url, *body;
static const char *not_before, *on_unknown;
static struct option_list headers;

const struct option send_options[] = {
    { .name = "to", .type = OPTION_STRING, .target = &to, .value = "ADDRESS", .help = "recipient (one)" },
    { .name = "from", .type = OPTION_STRING, .target = &from, .value = "ADDRESS", .help = "sender" },
    { .name = "subject", .type = OPTION_STRING, .target = &subject, .value = "TEXT", .help = "subject" },
    { .name = "text", .type = OPTION_STRING, .target = &text, .value = "TEXT", .help = "plain text body" },
    { .name = "html", .type = OPTION_STRING, .target = &html, .value = "HTML", .help = "HTML body" },
    { .name = "reply-to", .type = OPTION_STRING, .target = &reply_to, .value = "ADDRESS", .help = "where answers go" },
    { .name = "header", .type = OPTION_LIST, .target = &headers, .value = "NAME:VALUE", .help = "a header of the mail, repeatable" },
    { .name = "url", .type = OPTION_STRING, .target = &url, .value = "URL", .help = "instead of --to: call a webhook" },
    { .name = "body", .type = OPTION_STRING, .target = &body, .value = "JSON", .help = "what the webhook gets" },
    { .name = "route", .type = OPTION_STRING, .target = &route, .value = "NAME", .help = "route (\"default\")" },
    { .name = "priority", .type = OPTION_STRING, .target = &priority, .value = "critical|normal|bulk", .help = "lane (normal)" },
    { .name = "id", .type = OPTION_STRING, .target = &id, .value = "ID", .help = "job id (topic-partition-offset)" },
    { .name = "key", .type = OPTION_STRING, .target = &key, .value = "KEY", .help = "idempotency key (a hash of the content)" },
    { .name = "not-before", .type = OPTION_STRING, .target = &not_before, .value = "TIME", .help = "RFC 3339 time to wait for" },
    { .name = "on-unknown", .type = OPTION_STRING, .target = &on_unknown, .value = "hold|resend", .help = "what an unknown outcome does" },
    { 0 },
};

static bool put(json_t *job, const char *name, const char *value, struct err *e)
{
    json_t *string = json_string(value);
    if (string == NULL)
        return err_set(e, ERR_USAGE, "%s is not UTF-8", name);
    json_object_set_new(job, name, string);
    return true;
}

static bool put_header(json_t *object, char *item, struct err *e)
{
    char *colon = strchr(item, ':');
    if (colon == NULL)
        return err_set(e, ERR_USAGE, "--header %s: want NAME:VALUE", item);
    *colon = '\0';
    const char *value = colon + 1;
    while (*value == ' ')
        value++;
    if (json_object_get(object, item) != NULL)
        return err_set(e, ERR_USAGE, "--header %s is given twice, a job can have it once", item);
    return put(object, item, value, e);
}

static bool put_headers(json_t *job, struct err *e)
{
    if (headers.count == 0)
        return true;
    json_t *object = json_object();
    json_object_set_new(job, "headers", object);
    for (int i = 0; i < headers.count; i++)
        if (!put_header(object, headers.items[i], e))
            return false;
    return true;
}

static bool put_body(json_t *job, struct err *e)
{
    json_error_t why;
    if (body == NULL)
        return true;
    json_t *value = json_loads(body, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (value == NULL)
        return err_set(e, ERR_USAGE, "--body is not JSON: %s", why.text);
    json_object_set_new(job, "body", value);
    return true;
}

static bool put_fields(json_t *job, struct err *e)
{
    const struct {
        const char *name, *value;
    } fields[] = { { "id", id }, { "idempotency_key", key }, { "route", route }, { "priority", priority }, { "from", from },
                   { "to", to }, { "reply_to", reply_to }, { "subject", subject }, { "text", text }, { "html", html },
                   { "url", url }, { "not_before", not_before }, { "on_unknown", on_unknown } };
    json_object_set_new(job, "v", json_integer(1));
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].value != NULL && !put(job, fields[i].name, fields[i].value, e))
            return false;
    return put_headers(job, e) && put_body(job, e);
}

// The caller's (free), or NULL.
static char *build_job(struct err *e)
{
    json_t *job = json_object();
    char *dump = put_fields(job, e) ? json_dumps(job, JSON_COMPACT) : NULL;
    json_decref(job);
    return dump;
}

static void on_result(void *arg, const struct sendfleet_result *r)
{
    static const int statuses[] = { [SENDFLEET_PUBLISHED] = 0, [SENDFLEET_REFUSED] = 65, [SENDFLEET_FAILED] = 75 };
    *(int *)arg = statuses[r->status];
    print_result(stdout, 0, r);
}

int send_run(int argc, char **argv)
{
    static struct config c;
    struct err e = { 0 };
    (void)argv;
    if (argc > 0 || (to == NULL && url == NULL))
        return fail((err_set(&e, ERR_USAGE, "send takes flags only and needs --to or --url: see sendfleet-producer send --help"), &e));
    int status = load_config(&c);
    if (status != 0)
        return status;
    char *job = build_job(&e);
    if (job == NULL)
        return fail(&e);
    struct publisher *p = NULL;
    if (publisher_open(&p, &c, &e)) {
        status = 75;
        publisher_offer(p, slice_of(job), on_result, &status);
        publisher_close(p, FLUSH_MS);
    } else {
        status = fail(&e);
    }
    free(job);
    config_clear(&c);
    return status;
}
