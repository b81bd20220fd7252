// SPDX-License-Identifier: Apache-2.0
// classify_rules: the ordered table. First match wins, so the order within a section is: exact proof, then
// texts, then enhanced codes, then codes, then the first digit. Texts come before codes because servers put
// better information there (RFC 5321 4.2.1 lets a client decide by the first digit, and that is wrong often
// enough to cost mail).
//
// Suppression needs proof that a mailbox is dead: 5.1.1, a null MX (RFC 7505: 5.1.10, 556), or a text that
// says so without a policy code beside it. Never a block, a quota or an authentication failure.
//
// Sources: RFC 5321 4.2, RFC 3463 and the registry of RFC 5248 (enhanced codes), RFC 4954 (AUTH), RFC 7504
// (521, 556), RFC 9110 15 (HTTP status).
#include "worker/classify_rules.h"

#include "common/clock.h"

#define GREETING           RULE_PHASE(PHASE_GREETING)
#define RESOLVE            RULE_PHASE(PHASE_RESOLVE)
#define RCPT               RULE_PHASE(PHASE_RCPT)
#define FAILED             RULE_RESULT(ATTEMPT_FAILED)
#define HTTP               .family = RULE_HTTP
#define SMTP               .family = RULE_SMTP
#define CODES(first, last) .low = first, .high = last

static const char GREYLIST[] = "greylist|graylist|grey-list|gray-list|grey list|gray list";
static const char RATE[] =
    "rate limit|rate-limit|ratelimit|rate exceeded|receiving rate|unusual rate|throttl|slow down|too fast|"
    "too quickly|frequency limited|too many connections|too many concurrent|too many sessions|"
    "too many messages|server busy|excessive volume";
static const char LATER[] =
    "temporarily|try again later|try later|retry later|try again in|retry in|come back in";
static const char FULL[] =
    "over quota|overquota|quota exceeded|exceeded quota|exceeds quota|quota violation|mailbox full|"
    "mailbox is full|full mailbox|storage allocation|out of storage";
static const char LARGE[] = "message size|too large|too big|size exceeds|size limit|too much mail data";
static const char NOBODY[] =
    "no such user|user unknown|unknown user|no such mailbox|mailbox does not exist|no such recipient|"
    "recipient unknown|unknown recipient|user not found|user does not exist|account does not exist";
static const char BLOCKED[] =
    "spamhaus|blocklist|block list|blacklist|black list|blocked using|dnsbl|poor reputation|"
    "bad reputation|low reputation|spamcop|barracuda|unsolicited|as spam|is spam|spam message";
static const char SENDER[] =
    "relay access denied|relaying denied|unable to relay|relay not permitted|sender not verified|"
    "sender is not verified|sender address not verified|not authorized to send|"
    "not allowed to send|not owned by user|address is not verified";

// One or two lines a rule.
// clang-format off
const struct rule CLASSIFY_RULES[] = {
    // ---- no reply code ----------------------------------------------------------------------------------
    { .id = "accepted", .results = RULE_RESULT(ATTEMPT_ACCEPTED), .class = FAILURE_NONE },
    { .id = "unknown", .results = RULE_RESULT(ATTEMPT_UNKNOWN), .class = FAILURE_UNKNOWN },
    // One job's dead host must not stop the route; the route's own dead host must.
    { .id = "dns-job-host", .results = FAILED, .phases = RESOLVE, .text = "(named by the job)",
      .class = FAILURE_TRANSIENT },
    { .id = "dns-no-host", .results = FAILED, .phases = RESOLVE, .text = "no such host",
      .class = FAILURE_ROUTE },
    { .id = "not-sent", .results = FAILED, .class = FAILURE_TRANSIENT },

    // ---- HTTP -------------------------------------------------------------------------------------------
    { .id = "http-target", HTTP, .text = "is not allowed: its address", .class = FAILURE_PERMANENT },
    { .id = "http-401", HTTP, .low = 401, .class = FAILURE_ROUTE },
    { .id = "http-407", HTTP, .low = 407, .class = FAILURE_ROUTE },
    { .id = "http-402", HTTP, .low = 402, .class = FAILURE_REPUTATION },
    { .id = "http-403-sender", HTTP, .low = 403, .text = SENDER, .class = FAILURE_ROUTE },
    { .id = "http-403", HTTP, .low = 403, .class = FAILURE_REPUTATION },
    { .id = "http-408", HTTP, .low = 408, .class = FAILURE_TRANSIENT },
    { .id = "http-409-in-progress", HTTP, .low = 409, .flags = RULE_IF_IDEMPOTENT,
      .class = FAILURE_TRANSIENT },
    { .id = "http-425", HTTP, .low = 425, .class = FAILURE_THROTTLED },
    { .id = "http-429", HTTP, .low = 429, .class = FAILURE_THROTTLED },
    { .id = "http-4xx", HTTP, CODES(400, 499), .class = FAILURE_PERMANENT },
    { .id = "http-501", HTTP, .low = 501, .class = FAILURE_PERMANENT },
    { .id = "http-505", HTTP, .low = 505, .class = FAILURE_PERMANENT },
    { .id = "http-503-wait", HTTP, .low = 503, .flags = RULE_IF_ASKED, .class = FAILURE_THROTTLED },
    { .id = "http-503", HTTP, .low = 503, .class = FAILURE_TRANSIENT },
    { .id = "http-5xx-key", HTTP, CODES(500, 599), .flags = RULE_IF_IDEMPOTENT,
      .class = FAILURE_TRANSIENT },
    { .id = "http-5xx", HTTP, CODES(500, 599), .class = FAILURE_UNKNOWN },
    { .id = "http-3xx", HTTP, CODES(300, 399), .class = FAILURE_PERMANENT }, // not followed
    { .id = "http-other", HTTP, .class = FAILURE_PERMANENT }, // refused before anything was sent

    // ---- SMTP: our credential or set-up -----------------------------------------------------------------
    { .id = "smtp-auth", SMTP, CODES(534, 535), .class = FAILURE_ROUTE },
    { .id = "smtp-530", SMTP, .low = 530, .class = FAILURE_ROUTE },
    { .id = "smtp-538", SMTP, .low = 538, .class = FAILURE_ROUTE },
    { .id = "smtp-525", SMTP, .low = 525, .class = FAILURE_ROUTE },
    { .id = "smtp-432", SMTP, .low = 432, .class = FAILURE_ROUTE },
    { .id = "smtp-454-rate", SMTP, .low = 454, .text = RATE, .class = FAILURE_THROTTLED },
    { .id = "smtp-454", SMTP, .phases = GREETING, .low = 454, .class = FAILURE_ROUTE },
    { .id = "smtp-relay", SMTP, CODES(500, 599), .text = SENDER, .class = FAILURE_ROUTE },
    { .id = "smtp-greeting-554", SMTP, .phases = GREETING, .low = 554, .class = FAILURE_REPUTATION },
    { .id = "smtp-greeting-5xx", SMTP, .phases = GREETING, CODES(500, 599), .class = FAILURE_ROUTE },

    // ---- SMTP: slow down --------------------------------------------------------------------------------
    { .id = "smtp-greylist", SMTP, CODES(400, 499), .text = GREYLIST, .flags = RULE_WAIT_IN_TEXT,
      .class = FAILURE_THROTTLED, .wait_ms = 5 * CLOCK_MINUTE_MS },
    { .id = "smtp-4xx-rate", SMTP, CODES(400, 499), .text = RATE, .flags = RULE_WAIT_IN_TEXT,
      .class = FAILURE_THROTTLED },
    { .id = "smtp-421-policy", SMTP, .low = 421, .enhanced = "4.7.*", .flags = RULE_WAIT_IN_TEXT,
      .class = FAILURE_THROTTLED },
    { .id = "smtp-4xx-policy", SMTP, CODES(450, 451), .enhanced = "4.7.*", .flags = RULE_WAIT_IN_TEXT,
      .class = FAILURE_THROTTLED, .wait_ms = 5 * CLOCK_MINUTE_MS },
    { .id = "smtp-45x-later", SMTP, CODES(450, 451), .text = "try again in|retry in|come back in",
      .flags = RULE_WAIT_IN_TEXT, .class = FAILURE_THROTTLED, .wait_ms = 5 * CLOCK_MINUTE_MS },
    { .id = "smtp-5xx-rate", SMTP, CODES(500, 599), .text = RATE, .flags = RULE_WAIT_IN_TEXT,
      .class = FAILURE_THROTTLED, .wait_ms = 30 * CLOCK_MINUTE_MS },
    { .id = "smtp-5xx-later", SMTP, CODES(500, 599), .text = LATER, .flags = RULE_WAIT_IN_TEXT,
      .class = FAILURE_THROTTLED, .wait_ms = 30 * CLOCK_MINUTE_MS },

    // ---- SMTP: temporary --------------------------------------------------------------------------------
    { .id = "smtp-421", SMTP, .low = 421, .class = FAILURE_TRANSIENT },
    { .id = "smtp-system", SMTP, CODES(400, 499), .enhanced = "4.3.* 4.4.*", .class = FAILURE_TRANSIENT },
    { .id = "smtp-mailbox", SMTP, CODES(400, 499), .enhanced = "4.2.*", .class = FAILURE_MAILBOX_BUSY },
    { .id = "smtp-full-4xx", SMTP, CODES(400, 499), .text = FULL, .class = FAILURE_MAILBOX_BUSY },
    { .id = "smtp-450", SMTP, .low = 450, .class = FAILURE_MAILBOX_BUSY },
    { .id = "smtp-452", SMTP, .low = 452, .class = FAILURE_MAILBOX_BUSY },
    { .id = "smtp-4xx", SMTP, CODES(400, 499), .class = FAILURE_TRANSIENT },

    // ---- SMTP: for good ---------------------------------------------------------------------------------
    { .id = "smtp-null-mx", SMTP, .low = 556, .class = FAILURE_PERMANENT, .suppress = true },
    { .id = "smtp-5.1.10", SMTP, CODES(500, 599), .enhanced = "5.1.10", .class = FAILURE_PERMANENT,
      .suppress = true },
    { .id = "smtp-full", SMTP, CODES(500, 599), .enhanced = "5.2.2", .class = FAILURE_MAILBOX_BUSY },
    { .id = "smtp-large", SMTP, CODES(500, 599), .enhanced = "5.3.4 5.2.3", .class = FAILURE_PERMANENT },
    { .id = "smtp-full-text", SMTP, CODES(500, 599), .text = FULL, .class = FAILURE_MAILBOX_BUSY },
    { .id = "smtp-5.1.1", SMTP, CODES(500, 599), .enhanced = "5.1.1", .class = FAILURE_PERMANENT,
      .suppress = true },
    { .id = "smtp-policy", SMTP, CODES(500, 599), .enhanced = "5.7.*", .class = FAILURE_REPUTATION },
    { .id = "smtp-nobody", SMTP, .phases = RCPT, CODES(550, 559), .enhanced = "- 5.1.0", .text = NOBODY,
      .class = FAILURE_PERMANENT, .suppress = true },
    { .id = "smtp-blocked", SMTP, CODES(550, 559), .text = BLOCKED, .class = FAILURE_REPUTATION },
    { .id = "smtp-large-text", SMTP, CODES(552, 554), .text = LARGE, .class = FAILURE_PERMANENT },
    { .id = "smtp-552-rcpt", SMTP, .phases = RCPT, .low = 552, .class = FAILURE_MAILBOX_BUSY },
    // Out of step with the server: a new connection puts that right.
    { .id = "smtp-503", SMTP, .low = 503, .class = FAILURE_TRANSIENT },
    { .id = "smtp-5xx", SMTP, CODES(500, 599), .class = FAILURE_PERMANENT },
    { .id = "smtp-other", SMTP, .class = FAILURE_TRANSIENT }, // not a final reply at all

    { .id = NULL },
};
