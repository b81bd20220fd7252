// SPDX-License-Identifier: Apache-2.0
// loop: the event loop (libevent): timers, descriptors, signals, and a hook once a turn.
//
// One thread. Timers are one-shot and relative to the monotonic clock; the owner embeds nothing, it holds a
// pointer. Callbacks may free their own timer or watch.
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_timer;
struct loop_watch;
struct event_base;

struct loop *loop_new(void);
void loop_free(struct loop *l);
void loop_run(struct loop *l);  // until loop_stop, or until nothing is left to wait for
void loop_stop(struct loop *l);
struct event_base *loop_base(struct loop *l); // for the one file that gives a library its adapter

// The monotonic time of this turn, milliseconds; read once a turn (clock_mono_ms, so comparable with it).
int64_t loop_now_ms(const struct loop *l);

typedef void (*loop_timer_cb)(void *arg);
struct loop_timer *loop_timer_new(struct loop *l, loop_timer_cb cb, void *arg);
void loop_timer_free(struct loop_timer *t);
void loop_timer_in(struct loop_timer *t, int64_t delay_ms); // (re)arms; never early; <= 0: next turn
void loop_timer_cancel(struct loop_timer *t);
bool loop_timer_armed(const struct loop_timer *t);

enum { LOOP_READ = 1, LOOP_WRITE = 2 };
typedef void (*loop_watch_cb)(void *arg, int fd, int what);
struct loop_watch *loop_watch_new(struct loop *l, int fd, int what, loop_watch_cb cb, void *arg);
void loop_watch_set(struct loop_watch *w, int what); // 0: pause
void loop_watch_free(struct loop_watch *w);          // does not close the descriptor

typedef void (*loop_signal_cb)(void *arg, int signo);
void loop_on_signal(struct loop *l, int signo, loop_signal_cb cb, void *arg);

// Called after each turn's events were handled and before the loop sleeps again.
typedef void (*loop_turn_cb)(void *arg);
void loop_on_turn(struct loop *l, loop_turn_cb cb, void *arg);
void loop_off_turn(struct loop *l, loop_turn_cb cb, void *arg); // before arg is freed while the loop lives on

#endif
