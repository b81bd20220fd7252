// SPDX-License-Identifier: Apache-2.0
// broker_client: one librdkafka handle: its settings, its log, and what is known about its connection.
//
// librdkafka retries for ever and reports every attempt; a person wants to hear once that the brokers are gone and
// once that they are back. The callback tells the first; nothing tells the second, so while a connection is lost we
// ask once a second whether any broker is usable (a metadata request with one millisecond of patience: "no broker"
// and "no reply yet" are different answers).
//
// Settings are applied in order, the last one wins: our defaults, the user's kafka.* pairs, then what the promises
// rest on and is therefore fixed. A key librdkafka does not know is the user's typing error and refused.
#include "common/broker_internal.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RDKAFKA_LEVEL_CRIT = 2, RDKAFKA_LEVEL_ERR = 3 }; // syslog's numbers

static const struct broker_setting DEFAULTS[] = {
    { .key = "client.id", .value = "sendfleet" },
    { .key = "socket.keepalive.enable", .value = "true" },
    { .key = "socket.nagle.disable", .value = "true" },
    { .key = "reconnect.backoff.ms", .value = "50" },
    { .key = "reconnect.backoff.max.ms", .value = "1000" },
    // topics made or widened later are noticed within seconds, not after five minutes
    { .key = "topic.metadata.refresh.interval.ms", .value = "10000" },
    { .key = "topic.metadata.refresh.fast.interval.ms", .value = "50" },
};

static const struct {
    rd_kafka_resp_err_t code;
    enum err_kind kind;
} KINDS[] = {
    { RD_KAFKA_RESP_ERR__TRANSPORT, ERR_UNAVAILABLE },
    { RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, ERR_UNAVAILABLE },
    { RD_KAFKA_RESP_ERR__RESOLVE, ERR_UNAVAILABLE },
    { RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, ERR_UNAVAILABLE },
    { RD_KAFKA_RESP_ERR__TIMED_OUT, ERR_UNAVAILABLE },
    { RD_KAFKA_RESP_ERR__AUTHENTICATION, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR__SSL, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR__INVALID_ARG, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR_INVALID_CONFIG, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR_POLICY_VIOLATION, ERR_CONFIG },
    { RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERR_INPUT },
    { RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, ERR_INPUT },
    { RD_KAFKA_RESP_ERR_INVALID_RECORD, ERR_INPUT },
    { RD_KAFKA_RESP_ERR__FATAL, ERR_FATAL },
    { RD_KAFKA_RESP_ERR__FENCED, ERR_FATAL },
};

enum err_kind broker_err_kind(rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (KINDS[i].code == code)
            return KINDS[i].kind;
    return ERR_TRANSIENT;
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    // a handle is given the pairs of both kinds, the other kind's are expected
    if (strcmp(facility, "CONFWARN") == 0 && strstr(text, "will be ignored by this") != NULL)
        return;
    // connection troubles reach on_error, which says them once
    bool connection = strcmp(facility, "FAIL") == 0 || strcmp(facility, "ERROR") == 0;
    enum log_level ours = level <= RDKAFKA_LEVEL_CRIT || (level <= RDKAFKA_LEVEL_ERR && !connection) ? LOG_ERROR
                                                                                                     : LOG_DEBUG;
    if (log_enabled(ours))
        log_line(ours, "broker", "librdkafka facility=%s text=\"%s\"", facility, text);
}

// "127.0.0.1:9092/bootstrap: Connect to … failed: Connection refused (after 0ms in state CONNECT)": the broker's
// name is the reader's, the durations are nobody's.
static void keep_reason(struct broker_client *c, const char *text)
{
    const char *from = strstr(text, ": ");
    from = from != NULL ? from + 2 : text;
    const char *to = strstr(from, " (after ");
    size_t len = to != NULL ? (size_t)(to - from) : strlen(from);
    if (len >= sizeof c->reason)
        len = sizeof c->reason - 1;
    memcpy(c->reason, from, len);
    c->reason[len] = '\0';
}

static void on_error(rd_kafka_t *rk, int code, const char *text, void *opaque)
{
    struct broker_client *c = opaque;
    switch (code) {
    case RD_KAFKA_RESP_ERR__FATAL:
        if (c->fatal[0] == '\0') {
            rd_kafka_fatal_error(rk, c->fatal, sizeof c->fatal);
            log_error("broker", "fatal role=%s error=\"%s\"", c->role, c->fatal);
        }
        break;
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        if (!c->lost && !c->refused)
            log_warn("broker", "lost role=%s address=%s error=\"%s\"", c->role, c->address, c->reason);
        c->lost = true;
        break;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
        keep_reason(c, text);
        if (!c->refused)
            log_error("broker", "refused role=%s address=%s error=\"%s\"", c->role, c->address, text);
        c->refused = true;
        break;
    default:
        keep_reason(c, text);
        log_debug("broker", "trouble role=%s error=\"%s\"", c->role, text);
        break;
    }
}

void broker_conf_init(struct broker_conf *b, struct err *e)
{
    *b = (struct broker_conf){ .rk = rd_kafka_conf_new(), .e = e, .ok = true };
    broker_conf_apply(b, DEFAULTS, sizeof DEFAULTS / sizeof DEFAULTS[0]);
}

void broker_conf_apply(struct broker_conf *b, const struct broker_setting *settings, size_t count)
{
    for (size_t i = 0; i < count && b->ok; i++) {
        char text[160];
        rd_kafka_conf_res_t got = rd_kafka_conf_set(b->rk, settings[i].key, settings[i].value, text, sizeof text);
        bool fine = got == RD_KAFKA_CONF_OK || (got == RD_KAFKA_CONF_UNKNOWN && settings[i].optional);
        if (!fine)
            b->ok = err_set(b->e, ERR_CONFIG, "broker: %s=%s: %s", settings[i].key, settings[i].value, text);
    }
}

void broker_conf_number(struct broker_conf *b, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    broker_conf_apply(b, &(struct broker_setting){ .key = key, .value = text }, 1);
}

void broker_conf_pairs(struct broker_conf *b, const struct config *c)
{
    for (int i = 0; i < c->kafka_count && b->ok; i++) {
        const struct config_pair *pair = &c->kafka[i];
        char text[160];
        rd_kafka_conf_res_t got = rd_kafka_conf_set(b->rk, pair->key, pair->value, text, sizeof text);
        if (got == RD_KAFKA_CONF_UNKNOWN)
            b->ok = err_set(b->e, ERR_CONFIG, "broker: kafka.%s is not a setting of librdkafka %s", pair->key,
                            rd_kafka_version_str());
        else if (got != RD_KAFKA_CONF_OK && pair->secret) // its text may quote the value
            b->ok = err_set(b->e, ERR_CONFIG, "broker: kafka.%s: the value is refused", pair->key);
        else if (got != RD_KAFKA_CONF_OK)
            b->ok = err_set(b->e, ERR_CONFIG, "broker: kafka.%s: %s", pair->key, text);
    }
}

static bool read_address(struct broker_client *c, const struct broker_conf *b)
{
    char servers[4096]; // librdkafka fails instead of cutting
    size_t size = sizeof servers;
    if (rd_kafka_conf_get(b->rk, "bootstrap.servers", servers, &size) != RD_KAFKA_CONF_OK || size <= 1)
        return err_set(b->e, ERR_CONFIG, "broker: set kafka.bootstrap.servers to the addresses of your Kafka brokers");
    snprintf(c->address, sizeof c->address, "%s", servers);
    return true;
}

bool broker_client_open(struct broker_client *c, const char *role, rd_kafka_type_t type, struct broker_conf *b)
{
    *c = (struct broker_client){ .role = role };
    if (b->ok)
        b->ok = read_address(c, b);
    if (b->ok) {
        char text[200];
        rd_kafka_conf_set_opaque(b->rk, c);
        rd_kafka_conf_set_log_cb(b->rk, on_log);
        rd_kafka_conf_set_error_cb(b->rk, on_error);
        c->rk = rd_kafka_new(type, b->rk, text, sizeof text);
        if (c->rk != NULL)
            b->rk = NULL; // the handle owns it now
        else
            b->ok = err_set(b->e, ERR_CONFIG, "broker: %s", text);
    }
    if (b->rk != NULL)
        rd_kafka_conf_destroy(b->rk);
    b->rk = NULL;
    return b->ok;
}

// Blocks for at most timeout_ms. "No reply yet" still means that a broker is connected.
static bool answers(struct broker_client *c, int timeout_ms)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(c->rk, 0, NULL, &metadata, timeout_ms);
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    return code != RD_KAFKA_RESP_ERR__TRANSPORT;
}

void broker_client_check(struct broker_client *c)
{
    if (!c->lost && !c->refused)
        return;
    int64_t now_ms = clock_mono_ms();
    if (now_ms - c->checked_ms < CLOCK_SECOND_MS)
        return;
    c->checked_ms = now_ms;
    if (!answers(c, 1))
        return;
    c->lost = c->refused = false;
    log_info("broker", "back role=%s address=%s", c->role, c->address);
}

bool broker_client_await(struct broker_client *c, int64_t timeout_ms, struct err *e)
{
    enum { SLICE_MS = 200, REFUSED_MS = 3000 }; // a closed port may open while Kafka starts, but not for long
    int64_t start_ms = clock_mono_ms();
    for (;;) {
        if (answers(c, SLICE_MS)) {
            c->lost = c->refused = false;
            return true;
        }
        rd_kafka_poll(c->rk, 0); // on_error learns why
        int64_t waited_ms = clock_mono_ms() - start_ms;
        if (c->refused)
            return err_set(e, ERR_CONFIG, "broker: %s refuses us: %s", c->address, c->reason);
        if (waited_ms >= timeout_ms || (c->lost && waited_ms >= REFUSED_MS))
            return err_set(e, ERR_UNAVAILABLE,
                           "broker: %s does not answer (%s): is Kafka running there? set kafka.bootstrap.servers",
                           c->address, c->reason[0] != '\0' ? c->reason : "no reply");
    }
}

bool broker_eventfd(int *fd, struct err *e)
{
    *fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return *fd >= 0 || err_set(e, ERR_TRANSIENT, "broker: eventfd: %s", strerror(errno));
}

void broker_eventfd_watch(int fd, rd_kafka_queue_t *queue)
{
    static const uint64_t ONE = 1;
    rd_kafka_queue_io_event_enable(queue, fd, &ONE, sizeof ONE);
}

void broker_eventfd_unwatch(rd_kafka_queue_t *queue)
{
    rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
}

void broker_eventfd_drain(int fd)
{
    uint64_t count;
    ssize_t got = read(fd, &count, sizeof count);
    (void)got; // EAGAIN: nobody wrote
}
