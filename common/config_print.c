// SPDX-License-Identifier: Apache-2.0
// config_print: the effective configuration as JSON, and the list of all keys.
//
// Printing goes through the same rows as loading, so what is printed can be loaded again; only a secret cannot, it
// shows as {"set":true} and loading that is refused with a hint.
#include "common/config_keys.h"

#include <string.h>

// Prints members of one object, the comma before all but the first.
struct members {
    struct buf *out;
    int depth;
    bool some;
};

static void put_name(struct members *m, struct slice name)
{
    buf_printf(m->out, "%s\n%*s", m->some ? "," : "", 2 * m->depth, "");
    buf_put_json(m->out, name);
    buf_puts(m->out, ": ");
    m->some = true;
}

static struct members open_object(struct members *outer, struct slice name)
{
    put_name(outer, name);
    buf_putc(outer->out, '{');
    return (struct members){ .out = outer->out, .depth = outer->depth + 1 };
}

static void close_object(const struct members *m)
{
    if (m->some)
        buf_printf(m->out, "\n%*s", 2 * (m->depth - 1), "");
    buf_putc(m->out, '}');
}

static const char SECRET_SET[] = "{\"set\": true}";

static bool is_plain(enum key_type type) // stands in JSON without quotes
{
    return type == KEY_BOOL || type == KEY_INT || type == KEY_COUNT || type == KEY_NUMBER;
}

static void put_value(struct members *m, const void *base, const struct config_key *key)
{
    const char *dot = strchr(key->path, '.');
    struct slice name = slice_of(dot != NULL ? dot + 1 : key->path);
    struct buf text = { 0 };
    config_value_text(base, key, &text);
    bool is_set = text.len > 0 || (key->fallback != NULL && key->fallback[0] != '(');
    if (key->type == KEY_SECRET && *(char *const *)((const char *)base + key->offset) != NULL) {
        put_name(m, name);
        buf_puts(m->out, SECRET_SET);
    } else if (key->type != KEY_SECRET && is_set) {
        put_name(m, name);
        if (is_plain(key->type))
            buf_put_slice(m->out, buf_slice(&text));
        else
            buf_put_json(m->out, buf_slice(&text));
    }
    buf_clear(&text);
}

static size_t section_len(const struct config_key *key)
{
    const char *dot = key->path != NULL ? strchr(key->path, '.') : NULL;
    return dot != NULL ? (size_t)(dot - key->path) : 0;
}

// Keys of one section stand together in the table.
static void put_keys(struct members *m, const void *base, const struct config_key *key)
{
    while (key->path != NULL) {
        size_t len = section_len(key);
        const char *section = key->path;
        if (len == 0) {
            put_value(m, base, key++);
            continue;
        }
        struct members inner = open_object(m, (struct slice){ section, len });
        for (; section_len(key) == len && strncmp(key->path, section, len) == 0; key++)
            put_value(&inner, base, key);
        close_object(&inner);
    }
}

static void put_kafka(struct members *m, const struct config *c)
{
    struct members kafka = open_object(m, SLICE("kafka"));
    for (int i = 0; i < c->kafka_count; i++) {
        const struct config_pair *pair = &c->kafka[i];
        put_name(&kafka, slice_of(pair->key));
        if (pair->secret)
            buf_puts(kafka.out, SECRET_SET);
        else
            buf_put_json(kafka.out, slice_of(pair->value));
    }
    close_object(&kafka);
}

// {"example.com": [{"selector": "s1", "key": …}, …]}
static void put_dkim(struct members *m, const struct config *c)
{
    struct members dkim = open_object(m, SLICE("dkim"));
    for (int i = 0; i < c->dkim_count; i++) {
        const char *domain = c->dkim[i].domain;
        bool seen = false;
        for (int k = 0; k < i; k++)
            seen |= strcmp(c->dkim[k].domain, domain) == 0;
        if (seen)
            continue;
        put_name(&dkim, slice_of(domain));
        for (int k = i; k < c->dkim_count; k++)
            if (strcmp(c->dkim[k].domain, domain) == 0)
                buf_printf(dkim.out, "%s{\"selector\": \"%s\", \"key\": %s}", k == i ? "[" : ", ",
                           c->dkim[k].selector, SECRET_SET);
        buf_putc(dkim.out, ']');
    }
    close_object(&dkim);
}

void config_print(const struct config *c, FILE *out)
{
    struct buf text = { 0 };
    struct members root = { .out = &text, .depth = 1 };
    buf_putc(&text, '{');
    put_keys(&root, c, CONFIG_KEYS);
    put_kafka(&root, c);
    put_dkim(&root, c);
    struct members routes = open_object(&root, SLICE("routes"));
    for (int i = 0; i < c->route_count; i++) {
        struct members route = open_object(&routes, slice_of(c->routes[i].name));
        put_keys(&route, &c->routes[i], CONFIG_ROUTE_KEYS);
        close_object(&route);
    }
    close_object(&routes);
    close_object(&root);
    fprintf(out, "%s\n", text.data);
    buf_clear(&text);
}

// ---- all keys -----------------------------------------------------------------------------------------------------

static void describe_row(FILE *out, const char *path, const char *type, const char *fallback, const char *help)
{
    fprintf(out, "| %-31s | %-8s | %-31s | %s |\n", path, type, fallback, help);
}

static void describe_table(FILE *out, const char *before, const struct config_key *table)
{
    for (const struct config_key *key = table; key->path != NULL; key++) {
        char path[96];
        snprintf(path, sizeof path, "%s%s", before, key->path);
        describe_row(out, path, config_type_name(key->type), key->fallback != NULL ? key->fallback : "", key->help);
    }
}

void config_describe(FILE *out)
{
    describe_row(out, "key", "type", "default", "meaning");
    fprintf(out, "|---|---|---|---|\n");
    describe_table(out, "", CONFIG_KEYS);
    describe_row(out, "kafka.<key>", "string", "bootstrap.servers=127.0.0.1:9092", "passed on to the Kafka client");
    describe_row(out, "dkim.<domain>.<selector>.key", "secret", "",
                 "private key (PEM) that signs mail from this domain; in the file: "
                 "\"dkim\": {\"<domain>\": [{\"selector\": …, \"key\": {\"file\": …}}, …]}");
    describe_table(out, "routes.<name>.", CONFIG_ROUTE_KEYS);
}
