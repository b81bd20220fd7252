// SPDX-License-Identifier: Apache-2.0
// The loop against real descriptors and the real clock; delays are tens of milliseconds.
#include "common/clock.h"
#include "common/loop.h"

#include <event2/event.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

struct probe {
    struct loop *loop;
    struct loop_timer *timer, *other;
    struct loop_watch *watch;
    int calls, turns, signo, what;
    int64_t at_ms;
};

static void count_and_stop(void *arg)
{
    struct probe *p = arg;
    p->calls++;
    p->at_ms = clock_mono_ms();
    loop_stop(p->loop);
}

static void a_timer_fires_once_and_never_early(void **state)
{
    (void)state;
    struct probe p = { .loop = loop_new() };
    p.timer = loop_timer_new(p.loop, count_and_stop, &p);
    for (int delay_ms = 1; delay_ms <= 20; delay_ms++) {
        int64_t begun_ms = clock_mono_ms();
        loop_timer_in(p.timer, delay_ms);
        assert_true(loop_timer_armed(p.timer));
        loop_run(p.loop);
        assert_false(loop_timer_armed(p.timer));
        if (p.at_ms - begun_ms < delay_ms)
            fail_msg("fired after %d ms, want at least %d ms", (int)(p.at_ms - begun_ms), delay_ms);
    }
    assert_int_equal(p.calls, 20);
    loop_timer_free(p.timer);
    loop_free(p.loop);
}

static void a_cancelled_timer_does_not_fire_and_an_empty_loop_returns(void **state)
{
    (void)state;
    struct probe p = { .loop = loop_new() };
    p.timer = loop_timer_new(p.loop, count_and_stop, &p);
    loop_timer_in(p.timer, 1);
    loop_timer_cancel(p.timer);
    assert_false(loop_timer_armed(p.timer));
    loop_run(p.loop); // returns because nothing is left to wait for
    assert_int_equal(p.calls, 0);
    loop_timer_free(p.timer);
    loop_free(p.loop);
}

static void free_own_timer(void *arg)
{
    struct probe *p = arg;
    p->calls++;
    loop_timer_free(p->timer);
    p->timer = NULL;
}

static void a_timer_may_free_itself(void **state)
{
    (void)state;
    struct probe p = { .loop = loop_new() };
    p.timer = loop_timer_new(p.loop, free_own_timer, &p);
    loop_timer_in(p.timer, 0);
    loop_run(p.loop);
    assert_int_equal(p.calls, 1);
    assert_null(p.timer);
    loop_free(p.loop);
}

static void count_turn(void *arg)
{
    struct probe *p = arg;
    p->turns++;
    if (p->turns < 5)
        loop_timer_in(p->timer, 0); // asks for another turn
}

static void count_call(void *arg)
{
    ((struct probe *)arg)->calls++;
}

static void a_turn_hook_runs_after_every_turn_and_may_ask_for_another(void **state)
{
    (void)state;
    struct probe p = { .loop = loop_new() };
    p.timer = loop_timer_new(p.loop, count_call, &p);
    loop_on_turn(p.loop, count_turn, &p);
    loop_timer_in(p.timer, 0);
    loop_run(p.loop);
    assert_int_equal(p.calls, 5);
    assert_in_range(p.turns, 5, 6); // one more for the turn in which nothing was left
    loop_timer_free(p.timer);
    loop_free(p.loop);
}

static void remove_own_hook(void *arg)
{
    struct probe *p = arg;
    p->turns++;
    loop_off_turn(p->loop, remove_own_hook, p);
}

static void a_turn_hook_may_remove_itself(void **state)
{
    (void)state;
    struct probe p = { .loop = loop_new() }, q = { .loop = p.loop };
    q.timer = loop_timer_new(p.loop, count_call, &q);
    loop_on_turn(p.loop, remove_own_hook, &p);
    loop_on_turn(p.loop, count_turn, &q);
    loop_timer_in(q.timer, 0);
    loop_run(p.loop);
    assert_int_equal(p.turns, 1);
    assert_in_range(q.turns, 5, 6);
    loop_timer_free(q.timer);
    loop_free(p.loop);
}

static void on_ready(void *arg, int fd, int what)
{
    struct probe *p = arg;
    char byte;
    p->calls++;
    p->what |= what;
    assert_int_equal(read(fd, &byte, 1), 1);
    loop_watch_set(p->watch, 0);
}

static void a_watch_reports_readiness_until_it_is_paused(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "ab", 2), 2);
    struct probe p = { .loop = loop_new() };
    p.watch = loop_watch_new(p.loop, fds[0], LOOP_READ, on_ready, &p);
    loop_run(p.loop); // paused in the callback, so nothing is left
    assert_int_equal(p.calls, 1);
    assert_int_equal(p.what, LOOP_READ);
    loop_watch_set(p.watch, LOOP_READ);
    loop_run(p.loop);
    assert_int_equal(p.calls, 2);
    loop_watch_free(p.watch);
    loop_free(p.loop);
    close(fds[0]);
    close(fds[1]);
}

static void free_own_watch(void *arg, int fd, int what)
{
    (void)fd;
    struct probe *p = arg;
    p->calls++;
    p->what |= what;
    loop_watch_free(p->watch);
    p->watch = NULL;
}

static void a_watch_may_free_itself(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct probe p = { .loop = loop_new() };
    p.watch = loop_watch_new(p.loop, fds[1], LOOP_WRITE, free_own_watch, &p);
    loop_run(p.loop);
    assert_int_equal(p.calls, 1);
    assert_int_equal(p.what, LOOP_WRITE);
    loop_free(p.loop);
    close(fds[0]);
    close(fds[1]);
}

static void on_signal(void *arg, int signo)
{
    struct probe *p = arg;
    p->signo = signo;
    loop_stop(p->loop);
}

static void a_signal_arrives_as_an_event(void **state)
{
    (void)state;
    struct probe p = { .loop = loop_new() };
    loop_on_signal(p.loop, SIGUSR1, on_signal, &p);
    raise(SIGUSR1);
    loop_run(p.loop);
    assert_int_equal(p.signo, SIGUSR1);
    loop_free(p.loop);
}

static void spin_ms(int64_t ms)
{
    int64_t until_ms = clock_mono_ms() + ms;
    while (clock_mono_ms() < until_ms)
        continue;
}

// A callback of libevent's own, as a bufferevent's: it is late when it first asks for the time.
static void arm_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct probe *p = arg;
    spin_ms(20);
    p->at_ms = clock_mono_ms();
    loop_timer_in(p->timer, 15);
}

static void measure_and_stop(void *arg)
{
    struct probe *p = arg;
    p->at_ms = clock_mono_ms() - p->at_ms;
    loop_stop(p->loop);
}

static void a_timer_armed_late_in_a_turn_is_not_early(void **state)
{
    (void)state;
    struct probe p = { .loop = loop_new() };
    p.timer = loop_timer_new(p.loop, measure_and_stop, &p);
    event_base_once(loop_base(p.loop), -1, EV_TIMEOUT, arm_late, &p, &(struct timeval){ 0 });
    loop_run(p.loop);
    assert_in_range(p.at_ms, 15, 5000);
    loop_timer_free(p.timer);
    loop_free(p.loop);
}

static void read_time_twice(void *arg)
{
    struct probe *p = arg;
    int64_t first_ms = loop_now_ms(p->loop);
    spin_ms(5);
    p->calls = (int)(loop_now_ms(p->loop) - first_ms);
    p->at_ms = first_ms;
    loop_stop(p->loop);
}

static void time_stands_still_within_a_turn_only(void **state)
{
    (void)state;
    struct probe p = { .loop = loop_new() };
    p.timer = loop_timer_new(p.loop, read_time_twice, &p);
    loop_timer_in(p.timer, 0);
    int64_t before_ms = loop_now_ms(p.loop);
    spin_ms(5);
    loop_run(p.loop);
    assert_int_equal(p.calls, 0);
    assert_true(p.at_ms >= before_ms + 5);          // not the time of the set-up
    assert_true(loop_now_ms(p.loop) >= p.at_ms + 5); // nor that of the last turn
    loop_timer_free(p.timer);
    loop_free(p.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_fires_once_and_never_early),
        cmocka_unit_test(a_cancelled_timer_does_not_fire_and_an_empty_loop_returns),
        cmocka_unit_test(a_timer_may_free_itself),
        cmocka_unit_test(a_turn_hook_runs_after_every_turn_and_may_ask_for_another),
        cmocka_unit_test(a_turn_hook_may_remove_itself),
        cmocka_unit_test(a_watch_reports_readiness_until_it_is_paused),
        cmocka_unit_test(a_watch_may_free_itself),
        cmocka_unit_test(a_signal_arrives_as_an_event),
        cmocka_unit_test(a_timer_armed_late_in_a_turn_is_not_early),
        cmocka_unit_test(time_stands_still_within_a_turn_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
