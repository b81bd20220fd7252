// SPDX-License-Identifier: Apache-2.0
// digest: the published test vectors of FIPS 180-2, and contexts of several threads.
#include "common/digest.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *text, *hex;
} VECTORS[] = {
    { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static const char *sha256_hex(const char *text, char out[2 * DIGEST_SIZE + 1])
{
    unsigned char raw[DIGEST_SIZE];
    digest_sha256(slice_of(text), raw);
    return digest_hex(raw, sizeof raw, out);
}

static void test_vectors(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) { // the second round reuses the context
        for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
            char hex[2 * DIGEST_SIZE + 1];
            assert_string_equal(sha256_hex(VECTORS[i].text, hex), VECTORS[i].hex);
            char brief[DIGEST_SHORT_SIZE];
            assert_memory_equal(digest_short(slice_of(VECTORS[i].text), brief), VECTORS[i].hex, 32);
            assert_int_equal(strlen(brief), 32);
        }
    }
}

static void *hash_a_lot(void *wrong)
{
    for (int i = 0; i < 1000; i++) {
        char hex[2 * DIGEST_SIZE + 1];
        size_t which = (size_t)i % (sizeof VECTORS / sizeof VECTORS[0]);
        if (strcmp(sha256_hex(VECTORS[which].text, hex), VECTORS[which].hex) != 0)
            *(int *)wrong += 1;
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    int wrong[4] = { 0 };
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_a_lot, &wrong[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(wrong[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "the published vectors come out", test_vectors, NULL, NULL, NULL },
        { "threads do not disturb each other", test_threads, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
