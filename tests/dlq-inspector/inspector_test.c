// SPDX-License-Identifier: Apache-2.0
// LABEL: integration
// The whole program against a mock cluster, read from outside: an operator's afternoon, command by command.
#include "tests/common/broker_fixture.h"

#include "common/clock.h"
#include "common/event.h"

#include <libgen.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOB(to, more) "{\"v\":1,\"from\":\"shop@us.example\",\"to\":\"" to "\",\"subject\":\"s\",\"text\":\"body of it\"" more "}"

static struct fixture fx;
static struct broker_producer *producer;
static char output[256 * 1024]; // of the last command, both streams

// ---- the cluster ---------------------------------------------------------------------------------------------------

static int start(void **state)
{
    (void)state;
    static const char *const topics[] = {
        "main", "main.critical", "main.bulk", "dlq", "dlq.log", "events", "review", "feedback",
        "retry.1s", "retry.5s", "retry.30s", "retry.2m", "retry.10m", "retry.30m", "retry.2h",
    };
    struct err e;
    char name[64];
    fixture_start(&fx);
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        snprintf(name, sizeof name, "sendfleet.%s", topics[i]);
        fixture_topic(&fx, name, 2);
    }
    if (!broker_producer_new(&producer, &fx.config, BROKER_PUBLISH, &e))
        fail_msg("%s", e.text);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    broker_producer_free(producer, 1000);
    fixture_stop(&fx);
    return 0;
}

struct letter {
    const char *topic, *id, *reason, *lane, *value, *trail, *due;
    int64_t age_ms;
};

static void produce(const struct letter *l)
{
    struct err e;
    struct receipts got = { 0 };
    struct headers h = { 0 };
    char key[64];
    snprintf(key, sizeof key, "key-of-%s", l->id);
    headers_add(&h, "sf-id", slice_of(l->id));
    if (l->reason != NULL)
        headers_add(&h, "sf-reason", slice_of(l->reason));
    if (l->lane != NULL)
        headers_add(&h, "sf-lane", slice_of(l->lane));
    if (l->trail != NULL)
        headers_add(&h, "sf-trail", slice_of(l->trail));
    if (l->due != NULL)
        headers_add(&h, "sf-due", slice_of(l->due));
    headers_add(&h, "x-tenant", SLICE("acme"));
    struct broker_message m = { .topic = l->topic, .partition = -1, .key = slice_of(key), .value = slice_of(l->value),
                                .headers = &h, .timestamp_ms = clock_wall_ms() - l->age_ms };
    if (!broker_produce(producer, &m, receipts_count, &got, &e))
        fail_msg("%s", e.text);
    receipts_await(producer, &got, 1, 10000);
    assert_int_equal(got.ok, 1);
    headers_clear(&h);
}

// All records of a topic, in no particular order.
static int read_topic(const char *topic, struct record **out, int max)
{
    struct err e;
    struct broker_admin *admin;
    struct broker_range *ranges;
    struct broker_reader *reader;
    int range_count, count = 0;
    if (!broker_admin_new(&admin, &fx.config, &e) ||
        !broker_admin_ranges(admin, &topic, 1, NULL, &ranges, &range_count, &e) ||
        !broker_reader_new(&reader, &fx.config, ranges, range_count, &e))
        fail_msg("%s", e.text);
    while (count < max && broker_reader_next(reader, 10000, &out[count], &e) > 0) {
        out[count]->topic = topic;
        count++;
    }
    broker_reader_free(reader);
    broker_admin_free(admin);
    free(ranges);
    return count;
}

// ---- the program ---------------------------------------------------------------------------------------------------

static int run(const char *arguments)
{
    char self[4096] = "", command[8192];
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
        fail_msg("where is this test?");
    snprintf(command, sizeof command, "SENDFLEET_CONFIG= '%s/sendfleet-dlq' --set kafka.bootstrap.servers=%s %s 2>&1",
             dirname(self), fx.address, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(output, 1, sizeof output - 1, pipe);
    output[len] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(const char *arguments, int status, const char *const *wanted)
{
    int got = run(arguments);
    if (got != status)
        fail_msg("%s: got exit status %d, want %d\n%s", arguments, got, status, output);
    for (; *wanted != NULL; wanted++)
        if (strstr(output, *wanted) == NULL)
            fail_msg("%s: got no \"%s\" in\n%s", arguments, *wanted, output);
}

#define EXPECT(arguments, status, ...) expect(arguments, status, (const char *const[]){ __VA_ARGS__, NULL })

static void expect_not(const char *what)
{
    if (strstr(output, what) != NULL)
        fail_msg("got \"%s\" where it must not be:\n%s", what, output);
}

// ---- transcripts ---------------------------------------------------------------------------------------------------

static const char TRAIL[] = "[{\"at\":1,\"try\":3,\"transport\":\"smtp\",\"phase\":\"rcpt\",\"code\":550,"
                            "\"text\":\"<ada@a.example> no such user\",\"class\":\"permanent\"}]";

static const struct letter LETTERS[] = {
    { "sendfleet.dlq", "j1", "exhausted: 12 attempts", NULL, JOB("bob@a.example", ""), NULL, NULL, 7200000 },
    { "sendfleet.dlq", "j1", "exhausted: 12 attempts", NULL, JOB("bob@a.example", ""), NULL, NULL, 7199000 }, // filed twice
    { "sendfleet.dlq", "j2", "permanent", "bulk", JOB("ada@a.example", ", \"x\" : 1"), TRAIL, NULL, 3600000 },
    { "sendfleet.dlq", "j3", "unknown: phase dot", NULL, JOB("eve@a.example", ""), NULL, NULL, 3000000 },
    { "sendfleet.dlq", "j4", "invalid: byte 0", NULL, "nonsense", NULL, NULL, 2000000 },
    { "sendfleet.dlq", "j5", "permanent", NULL, JOB("kim@b.example", ",\"replay\":\"never\""), NULL, NULL, 1000000 },
    { "sendfleet.dlq", "j6", "permanent", NULL, JOB("joe@b.example", ""), NULL, NULL, 500000 },
};

static void letters_are_listed_and_explained(void **state)
{
    (void)state;
    EXPECT("ls", 0, "no dead letters match");
    for (size_t i = 0; i < sizeof LETTERS / sizeof LETTERS[0]; i++)
        produce(&LETTERS[i]);
    EXPECT("ls --json", 0, "\"matched\":6", "\"id\":\"j4\"", "\"to\":\"a***@a.example\"", "\"state\":\"open\"");
    expect_not("ada@");
    EXPECT("ls", 0, "RECIPIENT", "exhausted", "a***@a.example", "550");
    if (strstr(output, "j6") > strstr(output, "j1"))
        fail_msg("got the oldest first, want the newest:\n%s", output);
    EXPECT("ls --reveal --json", 0, "ada@a.example");
    EXPECT("ls --reason permanent --domain b.example --json", 0, "\"matched\":2");
    EXPECT("ls --since 40m --json", 0, "\"matched\":3");
    EXPECT("ls --text \"NO SUCH user\" --json", 0, "\"matched\":1", "\"id\":\"j2\"");
    EXPECT("ls --limit 1 --json", 0, "\"matched\":6", "\"id\":\"j6\"");
    expect_not("\"id\":\"j5\"");
    EXPECT("ls --reason permanant", 64, "did you mean \"permanent\"");
    EXPECT("stats --json", 0, "\"letters\":6", "\"copies\":1",
           "{\"reason\":\"permanent\",\"domain\":\"b.example\",\"provider\":\"default\",\"count\":2");
    EXPECT("stats", 0, "6 dead letters open", "bulk: 1, the oldest 1h old");
    EXPECT("show j2", 0, "j2, generation 0: permanent, open", "was refused for good: 550 <a***@a.example> no such user",
           "What to do", "(10 bytes; --reveal shows them)", "x-tenant");
    EXPECT("show j2 --json --reveal", 0, "\"value\":{\"v\":1", "ada@a.example");
    EXPECT("show j4", 0, "not JSON, 8 bytes", "cannot be replayed");
    EXPECT("show nobody", 65, "no letter nobody");
    EXPECT("export", 0, "\"value_base64\":\"bm9uc2Vuc2U=\"", "ada@a.example", ", \"x\" : 1}");
}

static void check_replayed(const char *topic, const char *id, const char *key, const char *value)
{
    struct record *list[16];
    int count = read_topic(topic, list, 16), found = 0;
    for (int i = 0; i < count; i++) {
        if (slice_is(record_header(list[i], "sf-id"), id)) {
            found++;
            if (!slice_is(list[i]->key, key) || !slice_is(list[i]->value, value))
                fail_msg("%s: got key %.*s value %.*s, want the bytes of the letter", id, (int)list[i]->key.len,
                         list[i]->key.ptr, (int)list[i]->value.len, list[i]->value.ptr);
            if (!slice_is(record_header(list[i], "sf-generation"), "1"))
                fail_msg("%s: got another generation, want 1", id);
            if (!slice_is(record_header(list[i], "x-tenant"), "acme"))
                fail_msg("%s: got no x-tenant, want it to travel along", id);
            if (record_header(list[i], "sf-reason").ptr != NULL)
                fail_msg("%s: got sf-reason on a replayed record, want none", id);
        }
        record_free(list[i]);
    }
    if (found != 1)
        fail_msg("%s: got %d records on %s, want 1", id, found, topic);
}

static void letters_are_replayed_once(void **state)
{
    (void)state;
    EXPECT("replay", 64, "--reason TEXT is mandatory");
    EXPECT("replay --reason permanent", 64, "--dead-reason permanent");
    EXPECT("replay --dry-run --json", 65, "\"dry_run\":true", "\"replayed\":3", "\"replay_never\":1", "\"unknown\":1");
    EXPECT("replay --reason 'outage over' --rate 0 --json", 65, "\"replayed\":3", "\"refused\":3",
           "\"lanes\":{\"normal\":2,\"critical\":0,\"bulk\":1}", "\"failed\":0", "\"unmarked\":0");
    check_replayed("sendfleet.main", "j1", "key-of-j1", LETTERS[0].value);
    check_replayed("sendfleet.main", "j6", "key-of-j6", LETTERS[6].value);
    check_replayed("sendfleet.main.bulk", "j2", "key-of-j2", LETTERS[2].value);
    EXPECT("replay --reason 'once more' --rate 0 --json", 65, "\"replayed\":0", "\"closed_before\":3");
    EXPECT("replay j1 --reason 'once more'", 65, "refused j1/0: already replayed at", "already_closed");
    check_replayed("sendfleet.main", "j1", "key-of-j1", LETTERS[0].value);
    EXPECT("replay j3 --reason 'no proof on their side' --json", 0, "may have been accepted", "\"replayed\":1", "\"may_repeat\":1");
    check_replayed("sendfleet.main", "j3", "key-of-j3", LETTERS[3].value);
    EXPECT("replay nobody --reason 'typing error'", 65, "no letter nobody");
}

static void letters_are_discarded(void **state)
{
    (void)state;
    EXPECT("discard --dead-reason invalid --reason 'publisher fixed' --json", 0, "\"discarded\":1");
    EXPECT("discard j4 --reason again", 65, "already discarded at");
    EXPECT("ls --json", 0, "\"matched\":1", "\"id\":\"j5\"");
    EXPECT("ls --all --json", 0, "\"matched\":6", "\"state\":\"replayed\"", "\"state\":\"discarded\"");
    EXPECT("show j4", 0, "invalid, discarded at", "publisher fixed");
    EXPECT("timeline j1", 0, "replayed", "outage over", "now: sent back to its main topic by");
    EXPECT("timeline j4 --json", 0, "\"state\":\"discarded\"");
    EXPECT("timeline nobody", 65, "no events of job nobody");
}

static void what_waits_is_counted(void **state)
{
    (void)state;
    char due[32];
    snprintf(due, sizeof due, "%lld", (long long)clock_wall_ms() + 60000);
    EXPECT("status", 0, "0 jobs waiting in retry", "about 2 dead letters open, 5 closed");
    produce(&(struct letter){ "sendfleet.retry.30s", "w1", NULL, NULL, JOB("a@a.example", ""), NULL, due, 1000 });
    produce(&(struct letter){ "sendfleet.retry.30s", "w2", NULL, NULL, JOB("b@a.example", ""), NULL, due, 500 });
    produce(&(struct letter){ "sendfleet.retry.2m", "w3", NULL, NULL, JOB("c@b.example", ""), NULL, NULL, 500 });
    int64_t began_ms = clock_mono_ms();
    EXPECT("status --json", 0, "\"waiting\":3", "\"tier\":\"30s\",\"topic\":\"sendfleet.retry.30s\",\"length_ms\":30000,\"waiting\":2",
           due, "\"open_about\":2");
    if (clock_mono_ms() - began_ms > 3000)
        fail_msg("got an answer after %lld ms, want it at once", (long long)(clock_mono_ms() - began_ms));
    EXPECT("status --exact --json", 0,
           "{\"tier\":\"30s\",\"wait\":\"none\",\"class\":\"none\",\"domain\":\"a.example\",\"count\":2");
}

static void errors_have_their_status(void **state)
{
    (void)state;
    EXPECT("ls --config /nonexistent", 78, "/nonexistent");
    EXPECT("lst", 64, "ls");
    EXPECT("show", 64, "needs one id");
    snprintf(fx.address, sizeof fx.address, "127.0.0.1:1");
    EXPECT("ls", 69, "127.0.0.1:1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_listed_and_explained),
        cmocka_unit_test(letters_are_replayed_once),
        cmocka_unit_test(letters_are_discarded),
        cmocka_unit_test(what_waits_is_counted),
        cmocka_unit_test(errors_have_their_status),
    };
    return cmocka_run_group_tests_name("inspector", tests, start, stop);
}
