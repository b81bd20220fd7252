// SPDX-License-Identifier: Apache-2.0
// config: putting a configuration together.
//
// Defaults first, then the file, the environment and --set, each overwriting what came before; then what depends on
// other keys is filled in, names are derived, and the whole is checked. Every key of every source goes through
// config_assign, which finds the row it belongs to, so precedence and error texts cannot differ between sources.
// A configuration that does not load leaves nothing behind.
#include "common/config_keys.h"

#include "common/alloc.h"
#include "common/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_SIZE = 160, KEYS_MAX = 128, ROUTE_NAME_MAX = 64, HTTP_CONNECTIONS = 256, SMTP_CONNECTIONS = 20 };

static const int64_t REPLY_IDEMPOTENT_MS = 10000, REPLY_MS = 60000;

static const char KAFKA[] = "kafka.", ROUTES[] = "routes.", DKIM[] = "dkim.";

// ---- finding the key --------------------------------------------------------------------------------------------

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

// "routes.NAME.KEY": the key, and the name's length in name_len.
static const char *route_part(const char *path, size_t *name_len)
{
    if (!starts_with(path, ROUTES))
        return NULL;
    const char *name = path + sizeof ROUTES - 1, *dot = strchr(name, '.');
    *name_len = dot != NULL ? (size_t)(dot - name) : strlen(name);
    return dot != NULL ? dot + 1 : "";
}

static const struct config_key *find_key(const char *path)
{
    size_t name_len;
    const char *key = route_part(path, &name_len);
    return key != NULL ? config_key_find(CONFIG_ROUTE_KEYS, key) : config_key_find(CONFIG_KEYS, path);
}

bool config_is_secret(const char *path)
{
    const struct config_key *key = find_key(path);
    return starts_with(path, KAFKA) || starts_with(path, DKIM) || (key != NULL && key->type == KEY_SECRET);
}

static const char *nearest_in(const struct config_key *table, const char *path)
{
    const char *names[KEYS_MAX + 1];
    int count = 0;
    for (; table->path != NULL && count < KEYS_MAX; table++)
        names[count++] = table->path;
    names[count] = NULL;
    return nearest_name(path, names);
}

const char *config_nearest(const char *path)
{
    return nearest_in(CONFIG_KEYS, path);
}

static bool unknown(const char *path, struct err *e)
{
    size_t name_len;
    const char *below = route_part(path, &name_len);
    const char *nearest = below != NULL ? nearest_in(CONFIG_ROUTE_KEYS, below) : config_nearest(path);
    int kept = below != NULL ? (int)(below - path) : 0; // the part that a suggestion repeats
    if (nearest == NULL)
        return err_set(e, ERR_CONFIG, "unknown key \"%.100s\"", path);
    return err_set(e, ERR_CONFIG, "unknown key \"%.100s\" (did you mean \"%.*s%s\"?)", path, kept, path, nearest);
}

// ---- routes -----------------------------------------------------------------------------------------------------

static bool check_route_name(const char *name, size_t len, struct err *e)
{
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    if (len >= 1 && len <= ROUTE_NAME_MAX && good >= len)
        return true;
    return err_set(e, ERR_CONFIG, "routes: \"%.*s\" is not 1 to %d letters, digits, underscores or dashes",
                   len < 80 ? (int)len : 80, name, ROUTE_NAME_MAX);
}

const struct route_config *config_route(const struct config *c, struct slice name)
{
    for (int i = 0; i < c->route_count; i++)
        if (slice_is(name, c->routes[i].name))
            return &c->routes[i];
    return NULL;
}

static bool open_route(struct config *c, const char *name, size_t len, struct route_config **route, struct err *e)
{
    for (int i = 0; i < c->route_count; i++) {
        if (!slice_is((struct slice){ name, len }, c->routes[i].name))
            continue;
        *route = &c->routes[i];
        return true;
    }
    if (!check_route_name(name, len, e))
        return false;
    if (c->route_count == CONFIG_ROUTES_MAX)
        return err_set(e, ERR_CONFIG, "routes: more than %d", CONFIG_ROUTES_MAX);
    struct route_config *made = &c->routes[c->route_count++];
    *made = (struct route_config){ .name = xstrndup(name, len) };
    *route = made;
    return config_defaults(made, CONFIG_ROUTE_KEYS, e);
}

bool config_open_section(struct config *c, const char *path, struct err *e)
{
    struct route_config *route;
    size_t name_len;
    const char *below = route_part(path, &name_len);
    if (strcmp(path, "kafka") == 0 || strcmp(path, "routes") == 0 || strcmp(path, "dkim") == 0)
        return true;
    if (below != NULL && *below == '\0')
        return open_route(c, path + sizeof ROUTES - 1, name_len, &route, e);
    const struct config_key *key = find_key(path);
    if (key != NULL)
        return err_set(e, ERR_CONFIG, "%s: is a %s, got an object", path, config_type_name(key->type));
    size_t len = strlen(path);
    for (key = CONFIG_KEYS; key->path != NULL; key++)
        if (strncmp(key->path, path, len) == 0 && key->path[len] == '.')
            return true;
    return unknown(path, e);
}

// ---- one key ----------------------------------------------------------------------------------------------------

static bool assign_exact(struct config *c, const char *path, const struct given *g, struct err *e)
{
    const struct config_key *key = find_key(path);
    struct route_config *route;
    size_t name_len;
    bool ok;
    if (starts_with(path, KAFKA)) {
        ok = config_kafka_set(c, path + sizeof KAFKA - 1, g, e);
    } else if (starts_with(path, DKIM)) {
        ok = config_dkim_set(c, path + sizeof DKIM - 1, g, e);
    } else if (key == NULL) {
        return unknown(path, e);
    } else if (route_part(path, &name_len) != NULL) {
        if (!open_route(c, path + sizeof ROUTES - 1, name_len, &route, e))
            return false;
        ok = config_value_set(route, key, g, e);
    } else {
        ok = config_value_set(c, key, g, e);
    }
    return ok || err_prefix(e, "%s", path);
}

// From the environment and --set a secret is "redis.password.env=NAME" or "….file=PATH".
static bool split_secret(const char *path, char bare[PATH_SIZE], enum given_kind *kind)
{
    const char *dot = strrchr(path, '.');
    if (dot == NULL || (size_t)(dot - path) >= PATH_SIZE || (strcmp(dot, ".env") != 0 && strcmp(dot, ".file") != 0))
        return false;
    memcpy(bare, path, (size_t)(dot - path));
    bare[dot - path] = '\0';
    *kind = strcmp(dot, ".env") == 0 ? GIVEN_ENV : GIVEN_FILE;
    return config_is_secret(bare);
}

bool config_assign(struct config *c, const char *path, const struct given *g, struct err *e)
{
    char bare[PATH_SIZE];
    struct given secret = *g;
    if (g->kind == GIVEN_TEXT && split_secret(path, bare, &secret.kind))
        return assign_exact(c, bare, &secret, e);
    return assign_exact(c, path, g, e);
}

// ---- the whole --------------------------------------------------------------------------------------------------

static bool apply_set(struct config *c, const char *set, char *const *environment, struct err *e)
{
    char path[PATH_SIZE];
    const char *equals = strchr(set, '=');
    size_t len = equals != NULL ? (size_t)(equals - set) : 0;
    if (len == 0 || len >= sizeof path)
        return err_set(e, ERR_CONFIG, "--set %.80s: must be key=value", set);
    memcpy(path, set, len);
    path[len] = '\0';
    struct given g = { .text = equals + 1, .kind = GIVEN_TEXT, .environment = environment };
    return config_assign(c, path, &g, e) || err_prefix(e, "--set");
}

static void finish_route(struct route_config *r)
{
    bool smtp = r->transport != NULL && strcmp(r->transport, "smtp") == 0;
    if (r->max_connections == 0)
        r->max_connections = smtp ? SMTP_CONNECTIONS : HTTP_CONNECTIONS;
    if (r->reply_timeout_ms == 0)
        r->reply_timeout_ms = r->idempotent ? REPLY_IDEMPOTENT_MS : REPLY_MS;
}

static void finish_worker_id(struct config *c)
{
    char host[64] = "", id[96];
    if (c->worker.id != NULL)
        return;
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        snprintf(host, sizeof host, "worker");
    snprintf(id, sizeof id, "%s-%ld", host, (long)getpid());
    c->worker.id = xstrdup(id);
}

static bool read_sources(struct config *c, const struct config_sources *from, struct err *e)
{
    const char *file = from->file != NULL ? from->file : config_environment_get(from->environment, "SENDFLEET_CONFIG");
    struct given broker = { .text = "127.0.0.1:9092", .kind = GIVEN_TEXT };
    if (!config_defaults(c, CONFIG_KEYS, e) || !config_kafka_set(c, "bootstrap.servers", &broker, e))
        return false;
    if (file != NULL && *file != '\0' && !config_read_file(c, file, from->environment, e))
        return false;
    if (!config_read_environment(c, from->environment, e))
        return false;
    for (int i = 0; i < from->set_count; i++)
        if (!apply_set(c, from->sets[i], from->environment, e))
            return false;
    return true;
}

bool config_load(struct config *c, const struct config_sources *from, struct err *e)
{
    *c = (struct config){ 0 };
    bool ok = read_sources(c, from, e);
    if (ok) {
        finish_worker_id(c);
        for (int i = 0; i < c->route_count; i++)
            finish_route(&c->routes[i]);
        ok = topics_init(&c->topics, c->prefix, &c->tiers, e) && config_check_promises(c, e);
    }
    if (ok)
        return true;
    config_clear(c);
    return err_prefix(e, "config");
}

static void clear_keys(void *base, const struct config_key *key)
{
    for (; key->path != NULL; key++)
        config_value_clear(base, key);
}

void config_clear(struct config *c)
{
    if (c == NULL)
        return;
    clear_keys(c, CONFIG_KEYS);
    for (int i = 0; i < c->route_count; i++) {
        clear_keys(&c->routes[i], CONFIG_ROUTE_KEYS);
        free(c->routes[i].name);
    }
    config_dkim_clear(c);
    for (int i = 0; i < c->kafka_count; i++) {
        free(c->kafka[i].key);
        free(c->kafka[i].value);
    }
    *c = (struct config){ 0 };
}
