// SPDX-License-Identifier: Apache-2.0
// config_keys: all keys, their types, limits, defaults and meaning.
//
// A new setting is a field in config.h and a row here; nothing else has to know. Defaults are written the way a
// person would write them in the file, and go through the same parser, so a default that its own limits refuse
// is found by the first test that loads a configuration.
#include "common/config_keys.h"

#include <stddef.h>
#include <string.h>

static const char *const LOG_LEVELS[] = { "debug", "info", "warn", "error", NULL };
static const char *const TRANSPORTS[] = { "http", "smtp", NULL };
static const char *const ON_UNKNOWN[] = { [ON_UNKNOWN_HOLD] = "hold", [ON_UNKNOWN_RESEND] = "resend", NULL };
static const char *const ON_UNAVAILABLE[] = {
    [ON_UNAVAILABLE_WAIT] = "wait",
    [ON_UNAVAILABLE_PROCEED] = "proceed",
    NULL,
};

#define DAYS(n)  ((n) * 86400e3)
#define HOURS(n) ((n) * 3600e3)
#define MIB(n)   ((n) * 1048576.0)
#define AT(field) .offset = offsetof(struct config, field)
#define OF(field) .offset = offsetof(struct route_config, field)

const struct config_key CONFIG_KEYS[] = {
    { .path = "prefix", .type = KEY_STRING, AT(prefix), .fallback = "sendfleet",
      .help = "start of every topic, group and Redis key of the fleet" },
    { .path = "tiers", .type = KEY_TIERS, AT(tiers), .fallback = "1s,5s,30s,2m,10m,30m,2h",
      .help = "lengths of the retry belts" },
    { .path = "log_level", .type = KEY_CHOICE, AT(log_level), .fallback = "info", .names = LOG_LEVELS,
      .help = "least severity that is logged" },
    { .path = "redis.host", .type = KEY_STRING, AT(redis.host), .fallback = "127.0.0.1", .help = "Redis server" },
    { .path = "redis.port", .type = KEY_INT, AT(redis.port), .fallback = "6379", .min = 1, .max = 65535,
      .help = "its port" },
    { .path = "redis.unix_path", .type = KEY_STRING, AT(redis.unix_path),
      .help = "its socket, instead of host and port" },
    { .path = "redis.db", .type = KEY_INT, AT(redis.db), .fallback = "0", .max = 1023, .help = "database number" },
    { .path = "redis.username", .type = KEY_STRING, AT(redis.username), .help = "ACL user" },
    { .path = "redis.password", .type = KEY_SECRET, AT(redis.password), .help = "its password" },
    { .path = "topics.partitions_main", .type = KEY_INT, AT(layout.partitions_main), .fallback = "6", .min = 1,
      .max = 10000, .help = "partitions of main, main.critical and main.bulk" },
    { .path = "topics.partitions_retry", .type = KEY_INT, AT(layout.partitions_retry), .fallback = "6", .min = 1,
      .max = 10000, .help = "partitions of each belt" },
    { .path = "topics.partitions_other", .type = KEY_INT, AT(layout.partitions_other), .fallback = "3", .min = 1,
      .max = 10000, .help = "partitions of dlq, review, events, feedback and dlq.log" },
    { .path = "topics.replication", .type = KEY_INT, AT(layout.replication), .fallback = "1", .min = 1, .max = 100,
      .help = "replicas of every topic" },
    { .path = "topics.min_insync_replicas", .type = KEY_INT, AT(layout.min_insync_replicas), .fallback = "1",
      .min = 1, .max = 100, .help = "replicas that must have a record before it counts as written" },
    { .path = "topics.retention_main", .type = KEY_DURATION, AT(layout.retention_main_ms), .fallback = "7d",
      .min = HOURS(1), .help = "how long jobs are kept on main" },
    { .path = "topics.retention_retry_extra", .type = KEY_DURATION, AT(layout.retention_retry_extra_ms),
      .fallback = "7d", .min = 60e3,
      .help = "how long a belt keeps records beyond its length (the longest outage)" },
    { .path = "topics.retention_dlq", .type = KEY_DURATION, AT(layout.retention_dlq_ms), .fallback = "30d",
      .min = HOURS(1), .help = "how long dead letters are kept" },
    { .path = "topics.retention_events", .type = KEY_DURATION, AT(layout.retention_events_ms), .fallback = "7d",
      .min = 60e3, .help = "how long events and feedback are kept" },
    { .path = "worker.id", .type = KEY_STRING, AT(worker.id), .fallback = "(host name and process id)",
      .help = "name of this worker in trails, events and logs" },
    { .path = "worker.admin", .type = KEY_STRING, AT(worker.admin), .fallback = "127.0.0.1:9464",
      .help = "address of /healthz, /readyz and /metrics; port 0 = any free one, empty = none" },
    { .path = "worker.admin_port_file", .type = KEY_STRING, AT(worker.admin_port_file),
      .help = "file to which the bound admin port is written" },
    { .path = "worker.max_inflight", .type = KEY_INT, AT(worker.max_inflight), .fallback = "1000", .min = 1,
      .max = 100000, .help = "attempts under way at once" },
    { .path = "worker.max_inflight_bytes", .type = KEY_SIZE, AT(worker.max_inflight_bytes), .fallback = "128MiB",
      .min = MIB(2), .help = "memory for jobs under way" },
    { .path = "worker.destination_share", .type = KEY_NUMBER, AT(worker.destination_share), .fallback = "0.2",
      .min = 0.001, .max = 1, .help = "part of max_inflight that one destination may take" },
    { .path = "worker.lease", .type = KEY_DURATION, AT(worker.lease_ms), .fallback = "60s", .min = 1e3,
      .max = HOURS(1), .help = "how long a claim holds without being renewed" },
    { .path = "worker.renew", .type = KEY_DURATION, AT(worker.renew_ms), .fallback = "20s", .min = 100,
      .max = HOURS(1), .help = "how often a claim is renewed while its attempt runs" },
    { .path = "worker.carry_after", .type = KEY_DURATION, AT(worker.carry_after_ms), .fallback = "30s", .min = 100,
      .max = HOURS(1), .help = "age at which an attempt no longer holds back its partition" },
    { .path = "worker.drain", .type = KEY_DURATION, AT(worker.drain_ms), .fallback = "25s", .max = HOURS(1),
      .help = "how long a stopping worker lets attempts end" },
    { .path = "worker.due_heap_bytes", .type = KEY_SIZE, AT(worker.due_heap_bytes), .fallback = "16MiB",
      .min = MIB(1), .help = "memory for retries that are due within the shortest belt's length" },
    { .path = "worker.window_records", .type = KEY_COUNT, AT(worker.window_records), .fallback = "10000", .min = 1,
      .max = 10e6, .help = "records of a partition received but not finished" },
    { .path = "worker.window_bytes", .type = KEY_SIZE, AT(worker.window_bytes), .fallback = "64MiB", .min = MIB(2),
      .help = "the same in bytes" },
    { .path = "worker.dns_servers", .type = KEY_STRING, AT(worker.dns_servers),
      .help = "name servers, \"127.0.0.1:5353,…\"; not set = the system's" },
    { .path = "worker.rules", .type = KEY_STRING, AT(worker.rules),
      .help = "file that says what replies mean (SIGHUP reads it again); not set = the built-in rules" },
    { .path = "worker.events_linger", .type = KEY_DURATION, AT(worker.events_linger_ms), .fallback = "50ms",
      .max = 10e3, .help = "how long events are gathered into one batch" },
    { .path = "backoff.base", .type = KEY_DURATION, AT(backoff.base_ms), .fallback = "5s", .min = 1,
      .max = DAYS(1), .help = "wait before the first retry" },
    { .path = "backoff.factor", .type = KEY_NUMBER, AT(backoff.factor), .fallback = "2", .min = 1, .max = 100,
      .help = "growth from one retry to the next" },
    { .path = "backoff.cap", .type = KEY_DURATION, AT(backoff.cap_ms), .fallback = "4h", .min = 1, .max = DAYS(7),
      .help = "longest wait" },
    { .path = "backoff.jitter", .type = KEY_NUMBER, AT(backoff.jitter), .fallback = "0.2", .max = 1,
      .help = "spread of each wait; 0.2 = 20 % either way, 1 = anything from nothing to the wait" },
    { .path = "backoff_busy.base", .type = KEY_DURATION, AT(backoff_busy.base_ms), .fallback = "30s", .min = 1,
      .max = DAYS(1), .help = "the same four for a busy mailbox (450, 452)" },
    { .path = "backoff_busy.factor", .type = KEY_NUMBER, AT(backoff_busy.factor), .fallback = "2", .min = 1,
      .max = 100, .help = "" },
    { .path = "backoff_busy.cap", .type = KEY_DURATION, AT(backoff_busy.cap_ms), .fallback = "4h", .min = 1,
      .max = DAYS(7), .help = "" },
    { .path = "backoff_busy.jitter", .type = KEY_NUMBER, AT(backoff_busy.jitter), .fallback = "0.2", .max = 1,
      .help = "" },
    { .path = "throttle_wait", .type = KEY_DURATION, AT(throttle_wait_ms), .fallback = "30s", .min = 1,
      .max = DAYS(1), .help = "wait when throttled without being told how long" },
    { .path = "route_wait", .type = KEY_DURATION, AT(route_wait_ms), .fallback = "30s", .min = 1, .max = DAYS(1),
      .help = "first pause of a route that refuses our credential; doubles" },
    { .path = "route_wait_cap", .type = KEY_DURATION, AT(route_wait_cap_ms), .fallback = "10m", .min = 1,
      .max = DAYS(1), .help = "longest such pause" },
    { .path = "max_attempts", .type = KEY_INT, AT(max_attempts), .fallback = "12", .min = 1, .max = 1000,
      .help = "charged attempts before a job is exhausted" },
    { .path = "max_age", .type = KEY_DURATION, AT(max_age_ms), .fallback = "48h", .min = 1e3,
      .help = "age at which a job expires, unless it says so itself" },
    { .path = "max_job_bytes", .type = KEY_SIZE, AT(max_job_bytes), .fallback = "1MiB", .min = 1024,
      .max = MIB(64), .help = "largest job" },
    { .path = "dedup.life", .type = KEY_DURATION, AT(dedup.life_ms), .fallback = "10d", .min = 1e3,
      .help = "how long an idempotency key is remembered" },
    { .path = "dedup.replay_window", .type = KEY_DURATION, AT(dedup.replay_window_ms), .fallback = "7d",
      .help = "how long after its last try a dead letter may be replayed" },
    { .path = "dedup.on_unavailable", .type = KEY_ENUM, AT(dedup.on_unavailable), .fallback = "wait",
      .names = ON_UNAVAILABLE, .help = "without Redis: wait, or proceed and risk sending twice" },
    { 0 },
};

// Below "routes.<name>.".
const struct config_key CONFIG_ROUTE_KEYS[] = {
    { .path = "transport", .type = KEY_CHOICE, OF(transport), .names = TRANSPORTS,
      .help = "how the route sends (required)" },
    { .path = "url", .type = KEY_STRING, OF(url), .help = "http: where jobs are posted (required there)" },
    { .path = "idempotency_header", .type = KEY_STRING, OF(idempotency_header), .fallback = "Idempotency-Key",
      .help = "http: header that carries the idempotency key; empty = none" },
    { .path = "idempotent", .type = KEY_BOOL, OF(idempotent), .fallback = "false",
      .help = "http: the receiver honours that key, so an unknown outcome may be tried again with it" },
    { .path = "idempotency_life", .type = KEY_DURATION, OF(idempotency_life_ms), .fallback = "24h", .min = 1e3,
      .help = "http: how long the receiver remembers a key" },
    { .path = "authorization", .type = KEY_SECRET, OF(authorization),
      .help = "http: value of the Authorization header" },
    { .path = "host", .type = KEY_STRING, OF(host), .help = "smtp: relay (required there)" },
    { .path = "port", .type = KEY_INT, OF(port), .fallback = "25", .min = 1, .max = 65535,
      .help = "smtp: its port" },
    { .path = "helo", .type = KEY_STRING, OF(helo), .fallback = "(this host's name)",
      .help = "smtp: name given with EHLO" },
    { .path = "max_connections", .type = KEY_INT, OF(max_connections), .fallback = "(256 for http, 20 for smtp)",
      .min = 1, .max = 10000, .help = "connections per worker" },
    { .path = "connect_timeout", .type = KEY_DURATION, OF(connect_timeout_ms), .fallback = "5s", .min = 1,
      .max = HOURS(1), .help = "to connect" },
    { .path = "write_timeout", .type = KEY_DURATION, OF(write_timeout_ms), .fallback = "10s", .min = 1,
      .max = HOURS(1), .help = "without progress while writing" },
    { .path = "reply_timeout", .type = KEY_DURATION, OF(reply_timeout_ms),
      .fallback = "(10s when idempotent, else 60s)", .min = 1, .max = HOURS(1),
      .help = "http: from the last byte written to the answer" },
    { .path = "dot_timeout", .type = KEY_DURATION, OF(dot_timeout_ms), .fallback = "600s", .min = 1,
      .max = HOURS(1), .help = "smtp: for the answer to a complete mail" },
    { .path = "on_unknown", .type = KEY_ENUM, OF(on_unknown), .fallback = "hold", .names = ON_UNKNOWN,
      .help = "an attempt whose outcome cannot be known: hold it for a person, or resend" },
    { .path = "unknown_window", .type = KEY_DURATION, OF(unknown_window_ms), .fallback = "0s", .max = DAYS(7),
      .help = "how long feedback may still prove such an attempt; 0 = there is no feedback" },
    { 0 },
};

const struct config_key *config_key_find(const struct config_key *table, const char *path)
{
    for (const struct config_key *key = table; key->path != NULL; key++)
        if (strcmp(key->path, path) == 0)
            return key;
    return NULL;
}

const char *config_type_name(enum key_type type)
{
    static const char *const names[] = {
        [KEY_STRING] = "string",     [KEY_CHOICE] = "choice", [KEY_ENUM] = "choice", [KEY_INT] = "integer",
        [KEY_COUNT] = "integer",     [KEY_BOOL] = "boolean",  [KEY_NUMBER] = "number",
        [KEY_DURATION] = "duration", [KEY_SIZE] = "size",     [KEY_TIERS] = "list",  [KEY_SECRET] = "secret",
    };
    return names[type];
}
