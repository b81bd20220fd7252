// SPDX-License-Identifier: Apache-2.0
// store_shake: what a new connection says before it carries anybody's commands.
//
//   AUTH, CLIENT SETNAME, SELECT, SCRIPT LOAD (all scripts), INFO server, INFO replication
//
// All of it leaves in one write; the last answer decides. Scripts are loaded on every connection because a
// restart or failover forgets them and would answer NOSCRIPT to everything that is pipelined by then. INFO
// tells whether this is still the server that we know.
//
// What can go wrong: a server that hides INFO (an ACL) cannot be told from another one, so every reconnect
// then counts as amnesia: slower, never wrong.
#include "common/store_state.h"

#include "common/alloc.h"
#include "common/config.h"
#include "common/log.h"
#include "common/loop.h"

#include <stdio.h>
#include <stdlib.h>

static void say(struct store *s, store_cb cb, void *arg, size_t count, const char *const *words)
{
    struct store_command *c = store_internal(s, cb, arg);
    store_format_head(&c->bytes, count);
    for (size_t i = 0; i < count; i++)
        store_format_arg(&c->bytes, slice_of(words[i]));
    store_write(s, c);
}

#define SAY(s, cb, arg, ...)                                                                                 \
    say(s, cb, arg, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(const char *),                          \
        (const char *[]){ __VA_ARGS__ })

static void remember_failure(struct store *s, const char *what, const struct store_reply *reply)
{
    if (reply->type == STORE_ERROR && s->why[0] == '\0')
        snprintf(s->why, sizeof s->why, "%s: %.*s", what, (int)reply->text.len, reply->text.ptr);
}

static void on_auth(void *arg, const struct store_reply *reply)
{
    struct store *s = arg;
    remember_failure(s, "AUTH", reply);
    if (reply->type == STORE_ERROR && !s->auth_complained) {
        s->auth_complained = true;
        log_error("store",
                  "refused address=%s error=\"%.*s\" hint=\"check redis.username and redis.password\"",
                  store_link_name(s->link), (int)reply->text.len, reply->text.ptr);
    } else if (reply->type != STORE_ERROR) {
        s->auth_complained = false;
    }
}

static void on_select(void *arg, const struct store_reply *reply)
{
    remember_failure(arg, "SELECT", reply);
}

static void on_loaded(void *arg, const struct store_reply *reply)
{
    struct store_script *script = arg;
    script->loading = false;
    if (reply->type != STORE_ERROR) {
        script->broken = false;
    } else if (script->store->state == STORE_SHAKING && store_error_passes(reply->text)) {
        remember_failure(script->store, "SCRIPT LOAD", reply);
    } else {
        script->broken = true;
        log_error("store", "script refused name=%s error=\"%.*s\"", script->name, (int)reply->text.len,
                  reply->text.ptr);
    }
}

void store_load_script(struct store *s, struct store_script *script)
{
    script->loading = true;
    SAY(s, on_loaded, script, "SCRIPT", "LOAD", script->source);
}

// The value of "name:value" in INFO's text; absent: ptr NULL.
static struct slice info_field(struct slice text, const char *name)
{
    size_t name_len = strlen(name);
    const char *p = text.ptr, *end = text.ptr + text.len;
    while (p != NULL && p < end) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((line_end != NULL ? line_end : end) - p);
        if (len > 0 && p[len - 1] == '\r')
            len--;
        if (len > name_len && memcmp(p, name, name_len) == 0 && p[name_len] == ':')
            return (struct slice){ p + name_len + 1, len - name_len - 1 };
        p = line_end != NULL ? line_end + 1 : NULL;
    }
    return (struct slice){ 0 };
}

static void copy_field(struct slice info, const char *name, char out[STORE_RUN_ID_SIZE])
{
    struct slice value = info_field(info, name);
    snprintf(out, STORE_RUN_ID_SIZE, "%.*s", (int)value.len, value.ptr != NULL ? value.ptr : "");
}

static void on_info_server(void *arg, const struct store_reply *reply)
{
    struct store *s = arg;
    if (reply->type != STORE_STRING) {
        remember_failure(s, "INFO", reply);
        return;
    }
    char uptime[STORE_RUN_ID_SIZE];
    copy_field(reply->text, "run_id", s->server.run_id);
    copy_field(reply->text, "uptime_in_seconds", uptime);
    int64_t seconds = strtoll(uptime, NULL, 10); // the difference of two times cut to seconds: up to one too many
    s->server.uptime_ms = seconds > 0 ? (seconds - 1) * 1000 : 0;
}

static void on_info_replication(void *arg, const struct store_reply *reply)
{
    struct store *s = arg;
    if (reply->type == STORE_STRING)
        copy_field(reply->text, "master_replid", s->server.replid);
    char why[sizeof s->why];
    snprintf(why, sizeof why, "%s", s->why);
    if (why[0] != '\0' && strncmp(why, "INFO: NOPERM", 12) != 0)
        store_drop(s, why);
    else
        store_shaken(s);
}

void store_shake(struct store *s)
{
    const struct config *c = s->config;
    char number[16], name[128];
    s->why[0] = '\0';
    s->server = (struct store_server){ 0 };
    if (c->redis.password != NULL && c->redis.username != NULL)
        SAY(s, on_auth, s, "AUTH", c->redis.username, c->redis.password);
    else if (c->redis.password != NULL)
        SAY(s, on_auth, s, "AUTH", c->redis.password);
    snprintf(name, sizeof name, "sendfleet-%s", c->worker.id != NULL ? c->worker.id : "tool");
    for (char *p = name; *p != '\0'; p++) // the server refuses spaces
        if (*p <= ' ' || *p > '~')
            *p = '_';
    SAY(s, NULL, NULL, "CLIENT", "SETNAME", name);
    snprintf(number, sizeof number, "%d", c->redis.db);
    if (c->redis.db != 0)
        SAY(s, on_select, s, "SELECT", number);
    for (struct store_script *script = s->scripts; script != NULL; script = script->next)
        store_load_script(s, script);
    SAY(s, on_info_server, s, "INFO", "server");
    SAY(s, on_info_replication, s, "INFO", "replication");
}
