// SPDX-License-Identifier: Apache-2.0
// write_mails: jobs in (one JSON a line), messages out, built and signed as the smtp transport does it.
//
//   write_mails CONFIG <jobs
//
// Answers each line with "mail LENGTH\n" and so many bytes, or with "refused TEXT\n".
#include "common/config.h"
#include "worker/dkim.h"
#include "worker/message.h"

#include <stdio.h>
#include <stdlib.h>

static const int64_t FIRST_SEEN_MS = 1700000000000;

static bool write_mail(struct job *job, struct slice line, int number, struct dkim *keys, struct buf *out,
                       struct err *e)
{
    char id[32];
    if (!job_parse(job, line.ptr, line.len, JOB_MAX_BYTES_DEFAULT, e))
        return false;
    int64_t date_ms = message_date_ms(job, FIRST_SEEN_MS);
    snprintf(id, sizeof id, "job-%d", number);
    buf_reset(out);
    return message_build(job, id, date_ms, out, e) && dkim_sign(keys, job->from.domain, date_ms, out, e);
}

static void write_all(struct dkim *keys)
{
    struct job job = { 0 };
    struct buf out = { 0 };
    char *line = NULL;
    size_t cap = 0;
    for (int number = 0; getline(&line, &cap, stdin) > 0; number++) {
        struct err e = { 0 };
        if (write_mail(&job, slice_of(line), number, keys, &out, &e)) {
            printf("mail %zu\n", out.len);
            fwrite(out.data, 1, out.len, stdout);
        } else {
            printf("refused %s\n", e.text);
        }
    }
    free(line);
    buf_clear(&out);
    job_clear(&job);
}

int main(int argc, char **argv)
{
    static struct config config;
    struct dkim *keys;
    struct err e = { 0 };
    struct config_sources from = { .file = argc > 1 ? argv[1] : NULL };
    if (!config_load(&config, &from, &e) || !dkim_open(&keys, &config, &e)) {
        fprintf(stderr, "write_mails: %s\n", e.text);
        return err_exit_status(e.kind);
    }
    write_all(keys);
    dkim_close(keys);
    config_clear(&config);
    return 0;
}
