// SPDX-License-Identifier: Apache-2.0
// message_bench: how many mails one core builds and signs in a second.
//
//   message_bench [SECONDS] [HTML_BYTES]
//
// One line of JSON. Each mail is parsed from its job, built (text and html, a subject that needs encoding, one-click
// unsubscribing) and signed with fresh keys of the usual sizes; "both" is what should go out.
#include "common/job.h"
#include "worker/dkim.h"
#include "worker/message.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { HTML_BYTES_DEFAULT = 4000, CLOCK_EVERY = 64 };

static double cpu_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts); // others may use the machine
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static char *make_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text, *copy;
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    long len = BIO_get_mem_data(bio, &text);
    copy = strndup(text, (size_t)len);
    BIO_free(bio);
    EVP_PKEY_free(key);
    return copy;
}

static void put_job(struct buf *json, size_t html_bytes)
{
    buf_puts(json, "{\"v\":1,\"from\":\"Your Sh\xc3\xb6p <shop@example.com>\",\"to\":\"ann@example.org\","
                   "\"subject\":\"Deine Bestellung ist unterwegs \xe2\x80\x93 100 \xe2\x82\xac\",\"created_at\":1700000000000,"
                   "\"headers\":{\"List-Unsubscribe\":\"<https://example.com/u/0123456789abcdef>\","
                   "\"List-Unsubscribe-Post\":\"List-Unsubscribe=One-Click\"},\"text\":\"Hallo Ann,\\n\\nviele "
                   "Gr\xc3\xbc\xc3\x9f" "e\\n\",\"html\":\"");
    for (size_t start = json->len; json->len - start < html_bytes;)
        buf_puts(json, "<p style=\\\"color:#333\\\">Die Ware geht heute an dich heraus, sch\xc3\xb6ne Gr\xc3\xbc\xc3\x9f" "e.</p>\\n");
    buf_puts(json, "\"}");
}

static double mails_per_second(const struct buf *json, struct dkim *keys, double seconds)
{
    struct job job = { 0 };
    struct buf out = { 0 };
    struct err e = { 0 };
    double start = cpu_seconds(), took = 0;
    long count = 0;
    for (char id[32]; took < seconds; count++) {
        snprintf(id, sizeof id, "sendfleet.main-0-%ld", count);
        buf_reset(&out);
        if (!job_parse(&job, json->data, json->len, JOB_MAX_BYTES_DEFAULT, &e) ||
            !message_build(&job, id, message_date_ms(&job, 0), &out, &e) ||
            !dkim_sign(keys, job.from.domain, message_date_ms(&job, 0), &out, &e)) {
            fprintf(stderr, "message_bench: %s\n", e.text);
            exit(1);
        }
        if (count % CLOCK_EVERY == 0)
            took = cpu_seconds() - start;
    }
    took = cpu_seconds() - start;
    job_clear(&job);
    buf_clear(&out);
    return (double)count / took;
}

static double signed_per_second(const struct buf *json, char *const pems[2], double seconds)
{
    static struct config c;
    struct dkim *keys = NULL;
    struct err e = { 0 };
    c.dkim_count = 0;
    for (int i = 0; i < 2; i++)
        if (pems[i] != NULL)
            c.dkim[c.dkim_count++] = (struct dkim_key_config){ (char *)"example.com", (char *)"s", pems[i], (char *)"-" };
    if (!dkim_open(&keys, &c, &e)) {
        fprintf(stderr, "message_bench: %s\n", e.text);
        exit(1);
    }
    double rate = mails_per_second(json, keys, seconds);
    dkim_close(keys);
    return rate;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    size_t html_bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : HTML_BYTES_DEFAULT;
    char *rsa = make_pem(EVP_RSA_gen(2048)), *ed25519 = make_pem(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    struct buf json = { 0 };
    put_job(&json, html_bytes);
    double plain = signed_per_second(&json, (char *[]){ NULL, NULL }, seconds);
    double with_ed25519 = signed_per_second(&json, (char *[]){ ed25519, NULL }, seconds);
    double with_rsa = signed_per_second(&json, (char *[]){ rsa, NULL }, seconds);
    double with_both = signed_per_second(&json, (char *[]){ ed25519, rsa }, seconds);
    printf("{\"job_bytes\":%zu,\"unsigned_per_s\":%.0f,\"ed25519_per_s\":%.0f,\"rsa2048_per_s\":%.0f,\"both_per_s\":%.0f}\n",
           json.len, plain, with_ed25519, with_rsa, with_both);
    buf_clear(&json);
    free(rsa);
    free(ed25519);
    return 0;
}
