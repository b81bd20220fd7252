// SPDX-License-Identifier: Apache-2.0
// What an application does with libsendfleet: publishes 1,000 jobs, counts their results, offers one that is not a job.
// Prints "published=N refused=N failed=N reason=…"; without a broker the reason why, and exits 69.
#include <sendfleet.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { JOBS = 1000 };

struct tally {
    int counts[3];
    char reason[256];
};

static void on_result(void *arg, const struct sendfleet_result *result)
{
    struct tally *tally = arg;
    tally->counts[result->status]++;
    if (result->error != NULL)
        snprintf(tally->reason, sizeof tally->reason, "%s", result->error);
}

static void publish(struct sendfleet *sf, const char *job, struct tally *tally)
{
    while (sendfleet_publish(sf, job, strlen(job), on_result, tally) == SENDFLEET_FULL)
        sendfleet_poll(sf, 100);
}

int main(int argc, char **argv)
{
    char error[256];
    struct tally tally = { { 0 }, "" };
    struct sendfleet *sf = sendfleet_open(argc > 1 ? argv[1] : NULL, error, sizeof error);
    if (sf == NULL) {
        fprintf(stderr, "%s\n", error);
        return 69;
    }
    for (int i = 0; i < JOBS; i++) {
        char job[256];
        snprintf(job, sizeof job,
                 "{\"v\":1,\"id\":\"order-%d\",\"to\":\"ann@example.com\",\"subject\":\"Receipt %d\",\"text\":\"Thanks.\"}", i, i);
        publish(sf, job, &tally);
    }
    publish(sf, "{\"v\":1,\"to\":\"nobody\"}", &tally);
    struct pollfd fd = { .fd = sendfleet_fd(sf), .events = POLLIN }; // as an event loop would
    while (tally.counts[SENDFLEET_PUBLISHED] + tally.counts[SENDFLEET_FAILED] < JOBS && poll(&fd, 1, 10000) > 0)
        sendfleet_poll(sf, 0);
    size_t left = sendfleet_flush(sf, 10000);
    sendfleet_close(sf, 0);
    printf("published=%d refused=%d failed=%d left=%zu reason=%s\n", tally.counts[SENDFLEET_PUBLISHED],
           tally.counts[SENDFLEET_REFUSED], tally.counts[SENDFLEET_FAILED], left, tally.reason);
    return tally.counts[SENDFLEET_PUBLISHED] == JOBS ? 0 : 75;
}
