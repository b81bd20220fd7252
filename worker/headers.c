// SPDX-License-Identifier: Apache-2.0
// headers: what a publisher may say in the head of a message.
//
// An allow-list: those that identify, route or structure the message are ours (a second From or a
// Content-Type would let one part of the mail system read another message than the next), and a name nobody
// thought of is not a publisher's to try out. X-… is free but for ours. A name is there once. Anything else
// is refused, not dropped: a job that asks for something it does not get should say so, and it says so before
// the first byte is on its way.
//
// One-click unsubscribing (RFC 8058) is checked as a whole, because half of it is silently ignored by the
// receivers that demand it: the fixed value of List-Unsubscribe-Post, and exactly one https link to post it
// to.
#include "worker/headers.h"

#include "worker/mime.h"

#include <strings.h>

enum { NAME_MAX_BYTES = 76 };

enum form {
    FORM_TEXT,        // for people: any language
    FORM_STRUCTURED,  // for programs: ASCII, as it is
    FORM_UNSUBSCRIBE, // List-Unsubscribe
    FORM_ONE_CLICK,   // List-Unsubscribe-Post
};

// The first row that fits. A "*" at the end stands for anything.
static const struct rule {
    const char *name;
    enum form form;
} RULES[] = {
    { "X-*", FORM_TEXT },
    { "List-Unsubscribe", FORM_UNSUBSCRIBE },
    { "List-Unsubscribe-Post", FORM_ONE_CLICK },
    { "List-*", FORM_STRUCTURED },
    { "Archived-At", FORM_STRUCTURED },
    { "Auto-Submitted", FORM_STRUCTURED },
    { "BIMI-Selector", FORM_STRUCTURED },
    { "Cc", FORM_STRUCTURED }, // shown only: a job has one recipient
    { "CFBL-Address", FORM_STRUCTURED },
    { "CFBL-Feedback-ID", FORM_STRUCTURED },
    { "Comments", FORM_TEXT },
    { "Disposition-Notification-To", FORM_STRUCTURED },
    { "Expires", FORM_STRUCTURED },
    { "Feedback-ID", FORM_STRUCTURED },
    { "Importance", FORM_STRUCTURED },
    { "In-Reply-To", FORM_STRUCTURED },
    { "Keywords", FORM_TEXT },
    { "Organization", FORM_TEXT },
    { "Precedence", FORM_STRUCTURED },
    { "Priority", FORM_STRUCTURED },
    { "References", FORM_STRUCTURED },
    { "Return-Receipt-To", FORM_STRUCTURED },
    { "Sender", FORM_STRUCTURED },
    { "Sensitivity", FORM_STRUCTURED },
    { "Thread-Index", FORM_STRUCTURED },
    { "Thread-Topic", FORM_TEXT },
    { "TLS-Required", FORM_STRUCTURED },
};

struct links { // of List-Unsubscribe
    int https, http, mailto;
};

struct state {
    struct buf *out;
    size_t start; // of the job's headers in out
    struct links links;
    bool one_click;
};

static bool fits(const char *pattern, const char *name)
{
    size_t len = strlen(pattern);
    return pattern[len - 1] == '*' ? strncasecmp(name, pattern, len - 1) == 0
                                   : strcasecmp(name, pattern) == 0;
}

static const struct rule *find_rule(const char *name)
{
    if (fits("X-Sendfleet-*", name))
        return NULL;
    for (size_t i = 0; i < sizeof RULES / sizeof RULES[0]; i++)
        if (fits(RULES[i].name, name))
            return &RULES[i];
    return NULL;
}

static bool read_name(struct slice key, char name[NAME_MAX_BYTES + 1], struct err *e)
{
    bool ok = key.len > 0 && key.len <= NAME_MAX_BYTES;
    for (size_t i = 0; ok && i < key.len; i++)
        ok = key.ptr[i] > ' ' && key.ptr[i] < 0x7f && key.ptr[i] != ':';
    if (!ok)
        return err_set(e, ERR_INPUT,
                       "headers: a name is empty, longer than %d or not printable ASCII without \":\"",
                       NAME_MAX_BYTES);
    memcpy(name, key.ptr, key.len);
    name[key.len] = '\0';
    return true;
}

// Names of what was put begin a line; folded lines begin with a blank and values hold no line break.
static bool is_there(const struct state *s, const char *name)
{
    size_t len = strlen(name);
    const char *end = s->out->data + s->out->len;
    for (const char *line = s->out->data + s->start; line != NULL && line + len < end;) {
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return true;
        line = memchr(line, '\n', (size_t)(end - line));
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

// ---- unsubscribing ----------------------------------------------------------------------------------------

static bool count_link(struct slice uri, struct links *links)
{
    for (size_t i = 0; i < uri.len; i++)
        if (uri.ptr[i] <= ' ' || uri.ptr[i] >= 0x7f || uri.ptr[i] == '<')
            return false;
    bool https = uri.len > 8 && strncasecmp(uri.ptr, "https://", 8) == 0;
    bool http = uri.len > 7 && strncasecmp(uri.ptr, "http://", 7) == 0;
    bool mailto = uri.len > 7 && strncasecmp(uri.ptr, "mailto:", 7) == 0;
    links->https += https;
    links->http += http;
    links->mailto += mailto;
    return https || http || mailto;
}

// "<uri>, <uri> …", RFC 2369.
static bool read_links(struct slice value, struct links *links, struct err *e)
{
    const char *at = value.ptr, *end = at + value.len;
    for (bool more = true; more;) {
        while (at < end && *at == ' ')
            at++;
        const char *close = at < end && *at == '<' ? memchr(at, '>', (size_t)(end - at)) : NULL;
        if (close == NULL || !count_link((struct slice){ at + 1, (size_t)(close - at - 1) }, links))
            return err_set(e, ERR_INPUT,
                           "headers: List-Unsubscribe is not a list of <https://…>, <mailto:…>");
        at = close + 1;
        while (at < end && *at == ' ')
            at++;
        more = at < end && *at == ',';
        at += more;
    }
    return at == end || err_set(e, ERR_INPUT, "headers: List-Unsubscribe has something after the last link");
}

static bool check_one_click(const struct state *s, struct err *e)
{
    if (!s->one_click || (s->links.https == 1 && s->links.http == 0))
        return true;
    return err_set(e, ERR_INPUT,
                   "headers: List-Unsubscribe-Post needs a List-Unsubscribe with exactly one https link");
}

// ---- all of them ------------------------------------------------------------------------------------------

static bool put_one(struct state *s, const char *name, struct slice value, struct err *e)
{
    const struct rule *rule = find_rule(name);
    if (rule == NULL)
        return err_set(e, ERR_INPUT,
                       "headers: %s may not be set by a job; X-… may, and those in worker/README.md", name);
    if (is_there(s, name))
        return err_set(e, ERR_INPUT, "headers: %s is there twice", name);
    if (rule->form == FORM_UNSUBSCRIBE && !read_links(value, &s->links, e))
        return false;
    if (rule->form == FORM_ONE_CLICK && !slice_is(value, "List-Unsubscribe=One-Click"))
        return err_set(e, ERR_INPUT, "headers: %s has to be \"List-Unsubscribe=One-Click\" (RFC 8058)", name);
    s->one_click |= rule->form == FORM_ONE_CLICK;
    return rule->form == FORM_TEXT ? mime_put_header(s->out, name, value, e)
                                   : mime_put_structured(s->out, name, value, e);
}

bool headers_put(const struct job *job, struct buf *out, struct buf *scratch, struct err *e)
{
    const struct json_doc *doc = &job->doc;
    struct state s = { .out = out, .start = out->len };
    if (job->headers == 0)
        return true;
    for (uint32_t key = job->headers + 1; key < doc->tokens[job->headers].next;
         key = doc->tokens[key + 1].next) {
        char name[NAME_MAX_BYTES + 1];
        buf_reset(scratch);
        if (!read_name(json_text(doc, key, scratch), name, e))
            return false;
        if (doc->tokens[key + 1].type != JSON_TYPE_STRING)
            return err_set(e, ERR_INPUT, "headers: %s is not a string", name);
        buf_reset(scratch);
        if (!put_one(&s, name, json_text(doc, key + 1, scratch), e))
            return false;
    }
    return check_one_click(&s, e);
}
