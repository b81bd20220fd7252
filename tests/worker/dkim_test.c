// SPDX-License-Identifier: Apache-2.0
// Signatures: the vectors of RFC 8463 appendix A to the octet, the relaxed forms, and whose keys sign what.
#include "worker/dkim.h"
#include "worker/dkim_canon.h"

#include "common/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

// RFC 8463 A.1: the keys, as PKCS #8 and PKCS #1.
static const char ED25519_PEM[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                  "-----END PRIVATE KEY-----\n";
static const char RSA_PEM[] = "-----BEGIN RSA PRIVATE KEY-----\n"
                              "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
                              "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
                              "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
                              "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
                              "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
                              "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
                              "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
                              "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
                              "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
                              "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
                              "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
                              "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
                              "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
                              "-----END RSA PRIVATE KEY-----\n";

static const char MESSAGE[] = "From: Joe SixPack <joe@football.example.com>\r\n"
                              "To: Suzie Q <suzie@shopping.example.net>\r\n"
                              "Subject: Is dinner ready?\r\n"
                              "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
                              "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
                              "\r\n"
                              "Hi.\r\n"
                              "\r\n"
                              "We lost the game.  Are you hungry yet?\r\n"
                              "\r\n"
                              "Joe.\r\n";

static const struct vector {
    const char *pem, *algorithm, *selector, *record, *hash, *signature;
} VECTORS[] = {
    { ED25519_PEM, "ed25519-sha256", "brisbane", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
      "48ce9a2c710ece1710ff156996b836a7f45470e43efe5643074d6e1690ed62e7",
      "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==" },
    { RSA_PEM, "rsa-sha256", "test",
      "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi"
      "0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3Q"
      "IDAQAB",
      "fed71e6d70fb123bb5c353adc42821b304b6b9d54fc867f304f7c61daaaa1111",
      "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
      "dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=" },
};

// What A.3 hashes: the fields in the order of h=, then the signature's own field as the RFC prints it.
static void put_vector_input(const struct vector *v, struct buf *out)
{
    static const struct slice NAMES[] = { { "from", 4 }, { "to", 2 }, { "subject", 7 }, { "date", 4 }, { "message-id", 10 },
                                          { "from", 4 }, { "subject", 7 }, { "date", 4 } };
    static struct dkim_message m;
    struct err e = { 0 };
    struct buf field = { 0 };
    if (!dkim_split(&m, slice_of(MESSAGE), &e))
        fail_msg("split: %s", e.text);
    unsigned char hash[DIGEST_SIZE];
    dkim_hash_body(m.body, hash);
    buf_printf(&field, "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n"
                       " q=dns/txt; s=%s; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;"
                       "\r\n bh=", v->algorithm, v->selector);
    base64_put(&field, (struct slice){ (const char *)hash, sizeof hash });
    assert_non_null(strstr(field.data, "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="));
    buf_puts(&field, ";\r\n b=");
    dkim_put_signed(&m, NAMES, 8, out);
    dkim_relax_field(buf_slice(&field), out);
    buf_clear(&field);
}

static void the_vectors_of_rfc_8463_come_out_to_the_octet(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
        const struct vector *v = &VECTORS[i];
        struct dkim_key *key;
        struct err e = { 0 };
        struct buf input = { 0 }, record = { 0 }, signature = { 0 };
        char hex[2 * DIGEST_SIZE + 1];
        unsigned char hash[DIGEST_SIZE];
        if (!dkim_key_new(&key, v->pem, &e))
            fail_msg("%s: %s", v->algorithm, e.text);
        assert_string_equal(dkim_algorithm_name(dkim_key_algorithm(key)), v->algorithm);
        assert_true(dkim_key_record(key, &record, &e));
        assert_string_equal(record.data, v->record);
        put_vector_input(v, &input);
        digest_sha256(buf_slice(&input), hash);
        assert_string_equal(digest_hex(hash, sizeof hash, hex), v->hash);
        for (int round = 0; round < 3; round++) { // the context is used again
            buf_reset(&signature);
            assert_true(dkim_key_sign(key, hash, &signature, &e));
            assert_string_equal(signature.data, v->signature);
        }
        buf_clear(&input);
        buf_clear(&record);
        buf_clear(&signature);
        dkim_key_free(key);
    }
}

static void fields_are_relaxed(void **state)
{
    (void)state;
    static const char *const CASES[][2] = { // RFC 6376 3.4.5, and the corners
        { "A: X", "a:X" },
        { "B : Y\t\r\n\tZ  ", "b:Y Z" },
        { "Subject:", "subject:" },
        { "Subject: \r\n  ", "subject:" },
        { "X-LONG-Name:\t a \t b\r\n c", "x-long-name:a b c" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct buf out = { 0 };
        dkim_relax_field(slice_of(CASES[i][0]), &out);
        if (strcmp(out.data, CASES[i][1]) != 0)
            fail_msg("\"%s\": got \"%s\", want \"%s\"", CASES[i][0], out.data, CASES[i][1]);
        buf_clear(&out);
    }
}

static void bodies_are_relaxed(void **state)
{
    (void)state;
    static const char *const CASES[][3] = {
        { "nothing is nothing", "", "" },
        { "empty lines alone are nothing", "\r\n\r\n", "" },
        { "lines of blanks alone are nothing", " \r\n\t \r\n", "" },
        { "the RFC's own", " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n" },
        { "a missing line end is added", "a", "a\r\n" },
        { "a missing line end after blanks is added", "a \t", "a\r\n" },
        { "blanks after the last line end are nothing", "a\r\n  ", "a\r\n" },
        { "empty lines inside stay", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n" },
        { "a tab becomes a space", "a\tb\r\n", "a b\r\n" },
        { "blanks at the start shrink to one", "\t\ta\r\n", " a\r\n" },
        { "a line of blanks inside is empty", "a\r\n \t\r\nb\r\n", "a\r\n\r\nb\r\n" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        unsigned char got[DIGEST_SIZE], want[DIGEST_SIZE];
        char got_hex[2 * DIGEST_SIZE + 1], want_hex[2 * DIGEST_SIZE + 1];
        dkim_hash_body(slice_of(CASES[i][1]), got);
        digest_sha256(slice_of(CASES[i][2]), want);
        if (memcmp(got, want, sizeof got) != 0)
            fail_msg("%s: got %s, want %s", CASES[i][0], digest_hex(got, sizeof got, got_hex),
                     digest_hex(want, sizeof want, want_hex));
    }
}

static void fields_of_one_name_are_taken_from_below(void **state)
{
    (void)state;
    static const struct slice NAMES[] = { { "X", 1 }, { "Y", 1 }, { "x", 1 }, { "X", 1 } };
    static struct dkim_message m;
    struct err e = { 0 };
    struct buf out = { 0 };
    assert_true(dkim_split(&m, SLICE("X: 1\r\nZ: 2\r\nX: 3\r\n 4\r\n\r\nbody"), &e));
    assert_int_equal(m.count, 3);
    assert_true(slice_is(m.body, "body"));
    dkim_put_signed(&m, NAMES, 4, &out);
    assert_string_equal(out.data, "x:3 4\r\nx:1\r\n");
    buf_clear(&out);
}

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = { "no colon\r\n\r\n", "A: b", "A: b\r\n\r", "A: b\r\n\nx\r\n" };
    static struct dkim_message m;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct err e = { 0 };
        if (dkim_split(&m, slice_of(BAD[i]), &e))
            fail_msg("\"%s\": got split, want refused", BAD[i]);
    }
}

// ---- whose keys ------------------------------------------------------------------------------------------------------

static struct config config;

static void add_key(const char *domain, const char *selector, const char *pem)
{
    config.dkim[config.dkim_count++] = (struct dkim_key_config){ (char *)domain, (char *)selector, (char *)pem,
                                                                 (char *)"/keys/k.pem" };
}

static struct dkim *open_keys(void)
{
    struct dkim *d;
    struct err e = { 0 };
    config = (struct config){ 0 };
    add_key("example.com", "s1", RSA_PEM);
    add_key("news.example.com", "n1", ED25519_PEM);
    add_key("example.com", "s2", ED25519_PEM);
    add_key("test", "t1", ED25519_PEM);
    if (!dkim_open(&d, &config, &e))
        fail_msg("open: %s", e.text);
    return d;
}

static void the_sender_s_domain_picks_the_keys(void **state)
{
    (void)state;
    static const struct {
        const char *domain, *wants[2];
    } CASES[] = {
        { "example.com", { "d=example.com; s=s1;", "d=example.com; s=s2;" } },
        { "EXAMPLE.com", { "d=example.com; s=s1;", "d=example.com; s=s2;" } },
        { "mail.example.com", { "d=example.com; s=s1;", "d=example.com; s=s2;" } },
        { "news.example.com", { "d=news.example.com; s=n1;" } },
        { "a.b.news.example.com", { "d=news.example.com; s=n1;" } },
        { "badexample.com", { NULL } },
        { "com", { NULL } },
        { "test", { "d=test; s=t1;" } },
        { "a.test", { NULL } }, // a top-level domain signs for nobody below it
    };
    struct dkim *d = open_keys();
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct buf b = { 0 };
        struct err e = { 0 };
        buf_puts(&b, MESSAGE);
        assert_true(dkim_sign(d, slice_of(CASES[i].domain), 0, &b, &e));
        int found = 0;
        for (const char *p = b.data; (p = strstr(p, "DKIM-Signature:")) != NULL; p++, found++)
            if (found == 2 || CASES[i].wants[found] == NULL || strstr(p, CASES[i].wants[found]) == NULL)
                fail_msg("%s: got\n%s\nwant %s", CASES[i].domain, b.data, found < 2 ? CASES[i].wants[found] : "no more");
        assert_int_equal(found, (CASES[i].wants[0] != NULL) + (CASES[i].wants[1] != NULL));
        assert_non_null(strstr(b.data, MESSAGE)); // the message itself is as it was
        buf_clear(&b);
    }
    struct dkim_counts counts = dkim_counts(d);
    assert_int_equal(counts.made[DKIM_RSA_SHA256], 3);
    assert_int_equal(counts.made[DKIM_ED25519_SHA256], 6);
    assert_int_equal(counts.failed, 0);
    dkim_close(d);
}

static void a_signature_has_the_same_bytes_every_time(void **state)
{
    (void)state;
    struct dkim *d = open_keys();
    struct buf a = { 0 }, b = { 0 };
    struct err e = { 0 };
    buf_puts(&a, MESSAGE);
    buf_puts(&b, MESSAGE);
    assert_true(dkim_sign(d, SLICE("example.com"), 1528637909999, &a, &e));
    dkim_close(d);
    d = open_keys();
    assert_true(dkim_sign(d, SLICE("example.com"), 1528637909999, &b, &e));
    assert_string_equal(a.data, b.data);
    assert_non_null(strstr(a.data, "\r\n t=1528637909;\r\n h=From:From:To:To:Cc:Subject:Subject:Date:Date:Reply-To:"));
    buf_clear(&a);
    buf_clear(&b);
    dkim_close(d);
}

static void what_cannot_be_signed_stays_as_it_was_and_is_counted(void **state)
{
    (void)state;
    struct dkim *d = open_keys();
    struct buf b = { 0 };
    struct err e = { 0 };
    buf_puts(&b, "no field\r\n\r\nbody\r\n");
    assert_false(dkim_sign(d, SLICE("example.com"), 0, &b, &e));
    assert_string_equal(b.data, "no field\r\n\r\nbody\r\n");
    assert_int_equal(dkim_counts(d).failed, 1);
    buf_clear(&b);
    dkim_close(d);
}

static void without_keys_nothing_is_signed(void **state)
{
    (void)state;
    struct buf b = { 0 };
    struct err e = { 0 };
    buf_puts(&b, MESSAGE);
    assert_true(dkim_sign(NULL, SLICE("example.com"), 0, &b, &e));
    assert_string_equal(b.data, MESSAGE);
    assert_int_equal(dkim_counts(NULL).failed, 0);
    buf_clear(&b);
}

static void a_bad_key_is_named_with_domain_selector_and_file(void **state)
{
    (void)state;
    static const struct {
        const char *pem, *says;
    } CASES[] = {
        { "hello", "not a private key in PEM" },
        { "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ\n-----END PRIVATE KEY-----\n", "not a private key in PEM" },
        { "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
          "-----END PUBLIC KEY-----\n", "not a private key in PEM" },
        { "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
          "-----END PRIVATE KEY-----\n", "neither an RSA nor an Ed25519 key" },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct dkim *d;
        struct err e = { 0 };
        config = (struct config){ 0 };
        add_key("a.example", "ok", ED25519_PEM);
        add_key("example.com", "s9", CASES[i].pem);
        assert_false(dkim_open(&d, &config, &e));
        assert_int_equal(e.kind, ERR_CONFIG);
        if (strstr(e.text, "example.com, selector s9, from /keys/k.pem: ") == NULL || strstr(e.text, CASES[i].says) == NULL)
            fail_msg("got \"%s\", want \"%s\"", e.text, CASES[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_8463_come_out_to_the_octet),
        cmocka_unit_test(fields_are_relaxed),
        cmocka_unit_test(bodies_are_relaxed),
        cmocka_unit_test(fields_of_one_name_are_taken_from_below),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(the_sender_s_domain_picks_the_keys),
        cmocka_unit_test(a_signature_has_the_same_bytes_every_time),
        cmocka_unit_test(what_cannot_be_signed_stays_as_it_was_and_is_counted),
        cmocka_unit_test(without_keys_nothing_is_signed),
        cmocka_unit_test(a_bad_key_is_named_with_domain_selector_and_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
