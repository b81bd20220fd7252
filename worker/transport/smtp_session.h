// SPDX-License-Identifier: Apache-2.0
// smtp_session: one connection to a relay, and the mail that is on it.
//
// A session is born for a mail (resolve, connect, greeting and EHLO are phases of that mail's attempt), carries one
// mail at a time, and reports to its owner through hooks. It frees itself when the connection ends.
#ifndef WORKER_TRANSPORT_SMTP_SESSION_H
#define WORKER_TRANSPORT_SMTP_SESSION_H

#include "worker/transport/smtp_mail.h"

struct loop;
struct resolver;
struct smtp_session;

struct smtp_limits { // milliseconds; RFC 5321 4.5.3.2 where it says something
    int64_t queue;   // for a connection to become free
    int64_t resolve, connect, greeting, ehlo, mail, rcpt, data;
    int64_t block;   // between two advances of the message being written
    int64_t dot;     // for the verdict
    int64_t reset, quit;
    int64_t idle;    // before an unused connection is closed
};

struct smtp_hooks {
    // The connection is free for the next mail, or (false) no longer.
    void (*idle)(void *owner, struct smtp_session *s, bool idle);
    // The connection is over; the session frees itself after this.
    void (*gone)(void *owner, struct smtp_session *s);
    // The connection turned out dead before anything of the mail was written: it wants another one.
    void (*again)(void *owner, struct smtp_mail *m);
    // The mail's attempt is over. The last thing that happens to a session: owner and session may go in it.
    void (*finished)(void *owner, struct smtp_mail *m, struct outcome *o);
};

struct smtp_setup { // what all sessions of a route share; borrowed, outlives them
    struct loop *loop;
    struct resolver *resolver;
    struct dkim *dkim; // NULL = mails are not signed
    const char *host;  // relay
    int port;
    const char *helo;
    struct smtp_limits limits;
    const struct smtp_hooks *hooks;
    void *owner;
};

// Starts to connect for this mail. No hook is called before it returns.
struct smtp_session *smtp_session_new(const struct smtp_setup *setup, struct smtp_mail *m);
// The next mail for an idle session. It may be finished before this returns.
void smtp_session_take(struct smtp_session *s, struct smtp_mail *m);
// The mail under way ends now: its finished hook is called before this returns, the connection is cut.
void smtp_session_abort(struct smtp_session *s);
// Closes without calling any hook; an idle server is told QUIT. No mail may be under way.
void smtp_session_free(struct smtp_session *s);

#endif
