// SPDX-License-Identifier: Apache-2.0
// classify_stream: `sendfleet-worker classify`. A person (or a test of somebody's rules) asks what we would
// make of a reply, one JSON object a line:
//
//   {"transport":"smtp","code":550,"text":"5.1.1 no such user"}
//   {"transport":"smtp","code":550,"text":"550-5.1.1 The email account\n550 5.1.1 does not exist"}
//   {"transport":"http","code":503,"headers":{"Retry-After":"30"},"idempotent":true}
//   {"transport":"smtp","result":"unknown","phase":"response"}
//
// and gets the verdict on one line. A line that is none is answered with an error that names it; the rest
// goes on.
#include "worker/classify.h"

#include "common/alloc.h"
#include "common/clock.h"
#include "common/json.h"
#include "worker/ruleset.h"
#include "worker/transport/http_wait.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

struct question { // reused for every line
    struct json_doc doc;
    struct buf scratch;
    struct buf text; // what was said, all of it
    char provider[32];
    struct outcome outcome;
    bool idempotent;
};

static struct slice text_member(struct question *q, const char *key)
{
    uint32_t at = json_member(&q->doc, 0, key);
    if (at == 0 || q->doc.tokens[at].type != JSON_TYPE_STRING)
        return (struct slice){ 0 };
    return json_text(&q->doc, at, &q->scratch);
}

static void copy(char *out, size_t size, struct slice text)
{
    snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size - 1),
             text.ptr != NULL ? text.ptr : "");
}

// A header's value, whatever the case of its name. NULL when absent; owned by the caller.
static char *header_value(struct question *q, const char *name)
{
    uint32_t headers = json_member(&q->doc, 0, "headers");
    if (headers == 0 || q->doc.tokens[headers].type != JSON_TYPE_OBJECT)
        return NULL;
    for (uint32_t at = headers + 1; at < q->doc.tokens[headers].next; at = q->doc.tokens[at + 1].next) {
        struct slice key = json_raw(&q->doc, at);
        struct slice value = json_raw(&q->doc, at + 1);
        if (key.len == strlen(name) && strncasecmp(key.ptr, name, key.len) == 0)
            return xstrndup(value.ptr, value.len);
    }
    return NULL;
}

static int64_t asked_wait_ms(struct question *q)
{
    char *after = header_value(q, "Retry-After"), *after_ms = header_value(q, "Retry-After-Ms");
    char *date = header_value(q, "Date");
    int64_t now_ms = clock_wall_ms(), ms = http_wait_ms(after, after_ms, date, now_ms);
    for (size_t i = 0; ms < 0 && q->outcome.code == HTTP_TOO_MANY && HTTP_RESET_HEADERS[i] != NULL; i++) {
        char *reset = header_value(q, HTTP_RESET_HEADERS[i]);
        ms = reset != NULL ? http_reset_ms(reset, date, now_ms) : -1;
        free(reset);
    }
    free(after);
    free(after_ms);
    free(date);
    return ms;
}

static void read_text(struct question *q, bool smtp)
{
    buf_reset(&q->text);
    char *type = smtp ? NULL : header_value(q, "x-amzn-ErrorType"); // SES names its errors there
    if (type != NULL)
        buf_printf(&q->text, "%s: ", type);
    free(type);
    buf_put_slice(&q->text, text_member(q, "text"));
    q->outcome.response = buf_slice(&q->text);
}

static bool read_result(struct question *q, bool smtp, struct err *e)
{
    static const char *const words[] = {
        [ATTEMPT_ACCEPTED] = "accepted",
        [ATTEMPT_REFUSED] = "refused",
        [ATTEMPT_FAILED] = "failed",
        [ATTEMPT_UNKNOWN] = "unknown",
    };
    struct slice result = text_member(q, "result"), phase = text_member(q, "phase");
    struct outcome *o = &q->outcome;
    o->result = o->code >= 200 && o->code < 300 ? ATTEMPT_ACCEPTED : ATTEMPT_REFUSED;
    o->phase = smtp ? PHASE_RCPT : PHASE_RESPONSE;
    bool known = result.ptr == NULL;
    for (unsigned i = 0; i < sizeof words / sizeof *words && !known; i++) {
        known = slice_is(result, words[i]);
        if (known)
            o->result = (enum attempt_result)i;
    }
    if (!known)
        return err_set(e, ERR_INPUT, "\"result\" is none of accepted, refused, failed, unknown");
    if (result.ptr == NULL && o->code == 0)
        return err_set(e, ERR_INPUT, "\"code\" or \"result\" is missing");
    known = phase.ptr == NULL;
    for (unsigned i = 0; i < PHASE_COUNT && !known; i++) {
        known = slice_is(phase, phase_name((enum attempt_phase)i));
        if (known)
            o->phase = (enum attempt_phase)i;
    }
    return known || err_set(e, ERR_INPUT, "\"phase\" is not the name of a phase");
}

static bool read_question(struct question *q, const char *line, size_t len, struct err *e)
{
    q->outcome = (struct outcome){ .retry_after_ms = -1 };
    buf_reset(&q->scratch);
    buf_reserve(&q->scratch, len); // what is decoded is never longer
    if (!json_parse(&q->doc, line, len, e))
        return false;
    if (q->doc.tokens[0].type != JSON_TYPE_OBJECT)
        return err_set(e, ERR_INPUT, "not a JSON object");
    struct slice transport = text_member(q, "transport");
    if (transport.len == 0 || transport.len >= sizeof q->provider)
        return err_set(e, ERR_INPUT, "\"transport\" is missing: smtp, http or a provider's name");
    copy(q->provider, sizeof q->provider, transport);
    bool smtp = provider_family(q->provider) == RULE_SMTP;
    uint32_t at = json_member(&q->doc, 0, "code");
    int64_t code = 0;
    if (at != 0 && (!json_int(&q->doc, at, &code) || code < 0 || code > 999))
        return err_set(e, ERR_INPUT, "\"code\" is not a reply code");
    q->outcome.code = (int)code;
    at = json_member(&q->doc, 0, "idempotent");
    q->idempotent = at != 0 && q->doc.tokens[at].type == JSON_TYPE_TRUE;
    copy(q->outcome.enhanced, sizeof q->outcome.enhanced, text_member(q, "enhanced"));
    read_text(q, smtp);
    if (!smtp)
        q->outcome.retry_after_ms = asked_wait_ms(q);
    return read_result(q, smtp, e);
}

static void print_verdict(const struct question *q, FILE *out)
{
    struct verdict v = classify(q->provider, &q->outcome, q->idempotent);
    fprintf(out, "{\"class\":\"%s\",\"action\":\"%s\",\"rule\":\"%s\",", failure_name(v.class),
            verdict_action(&v), v.rule);
    if (v.enhanced[0] != '\0')
        fprintf(out, "\"enhanced\":\"%s\",", v.enhanced); // digits and dots
    else
        fputs("\"enhanced\":null,", out);
    if (v.retry_after_ms >= 0)
        fprintf(out, "\"retry_after_s\":%lld,", (long long)(v.retry_after_ms + 999) / 1000);
    else
        fputs("\"retry_after_s\":null,", out);
    fprintf(out, "\"suppress\":%s}\n", v.suppress ? "true" : "false");
}

int classify_stream(FILE *in, FILE *out)
{
    struct question q = { 0 };
    char *line = NULL;
    size_t cap = 0;
    ssize_t got;
    int status = 0;
    for (long number = 1; (got = getline(&line, &cap, in)) >= 0; number++) {
        size_t len = (size_t)got;
        while (len > 0 && isspace((unsigned char)line[len - 1]))
            len--;
        struct err e;
        if (len == 0)
            continue;
        if (read_question(&q, line, len, &e)) {
            print_verdict(&q, out);
            continue;
        }
        struct buf text = { 0 };
        buf_put_json(&text, slice_of(e.text));
        fprintf(out, "{\"line\":%ld,\"error\":%s}\n", number, text.data);
        buf_clear(&text);
        status = err_exit_status(ERR_INPUT);
    }
    free(line);
    json_clear(&q.doc);
    buf_clear(&q.scratch);
    buf_clear(&q.text);
    return status;
}
