// SPDX-License-Identifier: Apache-2.0
// mockbroker: librdkafka's mock cluster as a process of its own, so that other programs can use it as their Kafka.
//
// It prints the bootstrap servers (and writes them to --address-file, complete or not at all), then obeys commands
// on standard input, answering each with "ok" or "error: why":
//
//   down [ID]               brokers refuse connections; data stays (no ID: all of them)
//   up [ID]
//   rtt ID MS               every reply of that broker takes MS longer
//   error APIKEY N CODE     the next N requests of that kind fail (Produce 0, Fetch 1, OffsetCommit 8, JoinGroup 11,
//                           Heartbeat 12, …); CODE is Kafka's error number, -195 = the connection breaks
//
// It quits on end of input, SIGTERM or SIGINT; with --detached it does not read standard input. What it cannot do:
// it drops data silently above 5 MiB a partition, has no admin API and no retention, ignores LogAppendTime, and
// makes any topic that is asked for (4 partitions).
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EXIT_USAGE = 64, ERRORS_MAX = 1000, ALL_BROKERS = -1 };

struct options {
    int brokers;
    char *topics; // "name:partitions,name:partitions"
    const char *address_file;
    bool detached;
};

struct command {
    const char *name;
    int min_args, max_args;
    const char *(*run)(rd_kafka_mock_cluster_t *mock, const int *args, int count); // NULL = ok, else why not
};

static const char *text_of(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : rd_kafka_err2str(code);
}

static const char *run_down(rd_kafka_mock_cluster_t *mock, const int *args, int count)
{
    return text_of(rd_kafka_mock_broker_set_down(mock, count > 0 ? args[0] : ALL_BROKERS));
}

static const char *run_up(rd_kafka_mock_cluster_t *mock, const int *args, int count)
{
    return text_of(rd_kafka_mock_broker_set_up(mock, count > 0 ? args[0] : ALL_BROKERS));
}

static const char *run_rtt(rd_kafka_mock_cluster_t *mock, const int *args, int count)
{
    (void)count;
    return text_of(rd_kafka_mock_broker_set_rtt(mock, args[0], args[1]));
}

static const char *run_error(rd_kafka_mock_cluster_t *mock, const int *args, int count)
{
    (void)count;
    rd_kafka_resp_err_t errors[ERRORS_MAX];
    if (args[1] < 1 || args[1] > ERRORS_MAX)
        return "N is not between 1 and 1000";
    for (int i = 0; i < args[1]; i++)
        errors[i] = (rd_kafka_resp_err_t)args[2];
    rd_kafka_mock_push_request_errors_array(mock, (int16_t)args[0], (size_t)args[1], errors);
    return NULL;
}

static const struct command COMMANDS[] = {
    { .name = "down", .min_args = 0, .max_args = 1, .run = run_down },
    { .name = "up", .min_args = 0, .max_args = 1, .run = run_up },
    { .name = "rtt", .min_args = 2, .max_args = 2, .run = run_rtt },
    { .name = "error", .min_args = 3, .max_args = 3, .run = run_error },
};

static const char *run_line(rd_kafka_mock_cluster_t *mock, char *line)
{
    enum { ARGS_MAX = 3 };
    int args[ARGS_MAX] = { 0 }, count = 0;
    char *rest = NULL;
    const char *name = strtok_r(line, " \t\r\n", &rest);
    if (name == NULL)
        return NULL;
    for (char *word = strtok_r(NULL, " \t\r\n", &rest); word != NULL; word = strtok_r(NULL, " \t\r\n", &rest)) {
        char *end = NULL;
        if (count == ARGS_MAX)
            return "too many arguments";
        args[count++] = (int)strtol(word, &end, 10);
        if (*end != '\0')
            return "arguments are numbers";
    }
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        const struct command *c = &COMMANDS[i];
        if (strcmp(c->name, name) == 0)
            return count < c->min_args || count > c->max_args ? "wrong number of arguments"
                                                              : c->run(mock, args, count);
    }
    return "commands are: down [ID], up [ID], rtt ID MS, error APIKEY N CODE";
}

// Runs the complete lines of the buffer, keeps the rest. Returns how many bytes are kept.
static size_t run_lines(rd_kafka_mock_cluster_t *mock, char *buffer, size_t len)
{
    char *start = buffer, *end;
    while ((end = memchr(start, '\n', len - (size_t)(start - buffer))) != NULL) {
        *end = '\0';
        const char *why = run_line(mock, start);
        if (why == NULL)
            puts("ok");
        else
            printf("error: %s\n", why);
        fflush(stdout);
        start = end + 1;
    }
    size_t kept = len - (size_t)(start - buffer);
    memmove(buffer, start, kept);
    return kept;
}

static void serve(rd_kafka_mock_cluster_t *mock, int signals, bool detached)
{
    char buffer[256];
    size_t len = 0;
    struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
                            { .fd = detached ? -1 : STDIN_FILENO, .events = POLLIN } };
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[0].revents != 0)
            return;
        if (fds[1].revents == 0)
            continue;
        ssize_t got = read(STDIN_FILENO, buffer + len, sizeof buffer - len);
        if (got <= 0)
            return;
        len = run_lines(mock, buffer, len + (size_t)got);
        if (len == sizeof buffer) // no command is that long
            len = 0;
    }
}

static bool create_topics(rd_kafka_mock_cluster_t *mock, const struct options *o)
{
    char *rest = NULL;
    int replication = o->brokers < 3 ? o->brokers : 3;
    for (char *item = strtok_r(o->topics, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        char *colon = strrchr(item, ':');
        int partitions = colon != NULL ? atoi(colon + 1) : 1;
        if (colon != NULL)
            *colon = '\0';
        if (partitions < 1 ||
            rd_kafka_mock_topic_create(mock, item, partitions, replication) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            fprintf(stderr, "mockbroker: topic %s cannot be made\n", item);
            return false;
        }
    }
    return true;
}

// Readers wait for the file, so it must never be there half written.
static bool write_address(const char *path, const char *address)
{
    char draft[4096];
    snprintf(draft, sizeof draft, "%s.draft", path);
    FILE *f = fopen(draft, "w");
    bool ok = f != NULL && fprintf(f, "%s\n", address) > 0;
    if (f != NULL)
        ok = fclose(f) == 0 && ok;
    if (!ok || rename(draft, path) != 0) {
        fprintf(stderr, "mockbroker: %s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

static bool parse(int argc, char **argv, struct options *o)
{
    static const struct option LONG[] = {
        { "brokers", required_argument, NULL, 'b' },
        { "topics", required_argument, NULL, 't' },
        { "address-file", required_argument, NULL, 'a' },
        { "detached", no_argument, NULL, 'd' },
        { 0 },
    };
    *o = (struct options){ .brokers = 1 };
    for (int c; (c = getopt_long(argc, argv, "", LONG, NULL)) != -1;) {
        switch (c) {
        case 'b':
            o->brokers = atoi(optarg);
            break;
        case 't':
            o->topics = optarg;
            break;
        case 'a':
            o->address_file = optarg;
            break;
        case 'd':
            o->detached = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && o->brokers >= 1;
}

// Blocked before any thread starts, so that librdkafka's inherit it and only the descriptor sees them.
static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool run(rd_kafka_mock_cluster_t *mock, const struct options *o, int signals)
{
    const char *address = rd_kafka_mock_cluster_bootstraps(mock);
    if (o->topics != NULL && !create_topics(mock, o))
        return false;
    if (o->address_file != NULL && !write_address(o->address_file, address))
        return false;
    puts(address);
    fflush(stdout);
    serve(mock, signals, o->detached);
    return true;
}

int main(int argc, char **argv)
{
    struct options o;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr,
                "usage: mockbroker [--brokers N] [--topics NAME:PARTITIONS,…] [--address-file PATH] [--detached]\n");
        return EXIT_USAGE;
    }
    int signals = open_signals();
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "3", NULL, 0); // it is told about its missing bootstrap.servers
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    rd_kafka_mock_cluster_t *mock = rk != NULL ? rd_kafka_mock_cluster_new(rk, o.brokers) : NULL;
    if (mock == NULL) {
        fprintf(stderr, "mockbroker: the mock cluster does not start\n");
        return EXIT_FAILURE;
    }
    bool ok = run(mock, &o, signals);
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(rk);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
