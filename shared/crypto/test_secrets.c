/* Digests, sealed values, passwords, API keys. */
#include "crypto/apikey.h"
#include "crypto/digest.h"
#include "crypto/password.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <string.h>

static struct ctx ctx;
static const struct password_cost cheap = { .operations = 1, .memory = 64 * 1024 };

static void teardown(void)
{
    ctx_finish(&ctx);
}

TestSuite(secrets, .fini = teardown);

Test(secrets, digests_are_the_standard_ones)
{
    cr_expect_str_eq(sha256_hex(&ctx.arena, "abc", 3),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cr_expect_str_eq(sha256_hex(&ctx.arena, "", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    unsigned char out[SHA256_SIZE];
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out); /* RFC 4231, case 2 */
    cr_expect_str_eq(hex_encode(&ctx.arena, out, sizeof out),
                     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

Test(secrets, base64url_goes_both_ways_and_has_one_spelling)
{
    unsigned char raw[100];
    for (size_t size = 0; size <= sizeof raw; size++) {
        size_t back_size;
        random_bytes(raw, size);
        const char *text = base64url(&ctx.arena, raw, size);
        cr_expect_eq(strlen(text), (size * 8 + 5) / 6);
        unsigned char *back = base64url_decode(&ctx.arena, text, &back_size);
        cr_assert(back && back_size == size && memcmp(back, raw, size) == 0, "%s", text);
    }
    cr_expect_str_eq(base64url(&ctx.arena, "\xfb\xff", 2), "-_8");
    static const char *const bad[] = {
        "A", "AAAAA", "AB", "AAB", "AA==", "A+", "A/", "A A", "A\n", "\xc3\xa9", "AAA="
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t size;
        cr_expect_null(base64url_decode(&ctx.arena, bad[i], &size), "%s", bad[i]);
    }
}

Test(secrets, sealed_values_open_only_as_they_were_sealed)
{
    size_t size;
    char *sealed = seal(&ctx, "secret", "keys", "id-1", "a\0b", 3),
         *other = seal(&ctx, "secret", "keys", "id-1", "a\0b", 3);
    cr_assert_not_null(sealed);
    cr_expect_str_neq(sealed, other, "a new nonce each time");
    const char *opened = unseal(&ctx, "secret", "keys", "id-1", sealed, &size);
    cr_assert(opened && size == 3 && memcmp(opened, "a\0b", 4) == 0);
    cr_expect_null(unseal(&ctx, "secreT", "keys", "id-1", sealed, &size));
    cr_expect_eq(ctx.error->code, ERROR_INTERNAL);
    cr_expect_null(unseal(&ctx, "secret", "mail", "id-1", sealed, &size));
    cr_expect_null(unseal(&ctx, "secret", "keys", "id-2", sealed, &size));
    cr_expect_null(unseal(&ctx, "secret", "keys", "id-1", "", &size));
    cr_expect_null(unseal(&ctx, "secret", "keys", "id-1", "!", &size));
    cr_expect_null(unseal(&ctx, "", "keys", "id-1", sealed, &size));
    for (size_t i = 0; i < strlen(sealed); i++) {
        char *changed = arena_strdup(&ctx.arena, sealed);
        changed[i] = changed[i] == 'B' ? 'C' : 'B';
        cr_expect_null(unseal(&ctx, "secret", "keys", "id-1", changed, &size), "byte %zu", i);
        changed[i] = 0;
        cr_expect_null(unseal(&ctx, "secret", "keys", "id-1", changed, &size), "cut at %zu", i);
    }
    opened = unseal(&ctx, "secret", "keys", "", seal(&ctx, "secret", "keys", "", "", 0), &size);
    cr_expect(opened && size == 0);
}

Test(secrets, passwords_match_their_hash)
{
    bool outdated = true;
    char *hash = password_hash(&ctx, "correct horse", cheap);
    cr_assert(text_starts(hash, "$argon2id$v=19$m=64,t=1,p=1$"), "%s", hash);
    cr_expect(password_matches(&ctx, "correct horse", hash, cheap, &outdated));
    cr_expect_not(outdated);
    cr_expect_not(password_matches(&ctx, "correct horsE", hash, cheap, &outdated));
    cr_expect_not(password_matches(&ctx, "", hash, cheap, NULL));
    cr_expect_str_neq(hash, password_hash(&ctx, "correct horse", cheap));
    struct password_cost dearer = { .operations = 2, .memory = 128 * 1024 };
    cr_expect(password_matches(&ctx, "correct horse", hash, dearer, &outdated));
    cr_expect(outdated);
    cr_expect_not(password_matches(&ctx, "wrong", hash, dearer, &outdated));
    cr_expect_not(outdated, "only what matched can be hashed anew");
    char *long_password = arena_alloc(&ctx.arena, 513);
    memset(long_password, 'x', 512);
    hash = password_hash(&ctx, long_password, cheap);
    long_password[511] = 'y';
    cr_expect_not(password_matches(&ctx, long_password, hash, cheap, NULL), "every byte counts");
}

Test(secrets, bcrypt_hashes_are_taken_once)
{
    bool outdated = false;
    /* Of OpenBSD's and of Go's test vectors. */
    cr_expect(password_matches(&ctx, "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", cheap,
                               &outdated));
    cr_expect(outdated);
    cr_expect(
        password_matches(&ctx, "allmine", "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga", cheap, NULL));
    cr_expect_not(password_matches(&ctx, "allminE", "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga",
                                   cheap, &outdated));
    cr_expect_not(outdated);
    cr_expect_null(ctx.error);
    cr_expect_not(
        password_matches(&ctx, "x", "$2a$31$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga", cheap, NULL));
    cr_assert_not_null(ctx.error, "a hash that would take hours");
}

Test(secrets, broken_hashes_match_nothing)
{
    static const char *const hashes[] = {
        "",      "$", "$2a$", "$2a$1", "$2b$05$", "$2a$05$short", "$argon2id$", "$argon2id$v=19$m=64,t=1,p=1$x$y",
        "plain", "*0"
    };
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        cr_expect_not(password_matches(&ctx, "plain", hashes[i], cheap, NULL), "%s", hashes[i]);
        cr_expect_not(password_matches(&ctx, hashes[i], hashes[i], cheap, NULL), "%s", hashes[i]);
    }
}

Test(secrets, no_account_costs_what_an_account_costs)
{
    struct password_cost cost = { .operations = 2, .memory = 19 << 20 };
    char *hash = password_hash(&ctx, "x", cost);
    int64_t there = INT64_MAX, not_there = INT64_MAX;
    for (int i = 0; i < 5; i++) { /* the fastest of five: others use the machine */
        int64_t start = clock_us();
        cr_expect_not(password_matches(&ctx, "y", hash, cost, NULL));
        int64_t half = clock_us();
        cr_expect_not(password_matches(&ctx, "y", NULL, cost, NULL));
        int64_t end = clock_us();
        there = half - start < there ? half - start : there;
        not_there = end - half < not_there ? end - half : not_there;
    }
    cr_expect(not_there * 2 > there && there * 2 > not_there, "%lld us and %lld us", (long long)there,
              (long long)not_there);
}

Test(secrets, too_much_memory_is_an_outage)
{
    struct password_cost cost = { .operations = 1, .memory = INT64_C(1) << 46 };
    cr_expect_null(password_hash(&ctx, "x", cost));
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
}

Test(secrets, api_keys_carry_their_id_and_a_checksum)
{
    char id[25];
    const char *key = apikey_make(&ctx, "0123456789abcdef01234567");
    cr_assert_not_null(key);
    cr_expect_eq(strlen(key), APIKEY_LENGTH);
    cr_expect(apikey_plausible(key, id));
    cr_expect_str_eq(id, "0123456789abcdef01234567");
    cr_expect(apikey_plausible(key, NULL));
    cr_expect_str_neq(key, apikey_make(&ctx, "0123456789abcdef01234567"));
    cr_expect_eq(strlen(apikey_hash(&ctx, key)), SHA256_HEX);
    for (size_t i = 0; i < APIKEY_LENGTH; i++) {
        char *changed = arena_strdup(&ctx.arena, key);
        changed[i] = changed[i] == 'a' ? 'b' : 'a';
        cr_expect_not(apikey_plausible(changed, NULL), "byte %zu", i);
        changed[i] = 0;
        cr_expect_not(apikey_plausible(changed, NULL), "cut at %zu", i);
    }
    cr_expect_not(apikey_plausible(arena_printf(&ctx.arena, "%s0", key), NULL));
    cr_expect_not(apikey_plausible("", NULL));
    cr_expect_null(apikey_make(&ctx, "not an id"));
}

Test(secrets, api_keys_use_every_letter)
{
    bool seen[256] = { false };
    for (int i = 0; i < 200; i++) {
        const char *key = apikey_make(&ctx, "0123456789abcdef01234567");
        cr_assert(apikey_plausible(key, NULL));
        for (const char *c = key + 28; *c; c++)
            seen[(unsigned char)*c] = true;
    }
    int count = 0;
    for (int i = 0; i < 256; i++)
        count += seen[i];
    cr_expect_eq(count, 62);
}
