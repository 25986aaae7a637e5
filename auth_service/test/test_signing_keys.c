#include "auth_fixture.h"
#include "base/text.h"
#include "key/signing_key_store.h"

#include <stdio.h>
#include <string.h>

TestSuite(signing_keys, .init = auth_start, .fini = auth_stop, .timeout = 120);

static struct list keys(void)
{
    struct list list;
    cr_assert(signing_key_list(&fixture.ctx, &fixture.parts.signing_keys, &list));
    return list;
}

Test(signing_keys, are_told_without_their_secrets)
{
    struct answer answer = CALL(GET, "/.well-known/jwks.json");
    cr_assert_eq(answer.status, 200);
    cr_assert_eq(json_array_size(json_at(answer.body, "keys")), 1);
    const struct signing_key *first = keys().items;
    cr_expect_str_eq(text_at(answer.body, "keys.0.kid"), first->doc.id);
    cr_expect_str_eq(text_at(answer.body, "keys.0.kty"), "EC");
    cr_expect_null(json_at(answer.body, "keys.0.d"));
    cr_expect_str_eq(call_subject("auth.jwks", "{}", false).text, answer.text);
}

Test(signing_keys, stay_the_same_when_auth_starts_again)
{
    struct person ann = signup("ann");
    cr_assert(auth_restart());
    cr_expect_eq(keys().count, 1);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 200);
}

Test(signing_keys, do_not_open_under_another_master_secret)
{
    const char *right = fixture.master.fixed;
    const struct signing_key *first = keys().items;
    cr_expect_null(strstr(first->sealed, "PRIVATE"));
    fixture.master.fixed = "this is not the secret that they were sealed under";
    cr_expect_null(signing_key_open(&fixture.ctx, &fixture.parts.signing_keys, first));
    cr_expect(ctx_forgive(&fixture.ctx, ERROR_INTERNAL));
    fixture.master.fixed = right;
}

struct start {
    struct store *store;
    struct secret *master;
    bool done[8];
};

static void ensure(void *self, size_t number)
{
    struct start *start = self;
    struct ctx ctx = { .request_id = "" };
    struct signing_keys all = { start->store, vault_of_secret(start->master) };
    start->done[number] = signing_keys_ensure(&ctx, &all, JWT_ES256, NULL);
    ctx_finish(&ctx);
}

/* Eight replicas start on an empty store. */
Test(signing_keys, several_starts_at_once_make_one)
{
    const struct signing_key *first = keys().items;
    cr_assert(store_remove(&fixture.ctx, fixture.store, &signing_key_collection, first->doc.id, 0, NO_EVENTS));
    cr_assert_eq(keys().count, 0);
    struct start start = { fixture.store, &fixture.master, { false } };
    at_once(8, ensure, &start);
    for (size_t i = 0; i < 8; i++)
        cr_expect(start.done[i]);
    cr_expect_eq(keys().count, 1);
}

Test(signing_keys, are_published_before_they_sign)
{
    struct person ann = signup("ann");
    fixture_options.alg = JWT_RS256;
    cr_assert(auth_restart());
    struct list list = keys();
    cr_assert_eq(list.count, 2);
    const struct signing_key *items = list.items;
    cr_expect_eq(items[1].alg, JWT_RS256 - 1);
    cr_expect_geq(items[1].signs_from, clock_now_ms() + PUBLISHED_BEFORE_MS - 10000);
    cr_expect_eq(json_array_size(json_at(CALL(GET, "/.well-known/jwks.json").body, "keys")), 2);

    struct person bob = signup("bob");
    cr_expect_str_eq(format("%.20s", bob.access), format("%.20s", ann.access), "the old key signs on");
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 200);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = bob.access).status, 200);
}

/* What another replica generated is found when a token names it, and by the chore. */
Test(signing_keys, of_other_replicas_are_found)
{
    struct signing_key *next = signing_key_generate(&fixture.ctx, &fixture.parts.signing_keys, JWT_ES256,
                                                    clock_now_ms());
    cr_assert(next);
    struct key_ring *other = key_ring_open(&fixture.ctx, &fixture.parts.signing_keys, fixture.feed, JWT_ES256, NULL);
    struct person ann = signup("ann");
    const struct tokens *tokens = &fixture.parts.tokens;
    int64_t now = clock_now_ms() / 1000;
    struct jwt_claims claims = { .issuer = tokens->issuer,
                                 .audience = tokens->audience,
                                 .subject = ann.id,
                                 .session = ann.session,
                                 .id = "x",
                                 .client = "x",
                                 .issued = now,
                                 .expires = now + 60,
                                 .user_version = 1 };
    const char *token = key_ring_sign(&fixture.ctx, other, "at+jwt", &claims);
    cr_expect_eq(json_array_size(json_at(CALL(GET, "/.well-known/jwks.json").body, "keys")), 1);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = token).status, 200);
    cr_expect_eq(json_array_size(json_at(CALL(GET, "/.well-known/jwks.json").body, "keys")), 2);
    key_ring_close(other);
}

static char key_file[] = "/tmp/tonearm-key-XXXXXX";

static void start_with_a_file(void)
{
    struct ctx ctx = { .request_id = "" };
    EVP_PKEY *key = jwt_key_generate(&ctx, JWT_RS256);
    FILE *file = fdopen(mkstemp(key_file), "w");
    cr_assert(file && key);
    fputs(jwt_key_write(&ctx, key), file);
    fclose(file);
    EVP_PKEY_free(key);
    ctx_finish(&ctx);
    fixture_options.signing_key_file = key_file;
    fixture_options.alg = JWT_RS256;
    auth_start();
}

static void stop_with_a_file(void)
{
    remove(key_file);
    auth_stop();
}

TestSuite(imported_key, .init = start_with_a_file, .fini = stop_with_a_file, .timeout = 60);

Test(imported_key, is_the_first)
{
    struct list list = keys();
    cr_assert_eq(list.count, 1);
    const struct signing_key *first = list.items;
    char pem[8192] = "";
    FILE *file = fopen(key_file, "r");
    size_t size = fread(pem, 1, sizeof pem - 1, file);
    fclose(file);
    enum jwt_alg alg;
    EVP_PKEY *key = jwt_key_read(&fixture.ctx, pem, size, &alg);
    cr_expect_str_eq(first->doc.id, jwt_key_kid(&fixture.ctx, key));
    EVP_PKEY_free(key);
    cr_expect_str_eq(text_at(CALL(GET, "/.well-known/jwks.json").body, "keys.0.kty"), "RSA");
    cr_expect_eq(CALL(GET, "/profile/mine", .token = signup("ann").access).status, 200);
}

Test(imported_key, is_not_needed_again)
{
    fixture_options.signing_key_file = "/nowhere/to/be/found.pem";
    cr_expect(auth_restart());
    cr_expect_eq(keys().count, 1);
}
