// SPDX-License-Identifier: Apache-2.0
#include "common/clock.h"
#include "common/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { SETS_MAX = 8 };

// What a configuration is loaded from in one test case; NULL ends the lists.
struct sources {
    const char *file; // text of the file; NULL = none
    const char *environment[SETS_MAX];
    const char *sets[SETS_MAX];
};

static void write_file(char path[64], const char *text)
{
    strcpy(path, "/tmp/sendfleet-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static bool load(struct config *c, const struct sources *s, struct err *e)
{
    char path[64] = "";
    if (s->file != NULL)
        write_file(path, s->file);
    int set_count = 0;
    while (set_count < SETS_MAX && s->sets[set_count] != NULL)
        set_count++;
    struct config_sources from = {
        .file = s->file != NULL ? path : NULL,
        .sets = (char *const *)s->sets,
        .set_count = set_count,
        .environment = (char *const *)s->environment,
    };
    bool ok = config_load(c, &from, e);
    if (s->file != NULL)
        unlink(path);
    return ok;
}

static void load_or_fail(struct config *c, const struct sources *s)
{
    struct err e = { 0 };
    if (!load(c, s, &e))
        fail_msg("did not load: %s", e.text);
}

static void nothing_at_all_gives_the_documented_defaults(void **state)
{
    (void)state;
    struct config c;
    load_or_fail(&c, &(struct sources){ 0 });
    assert_string_equal(c.prefix, "sendfleet");
    assert_int_equal(c.tiers.count, 7);
    assert_string_equal(c.topics.retry[6], "sendfleet.retry.2h");
    assert_int_equal(c.kafka_count, 1);
    assert_string_equal(c.kafka[0].key, "bootstrap.servers");
    assert_string_equal(c.kafka[0].value, "127.0.0.1:9092");
    assert_string_equal(c.redis.host, "127.0.0.1");
    assert_int_equal(c.redis.port, 6379);
    assert_null(c.redis.unix_path);
    assert_null(c.redis.password);
    assert_string_equal(c.worker.admin, "127.0.0.1:9464");
    assert_non_null(c.worker.id);
    assert_int_equal(c.worker.max_inflight, 1000);
    assert_int_equal(c.worker.max_inflight_bytes, 128 << 20);
    assert_true(c.worker.destination_share > 0.199 && c.worker.destination_share < 0.201);
    assert_int_equal(c.worker.lease_ms, 60000);
    assert_int_equal(c.worker.renew_ms, 20000);
    assert_int_equal(c.worker.carry_after_ms, 30000);
    assert_int_equal(c.worker.drain_ms, 25000);
    assert_int_equal(c.worker.due_heap_bytes, 16 << 20);
    assert_int_equal(c.worker.window_records, 10000);
    assert_int_equal(c.worker.window_bytes, 64 << 20);
    assert_int_equal(c.worker.events_linger_ms, 50);
    assert_int_equal(c.backoff.base_ms, 5000);
    assert_int_equal(c.backoff.cap_ms, 4 * CLOCK_HOUR_MS);
    assert_int_equal(c.backoff_busy.base_ms, 30000);
    assert_int_equal(c.throttle_wait_ms, 30000);
    assert_int_equal(c.route_wait_cap_ms, 600000);
    assert_int_equal(c.max_attempts, 12);
    assert_int_equal(c.max_age_ms, 48 * CLOCK_HOUR_MS);
    assert_int_equal(c.max_job_bytes, 1 << 20);
    assert_int_equal(c.layout.partitions_main, 6);
    assert_int_equal(c.layout.partitions_other, 3);
    assert_int_equal(c.layout.retention_dlq_ms, 30 * (int64_t)CLOCK_DAY_MS);
    assert_int_equal(c.dedup.life_ms, 10 * (int64_t)CLOCK_DAY_MS);
    assert_int_equal(c.dedup.on_unavailable, ON_UNAVAILABLE_WAIT);
    assert_int_equal(c.route_count, 0);
    assert_string_equal(c.log_level, "info");
    config_clear(&c);
}

static void a_route_gets_defaults_that_fit_its_transport(void **state)
{
    (void)state;
    struct config c;
    load_or_fail(&c, &(struct sources){ .file = "{\"routes\":{"
                                                "\"default\":{\"transport\":\"http\",\"url\":\"http://h/\"},"
                                                "\"keyed\":{\"transport\":\"http\",\"url\":\"https://h/\",\"idempotent\":true},"
                                                "\"relay\":{\"transport\":\"smtp\",\"host\":\"mx\",\"port\":2525}}}" });
    assert_int_equal(c.route_count, 3);
    const struct route_config *http = config_route(&c, SLICE("default")), *keyed = config_route(&c, SLICE("keyed"));
    const struct route_config *smtp = config_route(&c, SLICE("relay"));
    assert_null(config_route(&c, SLICE("rel")));
    assert_string_equal(http->idempotency_header, "Idempotency-Key");
    assert_int_equal(http->max_connections, 256);
    assert_int_equal(http->reply_timeout_ms, 60000);
    assert_int_equal(http->on_unknown, ON_UNKNOWN_HOLD);
    assert_int_equal(http->idempotency_life_ms, 24 * CLOCK_HOUR_MS);
    assert_int_equal(keyed->reply_timeout_ms, 10000);
    assert_int_equal(smtp->max_connections, 20);
    assert_int_equal(smtp->port, 2525);
    assert_int_equal(smtp->dot_timeout_ms, 600000);
    assert_null(smtp->helo);
    config_clear(&c);
}

static void a_later_source_overrides_an_earlier_one(void **state)
{
    (void)state;
    struct config c;
    load_or_fail(&c, &(struct sources){
                         .file = "{\"max_attempts\":3,\"max_age\":\"3h\",\"prefix\":\"file\",\"kafka\":{\"client.id\":\"file\"}}",
                         .environment = { "SENDFLEET_MAX_AGE=4h", "SENDFLEET_PREFIX=env", "SENDFLEET_KAFKA__CLIENT_ID=env" },
                         .sets = { "prefix=set" },
                     });
    assert_int_equal(c.max_attempts, 3);
    assert_int_equal(c.max_age_ms, 4 * CLOCK_HOUR_MS);
    assert_string_equal(c.prefix, "set");
    assert_string_equal(c.topics.main_group, "set.main");
    assert_int_equal(c.kafka_count, 2);
    assert_string_equal(c.kafka[1].value, "env");
    config_clear(&c);
}

static void every_source_spells_keys_in_its_own_way(void **state)
{
    (void)state;
    struct config c;
    load_or_fail(&c, &(struct sources){
                         .file = "{\"tiers\":[\"2s\",\"1m\"],\"worker\":{\"destination_share\":0.5,\"lease\":90}}",
                         .environment = { "SENDFLEET_WORKER__MAX_INFLIGHT=7", "SENDFLEET_ROUTES__MAIL__HOST=mx",
                                          "SENDFLEET_ROUTES__MAIL__TRANSPORT=smtp",
                                          "SENDFLEET_KAFKA__BOOTSTRAP_SERVERS=k:1", "HOME=/" },
                         .sets = { "routes.mail.port=26", "worker.window_bytes=3MB", "worker.admin=", "worker.dns_servers=",
                                   "dedup.on_unavailable=proceed" },
                     });
    assert_null(c.worker.dns_servers); // empty is not set where nothing is the default
    assert_int_equal(c.tiers.count, 2);
    assert_true(c.worker.destination_share > 0.49);
    assert_int_equal(c.worker.lease_ms, 90000);
    assert_int_equal(c.worker.max_inflight, 7);
    assert_int_equal(c.worker.window_bytes, 3000000);
    assert_string_equal(c.worker.admin, "");
    assert_int_equal(c.dedup.on_unavailable, ON_UNAVAILABLE_PROCEED);
    assert_string_equal(c.routes[0].name, "mail");
    assert_string_equal(c.routes[0].host, "mx");
    assert_int_equal(c.routes[0].port, 26);
    assert_string_equal(c.kafka[0].value, "k:1");
    config_clear(&c);
}

static void secrets_come_from_variables_and_files(void **state)
{
    (void)state;
    struct config c;
    char path[64], set[128];
    write_file(path, "Bearer abc\n");
    snprintf(set, sizeof set, "routes.r.authorization.file=%s", path);
    load_or_fail(&c, &(struct sources){
                         .file = "{\"redis\":{\"password\":{\"env\":\"REDIS_PW\"}},\"kafka\":{\"sasl.password\":{\"env\":\"KPW\"}},"
                                 "\"routes\":{\"r\":{\"transport\":\"http\",\"url\":\"http://h/\"}}}",
                         .environment = { "REDIS_PW=s3cret", "KPW=k3y", "SENDFLEET_KAFKA__SSL_KEY_PASSWORD__ENV=KPW" },
                         .sets = { set },
                     });
    unlink(path);
    assert_string_equal(c.redis.password, "s3cret");
    assert_string_equal(c.routes[0].authorization, "Bearer abc");
    assert_string_equal(c.kafka[1].key, "sasl.password");
    assert_string_equal(c.kafka[1].value, "k3y");
    assert_true(c.kafka[1].secret);
    assert_string_equal(c.kafka[2].key, "ssl.key.password");
    config_clear(&c);
}

static void keys_that_sign_mail_are_found_by_domain_and_selector(void **state)
{
    (void)state;
    struct config c;
    load_or_fail(&c, &(struct sources){
                         .file = "{\"dkim\":{\"Example.com\":[{\"selector\":\"s1\",\"key\":{\"env\":\"ONE\"}},"
                                 "{\"key\":{\"env\":\"TWO\"},\"selector\":\"s2\"}],"
                                 "\"b.example\":{\"selector\":\"x\",\"key\":{\"env\":\"ONE\"}}}}",
                         .environment = { "ONE=a\nb\n", "TWO=two", "NEW=new",
                                          "SENDFLEET_DKIM__EXAMPLE__COM__S2__KEY__ENV=NEW" },
                         .sets = { "dkim.mail.example.org.s3.key.env=TWO" },
                     });
    static const char *const want[][3] = { { "example.com", "s1", "a\nb" }, { "example.com", "s2", "new" },
                                           { "b.example", "x", "a\nb" }, { "mail.example.org", "s3", "two" } };
    assert_int_equal(c.dkim_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(c.dkim[i].domain, want[i][0]);
        assert_string_equal(c.dkim[i].selector, want[i][1]);
        assert_string_equal(c.dkim[i].pem, want[i][2]);
    }
    assert_string_equal(c.dkim[1].source, "NEW");
    config_clear(&c);
    assert_int_equal(c.dkim_count, 0);
}

static void variables_that_belong_to_others_are_left_alone(void **state)
{
    (void)state;
    struct config c;
    load_or_fail(&c, &(struct sources){ .environment = { "SENDFLEET_PORT=tcp://10.0.0.1:9464",
                                                         "SENDFLEET_SERVICE_HOST=10.0.0.1",
                                                         "SENDFLEET_REDIS_PORT=tcp://10.0.0.2:6379",
                                                         "SENDFLEET_PORT_9464_TCP_ADDR=10.0.0.1",
                                                         "SENDFLEET_SMTP_TOKEN=x" } });
    assert_int_equal(c.redis.port, 6379);
    config_clear(&c);
}

static void what_is_wrong_is_named_with_its_place_and_a_way_out(void **state)
{
    (void)state;
    static const struct {
        struct sources from;
        const char *says[2];
    } cases[] = {
        { { .file = "{\"dedup\":{\"lief\":\"1d\"}}" }, { "unknown key \"dedup.lief\" (did you mean \"dedup.life\"?)", "/tmp/" } },
        { { .file = "{\"dedupp\":{\"life\":\"1d\"}}" }, { "unknown key \"dedupp\"" } },
        { { .file = "{\"nothing\":{}}" }, { "unknown key \"nothing\"" } },
        { { .file = "{\"worker\":{\"lease\":{\"x\":1}}}" }, { "worker.lease: is a duration, got an object" } },
        { { .file = "{\"worker\":{\"lease\":null}}" }, { "worker.lease: null" } },
        { { .file = "{\"worker\":{\"lease\":true}}" }, { "worker.lease: is a duration, got a boolean" } },
        { { .file = "{\"prefix\":5}" }, { "prefix: is a string, got a number" } },
        { { .file = "{\"worker\":{\"max_inflight\":0}}" }, { "worker.max_inflight: 0 is below the minimum 1" } },
        { { .file = "{\"worker\":{\"max_inflight\":1.5}}" }, { "worker.max_inflight: \"1.5\" is not a whole number" } },
        { { .file = "{\"max_attempts\":1,\"max_attempts\":2}" }, { "max_attempts" } },
        { { .file = "{\n\"prefix\":\"a\",\n}" }, { "line 3" } },
        { { .file = "[]" }, { "one JSON object" } },
        { { .file = "" }, { "line 1" } },
        { { .file = "{\"routes\":{\"a.b\":{\"url\":\"x\"}}}" }, { "routes.a.b" } },
        { { .file = "{\"routes\":{\"a b\":{}}}" }, { "\"a b\"" } },
        { { .file = "{\"routes\":{\"r\":{\"ulr\":\"x\"}}}" }, { "unknown key \"routes.r.ulr\" (did you mean \"routes.r.url\"?)" } },
        { { .file = "{\"routes\":{\"r\":{}}}" }, { "routes.r.transport: missing" } },
        { { .file = "{\"routes\":{\"r\":{\"authorization\":\"Bearer x\"}}}" }, { "routes.r.authorization: a secret is never" } },
        { { .file = "{\"redis\":{\"password\":{\"set\":true}}}" }, { "redis.password: {\"set\":true}" } },
        { { .file = "{\"redis\":{\"password\":{\"env\":\"A\",\"file\":\"B\"}}}" }, { "redis.password: give {\"env\"" } },
        { { .file = "{\"redis\":{\"password\":{\"env\":\"NOT_THERE\"}}}" }, { "variable NOT_THERE is not set" } },
        { { .file = "{\"redis\":{\"password\":{\"file\":\"/nonexistent/pw\"}}}" }, { "/nonexistent/pw" } },
        { { .file = "{\"redis\":{\"password\":{\"env\":\"BAD\"}}}", .environment = { "BAD=a\r\nX: y" } }, { "control character" } },
        { { .file = "{\"dkim\":{\"a.com\":[{\"selector\":\"s\",\"key\":{\"file\":\"/nonexistent/k\"}}]}}" },
          { "dkim.a.com.s.key: ", "/nonexistent/k" } },
        { { .file = "{\"dkim\":{\"a.com\":[{\"selector\":\"s\",\"key\":\"MIIE\"}]}}" }, { "dkim.a.com: give [{" } },
        { { .file = "{\"dkim\":{\"a.com\":[{\"selector\":\"s\",\"key\":{\"env\":\"A\"},\"t\":1}]}}" }, { "dkim.a.com: give" } },
        { { .file = "{\"dkim\":{\"a.com\":[7]}}" }, { "dkim.a.com: give" } },
        { { .file = "{\"dkim\":{\"a.com\":[{\"selector\":\"s.t\",\"key\":{\"env\":\"A\"}}]}}" }, { "has a dot" } },
        { { .file = "{\"dkim\":{\"a_ b.com\":[{\"selector\":\"s\",\"key\":{\"env\":\"A\"}}]}}" }, { "is not a domain" } },
        { { .sets = { "dkim.a.com.s.key=x" } }, { "dkim.a.com.s.key: a secret is never" } },
        { { .sets = { "dkim.a.com.s=x" } }, { "is not <domain>.<selector>.key" } },
        { { .file = "{\"kafka\":{\"acks\":1}}" }, { "kafka.acks: cannot be changed: " } },
        { { .file = "{\"kafka\":{\"sasl.password\":\"x\"}}" }, { "kafka.sasl.password: a secret is never" } },
        { { .file = "{\"kafka\":{\"Group Id\":\"x\"}}" }, { "kafka.Group Id: is not a key" } },
        { { .environment = { "SENDFLEET_KAFKA__GROUP_ID=x" } }, { "SENDFLEET_KAFKA__GROUP_ID", "kafka.group.id: cannot be changed" } },
        { { .environment = { "SENDFLEET_WORKER__LAESE=1s" } }, { "SENDFLEET_WORKER__LAESE", "did you mean \"worker.lease\"?" } },
        { { .environment = { "SENDFLEET_REDIS_HOST=x" } }, { "SENDFLEET_REDIS_HOST", "did you mean \"redis.host\"?" } },
        { { .sets = { "redis.password=x" } }, { "--set", "redis.password: a secret is never" } },
        { { .sets = { "prefix" } }, { "--set prefix: must be key=value" } },
        { { .sets = { "prefix=a/b" } }, { "prefix: \"a/b\"" } },
        { { .sets = { "log_level=loud" } }, { "log_level: \"loud\" is none of debug, info, warn, error" } },
        { { .sets = { "tiers=1s,1s" } }, { "tiers: 1s is there twice" } },
        { { .sets = { "max_age=soon" } }, { "max_age: \"soon\" is not a duration" } },
        { { .sets = { "max_job_bytes=1TiB" } }, { "max_job_bytes: \"1TiB\" is not a size" } },
        { { .sets = { "backoff.jitter=1.5" } }, { "backoff.jitter: 1.5 is above the maximum 1" } },
        { { .sets = { "backoff.factor=nan" } }, { "backoff.factor: \"nan\" is not a number" } },
        { { .sets = { "redis.host=a\nb" } }, { "redis.host: has a control character" } },
        { { .sets = { "worker.drain=2h" } }, { "worker.drain: 2h is above the maximum 1h" } },
        { { .sets = { "redis.port=4294967297" } }, { "redis.port: 4294967297 is above" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config c;
        struct err e = { 0 };
        if (load(&c, &cases[i].from, &e))
            fail_msg("case %zu loaded, want \"%s\"", i, cases[i].says[0]);
        assert_int_equal(e.kind, ERR_CONFIG);
        assert_memory_equal(e.text, "config: ", 8);
        for (int s = 0; s < 2; s++)
            if (cases[i].says[s] != NULL && strstr(e.text, cases[i].says[s]) == NULL)
                fail_msg("case %zu: got \"%s\", want it to say %s", i, e.text, cases[i].says[s]);
    }
}

static void numbers_that_break_a_promise_together_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct sources from;
        const char *says;
    } cases[] = {
        { { .sets = { "dedup.life=8d" } }, "max_age + dedup.replay_window" },
        { { .sets = { "dedup.life=9d" } }, NULL }, // exactly enough
        { { .sets = { "topics.retention_main=10d" } }, "topics.retention_main + the longest tier" },
        { { .sets = { "topics.retention_main=9d23h", "tiers=1s,1h" } }, NULL },
        { { .sets = { "topics.retention_main=1d" } }, "shorter than max_age" },
        { { .sets = { "topics.retention_retry_extra=0" } }, "below the minimum" },
        { { .sets = { "topics.min_insync_replicas=2" } }, "more than topics.replication" },
        { { .sets = { "worker.renew=31s" } }, "worker.renew" },
        { { .sets = { "worker.carry_after=60s" } }, "worker.carry_after" },
        { { .sets = { "max_job_bytes=64MiB", "worker.window_bytes=32MiB" } }, "worker.window_bytes" },
        { { .sets = { "route_wait_cap=10s" } }, "route_wait_cap" },
        { { .sets = { "backoff.cap=1s" } }, "backoff.cap" },
        { { .sets = { "routes.r.transport=http" } }, "routes.r.url: missing" },
        { { .sets = { "routes.r.transport=http", "routes.r.url=ftp://x" } }, "routes.r.url: must start" },
        { { .sets = { "routes.r.transport=http", "routes.r.url=http://x", "routes.r.idempotency_header=a b" } }, "header name" },
        { { .sets = { "routes.r.transport=http", "routes.r.url=http://x", "routes.r.idempotency_header=", "routes.r.idempotent=true" } },
          "needs an idempotency_header" },
        { { .sets = { "routes.r.transport=http", "routes.r.url=http://x", "routes.r.idempotency_header=" } }, NULL },
        { { .sets = { "routes.r.transport=smtp" } }, "routes.r.host: missing" },
        { { .sets = { "routes.r.transport=fax" } }, "none of http, smtp" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config c;
        struct err e = { 0 };
        bool ok = load(&c, &cases[i].from, &e);
        if (ok != (cases[i].says == NULL))
            fail_msg("case %zu: got %s", i, ok ? "loaded" : e.text);
        if (ok)
            config_clear(&c);
        else if (strstr(e.text, cases[i].says) == NULL)
            fail_msg("case %zu: got \"%s\", want it to say %s", i, e.text, cases[i].says);
    }
}

static char *print(const struct config *c)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    config_print(c, out);
    fclose(out);
    return text;
}

static void what_is_printed_loads_again_to_the_same(void **state)
{
    (void)state;
    struct config c, again;
    load_or_fail(&c, &(struct sources){ .sets = { "routes.default.transport=http", "routes.default.url=http://h/\"q\"",
                                                  "backoff.jitter=0.35", "max_age=90s", "worker.admin=", "tiers=250ms,90s",
                                                  "kafka.client.id=a\"b", "dedup.on_unavailable=proceed" } });
    char *first = print(&c);
    config_clear(&c);
    load_or_fail(&again, &(struct sources){ .file = first });
    char *second = print(&again);
    assert_string_equal(first, second);
    assert_non_null(strstr(first, "\"max_age\": \"1m30s\""));
    assert_non_null(strstr(first, "\"jitter\": 0.35"));
    assert_string_equal(again.worker.admin, "");
    free(first);
    free(second);
    config_clear(&again);
}

static void secrets_are_never_printed(void **state)
{
    (void)state;
    struct config c;
    load_or_fail(&c, &(struct sources){ .environment = { "PW=hunter2" },
                                        .sets = { "redis.password.env=PW", "kafka.sasl.password.env=PW",
                                                  "kafka.client.id.env=PW", "routes.r.authorization.env=PW",
                                                  "routes.r.transport=smtp", "routes.r.host=h",
                                                  "dkim.a.example.s.key.env=PW", "dkim.a.example.t.key.env=PW" } });
    char *text = print(&c);
    assert_null(strstr(text, "hunter2"));
    int shown = 0;
    for (const char *p = text; (p = strstr(p, "{\"set\": true}")) != NULL; p++)
        shown++;
    assert_int_equal(shown, 6);
    assert_non_null(strstr(text, "\"a.example\": [{\"selector\": \"s\", \"key\": {\"set\": true}}, {\"selector\": \"t\""));
    free(text);
    config_clear(&c);
}

static void the_description_lists_every_key_once(void **state)
{
    (void)state;
    static const char *const rows[] = { "| dedup.life ", "| routes.<name>.url ", "| kafka.<key> ", "| worker.max_inflight " };
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    config_describe(out);
    fclose(out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *row = strstr(text, rows[i]);
        if (row == NULL || strstr(row + 1, rows[i]) != NULL)
            fail_msg("got %s, want exactly one row \"%s\"", row == NULL ? "none" : "two", rows[i]);
    }
    free(text);
}

static void the_environment_names_the_file_and_null_reads_none(void **state)
{
    (void)state;
    struct config c;
    char path[64], variable[128];
    write_file(path, "{\"max_attempts\":4}");
    snprintf(variable, sizeof variable, "SENDFLEET_CONFIG=%s", path);
    load_or_fail(&c, &(struct sources){ .environment = { variable } });
    assert_int_equal(c.max_attempts, 4);
    config_clear(&c);
    setenv("SENDFLEET_MAX_ATTEMPTS", "5", 1);
    struct config_sources none = { 0 };
    struct err e = { 0 };
    assert_true(config_load(&c, &none, &e));
    assert_int_equal(c.max_attempts, 12);
    config_clear(&c);
    unsetenv("SENDFLEET_MAX_ATTEMPTS");
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_at_all_gives_the_documented_defaults),
        cmocka_unit_test(a_route_gets_defaults_that_fit_its_transport),
        cmocka_unit_test(a_later_source_overrides_an_earlier_one),
        cmocka_unit_test(every_source_spells_keys_in_its_own_way),
        cmocka_unit_test(secrets_come_from_variables_and_files),
        cmocka_unit_test(keys_that_sign_mail_are_found_by_domain_and_selector),
        cmocka_unit_test(variables_that_belong_to_others_are_left_alone),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place_and_a_way_out),
        cmocka_unit_test(numbers_that_break_a_promise_together_are_refused),
        cmocka_unit_test(what_is_printed_loads_again_to_the_same),
        cmocka_unit_test(secrets_are_never_printed),
        cmocka_unit_test(the_description_lists_every_key_once),
        cmocka_unit_test(the_environment_names_the_file_and_null_reads_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
