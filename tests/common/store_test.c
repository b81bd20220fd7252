// SPDX-License-Identifier: Apache-2.0
// LABEL: integration
// store: against a real redis-server that is killed, stopped, emptied, locked and demoted.
#include "common/config.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/store.h"
#include "tests/common/redis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <sys/socket.h>

struct world {
    struct redis_fixture redis;
    struct config config;
    struct loop *loop;
    struct store *store;
    struct loop_timer *deadline;
    int up, down, amnesia, ticks;
    bool timed_out;
    const char *wait_for; // what the loop runs for; see run
    size_t answers, wanted;
    char transcript[4096]; // answers in order
};

static void on_up(void *arg)
{
    struct world *w = arg;
    w->up++;
    if (strcmp(w->wait_for, "up") == 0)
        loop_stop(w->loop);
}

static void on_down(void *arg)
{
    struct world *w = arg;
    w->down++;
    if (strcmp(w->wait_for, "down") == 0)
        loop_stop(w->loop);
}

static void on_amnesia(void *arg)
{
    struct world *w = arg;
    w->amnesia++;
    if (strcmp(w->wait_for, "amnesia") == 0)
        loop_stop(w->loop);
}

static void on_deadline(void *arg)
{
    struct world *w = arg;
    w->timed_out = true;
    loop_stop(w->loop);
}

static void run(struct world *w, const char *what, int64_t at_most_ms)
{
    w->wait_for = what;
    w->timed_out = false;
    loop_timer_in(w->deadline, at_most_ms);
    loop_run(w->loop);
    loop_timer_cancel(w->deadline);
    w->wait_for = "";
}

#define RUN(w, what, ms)                                                                                     \
    do {                                                                                                     \
        run(w, what, ms);                                                                                    \
        if ((w)->timed_out)                                                                                  \
            fail_msg("got nothing within %d ms, want %s", (int)(ms), what);                                  \
    } while (0)

static void open_store(struct world *w)
{
    struct store_events events = { on_up, on_down, on_amnesia, w };
    w->store = store_new(w->loop, &w->config, &events);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    log_set_level(LOG_ERROR + 1); // outages are what is tested
    redis_prepare(&w->redis);
    w->config.redis.unix_path = w->redis.socket;
    w->config.worker.id = (char *)"test worker";
    w->wait_for = "";
    w->loop = loop_new();
    w->deadline = loop_timer_new(w->loop, on_deadline, w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    store_free(w->store);
    loop_timer_free(w->deadline);
    loop_free(w->loop);
    redis_end(&w->redis);
    free(w);
    return 0;
}

static void start_up(struct world *w)
{
    redis_start(&w->redis, w->config.redis.password);
    open_store(w);
    RUN(w, "amnesia", 5000); // it is seconds old
    store_resume(w->store);
}

static void on_answer(void *arg, const struct store_reply *reply)
{
    struct world *w = arg;
    size_t at = strlen(w->transcript), room = sizeof w->transcript - at;
    if (reply->type == STORE_INTEGER)
        snprintf(w->transcript + at, room, "%lld ", (long long)reply->integer);
    else if (reply->type == STORE_NIL)
        snprintf(w->transcript + at, room, "nil ");
    else if (reply->type == STORE_ARRAY)
        snprintf(w->transcript + at, room, "[%zu] ", reply->count);
    else
        snprintf(w->transcript + at, room, "%s%.*s ", reply->type == STORE_ERROR ? "!" : "",
                 (int)reply->text.len, reply->text.ptr);
    if (++w->answers >= w->wanted && strcmp(w->wait_for, "answers") == 0)
        loop_stop(w->loop);
}

static void say(struct world *w, const char *line) // words by blanks
{
    struct slice args[16];
    size_t count = 0;
    while (*line != '\0') {
        size_t len = strcspn(line, " ");
        args[count++] = (struct slice){ line, len };
        line += len + (line[len] == ' ');
    }
    w->wanted++;
    store_command(w->store, args, count, on_answer, w);
}

static void assert_transcript(struct world *w, const char *want)
{
    if (strcmp(w->transcript, want) != 0)
        fail_msg("got %s, want %s", w->transcript, want);
}

// ---- cases ------------------------------------------------------------------------------------------------

static void answers_come_in_order_with_their_types(void **state)
{
    struct world *w = *state;
    start_up(w);
    say(w, "SET a 1");
    say(w, "INCR a");
    say(w, "GET a");
    say(w, "GET nothing");
    say(w, "LPUSH list x y z");
    say(w, "LRANGE list 0 -1");
    say(w, "INCR list");
    RUN(w, "answers", 5000);
    assert_transcript(w,
                      "OK 2 2 nil 3 [3] !WRONGTYPE Operation against a key holding the wrong kind of value ");
}

struct nested {
    struct world *w;
    bool ok;
};

static void on_nested(void *arg, const struct store_reply *r)
{
    struct nested *n = arg;
    n->ok = r->type == STORE_ARRAY && r->count == 3 && r->items[0].integer == 1 &&
            r->items[1].type == STORE_ARRAY && r->items[1].count == 2 &&
            slice_is(r->items[1].items[1].text, "b") && r->items[2].type == STORE_STRING &&
            r->items[2].text.len == 200000 && r->items[2].text.ptr[199999] == 'x';
    loop_stop(n->w->loop);
}

static void nested_and_large_replies_arrive_whole(void **state)
{
    struct world *w = *state;
    start_up(w);
    struct nested n = { .w = w };
    struct slice args[] = { SLICE("EVAL"), SLICE("return {1, {'a', 'b'}, string.rep('x', 200000)}"),
                            SLICE("0") };
    store_command(w->store, args, 3, on_nested, &n);
    RUN(w, "nested", 5000);
    assert_true(n.ok);
}

static void bytes_are_kept_as_they_are(void **state)
{
    struct world *w = *state;
    start_up(w);
    struct slice set[] = { SLICE("SET"), SLICE("k"), SLICE("a\0b\r\nc") },
                 len[] = { SLICE("STRLEN"), SLICE("k") };
    w->wanted = 2;
    store_command(w->store, set, 3, on_answer, w);
    store_command(w->store, len, 2, on_answer, w);
    RUN(w, "answers", 5000);
    assert_transcript(w, "OK 6 ");
}

static void on_reads(void *arg, const struct store_reply *reply)
{
    struct world *w = arg;
    const char *at = strstr(reply->text.ptr, "total_reads_processed:");
    w->ticks = at != NULL ? atoi(at + strlen("total_reads_processed:")) : -1;
    loop_stop(w->loop);
}

static int reads_so_far(struct world *w)
{
    struct slice args[] = { SLICE("INFO"), SLICE("stats") };
    store_command(w->store, args, 2, on_reads, w);
    RUN(w, "reads", 5000);
    return w->ticks;
}

static void commands_of_one_turn_leave_in_one_write(void **state)
{
    struct world *w = *state;
    start_up(w);
    int before = reads_so_far(w);
    for (int i = 0; i < 300; i++)
        say(w, "SET a 1");
    RUN(w, "answers", 5000);
    int reads = reads_so_far(w) - before;
    if (reads > 4) // of up to 16 KiB each, and the two INFO
        fail_msg("got %d reads for 300 commands, want at most 4", reads);
}

static void what_was_not_answered_is_sent_again_after_a_reconnect(void **state)
{
    struct world *w = *state;
    start_up(w);
    kill(w->redis.pid, SIGSTOP); // it takes the commands and answers none
    say(w, "SET a 1");
    say(w, "SET b 2");
    RUN(w, "down", 5000);
    redis_kill(&w->redis);
    say(w, "GET a");
    redis_start(&w->redis, NULL);
    RUN(w, "amnesia", 5000);
    assert_int_equal(w->answers, 0);
    assert_false(store_is_up(w->store));
    assert_int_equal(store_pending(w->store), 3);
    struct slice repair[] = { SLICE("SETNX"), SLICE("a"), SLICE("repaired") };
    w->wanted++;
    store_command_first(w->store, repair, 3, on_answer, w);
    store_resume(w->store);
    RUN(w, "answers", 5000);
    assert_transcript(w, "1 OK OK 1 ");
    assert_int_equal(store_pending(w->store), 0);
    assert_int_equal(store_oldest_ms(w->store), 0);
}

static void a_server_that_does_not_answer_is_left_after_two_seconds(void **state)
{
    struct world *w = *state;
    start_up(w);
    kill(w->redis.pid, SIGSTOP);
    say(w, "INCR a");
    int64_t start_ms = loop_now_ms(w->loop);
    RUN(w, "down", 4000);
    int64_t took_ms = loop_now_ms(w->loop) - start_ms;
    assert_true(took_ms >= 2000 && took_ms < 3500);
    assert_true(store_oldest_ms(w->store) >= 2000);
    kill(w->redis.pid, SIGCONT);
    RUN(w, "answers", 5000);
    assert_int_equal(w->answers, 1);
    assert_int_equal(w->amnesia, 1); // the first connection's; this was the same server
}

static void an_idle_connection_notices_a_dead_server(void **state)
{
    struct world *w = *state;
    start_up(w);
    kill(w->redis.pid, SIGSTOP);
    RUN(w, "down", 6000);
    kill(w->redis.pid, SIGCONT);
    RUN(w, "up", 5000);
}

static void scripts_survive_that_the_server_forgets_them(void **state)
{
    struct world *w = *state;
    start_up(w);
    struct store_script *script =
        store_script(w->store, "append", "return redis.call('APPEND', KEYS[1], ARGV[1])");
    struct slice x = SLICE("x");
    for (int round = 0; round < 3; round++) {
        say(w, "SCRIPT FLUSH");
        for (int i = 0; i < 3; i++) {
            w->wanted++;
            store_eval(w->store, script, SLICE("k"), &x, 1, on_answer, w);
        }
    }
    RUN(w, "answers", 5000);
    assert_int_equal(w->answers, 12);
    assert_non_null(strstr(w->transcript, "9 "));
    assert_null(strstr(w->transcript, "!"));
}

static void a_script_the_server_refuses_fails_and_nothing_else(void **state)
{
    struct world *w = *state;
    start_up(w);
    struct store_script *script = store_script(w->store, "broken", "this is not Lua");
    w->wanted++;
    store_eval(w->store, script, SLICE("k"), NULL, 0, on_answer, w);
    say(w, "PING");
    RUN(w, "answers", 5000);
    assert_non_null(strstr(w->transcript, "!NOSCRIPT"));
    assert_non_null(strstr(w->transcript, "PONG"));
}

static void a_server_that_became_a_replica_is_waited_for(void **state)
{
    struct world *w = *state;
    start_up(w);
    say(w, "REPLICAOF 127.0.0.1 1");
    RUN(w, "answers", 5000);
    say(w, "SET a 1");
    RUN(w, "down", 5000);
    assert_int_equal(w->answers, 1);
    struct config config = w->config;
    struct store *other = store_new(w->loop, &config, NULL);
    struct slice master[] = { SLICE("REPLICAOF"), SLICE("NO"), SLICE("ONE") };
    store_command(other, master, 3, NULL, NULL);
    RUN(w, "amnesia", 5000); // promotion: another replication id
    store_resume(w->store);
    RUN(w, "answers", 5000);
    assert_transcript(w, "OK OK ");
    store_free(other);
}

static void a_wrong_password_waits_until_it_is_right(void **state)
{
    struct world *w = *state;
    w->config.redis.password = (char *)"right";
    start_up(w);
    struct config config = w->config;
    config.redis.password = (char *)"wrong";
    struct store_events events = { on_up, NULL, on_amnesia, w };
    struct store *locked_out = store_new(w->loop, &config, &events);
    w->amnesia = 0;
    run(w, "amnesia", 500);
    assert_int_equal(w->amnesia, 0);
    say(w, "CONFIG SET requirepass wrong");
    RUN(w, "amnesia", 5000);
    store_free(locked_out);
}

static int free_port(void)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    close(fd);
    return ntohs(addr.sin_port);
}

static void tcp_works_by_name_and_by_address(void **state)
{
    struct world *w = *state;
    int port = free_port();
    snprintf(w->redis.port, sizeof w->redis.port, "%d", port);
    w->config.redis.unix_path = NULL;
    w->config.redis.port = port;
    w->config.redis.host = (char *)"localhost";
    w->config.redis.db = 3;
    start_up(w);
    say(w, "SET a 1");
    RUN(w, "answers", 5000);
    struct config config = w->config;
    config.redis.host = (char *)"127.0.0.1";
    struct store_events events = { on_up, NULL, on_amnesia, w };
    struct store *second = store_new(w->loop, &config, &events);
    RUN(w, "amnesia", 5000);
    store_resume(second);
    struct slice get[] = { SLICE("GET"), SLICE("a") };
    w->wanted++;
    store_command(second, get, 2, on_answer, w);
    RUN(w, "answers", 5000);
    assert_transcript(w, "OK 1 ");
    store_free(second);
}

static void on_beat(void *arg)
{
    struct world *w = arg;
    w->ticks++;
}

static void a_name_that_cannot_be_resolved_does_not_stop_the_loop(void **state)
{
    struct world *w = *state;
    w->config.redis.unix_path = NULL;
    w->config.redis.host = (char *)"no-such-host.invalid";
    w->config.redis.port = 1;
    open_store(w);
    struct loop_timer *beat = loop_timer_new(w->loop, on_beat, w);
    loop_timer_in(beat, 50);
    run(w, "up", 600);
    assert_int_equal(w->ticks, 1);
    assert_int_equal(w->up, 0);
    loop_timer_free(beat);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(answers_come_in_order_with_their_types),
        CASE(nested_and_large_replies_arrive_whole),
        CASE(bytes_are_kept_as_they_are),
        CASE(commands_of_one_turn_leave_in_one_write),
        CASE(what_was_not_answered_is_sent_again_after_a_reconnect),
        CASE(a_server_that_does_not_answer_is_left_after_two_seconds),
        CASE(an_idle_connection_notices_a_dead_server),
        CASE(scripts_survive_that_the_server_forgets_them),
        CASE(a_script_the_server_refuses_fails_and_nothing_else),
        CASE(a_server_that_became_a_replica_is_waited_for),
        CASE(a_wrong_password_waits_until_it_is_right),
        CASE(tcp_works_by_name_and_by_address),
        CASE(a_name_that_cannot_be_resolved_does_not_stop_the_loop),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
