#include "app_password/app_password_store.h"
#include "auth_fixture.h"
#include "base/text.h"
#include "crypto/vault.h"

#include <string.h>

TestSuite(app_passwords, .init = auth_start, .fini = auth_stop, .timeout = 60);

static struct answer make(const struct person *by, const char *name)
{
    return CALL(POST, "/app-passwords", format("{\"name\":\"%s\"}", name), .token = by->access);
}

static size_t count_of(const struct person *by)
{
    struct answer answer = CALL(GET, "/app-passwords", .token = by->access);
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    return json_array_size(answer.data);
}

static int revoked_status(const struct person *by, const char *id)
{
    return CALL(DELETE, format("/app-passwords/%s", id), .token = by->access).status;
}

Test(app_passwords, are_shown_once)
{
    struct person ann = signup("ann");
    struct answer made = make(&ann, "phone"), other = make(&ann, "car");
    cr_assert_eq(made.status, 201, "%s", made.text);
    const char *id = text_at(made.data, "id"), *password = text_at(made.data, "password");
    cr_expect_eq(strlen(password), 24);
    cr_expect_str_neq(password, text_at(other.data, "password"));
    cr_expect_str_eq(text_at(made.data, "apiKey"), format("tap_%s_%s", id, password));
    struct answer listed = CALL(GET, "/app-passwords", .token = ann.access);
    cr_expect_eq(json_array_size(listed.data), 2);
    cr_expect_str_eq(text_at(listed.data, "0.name"), "car");
    cr_expect_str_eq(text_at(listed.data, "1.name"), "phone");
    cr_expect_not_null(text_at(listed.data, "1.createdAt"));
    cr_expect(json_is_null(json_at(listed.data, "1.lastUsedAt")));
    cr_expect_null(strstr(listed.text, password));
}

/* OpenSubsonic's t is md5(password + s): who checks it must have the password. */
Test(app_passwords, are_sealed_and_open_again)
{
    struct person ann = signup("ann");
    struct answer made = make(&ann, "phone");
    const char *id = text_at(made.data, "id"), *password = text_at(made.data, "password");
    const struct app_password *stored = app_password_store_get(&fixture.ctx, fixture.store, id);
    cr_assert_not_null(stored);
    cr_expect_null(strstr(stored->sealed, password));
    size_t size;
    const struct vault *vault = fixture.parts.app_passwords.vault;
    const char *opened = vault_unseal(&fixture.ctx, vault, APP_PASSWORD_PURPOSE, id, stored->sealed, &size);
    cr_assert_not_null(opened);
    cr_expect(size == strlen(password) && memcmp(opened, password, size) == 0);
    const char *another = text_at(make(&ann, "car").data, "id");
    cr_expect_null(vault_unseal(&fixture.ctx, vault, APP_PASSWORD_PURPOSE, another, stored->sealed, &size));
}

Test(app_passwords, have_names_of_their_own)
{
    struct person ann = signup("ann"), bob = signup("bob");
    cr_expect_eq(make(&ann, "phone").status, 201);
    cr_expect_eq(make(&ann, "phone").status, 409);
    cr_expect_eq(make(&bob, "phone").status, 201);
    struct answer nameless = CALL(POST, "/app-passwords", "{}", .token = ann.access);
    cr_expect_eq(nameless.status, 400);
    cr_expect(has_violation(&nameless, "name", "required"));
    cr_expect_eq(make(&ann, "").status, 400);
    cr_expect_eq(make(&ann, "a\\u0007b").status, 400);
    cr_expect_eq(count_of(&ann), 1);
}

Test(app_passwords, are_their_users_alone)
{
    struct person ann = signup("ann"), bob = signup("bob");
    const char *id = text_at(make(&ann, "phone").data, "id");
    cr_expect_eq(count_of(&bob), 0);
    cr_expect_eq(revoked_status(&bob, id), 404);
    cr_expect_eq(revoked_status(&ann, "nothing"), 404);
    cr_expect_eq(revoked_status(&ann, id), 200);
    cr_expect_eq(revoked_status(&ann, id), 404);
    cr_expect_eq(count_of(&ann), 0);
    cr_expect_eq(CALL(GET, "/app-passwords").status, 401);
    cr_expect_eq(CALL(POST, "/app-passwords", "{\"name\":\"phone\"}").status, 401);
}

Test(app_passwords, are_bounded_in_number)
{
    struct person ann = signup("ann");
    for (int i = 0; i < APP_PASSWORDS_MAX; i++)
        cr_assert_eq(make(&ann, format("program %d", i)).status, 201);
    cr_expect_eq(make(&ann, "one more").status, 409);
    cr_expect_eq(count_of(&ann), APP_PASSWORDS_MAX);
}

/* Whoever had got in, and left one behind for later, is out. */
Test(app_passwords, end_with_all_sessions)
{
    struct person ann = signup("ann");
    const char *first = text_at(make(&ann, "phone").data, "id");
    struct answer changed = CALL(PUT, "/password", "{\"current\":\"correct horse\",\"password\":\"battery staple\"}",
                                 .token = ann.access);
    cr_assert_eq(changed.status, 200, "%s", changed.text);
    cr_expect_eq(count_of(&ann), 0);
    cr_expect_eq(revoked_status(&ann, first), 404);
    cr_expect_eq(make(&ann, "phone").status, 201, "its name is free again");
    cr_expect_eq(count_of(&ann), 1);
    cr_expect_null(app_password_store_get(&fixture.ctx, fixture.store, first), "it is removed with the next one made");
}

Test(app_passwords, go_with_their_account)
{
    struct person ann = signup("ann");
    const char *id = text_at(make(&ann, "ann's phone").data, "id");
    struct answer gone = CALL(POST, "/profile/mine/delete", "{\"password\":\"correct horse\"}", .token = ann.access);
    cr_assert_eq(gone.status, 200, "%s", gone.text);
    cr_expect_null(app_password_store_get(&fixture.ctx, fixture.store, id));
}
