// SPDX-License-Identifier: Apache-2.0
// smtp: the transport's own door for tests: time limits that no route can set.
#ifndef WORKER_TRANSPORT_SMTP_H
#define WORKER_TRANSPORT_SMTP_H

#include "worker/transport/smtp_session.h"

struct transport;

struct smtp_limits *smtp_limits(struct transport *t); // of a transport that transport_smtp.open made

#endif
