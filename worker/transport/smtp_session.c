// SPDX-License-Identifier: Apache-2.0
// smtp_session: the dialogue with one server, as a state machine that never blocks.
//
//   RESOLVE -> CONNECT (next address on failure) -> GREETING -> EHLO (-> HELO) -+
//   +---------------------------------------------------------------------------+
//   +-> MAIL -> RCPT -> DATA -> BODY -> DOT -> IDLE -> MAIL …        a mail was accepted
//        any refusal -> RESET -> IDLE                                 the transaction is cleared before reuse
//   IDLE too long -> QUIT -> over;   any state -> over
//
// Every state is a row of a table: how long it may take, what it may lead to, who reads its reply. One command is
// under way at a time; sending several (PIPELINING) means more than one row waiting, not another machine.
//
// What matters most is which word is used when the connection is lost. As long as none of the final CRLF.CRLF has
// been handed to the kernel, the server cannot have the message: FAILED, safe to repeat. From its first byte on it
// may: UNKNOWN. The server may also speak out of turn. A refusal is believed at any time (it can only mean less
// mail), an acceptance only when it was asked for: a reply found before its command was sent ends the connection,
// or a stray "250" could later pass for the verdict on a message nobody took.
#include "worker/transport/smtp_session.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/loop.h"
#include "worker/transport/smtp_dial.h"
#include "worker/transport/smtp_wire.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum smtp_state {
    SMTP_RESOLVE, SMTP_CONNECT, SMTP_GREETING, SMTP_EHLO, SMTP_HELO,
    SMTP_MAIL, SMTP_RCPT, SMTP_DATA, SMTP_BODY, SMTP_DOT,
    SMTP_IDLE, SMTP_RESET, SMTP_QUIT,
    SMTP_STATE_COUNT
};

struct smtp_session {
    const struct smtp_setup *setup; // borrowed; gone after the finished hook
    enum smtp_state state;
    struct smtp_mail *mail; // borrowed; NULL in IDLE, RESET, QUIT
    bool reused;            // the connection has carried a mail before this one
    bool early;             // the server spoke before the command of this state was written
    struct smtp_wire wire;
    struct smtp_reply reply; // to the command of this state
    struct smtp_offer offer;
    struct buf command;      // owned
    struct smtp_frame frame; // owned
    struct loop_timer *timer; // owned; wakes at wake_ms, at or before deadline_ms
    int64_t deadline_ms, wake_ms;
    struct smtp_dial dial;
};

enum fate { KEEP, RESET, CUT }; // of the connection after a mail

// Handlers return false when the session is over, or may be: it is not touched any more.
static bool on_greeting(struct smtp_session *s);
static bool on_ehlo(struct smtp_session *s);
static bool on_helo(struct smtp_session *s);
static bool on_mail(struct smtp_session *s);
static bool on_rcpt(struct smtp_session *s);
static bool on_data(struct smtp_session *s);
static bool on_body(struct smtp_session *s);
static bool on_dot(struct smtp_session *s);
static bool on_reset(struct smtp_session *s);
static bool end(struct smtp_session *s);

#define TO(state)     (1u << (state))
#define LIMIT(member) offsetof(struct smtp_limits, member)

static const struct {
    const char *waits_for; // "connection lost, waiting for …"
    enum attempt_phase phase;
    size_t limit;  // offset in struct smtp_limits
    unsigned next; // legal states after this one
    bool (*on_reply)(struct smtp_session *s);
} STATES[SMTP_STATE_COUNT] = {
    [SMTP_RESOLVE] = { "the relay's address", PHASE_RESOLVE, LIMIT(resolve), TO(SMTP_CONNECT), end },
    [SMTP_CONNECT] = { "the connection", PHASE_CONNECT, LIMIT(connect), TO(SMTP_CONNECT) | TO(SMTP_GREETING), end },
    [SMTP_GREETING] = { "the greeting", PHASE_GREETING, LIMIT(greeting), TO(SMTP_EHLO), on_greeting },
    [SMTP_EHLO] = { "the reply to EHLO", PHASE_GREETING, LIMIT(ehlo), TO(SMTP_HELO) | TO(SMTP_MAIL) | TO(SMTP_IDLE),
                    on_ehlo },
    [SMTP_HELO] = { "the reply to HELO", PHASE_GREETING, LIMIT(ehlo), TO(SMTP_MAIL) | TO(SMTP_IDLE), on_helo },
    [SMTP_MAIL] = { "the reply to MAIL", PHASE_MAIL, LIMIT(mail), TO(SMTP_RCPT) | TO(SMTP_RESET), on_mail },
    [SMTP_RCPT] = { "the reply to RCPT", PHASE_RCPT, LIMIT(rcpt), TO(SMTP_DATA) | TO(SMTP_RESET), on_rcpt },
    [SMTP_DATA] = { "the reply to DATA", PHASE_DATA, LIMIT(data), TO(SMTP_BODY) | TO(SMTP_RESET), on_data },
    [SMTP_BODY] = { "the server to read the message", PHASE_BODY, LIMIT(block), TO(SMTP_DOT), on_body },
    [SMTP_DOT] = { "the verdict after the final dot", PHASE_RESPONSE, LIMIT(dot), TO(SMTP_IDLE) | TO(SMTP_RESET),
                   on_dot },
    [SMTP_IDLE] = { "work", PHASE_QUEUED, LIMIT(idle), TO(SMTP_MAIL) | TO(SMTP_IDLE) | TO(SMTP_QUIT), end },
    [SMTP_RESET] = { "the reply to RSET", PHASE_QUEUED, LIMIT(reset), TO(SMTP_IDLE), on_reset },
    [SMTP_QUIT] = { "the reply to QUIT", PHASE_QUEUED, LIMIT(quit), 0, end },
};

// ---- state and time -----------------------------------------------------------------------------------------

static void set_deadline(struct smtp_session *s)
{
    int64_t now_ms = loop_now_ms(s->setup->loop);
    int64_t limit_ms = *(const int64_t *)((const char *)&s->setup->limits + STATES[s->state].limit);
    s->deadline_ms = now_ms + limit_ms;
    // A timer that fires too early looks again; only a nearer deadline is worth re-arming. Five states a mail
    // would otherwise be five re-armings a mail.
    if (loop_timer_armed(s->timer) && s->wake_ms <= s->deadline_ms)
        return;
    s->wake_ms = s->deadline_ms;
    loop_timer_in(s->timer, limit_ms);
}

static void set_state(struct smtp_session *s, enum smtp_state next)
{
    assert((STATES[s->state].next & TO(next)) != 0);
    s->state = next;
    set_deadline(s);
}

// ---- the end of a mail, and of the connection ----------------------------------------------------------------

static void release(struct smtp_session *s)
{
    smtp_dial_cancel(&s->dial);
    smtp_wire_close(&s->wire);
    loop_timer_free(s->timer);
    s->timer = NULL;
}

static void destroy(struct smtp_session *s)
{
    smtp_reply_clear(&s->reply);
    smtp_frame_clear(&s->frame);
    buf_clear(&s->command);
    free(s);
}

// Over, without a mail.
static bool end(struct smtp_session *s)
{
    assert(s->mail == NULL);
    release(s);
    s->setup->hooks->gone(s->setup->owner, s);
    destroy(s);
    return false;
}

// Writes the command of the next state, unless the server has spoken already.
static void command(struct smtp_session *s, enum smtp_state next)
{
    set_state(s, next);
    smtp_reply_reset(&s->reply);
    s->early = smtp_wire_pending(&s->wire);
    if (!s->early)
        smtp_wire_send(&s->wire, buf_slice(&s->command));
}

static void command_text(struct smtp_session *s, enum smtp_state next, const char *text)
{
    buf_reset(&s->command);
    buf_puts(&s->command, text);
    command(s, next);
}

// The one door out for a mail. Returns false: see the handlers.
static bool finish(struct smtp_session *s, struct outcome *o, enum fate fate)
{
    const struct smtp_hooks *hooks = s->setup->hooks;
    void *owner = s->setup->owner;
    struct smtp_mail *m = s->mail;
    o->begun_us = m->begun_us;
    o->response = buf_slice(&s->reply.full);
    s->mail = NULL;
    m->session = NULL;
    s->reused = true;
    if (fate != CUT && smtp_wire_pending(&s->wire))
        fate = CUT; // more was said than was asked: what belongs to which command is anybody's guess
    if (fate == CUT) {
        release(s);
        hooks->gone(owner, s);
        hooks->finished(owner, m, o);
        destroy(s); // o->response was borrowed from it
        return false;
    }
    smtp_frame_trim(&s->frame);
    if (fate == RESET) {
        struct buf reply = s->reply.full; // command() empties it and o->response borrows it
        s->reply.full = (struct buf){ 0 };
        command_text(s, SMTP_RESET, "RSET\r\n");
        hooks->finished(owner, m, o);
        buf_clear(&reply);
        return false;
    }
    set_state(s, SMTP_IDLE);
    hooks->idle(owner, s, true);
    hooks->finished(owner, m, o);
    return false;
}

static struct outcome outcome_of(const struct smtp_session *s, enum attempt_result result)
{
    return (struct outcome){ .result = result, .phase = STATES[s->state].phase, .retry_after_ms = -1 };
}

// True once the server may have seen the end of the message.
static bool past_return(const struct smtp_session *s)
{
    if (s->state == SMTP_DOT)
        return true;
    return s->state == SMTP_BODY && !s->early && smtp_wire_unsent(&s->wire) < SMTP_TERMINATOR;
}

// No definite answer, and there will be none on this connection.
static bool fail(struct smtp_session *s, const char *text)
{
    if (s->mail == NULL)
        return end(s);
    struct outcome o = outcome_of(s, past_return(s) ? ATTEMPT_UNKNOWN : ATTEMPT_FAILED);
    if (o.result == ATTEMPT_UNKNOWN)
        o.phase = PHASE_RESPONSE;
    snprintf(o.text, sizeof o.text, "%s", text);
    return finish(s, &o, CUT);
}

// A reused connection that was dead before this mail: nothing of it was written, so it may have another one.
static bool again(struct smtp_session *s)
{
    const struct smtp_hooks *hooks = s->setup->hooks;
    void *owner = s->setup->owner;
    struct smtp_mail *m = s->mail;
    s->mail = NULL;
    m->session = NULL;
    m->fresh = true;
    m->begun_us = 0;
    release(s);
    hooks->gone(owner, s);
    hooks->again(owner, m);
    destroy(s);
    return false;
}

static bool lost(struct smtp_session *s, int cause)
{
    if (s->mail != NULL && s->state == SMTP_MAIL && s->reused && s->reply.lines == 0)
        return again(s);
    char text[OUTCOME_TEXT_MAX];
    snprintf(text, sizeof text, "connection %s%s, waiting for %s", cause != 0 ? "lost: " : "closed by the server",
             cause != 0 ? strerror(cause) : "", STATES[s->state].waits_for);
    return fail(s, text);
}

// The reply at hand is a definite answer: accepted, or not.
static bool answered(struct smtp_session *s, enum attempt_result result, enum fate fate)
{
    struct outcome o = outcome_of(s, result);
    o.code = s->reply.code;
    memcpy(o.enhanced, s->reply.enhanced, sizeof o.enhanced);
    memcpy(o.text, s->reply.text, sizeof o.text);
    if (result == ATTEMPT_ACCEPTED)
        smtp_reply_provider_id(&s->reply, o.provider_id);
    return finish(s, &o, fate);
}

static bool unexpected(struct smtp_session *s, const char *what)
{
    char text[OUTCOME_TEXT_MAX];
    snprintf(text, sizeof text, "%s, waiting for %s: %d %.180s", what, STATES[s->state].waits_for, s->reply.code,
             s->reply.text);
    return fail(s, text);
}

// Any reply that does not lead on.
static bool refused(struct smtp_session *s, enum fate fate)
{
    if (s->reply.code < 400)
        return unexpected(s, "unexpected reply");
    if (s->reply.code == 421 && s->state == SMTP_MAIL && s->reused)
        return again(s); // said to an idle connection: this mail was not judged
    return answered(s, ATTEMPT_REFUSED, s->reply.code == 421 ? CUT : fate);
}

// ---- one handler a reply -------------------------------------------------------------------------------------

static int class_of(const struct smtp_session *s)
{
    return s->reply.code / 100;
}

static bool begin_mail(struct smtp_session *s)
{
    struct outcome o = { .result = ATTEMPT_REFUSED, .phase = PHASE_MAIL, .retry_after_ms = -1 };
    smtp_reply_reset(&s->reply);
    if (s->mail->begun_us == 0)
        s->mail->begun_us = clock_mono_us();
    if (!smtp_mail_frame(s->mail, &s->offer, &s->frame, &o))
        return finish(s, &o, KEEP); // nothing was said, so there is nothing to reset
    buf_reset(&s->command);
    smtp_mail_put_from(s->mail, &s->offer, s->frame.size, &s->command);
    command(s, SMTP_MAIL);
    return true;
}

static bool say_hello(struct smtp_session *s, enum smtp_state next, const char *verb)
{
    buf_reset(&s->command);
    buf_printf(&s->command, "%s %s\r\n", verb, s->setup->helo);
    command(s, next);
    return true;
}

static bool on_greeting(struct smtp_session *s)
{
    return class_of(s) == 2 ? say_hello(s, SMTP_EHLO, "EHLO") : refused(s, CUT);
}

static bool on_ehlo(struct smtp_session *s)
{
    if (class_of(s) == 5) { // an old server: RFC 5321 3.2
        s->offer = (struct smtp_offer){ 0 };
        return say_hello(s, SMTP_HELO, "HELO");
    }
    return on_helo(s);
}

static bool on_helo(struct smtp_session *s)
{
    return class_of(s) == 2 ? begin_mail(s) : refused(s, CUT);
}

static bool on_mail(struct smtp_session *s)
{
    if (class_of(s) != 2)
        return refused(s, RESET);
    buf_reset(&s->command);
    smtp_mail_put_to(s->mail, &s->command);
    command(s, SMTP_RCPT);
    return true;
}

static bool on_rcpt(struct smtp_session *s)
{
    if (class_of(s) != 2)
        return refused(s, RESET);
    command_text(s, SMTP_DATA, "DATA\r\n");
    return true;
}

// unsent: before the last attempt to write. Being allowed to write is no progress, having written is.
static void body_written(struct smtp_session *s, size_t unsent)
{
    if (smtp_wire_unsent(&s->wire) == 0)
        set_state(s, SMTP_DOT);
    else if (smtp_wire_unsent(&s->wire) < unsent)
        set_deadline(s);
}

static bool on_data(struct smtp_session *s)
{
    if (class_of(s) != 3)
        return refused(s, RESET);
    set_state(s, SMTP_BODY);
    smtp_reply_reset(&s->reply);
    s->early = smtp_wire_pending(&s->wire);
    if (s->early)
        return true;
    smtp_wire_send(&s->wire, buf_slice(&s->frame.bytes));
    body_written(s, s->frame.bytes.len);
    return true;
}

// Before the message was written: only a refusal makes sense.
static bool on_body(struct smtp_session *s)
{
    return refused(s, CUT);
}

static bool on_dot(struct smtp_session *s)
{
    return class_of(s) == 2 ? answered(s, ATTEMPT_ACCEPTED, KEEP) : refused(s, RESET);
}

static bool on_reset(struct smtp_session *s)
{
    if (class_of(s) != 2 || smtp_wire_pending(&s->wire))
        return end(s);
    set_state(s, SMTP_IDLE);
    s->setup->hooks->idle(s->setup->owner, s, true);
    return true;
}

// ---- events --------------------------------------------------------------------------------------------------

static bool take_line(struct smtp_session *s, struct slice line)
{
    if (s->state == SMTP_EHLO && s->reply.lines > 0 && line.len > 4)
        smtp_offer_line(&s->offer, (struct slice){ line.ptr + 4, line.len - 4 });
    switch (smtp_reply_line(&s->reply, line)) {
    case SMTP_REPLY_MORE:
        return true;
    case SMTP_REPLY_BAD:
        return s->mail == NULL ? end(s) : unexpected(s, "not an SMTP reply");
    case SMTP_REPLY_DONE:
        break;
    }
    if (s->early && s->mail != NULL && s->reply.code < 400)
        return unexpected(s, "a reply to nothing");
    if (s->early)
        return s->mail == NULL ? end(s) : refused(s, CUT);
    return STATES[s->state].on_reply(s);
}

static void read_replies(struct smtp_session *s)
{
    for (bool going = true; going;) {
        struct slice line;
        switch (smtp_wire_line(&s->wire, &line)) {
        case SMTP_WIRE_LINE:
            going = take_line(s, line);
            break;
        case SMTP_WIRE_AGAIN:
            return;
        case SMTP_WIRE_LOST:
            going = lost(s, errno);
            break;
        case SMTP_WIRE_LONG:
            going = fail(s, "a line of the server's reply does not end");
            break;
        }
    }
}

// why: what was wrong with the address before.
static void connect_next(struct smtp_session *s, const char *why)
{
    char text[OUTCOME_TEXT_MAX];
    smtp_wire_close(&s->wire);
    set_state(s, SMTP_CONNECT);
    if (s->mail->begun_us == 0)
        s->mail->begun_us = clock_mono_us();
    if (!smtp_dial_next(&s->dial, why, text, sizeof text))
        (void)fail(s, text);
}

static void on_resolved(void *arg, const char *failure)
{
    struct smtp_session *s = arg;
    if (failure != NULL)
        (void)fail(s, failure);
    else
        connect_next(s, NULL);
}

static void on_wire(void *arg, int what)
{
    struct smtp_session *s = arg;
    if (s->state == SMTP_CONNECT) {
        struct err e = { 0 };
        if (smtp_wire_connected(&s->wire, &e))
            set_state(s, SMTP_GREETING);
        else
            connect_next(s, e.text);
        return;
    }
    if ((what & LOOP_WRITE) != 0) {
        size_t unsent = smtp_wire_unsent(&s->wire);
        smtp_wire_flush(&s->wire);
        if (s->state == SMTP_BODY && !s->early)
            body_written(s, unsent);
    }
    if ((what & LOOP_READ) != 0)
        read_replies(s);
}

static void quit(struct smtp_session *s)
{
    s->setup->hooks->idle(s->setup->owner, s, false);
    command_text(s, SMTP_QUIT, "QUIT\r\n");
}

static void on_timer(void *arg)
{
    struct smtp_session *s = arg;
    int64_t left_ms = s->deadline_ms - loop_now_ms(s->setup->loop);
    if (left_ms > 0) {
        s->wake_ms = s->deadline_ms;
        loop_timer_in(s->timer, left_ms);
    } else if (s->state == SMTP_CONNECT) {
        connect_next(s, "timeout");
    } else if (s->state == SMTP_IDLE) {
        quit(s);
    } else {
        char text[OUTCOME_TEXT_MAX];
        snprintf(text, sizeof text, "timeout, waiting for %s", STATES[s->state].waits_for);
        (void)fail(s, text);
    }
}

// ---- the owner's side ----------------------------------------------------------------------------------------

struct smtp_session *smtp_session_new(const struct smtp_setup *setup, struct smtp_mail *m)
{
    struct smtp_session *s = xcalloc(1, sizeof *s);
    s->setup = setup;
    s->frame.dkim = setup->dkim;
    s->mail = m;
    m->session = s;
    s->wire = (struct smtp_wire){ .loop = setup->loop, .cb = on_wire, .arg = s, .fd = -1 };
    s->timer = loop_timer_new(setup->loop, on_timer, s);
    s->state = SMTP_RESOLVE;
    set_deadline(s);
    s->dial = (struct smtp_dial){ .resolver = setup->resolver, .host = setup->host, .port = setup->port,
                                  .wire = &s->wire, .resolved = on_resolved, .arg = s };
    smtp_dial_start(&s->dial);
    return s;
}

void smtp_session_take(struct smtp_session *s, struct smtp_mail *m)
{
    assert(s->state == SMTP_IDLE && s->mail == NULL);
    s->setup->hooks->idle(s->setup->owner, s, false);
    s->mail = m;
    m->session = s;
    if (smtp_wire_pending(&s->wire))
        (void)again(s);
    else
        (void)begin_mail(s);
}

void smtp_session_abort(struct smtp_session *s)
{
    assert(s->mail != NULL);
    smtp_reply_reset(&s->reply);
    (void)fail(s, "given up: the worker is stopping");
}

void smtp_session_free(struct smtp_session *s)
{
    assert(s->mail == NULL);
    if (s->state == SMTP_IDLE)
        smtp_wire_send(&s->wire, SLICE("QUIT\r\n"));
    release(s);
    destroy(s);
}
