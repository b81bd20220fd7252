// SPDX-License-Identifier: Apache-2.0
// worker: composes the parts and owns the life of the process.
//
//   RUNNING -> DRAINING   SIGTERM, SIGINT: nothing new is taken, attempts may end
//   DRAINING -> CUT       the drain deadline: attempts still running are aborted and settle as what they are
//   DRAINING, CUT -> LEAVING   all settled, or out of patience: both groups are left, frontiers stored
//   LEAVING -> stopped
//
// A second signal ends the process at once: what was under way is then for the next worker to find. SIGHUP reads the
// rules of classify again; a mistake in them changes nothing.
//
// The intake is open only while claims can be made and time can be told: Redis answers, the broker's clock is known
// (the first acknowledged event tells), no drain. Everything else that can be missing (Kafka, a provider) shows as
// back-pressure further down and needs no gate.
#include "worker/worker.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/httpd.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/store.h"
#include "worker/admin.h"
#include "worker/census.h"
#include "worker/classify.h"
#include "worker/dedup.h"
#include "worker/delivery.h"
#include "worker/dkim.h"
#include "worker/intake.h"
#include "worker/preflight.h"
#include "worker/resolver.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum phase { RUNNING, DRAINING, CUT, LEAVING };

enum { TICK_MS = 250, SETTLE_PATIENCE_MS = 3000, LEAVE_PATIENCE_MS = 4000, FLUSH_MS = 1000, CLOCK_LIMIT_MS = 1000 };

struct worker {
    const struct config *config;
    struct loop *loop;
    struct meters meters;
    struct resolver *resolver;
    struct dkim *dkim;
    struct store *store;
    struct dedup *dedup;
    struct post post;
    struct routes routes;
    struct deliveries deliveries;
    struct intake intake;
    struct admin admin;
    struct census *census;
    struct loop_watch *settle_watch, *journal_watch;
    struct loop_timer *tick;
    struct parcel hello; // the start event: its receipt tells the broker's time
    bool hello_due;
    enum phase phase;
    int64_t phase_until_ms; // monotonic
    int status;
};

// ---- what happens ------------------------------------------------------------------------------------------------

static bool clocks_agree(const struct worker *w)
{
    if (!w->post.clock.known)
        return false;
    int64_t offset_ms = deliveries_now_ms(&w->deliveries) - clock_wall_ms();
    metric_set(w->meters.clock_offset, (double)offset_ms / 1e3);
    return offset_ms < CLOCK_LIMIT_MS && offset_ms > -CLOCK_LIMIT_MS;
}

static void set_gates(struct worker *w)
{
    bool store_up = store_is_up(w->store);
    bool can_claim = store_up || w->config->dedup.on_unavailable == ON_UNAVAILABLE_PROCEED;
    bool open = w->phase == RUNNING && can_claim && w->post.clock.known;
    if (open != w->intake.open)
        intake_set_open(&w->intake, open);
    metric_set(w->meters.store_up, store_up ? 1 : 0);
    w->admin.ready = clocks_agree(w) && open;
}

static void on_store_change(void *arg)
{
    set_gates(arg);
}

static void on_amnesia(void *arg)
{
    struct worker *w = arg;
    dedup_repair(w->dedup);
}

static void on_room(void *arg)
{
    struct worker *w = arg;
    intake_poke(&w->intake);
}

static void on_posted(void *arg, int fd, int what)
{
    struct worker *w = arg;
    (void)fd;
    (void)what;
    post_poll(&w->post);
}

static void on_turn(void *arg)
{
    struct worker *w = arg;
    post_poll(&w->post);
    intake_turn(&w->intake);
}

static void on_hello(void *arg, bool acknowledged)
{
    struct worker *w = arg;
    w->hello_due = !acknowledged;
    if (acknowledged)
        set_gates(w);
}

static void say_hello(struct worker *w)
{
    struct event ev = { .type = EVENT_WORKER, .at_ms = clock_wall_ms(), .job = slice_of(w->config->worker.id),
                        .worker = slice_of(w->config->worker.id), .reason = SLICE("started"), .lateness_ms = -1 };
    w->hello = (struct parcel){ .cb = on_hello, .arg = w };
    w->hello_due = !post_event(&w->post, &ev, &w->hello);
}

// ---- the end -----------------------------------------------------------------------------------------------------

static void enter(struct worker *w, enum phase phase, int64_t patience_ms)
{
    w->phase = phase;
    w->phase_until_ms = loop_now_ms(w->loop) + patience_ms;
}

static void leave(struct worker *w)
{
    if (w->deliveries.count + w->intake.hops > 0) {
        log_warn("worker", "unsettled deliveries=%zu hops=%zu: whoever reads them next finds their claims",
                 w->deliveries.count, w->intake.hops);
        w->status = 75;
    }
    enter(w, LEAVING, LEAVE_PATIENCE_MS);
    intake_close_begin(&w->intake);
}

static void advance(struct worker *w)
{
    bool late = loop_now_ms(w->loop) >= w->phase_until_ms;
    bool settled = w->deliveries.count == 0 && w->intake.hops == 0;
    if (w->phase == DRAINING && settled) {
        leave(w);
    } else if (w->phase == DRAINING && late) {
        log_warn("worker", "drain deadline, cutting attempts deliveries=%zu", w->deliveries.count);
        enter(w, CUT, SETTLE_PATIENCE_MS);
        deliveries_cut(&w->deliveries);
    } else if (w->phase == CUT && (settled || late)) {
        leave(w);
    } else if (w->phase == LEAVING && (intake_closed(&w->intake) || late)) {
        loop_stop(w->loop);
    }
}

static void begin_drain(struct worker *w, const char *why)
{
    log_info("worker", "draining because=\"%s\" deliveries=%zu", why, w->deliveries.count);
    enter(w, DRAINING, w->config->worker.drain_ms);
    deliveries_drain(&w->deliveries);
    set_gates(w);
}

static void on_signal(void *arg, int signo)
{
    struct worker *w = arg;
    if (w->phase != RUNNING) {
        log_warn("worker", "second signal, leaving at once");
        _exit(75);
    }
    begin_drain(w, signo == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void on_reload(void *arg, int signo)
{
    (void)arg;
    (void)signo;
    struct err e;
    if (!classify_reload(&e))
        log_error("worker", "the rules stay as they were, the new ones are refused error=\"%s\"", e.text);
}

static void check_fatal(struct worker *w)
{
    const char *fatal = post_fatal(&w->post);
    if (fatal == NULL)
        fatal = intake_fatal(&w->intake);
    w->admin.fatal = fatal;
    if (fatal == NULL || w->phase != RUNNING)
        return;
    log_error("worker", "the Kafka client cannot go on, restart needed error=\"%s\"", fatal);
    w->status = 75;
    begin_drain(w, "fatal client error");
}

static void count_signatures(struct worker *w)
{
    struct dkim_counts counts = dkim_counts(w->dkim);
    for (int i = 0; i < DKIM_ALGORITHMS; i++)
        meter_set1(w->meters.dkim_signed, dkim_algorithm_name((enum dkim_algorithm)i), (double)counts.made[i]);
    metric_set(w->meters.dkim_failed, (double)counts.failed);
}

static void on_tick(void *arg)
{
    struct worker *w = arg;
    intake_poll(&w->intake);
    if (w->hello_due)
        say_hello(w);
    set_gates(w);
    check_fatal(w);
    advance(w);
    intake_measure(&w->intake, w->census);
    meter_set1(w->meters.inflight, "attempts", w->deliveries.budget.inflight);
    meter_set1(w->meters.inflight, "settling", w->deliveries.budget.settling);
    count_signatures(w);
    loop_timer_in(w->tick, TICK_MS);
}

// ---- putting it together -------------------------------------------------------------------------------------------

static bool open_outside(struct worker *w, struct err *e)
{
    const struct config *c = w->config;
    struct store_events events = { .on_up = on_store_change, .on_down = on_store_change, .on_amnesia = on_amnesia, .arg = w };
    if (!resolver_new(&w->resolver, w->loop, c->worker.dns_servers, e))
        return false;
    if (!dkim_open(&w->dkim, c, e))
        return false;
    struct transport_env env = { .loop = w->loop, .resolver = w->resolver, .config = c, .dkim = w->dkim };
    if (!routes_open(&w->routes, c, &env, e) || !post_open(&w->post, c, e))
        return false;
    loop_on_turn(w->loop, on_turn, w); // before the store's hook, which sends what ours have asked for
    w->store = store_new(w->loop, c, &events);
    w->dedup = dedup_new(w->store, c, c->worker.id);
    return true;
}

static bool open_inside(struct worker *w, struct err *e)
{
    const struct config *c = w->config;
    struct deliveries_env env = { .config = c, .loop = w->loop, .dedup = w->dedup, .post = &w->post,
                                  .routes = &w->routes, .meters = &w->meters, .worker = c->worker.id,
                                  .on_room = on_room, .on_room_arg = w };
    deliveries_init(&w->deliveries, &env);
    if (!census_start(&w->census, c, e) || !intake_open(&w->intake, c, w->loop, &w->deliveries, &w->post, e))
        return false;
    w->settle_watch = loop_watch_new(w->loop, broker_producer_fd(w->post.settle), LOOP_READ, on_posted, w);
    w->journal_watch = loop_watch_new(w->loop, broker_producer_fd(w->post.journal), LOOP_READ, on_posted, w);
    w->tick = loop_timer_new(w->loop, on_tick, w);
    loop_timer_in(w->tick, 0);
    loop_on_signal(w->loop, SIGTERM, on_signal, w);
    loop_on_signal(w->loop, SIGINT, on_signal, w);
    loop_on_signal(w->loop, SIGHUP, on_reload, w);
    return admin_open(&w->admin, c, w->loop, w->meters.registry, e);
}

static void close_all(struct worker *w)
{
    admin_close(&w->admin);
    census_stop(w->census);
    loop_watch_free(w->settle_watch);
    loop_watch_free(w->journal_watch);
    loop_timer_free(w->tick);
    post_close(&w->post, FLUSH_MS); // first: its last receipts go to deliveries and hops
    deliveries_clear(&w->deliveries);
    intake_clear(&w->intake);
    routes_close(&w->routes);
    dkim_close(w->dkim);
    dedup_free(w->dedup);
    store_free(w->store);
    resolver_free(w->resolver);
    meters_clear(&w->meters);
    loop_free(w->loop);
}

int worker_run(const struct config *c, struct err *e)
{
    signal(SIGPIPE, SIG_IGN);
    alloc_return_large();
    if (!classify_load(c->worker.rules, e) || !preflight_topics(c, e))
        return err_exit_status(e->kind);
    struct worker *w = xcalloc(1, sizeof *w);
    w->config = c;
    w->loop = loop_new();
    meters_init(&w->meters);
    if (!open_outside(w, e) || !open_inside(w, e)) {
        close_all(w); // takes what was not opened, too
        free(w);
        return err_exit_status(e->kind);
    }
    log_info("worker", "started id=%s version=%s prefix=%s routes=%d admin_port=%d", c->worker.id, SENDFLEET_VERSION,
             c->prefix, c->route_count, admin_port(&w->admin));
    say_hello(w);
    loop_run(w->loop);
    int status = w->status;
    close_all(w);
    free(w);
    classify_clear();
    log_info("worker", "stopped id=%s status=%d", c->worker.id, status);
    return status;
}
