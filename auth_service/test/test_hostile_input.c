/* What people send who mean harm, or whose keyboards do: through every door that takes a text of theirs. */
#include "auth_fixture.h"
#include "base/text.h"
#include "user/user_store.h"

#include <string.h>

TestSuite(hostile_input, .init = auth_start, .fini = auth_stop, .timeout = 60);

#define EACH(item, array) (size_t item = 0; item < sizeof(array) / sizeof *(array); item++)

/* As they stand in JSON. */
static const char *const no_names[] = {
    "a\\u0000b",
    "\\u0000\\u0000",
    "a\\nb",
    "a\\tb",
    "a\\rb",
    "a\\u001bb",
    "a\\u007fb",
    "a\\u0085b",
    "a\\u2028b",
    "a\\u2029b",
    "a\\u202eb",
    "a\\u2066b",
    "  ",
    "\\u200b\\u200b",
    "\\u3000\\u3000",
    "\xe2\x80\xae"
    "ab",
};
static const char *const no_addresses[] = {
    "a\\u0000@example.com",         "a@example.com\\u0000",      "a@example.com\\n",       "a\\u0085@example.com",
    "a\\u202e@example.com",         "a\\u200b@example.com",      "a@exam\\u00adple.com",   "a b@example.com",
    "a@example.com, b@example.com", "a\\r\\nBcc: b@example.com", "a@b@example.com\\u2028",
};
/* Not UTF-8 (RFC 3629), or not JSON (RFC 8259): overlong forms, surrogates, halves, control characters as they are. */
static const char *const no_text[] = {
    "\xc0\xaf", "\xc0\x80", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xed\xa0\x80",   "\xf4\x90\x80\x80",
    "\xff",     "\xc3",     "\x80",         "\\ud800",          "\\udc00\\ud800", "a\x01",
    "a\nb",     "a\x1b[2J",
};

static struct answer sign_up(const char *email, const char *name, const char *more)
{
    return CALL(POST, "/signup/basic",
                format("{\"email\":\"%s\",\"password\":\"correct horse\",\"name\":\"%s\"%s}", email, name, more));
}

static bool refused(const struct answer *answer, const char *field, const char *rule)
{
    return answer->status == 400 && has_violation(answer, field, rule) &&
           json_array_size(json_at(answer->body, "errors")) == 1;
}

Test(hostile_input, no_name_breaks_a_line_or_turns_a_text_around)
{
    struct person root = admin();
    for
        EACH(i, no_names)
        {
            const char *body = format("{\"name\":\"%s\",\"scopes\":[\"GENERAL\"]}", no_names[i]);
            const struct answer answers[] = {
                sign_up("ann@example.com", no_names[i], ""),
                CALL(PATCH, "/profile/mine", body, .token = root.access),
                CALL(POST, "/apikeys", body, .token = root.access),
            };
            for
                EACH(j, answers)
            cr_expect(refused(&answers[j], "name", "pattern"), "%zu, %zu: %s", i, j, answers[j].text);
        }
    cr_expect_str_eq(text_at(CALL(GET, "/profile/mine", .token = root.access).data, "name"), "admin");
}

Test(hostile_input, names_of_all_tongues_are_names)
{
    static const char *const names[] = { "Zo\u00eb",
                                         "\u5f20\u4f1f",
                                         "\u0928\u092e\u0938\u094d\u0924\u0947",
                                         "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
                                         "O'Neil-\u0141uk 3rd",
                                         "?!",
                                         "\U0001f3b5\U0001f3b5" };
    for
        EACH(i, names)
        {
            struct answer answer = sign_up(format("n%zu@example.com", i), names[i], "");
            cr_expect_eq(answer.status, 201, "%s: %s", names[i], answer.text);
            cr_expect_str_eq(text_at(answer.data, "user.name"), names[i]);
        }
}

Test(hostile_input, texts_are_composed)
{
    struct answer answer = sign_up("zoe\\u0308@example.com", "Zoe\\u0308", "");
    cr_assert_eq(answer.status, 201, "%s", answer.text);
    cr_expect_str_eq(text_at(answer.data, "user.name"), "Zo\u00eb");
    cr_expect_str_eq(text_at(answer.data, "user.email"), "zo\u00eb@example.com");
    cr_expect_eq(sign_up("zo\\u00eb@example.com", "Zoe", "").status, 409);
}

Test(hostile_input, no_address_is_two_or_hides_a_character)
{
    static const char *const paths[] = { "/signup/basic", "/signin/basic", "/password/forgot" };
    for
        EACH(i, no_addresses)
    for
        EACH(j, paths)
        {
            struct answer answer = CALL(
                POST, paths[j],
                format("{\"email\":\"%s\",\"password\":\"correct horse\",\"name\":\"Ann\"}", no_addresses[i]));
            bool told = has_violation(&answer, "email", "email") || has_violation(&answer, "email", "pattern");
            cr_expect(answer.status == 400 && told, "%zu: %s", i, answer.text);
        }
}

Test(hostile_input, what_is_no_text_is_no_json)
{
    for
        EACH(i, no_text)
        {
            cr_expect_eq(sign_up("ann@example.com", no_text[i], "").status, 400, "name %zu", i);
            cr_expect_eq(sign_up(format("%s@example.com", no_text[i]), "Ann", "").status, 400, "address %zu", i);
        }
    struct page page;
    cr_assert(user_store_page(&fixture.ctx, fixture.store, &(struct user_filter){ 0 }, 100, NULL, &page));
    cr_expect_eq(page.count, 0);
}

/* A password may be anything that is text; one that was cut off at a NUL would be another. */
Test(hostile_input, no_password_ends_early)
{
    const char *form = "{\"email\":\"ann@example.com\",\"password\":\"correct horse\\u0000%s\",\"name\":\"Ann\"}";
    struct answer answer = CALL(POST, "/signup/basic", format(form, "x"));
    cr_expect(refused(&answer, "password", "pattern"), "%s", answer.text);
    signup("ann");
    cr_expect_eq(CALL(POST, "/signin/basic", format(form, "x")).status, 400);
}

static bool import_line(const char *line)
{
    struct new_user in = { 0 };
    struct user *made;
    fixture.ctx.error = NULL;
    return record_parse(&fixture.ctx, line, strlen(line), imported_user_fields, &in) &&
           user_import(&fixture.ctx, &fixture.parts.users, &in, &made) && made;
}

Test(hostile_input, imported_lines_are_held_to_the_same)
{
    for
        EACH(i, no_names)
    cr_expect_not(import_line(format("{\"email\":\"ann@example.com\",\"name\":\"%s\"}", no_names[i])), "%zu", i);
    for
        EACH(i, no_addresses)
    cr_expect_not(import_line(format("{\"email\":\"%s\",\"name\":\"Ann\"}", no_addresses[i])), "%zu", i);
    for
        EACH(i, no_text)
    cr_expect_not(import_line(format("{\"email\":\"ann@example.com\",\"name\":\"%s\"}", no_text[i])), "%zu", i);
    cr_expect(import_line("{\"email\":\"ann@example.com\",\"name\":\"Ann\"}"));
}

/* Who signs up says four things; what else an account has is not theirs to say. */
Test(hostile_input, nobody_signs_up_as_more_than_a_listener)
{
    struct answer answer = sign_up(
        "ann@example.com", "Ann",
        ",\"roles\":[\"ADMIN\"],\"role\":\"ADMIN\",\"status\":\"SUSPENDED\",\"id\":\"000000000000000000000001\","
        "\"_id\":\"000000000000000000000001\",\"hash\":\"x\",\"epoch\":9,\"userVersion\":9,\"v\":9,\"locale\":\"xx\","
        "\"emailVerified\":true,\"verifiedAt\":\"2020-01-01T00:00:00Z\",\"user\":{\"roles\":[\"ADMIN\"]}");
    cr_assert_eq(answer.status, 201, "%s", answer.text);
    cr_expect_eq(json_array_size(json_at(answer.data, "user.roles")), 1);
    cr_expect_str_eq(text_at(answer.data, "user.roles.0.code"), "LISTENER");
    struct person ann = person_of(json_at(answer.data, "tokens"));
    cr_expect_str_neq(ann.id, "000000000000000000000001");
    struct answer mine = CALL(GET, "/profile/mine", .token = ann.access);
    cr_expect(json_is_false(json_at(mine.data, "emailVerified")), "%s", mine.text);
    cr_expect_str_eq(text_at(mine.data, "locale"), "en");
    cr_expect_eq(CALL(GET, "/users", .token = ann.access).status, 403);
}

/* What an administrator says of a key is what the table has: not whose it is, its secret or that it was never revoked.
 */
Test(hostile_input, a_keys_maker_and_secret_are_not_for_saying)
{
    struct person root = admin(), ann = signup("ann");
    struct answer made = CALL(POST, "/apikeys",
                              format("{\"name\":\"x\",\"scopes\":[\"GENERAL\"],\"id\":\"%s\",\"createdBy\":\"%s\","
                                     "\"hash\":\"x\",\"key\":\"x\",\"prefix\":\"x\"}",
                                     ann.id, ann.id),
                              .token = root.access);
    cr_assert_eq(made.status, 201, "%s", made.text);
    cr_expect_str_neq(text_at(made.data, "id"), ann.id);
    cr_expect(text_starts(text_at(made.data, "key"), "ta_"));
    struct answer list = CALL(GET, "/apikeys", .token = root.access);
    cr_expect_str_eq(text_at(list.data, "items.0.createdBy"), root.id);
    cr_expect_null(strstr(list.text, text_at(made.data, "key")), "told once");
}

/* Another's sessions, keys and roles, by their ids. */
Test(hostile_input, an_id_opens_nothing_of_anothers)
{
    struct person root = admin(), ann = signup("ann"), bob = signup("bob");
    struct answer key = CALL(POST, "/apikeys", "{\"name\":\"x\",\"scopes\":[\"GENERAL\"]}", .token = root.access);
    cr_expect_eq(CALL(DELETE, format("/sessions/%s", ann.session), .token = bob.access).status, 404);
    cr_expect_eq(CALL(DELETE, format("/sessions/%s", root.session), .token = bob.access).status, 404);
    cr_expect_eq(CALL(DELETE, format("/apikeys/%s", text_at(key.data, "id")), .token = bob.access).status, 403);
    cr_expect_eq(CALL(GET, "/apikeys", .token = bob.access).status, 403);
    cr_expect_eq(CALL(PUT, format("/users/%s/roles", bob.id), "{\"roles\":[\"ADMIN\"]}", .token = bob.access).status,
                 403);
    cr_expect_eq(
        CALL(PUT, format("/users/%s/status", ann.id), "{\"status\":\"SUSPENDED\"}", .token = bob.access).status, 403);
    cr_expect_eq(CALL(DELETE, format("/users/%s", ann.id), .token = bob.access).status, 403);
    cr_expect_eq(CALL(GET, format("/audit?target=%s", ann.id), .token = bob.access).status, 403);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 200);
    cr_expect_eq(CALL(GET, "/verify/apikey", .key = text_at(key.data, "key")).status, 200);
}

/* It is shown in lists of sessions and in the trail. */
Test(hostile_input, a_devices_name_is_what_can_be_seen_of_it)
{
    static const struct {
        const char *sent, *kept;
    } cases[] = {
        { "Fine/1.0 (x; y)", "Fine/1.0 (x; y)" },
        { "a\x1b[2Jb\x7f", "a[2Jb" },
        { "a\tb", "ab" },
        { "a\u202eb\u2028c\xc2\x85"
          "d\u200be",
          "abcde" },
        { "Zo\u00eb", "Zo\u00eb" },
        { "a\xff\xfe", "a" },
        { "<script>", "<script>" },
    };
    signup("ann");
    for
        EACH(i, cases)
        {
            struct answer in = CALL(POST, "/signin/basic",
                                    "{\"email\":\"ann@example.com\",\"password\":\"correct horse\"}",
                                    .header = "user-agent", .value = cases[i].sent);
            cr_assert_eq(in.status, 200, "%s", in.text);
            struct person ann = person_of(json_at(in.data, "tokens"));
            const struct session *session = session_get(&fixture.ctx, &fixture.parts.sessions, ann.session);
            cr_expect_str_eq(session->device, cases[i].kept);
        }
}
