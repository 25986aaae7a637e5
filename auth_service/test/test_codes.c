#include "auth_fixture.h"
#include "base/text.h"
#include "code/code_store.h"
#include "store/outbox.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

TestSuite(codes, .init = auth_start, .fini = auth_stop, .timeout = 120);

enum { OUTBOX = 200 };

/* Codes of this kind that have left for an account; the last one. What NATS would be told stands in the store
 * meanwhile. */
static size_t sent(const struct person *person, const char *type, const char **code)
{
    struct outbox_event *events;
    size_t count, found = 0;
    cr_assert(outbox_read(&fixture.ctx, fixture.store, OUTBOX, &events, &count));
    for (size_t i = 0; i < count; i++) {
        json_t *event = json_loads(events[i].json, 0, NULL);
        if (text_equal(events[i].type, type) && text_equal(text_at(event, "subject"), person->id)) {
            found++;
            if (code)
                *code = arena_strdup(&fixture.ctx.arena, text_at(event, "data.code"));
        }
        json_decref(event);
    }
    return found;
}

static const char *last_code(const struct person *person, const char *type)
{
    const char *code = NULL;
    cr_assert_gt(sent(person, type, &code), 0, "no %s", type);
    cr_assert_eq(strlen(code), CODE_DIGITS);
    return code;
}

static const char *other(const char *code)
{
    return format("%c%s", code[0] == '9' ? '0' : code[0] + 1, code + 1);
}

/* Each from a network of its own, so that the lock-out stays out of it. */
static const char *anywhere(void)
{
    static atomic_int number;
    int now = atomic_fetch_add(&number, 1);
    return format("10.%d.%d.1", now / 256, now % 256);
}

static struct answer verify(const struct person *person, const char *code)
{
    return CALL(POST, "/email/verify", format("{\"code\":\"%s\"}", code), .token = person->access, .peer = anywhere());
}

static struct answer resend(const struct person *person)
{
    return CALL(POST, "/email/verify/resend", .token = person->access);
}

static struct answer forgot(const char *email)
{
    return CALL(POST, "/password/forgot", format("{\"email\":\"%s\"}", email));
}

static struct answer reset_from(const char *peer, const char *email, const char *code)
{
    return CALL(POST, "/password/reset",
                format("{\"email\":\"%s\",\"code\":\"%s\",\"password\":\"another horse\"}", email, code), .peer = peer);
}

static int sign_in(const char *email, const char *password)
{
    return CALL(POST, "/signin/basic", format("{\"email\":\"%s\",\"password\":\"%s\"}", email, password),
                .peer = anywhere())
        .status;
}

static struct code_sheet *sheet_of(const char *id)
{
    struct code_sheet *sheet = code_store_get(&fixture.ctx, fixture.store, id);
    cr_assert(sheet);
    return sheet;
}

static void put(struct code_sheet *sheet)
{
    cr_assert(code_store_put(&fixture.ctx, fixture.store, sheet, NO_EVENTS));
}

Test(codes, verify_an_address)
{
    struct person ann = signup("ann");
    cr_expect_eq(sent(&ann, "event.otp.verify", NULL), 1);
    cr_expect_eq(json_at(CALL(GET, "/profile/mine", .token = ann.access).data, "emailVerified"), json_false());
    const char *code = last_code(&ann, "event.otp.verify");
    struct answer answer = verify(&ann, other(code));
    cr_expect_eq(answer.status, 401, "%s", answer.text);
    answer = verify(&ann, code);
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_expect_eq(json_at(CALL(GET, "/profile/mine", .token = ann.access).data, "emailVerified"), json_true());
    cr_expect_eq(verify(&ann, code).status, 409);
    cr_expect_eq(resend(&ann).status, 409);
    cr_expect_eq(CALL(POST, "/email/verify", format("{\"code\":\"%s\"}", code)).status, 401, "nobody is signed in");
}

Test(codes, are_six_digits)
{
    struct person ann = signup("ann");
    static const char *const bad[] = { "12345", "1234567", "12345x", "", "123456\\n", " 123456" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct answer answer = verify(&ann, bad[i]);
        cr_expect_eq(answer.status, 400, "%s", bad[i]);
        cr_expect_eq(reset_from(anywhere(), ann.email, bad[i]).status, 400, "%s", bad[i]);
    }
    cr_expect_eq(sheet_of(ann.id)->tried.count, 0, "what can be no code is no guess");
    for (const char *digit = last_code(&ann, "event.otp.verify"); *digit; digit++)
        cr_expect(*digit >= '0' && *digit <= '9');
}

Test(codes, of_before_are_replaced)
{
    struct person ann = signup("ann");
    const char *first = last_code(&ann, "event.otp.verify"), *second = first;
    while (text_equal(first, second)) { /* one in a million is the same */
        cr_assert_eq(resend(&ann).status, 200);
        second = last_code(&ann, "event.otp.verify");
    }
    cr_expect_eq(verify(&ann, first).status, 401);
    cr_expect_eq(verify(&ann, second).status, 200);
}

Test(codes, give_five_tries_whatever_the_code)
{
    struct person ann = signup("ann");
    const char *code = last_code(&ann, "event.otp.verify");
    for (int i = 0; i < CODE_TRIES_MAX - 1; i++)
        cr_assert_eq(verify(&ann, other(code)).status, 401);
    cr_assert_eq(resend(&ann).status, 200);
    code = last_code(&ann, "event.otp.verify");
    struct answer wrong = verify(&ann, other(code)), right = verify(&ann, code);
    cr_expect_eq(right.status, 401, "four tries on the first code, one on the second");
    cr_expect_str_eq(right.text, wrong.text, "nobody is told that it was the right one");
    cr_assert_eq(forgot(ann.email).status, 200);
    cr_expect_eq(reset_from(anywhere(), ann.email, last_code(&ann, "event.otp.reset")).status, 401,
                 "nor for another use");

    struct code_sheet *sheet = sheet_of(ann.id);
    for (size_t i = 0; i < sheet->tried.count; i++)
        ((int64_t *)sheet->tried.items)[i] -= CODE_WINDOW_MS;
    put(sheet);
    cr_expect_eq(verify(&ann, code).status, 200, "an hour later");
}

Test(codes, live_ten_minutes)
{
    struct person ann = signup("ann");
    const char *code = last_code(&ann, "event.otp.verify");
    struct code_sheet *sheet = sheet_of(ann.id);
    cr_expect(sheet->verify->until > clock_now_ms() + CODE_LIVES_MS - 60000 &&
              sheet->verify->until <= clock_now_ms() + CODE_LIVES_MS);
    sheet->verify->until = clock_now_ms() - 1;
    put(sheet);
    cr_expect_eq(verify(&ann, code).status, 401);
}

Test(codes, leave_five_times_an_hour)
{
    struct person ann = signup("ann");
    for (int i = 1; i < CODES_MAX; i++)
        cr_assert_eq(resend(&ann).status, 200, "code %d", i + 1);
    struct answer refused = resend(&ann);
    cr_assert_eq(refused.status, 429, "%s", refused.text);
    int told = 0;
    for (const struct pair *header = refused.headers; header && header->name; header++)
        told = text_equal(header->name, "Retry-After") ? atoi(header->value) : told;
    cr_expect(told > 3000 && told <= 3600, "%d", told);
    cr_expect_eq(forgot(ann.email).status, 200, "nobody learns of it who need not");
    cr_expect_eq(sent(&ann, "event.otp.verify", NULL), CODES_MAX);
    cr_expect_eq(sent(&ann, "event.otp.reset", NULL), 0);
    cr_expect_eq(verify(&ann, last_code(&ann, "event.otp.verify")).status, 200, "the last one is good");
}

Test(codes, set_a_forgotten_password)
{
    struct person ann = signup("ann"), other_session = signin("ann");
    cr_assert_eq(forgot("ANN@example.com").status, 200);
    const char *code = last_code(&ann, "event.otp.reset");
    cr_expect_eq(reset_from(anywhere(), ann.email, last_code(&ann, "event.otp.verify")).status, 401,
                 "one for another use");
    struct answer answer = reset_from(anywhere(), ann.email, code);
    cr_assert_eq(answer.status, 200, "%s", answer.text);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 401);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = other_session.access).status, 401);
    cr_expect_eq(sign_in(ann.email, "correct horse"), 401);
    cr_expect_eq(sign_in(ann.email, "another horse"), 200);
    cr_expect_eq(reset_from(anywhere(), ann.email, code).status, 401, "once");
    cr_expect_neq(user_get(&fixture.ctx, &fixture.parts.users, ann.id)->verified_at, 0);
}

Test(codes, are_forgotten_alike_for_everybody)
{
    struct person ann = signup("ann"), bob = signup("bob");
    cr_assert(user_set_status(&fixture.ctx, &fixture.parts.users, bob.id, USER_SUSPENDED));
    struct answer one = forgot(ann.email), none = forgot("nobody@example.com"), suspended = forgot(bob.email);
    cr_expect_eq(one.status, 200);
    cr_expect_str_eq(one.text, none.text);
    cr_expect_str_eq(one.text, suspended.text);
    cr_expect_eq(sent(&ann, "event.otp.reset", NULL), 1);
    cr_expect_eq(sent(&bob, "event.otp.reset", NULL), 0);
    struct answer wrong = reset_from(anywhere(), ann.email, other(last_code(&ann, "event.otp.reset")));
    cr_expect_eq(wrong.status, 401);
    cr_expect_str_eq(wrong.text, reset_from(anywhere(), "nobody@example.com", "123456").text);
    cr_expect_str_eq(wrong.text, reset_from(anywhere(), bob.email, "123456").text);
    cr_expect_eq(forgot("no address").status, 400);
}

/* The same work: a document is written, too, with an event. Those of nobody are few, whoever asks for how many. */
Test(codes, cost_the_same_without_an_account)
{
    for (int i = 0; i < 8; i++)
        cr_assert_eq(forgot("nobody@example.com").status, 200);
    struct page page;
    cr_assert(code_store_expired(&fixture.ctx, fixture.store, clock_now_ms() + 2 * CODE_WINDOW_MS, &page));
    cr_assert_eq(page.count, 1);
    const struct code_sheet *sheet = page.items;
    cr_expect(text_starts(sheet->doc.id, "nobody-"));
    cr_expect_eq(sheet->doc.version, 8, "each time one write");
    cr_expect_eq(sheet->sent.count, CODES_MAX);
    cr_expect_eq(sent(&(struct person){ .id = sheet->doc.id }, "event.otp.nobody", NULL), CODES_MAX);
    cr_expect_eq(reset_from(anywhere(), "nobody@example.com", "123456").status, 401);
    cr_expect_eq(sheet_of(sheet->doc.id)->doc.version, 9);
}

Test(codes, are_guesses_to_the_lock_out)
{
    struct person ann = signup("ann");
    forgot(ann.email);
    const char *code = last_code(&ann, "event.otp.reset");
    int64_t began = 0;
    for (int i = 0; i < 3; i++) {
        began = clock_ms();
        cr_assert_eq(reset_from("10.99.0.1", ann.email, other(code)).status, 401);
    }
    struct answer refused = reset_from("10.99.0.2", ann.email, code);
    cr_expect(refused.status == 429 || clock_ms() - began > 900, "%s", refused.text);
}

static struct {
    struct person person;
    const char *code;
    atomic_int good, wrong;
} race;

static void reset_one(void *self, size_t number)
{
    (void)self;
    (void)number;
    int status = reset_from(anywhere(), race.person.email, race.code).status;
    atomic_fetch_add(status == 200 ? &race.good : &race.wrong, 1);
    cr_expect(status == 200 || status == 401, "%d", status);
}

Test(codes, are_used_once_by_many_at_once)
{
    race.person = signup("ann");
    forgot(race.person.email);
    race.code = last_code(&race.person, "event.otp.reset");
    at_once(16, reset_one, NULL);
    cr_expect_eq(atomic_load(&race.good), 1);
}

Test(codes, count_the_tries_of_many_at_once)
{
    race.person = signup("ann");
    forgot(race.person.email);
    const char *code = last_code(&race.person, "event.otp.reset");
    race.code = other(code);
    at_once(16, reset_one, NULL);
    cr_expect_eq(atomic_load(&race.wrong), 16);
    cr_expect_eq(sheet_of(race.person.id)->tried.count, CODE_TRIES_MAX);
    cr_expect_eq(reset_from(anywhere(), race.person.email, code).status, 401);
}

Test(codes, are_no_plain_text_in_the_store)
{
    struct person ann = signup("ann"), bob = signup("bob");
    const char *hash = sheet_of(ann.id)->verify->hash, *code = last_code(&ann, "event.otp.verify");
    cr_expect_eq(strlen(hash), 43);
    cr_expect_null(strstr(hash, code));
    /* The same digits are another hash for another account, and under another secret. */
    struct code_sheet *sheet = sheet_of(bob.id);
    sheet->verify->hash = hash;
    put(sheet);
    cr_expect_eq(verify(&bob, code).status, 401);
    fixture.master.fixed = "another secret of more than 32 characters";
    cr_expect_eq(verify(&ann, code).status, 401);
}

Test(codes, are_swept)
{
    struct person ann = signup("ann"), bob = signup("bob");
    struct code_sheet *sheet = sheet_of(ann.id);
    sheet->expires_at = clock_now_ms() - 1;
    put(sheet);
    cr_assert(code_sweep(&fixture.ctx, &fixture.parts.codes));
    fixture.ctx.deadline_ms = 0;
    cr_expect_eq(sheet_of(ann.id)->doc.version, 0);
    cr_expect_neq(sheet_of(bob.id)->doc.version, 0);
    cr_expect_eq(resend(&ann).status, 200, "and it goes on");
    cr_expect_eq(verify(&ann, last_code(&ann, "event.otp.verify")).status, 200);
}

Test(codes, say_that_the_store_is_away)
{
    struct person ann = signup("ann");
    cr_expect_eq(CALL(POST, "/password/forgot", format("{\"email\":\"%s\"}", ann.email), .late = true).status, 503);
}
