// SPDX-License-Identifier: Apache-2.0
// digest: see digest.h.
//
// A job costs two digests, most of them over less than a kilobyte, where OpenSSL's set-up (looking the algorithm
// up, allocating a context) costs more than the hashing. So the algorithm is fetched once per process and each
// thread keeps one context, which is freed when the thread ends. A failure here means a broken OpenSSL (SHA-256
// is in every provider): there is no answer a caller could use, so the process ends.
#include "common/digest.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t context_key; // only for its destructor
static EVP_MD *sha256;
static _Thread_local EVP_MD_CTX *context;

static void require(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "level=error at=digest OpenSSL failed step=%s\n", what);
    abort();
}

static void free_context(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    require(sha256 != NULL, "fetch");
    require(pthread_key_create(&context_key, free_context) == 0, "key");
}

static EVP_MD_CTX *thread_context(void)
{
    if (context != NULL)
        return context;
    pthread_once(&once, fetch);
    context = EVP_MD_CTX_new();
    require(context != NULL, "context");
    pthread_setspecific(context_key, context);
    return context;
}

void digest_begin(void)
{
    EVP_MD_CTX *ctx = thread_context(); // first: it fetches the algorithm
    require(EVP_DigestInit_ex(ctx, sha256, NULL) == 1, "init");
}

void digest_add(struct slice bytes)
{
    require(EVP_DigestUpdate(thread_context(), bytes.ptr, bytes.len) == 1, "update");
}

void digest_end(unsigned char out[DIGEST_SIZE])
{
    require(EVP_DigestFinal_ex(thread_context(), out, NULL) == 1, "final");
}

void digest_sha256(struct slice bytes, unsigned char out[DIGEST_SIZE])
{
    digest_begin();
    digest_add(bytes);
    digest_end(out);
}

char *digest_sha1_hex(struct slice bytes, char out[DIGEST_SHA1_HEX_SIZE])
{
    unsigned char sum[20];
    require(EVP_Digest(bytes.ptr, bytes.len, sum, NULL, EVP_sha1(), NULL) == 1, "sha1");
    return digest_hex(sum, sizeof sum, out);
}

char *digest_hex(const unsigned char *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
    return out;
}

char *digest_short(struct slice bytes, char out[DIGEST_SHORT_SIZE])
{
    unsigned char full[DIGEST_SIZE];
    digest_sha256(bytes, full);
    return digest_hex(full, DIGEST_SHORT_SIZE / 2, out);
}
