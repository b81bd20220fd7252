// SPDX-License-Identifier: Apache-2.0
// classify_bench: replies classified in a second on one core.
//
//   classify_bench [SECONDS]
//
// The replies are those of the tests, real servers' words of every kind: most need a text to be understood,
// none is shorter than it is on the wire. Prints one line of JSON.
#include "worker/classify.h"
#include "worker/ruleset.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { D, P, B, H, T, R, O, U }; // the column that is of no interest here

static const struct {
    const char *who;
    int sense;
    enum attempt_phase phase;
    const char *provider, *text;
} REPLIES[] = {
#include "../worker/replies_reference.h"
#include "../worker/replies_seen.h"
};

enum { COUNT = sizeof REPLIES / sizeof *REPLIES };

static double seconds_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static struct outcome outcomes[COUNT];
    double seconds = argc > 1 ? atof(argv[1]) : 2, bytes = 0;
    for (size_t i = 0; i < COUNT; i++) {
        struct outcome *o = &outcomes[i];
        *o = (struct outcome){ .result = ATTEMPT_REFUSED, .phase = REPLIES[i].phase, .retry_after_ms = -1 };
        o->code = atoi(REPLIES[i].text);
        o->response = slice_of(REPLIES[i].text + (provider_family(REPLIES[i].provider) == RULE_SMTP ? 0 : 4));
        bytes += (double)o->response.len;
    }
    struct err e;
    double before = seconds_now();
    if (!classify_load(NULL, &e))
        return fprintf(stderr, "classify_bench: %s\n", e.text), 1;
    double begun = seconds_now(), now;
    long rounds = 0, suppressed = 0;
    do {
        for (size_t i = 0; i < COUNT; i++)
            suppressed += classify(REPLIES[i].provider, &outcomes[i], false).suppress;
        rounds++;
        now = seconds_now();
    } while (now - begun < seconds);
    printf("{\"bench\":\"classify\",\"replies\":%ld,\"seconds\":%.3f,\"replies_per_s\":%.0f,\"bytes_per_"
           "reply\":%.0f,"
           "\"suppressed\":%ld,\"load_ms\":%.1f}\n",
           rounds * COUNT, now - begun, (double)rounds * COUNT / (now - begun), bytes / COUNT,
           suppressed / rounds, (begun - before) * 1e3);
    classify_clear();
    return 0;
}
