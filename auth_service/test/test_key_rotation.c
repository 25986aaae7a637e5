/* Keys that come and go: published before they sign, kept until their last token is out, and ended at once where they
 * must be. */
#include "auth_fixture.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "key/signing_key_store.h"
#include "libjwt_verify.h"

#include <string.h>

enum { MINUTE = 60000, HOUR = 60 * MINUTE };

TestSuite(key_rotation, .init = auth_start, .fini = auth_stop, .timeout = 120);

static const struct signing_keys *source(void)
{
    return &fixture.parts.signing_keys;
}

static struct list all(void)
{
    struct list list;
    cr_assert(signing_key_list_all(&fixture.ctx, source(), &list));
    return list;
}

static const char *kid_at(size_t at)
{
    struct list list = all();
    cr_assert_lt(at, list.count);
    return ((const struct signing_key *)list.items)[at].doc.id;
}

static const char *kid_of(const char *token)
{
    const char *dot = strchr(token, '.');
    size_t size;
    char *head = arena_memdup(&fixture.ctx.arena, token, (size_t)(dot - token));
    const char *json = (const char *)base64url_decode(&fixture.ctx.arena, head, &size);
    json_t *root = json_loadb(json, size, 0, NULL);
    const char *kid = arena_strdup(&fixture.ctx.arena, text_at(root, "kid"));
    json_decref(root);
    return kid;
}

static size_t published(void)
{
    return json_array_size(json_at(call_subject("auth.jwks", "{}", false).body, "keys"));
}

static int status_of(const char *token)
{
    return CALL(GET, "/profile/mine", .token = token).status;
}

static void look_at_the_store(void)
{
    cr_assert(key_ring_refresh(&fixture.ctx, fixture.parts.keys.ring));
}

/* What a chore does twice a second. */
static void tell(void)
{
    struct ctx ctx = { .request_id = "" };
    announce_pending(&ctx, &fixture.parts.announcer); /* NATS is away: known here, and the others are told later */
    ctx_finish(&ctx);
}

Test(key_rotation, what_state_a_key_is_in_follows_from_the_keys_and_the_time)
{
    const int64_t now = 100 * HOUR;
    const int64_t kept = TOKEN_LIFE_MAX_MS + CLOCKS_APART_MS;
    const struct {
        struct signing_key keys[3];
        size_t count;
        enum key_state states[3];
    } cases[] = {
        { { { .signs_from = now } }, 1, { KEY_ACTIVE } },
        { { { .signs_from = now - HOUR * 50 } }, 1, { KEY_ACTIVE } },
        { { { .signs_from = now - HOUR }, { .signs_from = now + 1 } }, 2, { KEY_ACTIVE, KEY_NEXT } },
        { { { .signs_from = now - HOUR }, { .signs_from = now } }, 2, { KEY_RETIRED, KEY_ACTIVE } },
        { { { .signs_from = 1 }, { .signs_from = now - kept + 1 } }, 2, { KEY_RETIRED, KEY_ACTIVE } },
        { { { .signs_from = 1 }, { .signs_from = now - kept } }, 2, { KEY_GONE, KEY_ACTIVE } },
        /* Retired when the first of those after it began, not the last. */
        { { { .signs_from = 1 }, { .signs_from = now - kept }, { .signs_from = now - 1 } },
          3,
          { KEY_GONE, KEY_RETIRED, KEY_ACTIVE } },
        /* A revoked one relieves nobody. */
        { { { .signs_from = 1 }, { .signs_from = now - kept, .until = now - 1 } }, 2, { KEY_ACTIVE, KEY_GONE } },
        { { { .signs_from = 1 }, { .signs_from = now + HOUR, .until = now } }, 2, { KEY_ACTIVE, KEY_GONE } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < cases[i].count; k++)
            cr_expect_eq(signing_key_state(cases[i].keys, cases[i].count, k, now), cases[i].states[k],
                         "case %zu, key %zu", i, k);
}

Test(key_rotation, makes_a_key_that_is_published_first)
{
    struct signing_key *next = signing_keys_rotate(&fixture.ctx, source(), JWT_RS256, PUBLISHED_BEFORE_MS);
    cr_assert(next);
    cr_expect_geq(next->signs_from, clock_now_ms() + PUBLISHED_BEFORE_MS - MINUTE);
    look_at_the_store();
    cr_expect_eq(published(), 2);
    cr_expect_str_eq(kid_of(signup("ann").access), kid_at(0));
    cr_expect_null(signing_keys_rotate(&fixture.ctx, source(), JWT_RS256, PUBLISHED_BEFORE_MS), "one at a time");
    cr_expect(ctx_forgive(&fixture.ctx, ERROR_CONFLICT));
}

/* What libjwt takes by itself: the type of access tokens it refuses. */
static const char *id_token(const char *name)
{
    struct answer answer = CALL(POST, "/signin/basic",
                                format("{\"email\":\"%s@example.com\",\"password\":\"correct horse\"}", name));
    return text_at(answer.data, "tokens.idToken");
}

/* From one algorithm to the other and back; what the old ones signed goes on being good. */
Test(key_rotation, goes_on_with_what_the_old_keys_signed)
{
    const enum jwt_alg algs[] = { JWT_ES256, JWT_RS256, JWT_ES256 };
    const char *tokens[3], *ids[3];
    for (size_t i = 0; i < 3; i++) {
        cr_assert(!i || signing_key_generate(&fixture.ctx, source(), algs[i], clock_now_ms()));
        look_at_the_store();
        tokens[i] = signup(format("user%zu", i)).access;
        ids[i] = id_token(format("user%zu", i));
    }
    cr_expect_eq(published(), 3);
    const struct signing_key *keys = all().items;
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(keys[i].alg, (int)algs[i] - 1);
        cr_expect_str_eq(kid_of(tokens[i]), keys[i].doc.id);
        cr_expect_eq(status_of(tokens[i]), 200);
        EVP_PKEY *key = signing_key_open(&fixture.ctx, source(), &keys[i]);
        json_t *taken = libjwt_verify(ids[i], jwt_key_write(&fixture.ctx, key));
        cr_expect_not_null(taken, "libjwt refuses the token of key %zu", i);
        json_decref(taken);
        EVP_PKEY_free(key);
    }
}

/* A key whose time came while this replica did not look is found by who needs it. */
Test(key_rotation, keeps_the_old_until_its_last_token_is_out_then_forgets_it)
{
    const int64_t kept = TOKEN_LIFE_MAX_MS + CLOCKS_APART_MS;
    const char *first = kid_at(0);
    cr_assert(signing_key_generate(&fixture.ctx, source(), JWT_ES256, clock_now_ms() - kept + MINUTE));
    look_at_the_store();
    cr_expect_eq(published(), 2);
    cr_assert(signing_keys_sweep(&fixture.ctx, (void *)source()));
    cr_expect_eq(all().count, 2, "its tokens are still out");

    cr_assert(signing_key_generate(&fixture.ctx, source(), JWT_ES256, clock_now_ms() - kept));
    look_at_the_store();
    cr_expect_eq(published(), 1);
    cr_assert(signing_keys_sweep(&fixture.ctx, (void *)source()));
    cr_expect_eq(all().count, 1);
    cr_expect_str_neq(kid_at(0), first);
    cr_expect_eq(status_of(signup("ann").access), 200);
}

/* The operator's command writes the store; the replica that runs hears of it by its chore. */
Test(key_rotation, a_revoked_key_ends_its_tokens_and_another_signs_at_once)
{
    struct person ann = signup("ann");
    const char *old = kid_at(0);
    cr_expect_eq(status_of(ann.access), 200);
    cr_assert(signing_keys_revoke(&fixture.ctx, source(), old));
    tell();
    cr_expect_eq(status_of(ann.access), 401, "though it was checked before");
    cr_expect_eq(status_of(signin("ann").access), 200);
    cr_expect_str_eq(kid_of(signin("ann").access), kid_at(1));
    cr_expect_eq(published(), 1);
    cr_expect_eq(refresh(ann.refresh).status, 200, "the session goes on");
    cr_expect_not(signing_keys_revoke(&fixture.ctx, source(), old), "it is gone");
    cr_expect(ctx_forgive(&fixture.ctx, ERROR_NOT_FOUND));
    cr_expect_not(signing_keys_revoke(&fixture.ctx, source(), "nobodys"));
    cr_expect(ctx_forgive(&fixture.ctx, ERROR_NOT_FOUND));
}

/* Even one that this replica has not checked before, and does not know to be revoked but by the feed. */
Test(key_rotation, a_revoked_key_ends_tokens_that_nobody_has_seen)
{
    struct person ann = signup("ann"), bob = signup("bob");
    feed_note(fixture.feed, REVOKED_SESSION, kid_at(0), 0);
    cr_expect_eq(status_of(ann.access), 401);
    cr_expect_eq(call_subject("auth.validate.token", format("{\"accessToken\":\"%s\"}", bob.access), false).status,
                 401);
    cr_expect_eq(CALL(POST, "/signin/basic", "{\"email\":\"ann@example.com\",\"password\":\"correct horse\"}").status,
                 503, "no key is left, and none may be taken that was revoked");
}

Test(key_rotation, a_revoked_one_that_has_not_signed_leaves_the_others_alone)
{
    struct person ann = signup("ann");
    struct signing_key *next = signing_keys_rotate(&fixture.ctx, source(), JWT_ES256, PUBLISHED_BEFORE_MS);
    cr_assert(next);
    cr_assert(signing_keys_revoke(&fixture.ctx, source(), next->doc.id));
    tell();
    look_at_the_store();
    cr_expect_eq(published(), 1);
    cr_expect_eq(all().count, 2);
    cr_expect_eq(status_of(ann.access), 200);
    cr_expect_str_eq(kid_of(signin("ann").access), kid_at(0));
    cr_assert(signing_keys_sweep(&fixture.ctx, (void *)source()));
    cr_expect_eq(all().count, 2, "revoked ones are kept for as long as they are asked about");
    cr_expect(signing_keys_rotate(&fixture.ctx, source(), JWT_ES256, PUBLISHED_BEFORE_MS), "its place is free");
}

static void revoke_it(void *self, size_t number)
{
    (void)number;
    struct ctx ctx = { .request_id = "" };
    if (!signing_keys_revoke(&ctx, source(), self))
        cr_expect(ctx_forgive(&ctx, ERROR_NOT_FOUND), "%s", ctx.error ? ctx.error->message : "");
    ctx_finish(&ctx);
}

/* However many operators are at it, there is a key to sign with. */
Test(key_rotation, revoked_from_eight_places_at_once_one_signs)
{
    at_once(8, revoke_it, (void *)kid_at(0));
    tell();
    look_at_the_store();
    cr_expect_eq(status_of(signup("ann").access), 200);
    struct list list;
    cr_assert(signing_key_list(&fixture.ctx, source(), &list));
    const struct signing_key *items = list.items;
    cr_expect_eq(signing_key_state(items, list.count, list.count - 1, clock_now_ms()), KEY_ACTIVE);
}
