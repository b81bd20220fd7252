// SPDX-License-Identifier: Apache-2.0
// dkim_key: see dkim_key.h.
//
// A key is parsed once and keeps its context, because setting one up costs as much as an Ed25519 signature.
// RSA signs the hash in a PKCS #1 1.5 frame; Ed25519 signs the 32 octets of the hash as its message (RFC 8463
// 3). Both are deterministic, so every attempt has the same bytes. OpenSSL's error queue belongs to the
// thread and is read by the TLS of connections as well: it is left empty here.
#include "worker/dkim_key.h"

#include "common/alloc.h"
#include "common/base64.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

enum { RSA_BITS_MIN = 1024, RSA_BITS_MAX = 8192, SIGNATURE_MAX = RSA_BITS_MAX / 8, ED25519_BYTES = 32 };

struct dkim_key {
    enum dkim_algorithm algorithm;
    EVP_PKEY *key;       // owned
    EVP_PKEY_CTX *rsa;   // owned; ready to sign. NULL for Ed25519
    EVP_MD_CTX *ed25519; // owned; NULL for RSA
};

const char *dkim_algorithm_name(enum dkim_algorithm a)
{
    static const char *const NAMES[] = {
        [DKIM_RSA_SHA256] = "rsa-sha256", [DKIM_ED25519_SHA256] = "ed25519-sha256"
    };
    return NAMES[a];
}

// Nobody is there to type one.
static int no_passphrase(char *into, int size, int writing, void *arg)
{
    (void)into;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static bool check_kind(struct dkim_key *k, struct err *e)
{
    int bits = EVP_PKEY_get_bits(k->key);
    switch (EVP_PKEY_get_base_id(k->key)) {
    case EVP_PKEY_RSA:
        k->algorithm = DKIM_RSA_SHA256;
        return (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX) ||
               err_set(e, ERR_CONFIG, "an RSA key of %d bits; use 2048", bits);
    case EVP_PKEY_ED25519:
        k->algorithm = DKIM_ED25519_SHA256;
        return true;
    default:
        return err_set(e, ERR_CONFIG, "neither an RSA nor an Ed25519 key");
    }
}

static bool make_ready(struct dkim_key *k)
{
    if (k->algorithm == DKIM_ED25519_SHA256) {
        k->ed25519 = EVP_MD_CTX_new();
        return k->ed25519 != NULL;
    }
    k->rsa = EVP_PKEY_CTX_new(k->key, NULL);
    return k->rsa != NULL && EVP_PKEY_sign_init(k->rsa) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(k->rsa, RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(k->rsa, EVP_sha256()) == 1;
}

bool dkim_key_new(struct dkim_key **out, const char *pem, struct err *e)
{
    struct dkim_key *k = xcalloc(1, sizeof *k);
    BIO *bio = BIO_new_mem_buf(pem, -1);
    k->key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    bool ok = k->key != NULL || err_set(e, ERR_CONFIG, "not a private key in PEM without a passphrase");
    ok = ok && check_kind(k, e);
    ok = ok && (make_ready(k) || err_set(e, ERR_CONFIG, "a key that OpenSSL cannot sign with"));
    ERR_clear_error();
    if (ok)
        *out = k;
    else
        dkim_key_free(k);
    return ok;
}

void dkim_key_free(struct dkim_key *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_CTX_free(k->rsa);
    EVP_MD_CTX_free(k->ed25519);
    EVP_PKEY_free(k->key);
    free(k);
}

enum dkim_algorithm dkim_key_algorithm(const struct dkim_key *k)
{
    return k->algorithm;
}

bool dkim_key_sign(struct dkim_key *k, const unsigned char hash[DIGEST_SIZE], struct buf *out, struct err *e)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t len = sizeof signature;
    bool ok = k->algorithm == DKIM_RSA_SHA256
                  ? EVP_PKEY_sign(k->rsa, signature, &len, hash, DIGEST_SIZE) == 1
                  : EVP_DigestSignInit(k->ed25519, NULL, NULL, NULL, k->key) == 1 &&
                        EVP_DigestSign(k->ed25519, signature, &len, hash, DIGEST_SIZE) == 1;
    if (!ok) {
        ERR_clear_error();
        return err_set(e, ERR_TRANSIENT, "OpenSSL failed to sign (%s)", dkim_algorithm_name(k->algorithm));
    }
    base64_put(out, (struct slice){ (const char *)signature, len });
    return true;
}

static bool public_part(const struct dkim_key *k, unsigned char **der, size_t *len)
{
    if (k->algorithm == DKIM_RSA_SHA256) { // SubjectPublicKeyInfo
        int n = i2d_PUBKEY(k->key, der);
        *len = n > 0 ? (size_t)n : 0;
        return n > 0;
    }
    *len = ED25519_BYTES; // the bare key, RFC 8463 4.2
    *der = OPENSSL_malloc(ED25519_BYTES);
    return *der != NULL && EVP_PKEY_get_raw_public_key(k->key, *der, len) == 1;
}

bool dkim_key_record(const struct dkim_key *k, struct buf *out, struct err *e)
{
    unsigned char *der = NULL;
    size_t len = 0;
    bool ok = public_part(k, &der, &len);
    if (ok) {
        buf_puts(out, k->algorithm == DKIM_RSA_SHA256 ? "v=DKIM1; k=rsa; p=" : "v=DKIM1; k=ed25519; p=");
        base64_put(out, (struct slice){ (const char *)der, len });
    }
    OPENSSL_free(der);
    ERR_clear_error();
    return ok || err_set(e, ERR_TRANSIENT, "OpenSSL cannot tell the public key");
}
