// SPDX-License-Identifier: Apache-2.0
// config_source: the JSON file and the environment, taken apart into keys and values.
//
// Both become calls of config_assign(path, value). The file's objects are walked depth first, their names joined
// with dots, so {"dedup":{"life":"10d"}} is dedup.life. It is read with our own scanner: jansson would do, but its
// enumerators collide with those of json.h, which topics.h brings along.
//
// In the environment a variable counts when it starts with SENDFLEET_ and holds a "__" or is the name of a key
// without parts. Others with this prefix belong to somebody else (Kubernetes sets SENDFLEET_PORT,
// SENDFLEET_SERVICE_HOST … for a service called sendfleet, and the variables that secrets are read from may be
// called anything), unless they look like a misspelt key.
#include "common/config_keys.h"

#include "common/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 1 << 20, PATH_SIZE = 160, TEXT_SIZE = 1024 };

static const char PREFIX[] = "SENDFLEET_";
static const char KAFKA[] = "kafka.", DKIM[] = "dkim.";

// ---- file -------------------------------------------------------------------------------------------------------

struct walk {
    struct config *config;
    char *const *environment;
    struct json_doc doc;
};

static bool assign(const struct walk *w, const char *path, const char *text, enum given_kind kind, struct err *e)
{
    struct given g = { .text = text, .kind = kind, .environment = w->environment };
    return config_assign(w->config, path, &g, e);
}

// A string's value, or the text of a number, with a NUL at its end.
static bool token_text(const struct walk *w, uint32_t index, char *out, size_t size)
{
    struct buf scratch = { 0 };
    bool string = w->doc.tokens[index].type == JSON_TYPE_STRING;
    struct slice text = string ? json_text(&w->doc, index, &scratch) : json_raw(&w->doc, index);
    bool fits = text.len < size;
    if (fits) {
        memcpy(out, text.ptr, text.len);
        out[text.len] = '\0';
    }
    buf_clear(&scratch);
    return fits;
}

static bool take_secret_object(const struct walk *w, const char *path, uint32_t object, struct err *e)
{
    const struct json_token *tokens = w->doc.tokens;
    uint32_t env = json_member(&w->doc, object, "env"), file = json_member(&w->doc, object, "file");
    uint32_t value = env != 0 ? env : file;
    char text[TEXT_SIZE];
    bool one = value != 0 && tokens[value].next == tokens[object].next && value == object + 2;
    if (one && tokens[value].type == JSON_TYPE_STRING && token_text(w, value, text, sizeof text))
        return assign(w, path, text, env != 0 ? GIVEN_ENV : GIVEN_FILE, e);
    bool printed = json_member(&w->doc, object, "set") != 0;
    return err_set(e, ERR_CONFIG, "%s: %sgive {\"env\":\"NAME\"} or {\"file\":\"PATH\"}", path,
                   printed ? "{\"set\":true} is only how a secret is printed; " : "");
}

// ["1s","5s"] is the same as "1s,5s".
static bool take_array(const struct walk *w, const char *path, uint32_t array, struct err *e)
{
    const struct json_token *tokens = w->doc.tokens;
    char all[TEXT_SIZE] = "", item[TEXT_SIZE];
    size_t len = 0;
    for (uint32_t i = array + 1; i < tokens[array].next; i = tokens[i].next) {
        if (tokens[i].type != JSON_TYPE_STRING || !token_text(w, i, item, sizeof item))
            return err_set(e, ERR_CONFIG, "%s: the list holds something else than short strings", path);
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", len > 0 ? "," : "", item);
        if (len >= sizeof all)
            return err_set(e, ERR_CONFIG, "%s: the list is too long", path);
    }
    return assign(w, path, all, GIVEN_TEXT, e);
}

static bool take_scalar(const struct walk *w, const char *path, uint32_t value, struct err *e)
{
    char text[TEXT_SIZE];
    switch ((enum json_type)w->doc.tokens[value].type) {
    case JSON_TYPE_TRUE:
        return assign(w, path, "true", GIVEN_BOOL, e);
    case JSON_TYPE_FALSE:
        return assign(w, path, "false", GIVEN_BOOL, e);
    case JSON_TYPE_ARRAY:
        return take_array(w, path, value, e);
    case JSON_TYPE_STRING:
    case JSON_TYPE_NUMBER:
        break;
    case JSON_TYPE_OBJECT:
    case JSON_TYPE_NULL:
        return err_set(e, ERR_CONFIG, "%s: null is not a value; leave the key out", path);
    }
    if (!token_text(w, value, text, sizeof text))
        return err_set(e, ERR_CONFIG, "%s: is longer than %d bytes", path, TEXT_SIZE - 1);
    return assign(w, path, text, w->doc.tokens[value].type == JSON_TYPE_STRING ? GIVEN_TEXT : GIVEN_NUMBER, e);
}

static uint32_t count_members(const struct json_doc *doc, uint32_t object)
{
    uint32_t count = 0;
    for (uint32_t name = object + 1; name < doc->tokens[object].next; name = doc->tokens[name + 1].next)
        count++;
    return count;
}

// {"selector":"s1","key":{"file":"…"}} of "dkim.example.com" is dkim.example.com.s1.key.
static bool take_dkim_key(const struct walk *w, const char *path, uint32_t entry, struct err *e)
{
    const struct json_token *tokens = w->doc.tokens;
    bool object = tokens[entry].type == JSON_TYPE_OBJECT;
    uint32_t selector = object ? json_member(&w->doc, entry, "selector") : 0;
    uint32_t key = object ? json_member(&w->doc, entry, "key") : 0;
    char name[PATH_SIZE], below[PATH_SIZE];
    bool both = selector != 0 && key != 0 && count_members(&w->doc, entry) == 2;
    if (!both || tokens[selector].type != JSON_TYPE_STRING || tokens[key].type != JSON_TYPE_OBJECT ||
        !token_text(w, selector, name, sizeof name))
        return err_set(e, ERR_CONFIG, "%s: give [{\"selector\":\"NAME\",\"key\":{\"file\":\"PATH\"}}, …]", path);
    int len = snprintf(below, sizeof below, "%s.%s.key", path, name);
    if (len < 0 || (size_t)len >= sizeof below || strchr(name, '.') != NULL)
        return err_set(e, ERR_CONFIG, "%s: the selector is too long or has a dot", path);
    return take_secret_object(w, below, key, e);
}

static bool take_dkim(const struct walk *w, const char *path, uint32_t domain, struct err *e)
{
    const struct json_token *tokens = w->doc.tokens;
    if (tokens[domain].type != JSON_TYPE_ARRAY)
        return take_dkim_key(w, path, domain, e);
    for (uint32_t i = domain + 1; i < tokens[domain].next; i = tokens[i].next)
        if (!take_dkim_key(w, path, i, e))
            return false;
    return true;
}

static bool walk_object(const struct walk *w, const char *path, uint32_t object, struct err *e);

static bool take_member(const struct walk *w, const char *path, uint32_t value, struct err *e)
{
    if (strncmp(path, DKIM, sizeof DKIM - 1) == 0)
        return take_dkim(w, path, value, e);
    if (w->doc.tokens[value].type != JSON_TYPE_OBJECT)
        return take_scalar(w, path, value, e);
    if (config_is_secret(path))
        return take_secret_object(w, path, value, e);
    return config_open_section(w->config, path, e) && walk_object(w, path, value, e);
}

static bool walk_object(const struct walk *w, const char *path, uint32_t object, struct err *e)
{
    const struct json_token *tokens = w->doc.tokens;
    for (uint32_t name = object + 1; name < tokens[object].next; name = tokens[tokens[name].next].next) {
        char text[PATH_SIZE] = "", below[PATH_SIZE];
        bool fits = token_text(w, name, text, sizeof text);
        int len = snprintf(below, sizeof below, "%s%s%s", path, *path != '\0' ? "." : "", text);
        if (!fits || len < 0 || (size_t)len >= sizeof below)
            return err_set(e, ERR_CONFIG, "unknown key \"%.60s…\": too long", below);
        if (!take_member(w, below, tokens[name].next, e))
            return false;
    }
    return true;
}

static bool read_all(const char *path, struct buf *text, struct err *e)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_set(e, ERR_CONFIG, "cannot be read: %s", strerror(errno));
    buf_reserve(text, FILE_MAX + 1);
    text->len = fread(text->data, 1, FILE_MAX + 1, f);
    int failed = ferror(f) != 0 ? errno : 0;
    fclose(f);
    if (failed != 0)
        return err_set(e, ERR_CONFIG, "cannot be read: %s", strerror(failed));
    if (text->len > FILE_MAX)
        return err_set(e, ERR_CONFIG, "is over 1 MiB");
    return true;
}

// The scanner counts bytes, a person counts lines.
static bool refuse_syntax(const struct buf *text, struct err *e)
{
    size_t at = 0, line = 1;
    if (sscanf(e->text, "byte %zu", &at) != 1)
        return err_set(e, ERR_CONFIG, "%s", e->text);
    for (size_t i = 0; i < at && i < text->len; i++)
        line += text->data[i] == '\n';
    return err_set(e, ERR_CONFIG, "line %zu, %s", line, e->text);
}

static bool read_file(struct walk *w, const char *path, struct err *e)
{
    struct buf text = { 0 };
    bool ok = read_all(path, &text, e);
    if (ok && !json_parse(&w->doc, text.data, text.len, e))
        ok = refuse_syntax(&text, e);
    if (ok && w->doc.tokens[0].type != JSON_TYPE_OBJECT)
        ok = err_set(e, ERR_CONFIG, "must be one JSON object");
    ok = ok && walk_object(w, "", 0, e);
    json_clear(&w->doc);
    buf_clear(&text);
    return ok;
}

bool config_read_file(struct config *c, const char *path, char *const *environment, struct err *e)
{
    struct walk w = { .config = c, .environment = environment };
    return read_file(&w, path, e) || err_prefix(e, "%s", path);
}

// ---- environment ------------------------------------------------------------------------------------------------

const char *config_environment_get(char *const *environment, const char *name)
{
    size_t len = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++)
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    return NULL;
}

// "DEDUP__LIFE" becomes "dedup.life", "KAFKA__SASL_PASSWORD" becomes "kafka.sasl.password".
static void make_path(const char *name, size_t len, char path[PATH_SIZE])
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        bool two = name[i] == '_' && i + 1 < len && name[i + 1] == '_';
        bool kafka = n >= sizeof KAFKA - 1 && strncmp(path, KAFKA, sizeof KAFKA - 1) == 0;
        path[n++] = two || (kafka && name[i] == '_') ? '.' : (char)tolower((unsigned char)name[i]);
        i += two;
    }
    path[n] = '\0';
}

// Kubernetes' variables for a service, a secret's own variable and the like: see the top.
static bool is_foreign(const char *path, const char *value)
{
    if (strchr(path, '.') != NULL)
        return false;
    if (config_key_find(CONFIG_KEYS, path) != NULL)
        return false;
    return config_nearest(path) == NULL || strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0;
}

static bool take_variable(const struct walk *w, const char *name, const char *value, struct err *e)
{
    char path[PATH_SIZE];
    size_t len = (size_t)(value - 1 - name);
    if (len >= sizeof path)
        return err_set(e, ERR_CONFIG, "unknown key: the name is too long");
    make_path(name, len, path);
    if (strcmp(path, "config") == 0 || is_foreign(path, value)) // SENDFLEET_CONFIG is the file's name
        return true;
    return assign(w, path, value, GIVEN_TEXT, e);
}

bool config_read_environment(struct config *c, char *const *environment, struct err *e)
{
    struct walk w = { .config = c, .environment = environment };
    for (; environment != NULL && *environment != NULL; environment++) {
        const char *name = *environment, *equals = strchr(name, '=');
        if (equals == NULL || strncmp(name, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        if (!take_variable(&w, name + sizeof PREFIX - 1, equals + 1, e))
            return err_prefix(e, "environment variable %.*s", (int)(equals - name), name);
    }
    return true;
}
