/* Accounts of another system, and how users are found among many. */
#include "auth_fixture.h"
#include "base/text.h"
#include "user/user_store.h"

#include <crypt.h>
#include <string.h>

TestSuite(import, .init = auth_start, .fini = auth_stop, .timeout = 120);

/* "correct horse" as gomicro hashes it: bcrypt at cost 5. */
static const char *bcrypt_of(const char *password, const char *prefix)
{
    struct crypt_data data = { 0 };
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    cr_assert(crypt_gensalt_rn(prefix, 5, NULL, 0, setting, sizeof setting));
    return format("%s", crypt_r(password, setting, &data));
}

/* The line of a file: what is refused, and the account where one was made. */
static bool import(const char *line, struct user **made)
{
    struct ctx *ctx = &fixture.ctx;
    struct new_user in = { 0 };
    ctx->error = NULL;
    *made = NULL;
    return record_parse(ctx, line, strlen(line), imported_user_fields, &in) &&
           user_import(ctx, &fixture.parts.users, &in, made);
}

static struct answer sign_in(const char *email, const char *password)
{
    return CALL(POST, "/signin/basic", format("{\"email\":\"%s\",\"password\":\"%s\"}", email, password));
}

Test(import, takes_the_hash_and_its_person_signs_in)
{
    const char *const prefixes[] = { "$2a$", "$2b$", "$2y$" };
    for (size_t i = 0; i < 3; i++) {
        struct user *made;
        const char *email = format("Ann%zu@Example.com", i), *hash = bcrypt_of("correct horse", prefixes[i]);
        cr_assert(
            import(format("{\"email\":\"%s\",\"name\":\"Ann\",\"password\":\"%s\",\"roles\":[\"ARTIST\",\"EDITOR\"]}",
                          email, hash),
                   &made),
            "%s", fixture.ctx.error ? fixture.ctx.error->message : "");
        cr_assert(made);
        cr_expect_str_eq(user_get(&fixture.ctx, &fixture.parts.users, made->doc.id)->password, hash);
        cr_expect_eq(sign_in(email, "another horse").status, 401);
        struct answer answer = sign_in(email, "correct horse");
        cr_assert_eq(answer.status, 200, "%s", answer.text);
        cr_expect_str_eq(text_at(answer.data, "user.roles.1.code"), "EDITOR");
        cr_expect(text_starts(user_get(&fixture.ctx, &fixture.parts.users, made->doc.id)->password, "$argon2id$"),
                  "written anew");
    }
}

/* Run again, or after somebody has changed what was taken over. */
Test(import, leaves_alone_who_is_there_already)
{
    struct user *made, *again;
    const char *line = format("{\"email\":\"ann@example.com\",\"name\":\"Ann\",\"password\":\"%s\"}",
                              bcrypt_of("correct horse", "$2a$"));
    cr_assert(import(line, &made) && made);
    cr_expect_eq(sign_in("ann@example.com", "correct horse").status, 200);
    const char *hash = user_get(&fixture.ctx, &fixture.parts.users, made->doc.id)->password;
    cr_expect(import(line, &again));
    cr_expect_null(again);
    cr_expect(import("{\"email\":\"ANN@example.com\",\"name\":\"Another\",\"roles\":[\"ADMIN\"]}", &again));
    cr_expect_null(again);
    struct user *ann = user_find(&fixture.ctx, &fixture.parts.users, "ann@example.com");
    cr_assert(ann);
    cr_expect_str_eq(ann->password, hash);
    cr_expect_str_eq(ann->name, "Ann");
    cr_expect_eq(ann->roles.count, 1);
}

Test(import, takes_accounts_without_a_password_and_suspended_ones)
{
    struct user *made;
    cr_assert(import("{\"email\":\"ann@example.com\",\"name\":\"Ann\"}", &made) && made);
    cr_expect_eq(sign_in("ann@example.com", "correct horse").status, 401);
    cr_expect_eq(made->roles.count, 1);
    cr_assert(
        import(format("{\"email\":\"bob@example.com\",\"name\":\"Bob\",\"password\":\"%s\",\"status\":\"SUSPENDED\"}",
                      bcrypt_of("correct horse", "$2a$")),
               &made) &&
        made);
    cr_expect_eq(sign_in("bob@example.com", "correct horse").status, 401);
}

Test(import, refuses_what_is_no_account)
{
    static const char body[] = "psWmSrmtyZYvtIt/FuJL1OLqsK3iR1fZz5.wUYFuSNkkt.EOX9mLa";
    const char *const wrong[] = {
        "",
        "{",
        "[]",
        "{\"email\":\"nobody\",\"name\":\"Ann\"}",
        "{\"email\":\"ann@example.com\"}",
        "{\"email\":\"ann@example.com\",\"name\":\"Ann\",\"roles\":[\"KING\"]}",
        "{\"email\":\"ann@example.com\",\"name\":\"Ann\",\"status\":\"DEAD\"}",
        "{\"email\":\"ann@example.com\",\"name\":\"Ann\",\"password\":\"correct horse\"}",
        format("{\"email\":\"ann@example.com\",\"name\":\"Ann\",\"password\":\"$2a$31$%s\"}", body), /* for hours */
        format("{\"email\":\"ann@example.com\",\"name\":\"Ann\",\"password\":\"$2a$03$%s\"}", body),
        format("{\"email\":\"ann@example.com\",\"name\":\"Ann\",\"password\":\"$2x$10$%s\"}", body),
        format("{\"email\":\"ann@example.com\",\"name\":\"Ann\",\"password\":\"$2a$10$%sx\"}", body),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct user *made;
        cr_expect_not(import(wrong[i], &made), "%s", wrong[i]);
        cr_expect(ctx_forgive(&fixture.ctx, ERROR_INVALID), "%s", wrong[i]);
    }
    cr_expect_null(user_find(&fixture.ctx, &fixture.parts.users, "ann@example.com"));
    ctx_forgive(&fixture.ctx, ERROR_NOT_FOUND);
}

/* A line that names one is refused, as a request is. */
Test(import, gives_nobody_a_disabled_role)
{
    struct person root = admin();
    cr_assert_eq(
        CALL(PUT, "/roles/EDITOR", "{\"permissions\":[],\"status\":\"DISABLED\"}", .token = root.access).status, 200);
    struct user *made;
    cr_expect_not(import("{\"email\":\"ann@example.com\",\"name\":\"Ann\",\"roles\":[\"EDITOR\"]}", &made));
    cr_assert_not_null(fixture.ctx.error);
    cr_assert_not_null(fixture.ctx.error->violations);
    cr_expect_str_eq(fixture.ctx.error->violations->rule, "disabled");
    ctx_forgive(&fixture.ctx, ERROR_INVALID);
    cr_expect_null(user_find(&fixture.ctx, &fixture.parts.users, "ann@example.com"));
    ctx_forgive(&fixture.ctx, ERROR_NOT_FOUND);
}

/* How many of /users?QUERY, through all pages of two; each must be what `is` says. */
static size_t count_of(const struct person *root, const char *query, const char *path, const char *is)
{
    const char *cursor = NULL;
    size_t seen = 0;
    do {
        struct answer answer = CALL(
            GET, format("/users?limit=2&%s%s%s", query, cursor ? "&cursor=" : "", cursor ? cursor : ""),
            .token = root->access);
        cr_assert_eq(answer.status, 200, "%s", answer.text);
        size_t count = json_array_size(json_at(answer.data, "items"));
        for (size_t i = 0; i < count; i++)
            cr_expect_str_eq(text_at(answer.data, format("items.%zu.%s", i, path)), is);
        seen += count;
        cursor = text_at(answer.data, "next");
    } while (cursor && seen < 100);
    return seen;
}

Test(import, users_are_found_by_role_and_status)
{
    struct person root = admin();
    for (int i = 0; i < 8; i++) {
        struct user *made;
        cr_assert(
            import(format("{\"email\":\"u%d@example.com\",\"name\":\"User\",\"roles\":[\"%s\"],\"status\":\"%s\"}", i,
                          i % 2 ? "ARTIST" : "EDITOR", i < 5 ? "ACTIVE" : "SUSPENDED"),
                   &made));
    }
    cr_expect_eq(count_of(&root, "role=ARTIST", "roles.0.code", "ARTIST"), 4);
    cr_expect_eq(count_of(&root, "status=SUSPENDED", "status", "SUSPENDED"), 3);
    cr_expect_eq(count_of(&root, "role=ARTIST&status=SUSPENDED", "roles.0.code", "ARTIST"), 2);
    cr_expect_eq(count_of(&root, "status=ACTIVE&role=EDITOR", "status", "ACTIVE"), 3);
    cr_expect_eq(count_of(&root, "role=ADMIN", "email", "admin@example.com"), 1);
    struct answer answer = CALL(GET, "/users?role=KING&status=DEAD", .token = root.access);
    cr_expect_eq(answer.status, 400);
    cr_expect(has_violation(&answer, "role", "enum") && has_violation(&answer, "status", "enum"), "%s", answer.text);
    const char *cursor = text_at(CALL(GET, "/users?limit=2&role=ARTIST", .token = root.access).data, "next");
    cr_expect_eq(CALL(GET, format("/users?role=EDITOR&cursor=%s", cursor), .token = root.access).status, 400,
                 "a cursor of another question");
}
