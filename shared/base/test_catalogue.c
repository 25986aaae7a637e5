#include "base/catalogue.h"
#include "base/ctx.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

TestSuite(catalogue);

enum { ARGUMENTS_MAX = 8, CONVERSION_MAX = 8 };

/* "%zu", "%2$s": the conversions by the argument they take, without its number. */
struct arguments {
    char conversions[ARGUMENTS_MAX][CONVERSION_MAX];
    size_t count;
};

static struct arguments arguments_of(const char *format)
{
    struct arguments out = { .count = 0 };
    for (const char *at = strchr(format, '%'); at; at = strchr(at, '%')) {
        size_t place = out.count;
        at++;
        if (*at == '%') {
            at++;
            continue;
        }
        char *dollar;
        unsigned long number = strtoul(at, &dollar, 10);
        if (*dollar == '$' && number > 0) {
            place = number - 1;
            at = dollar + 1;
        }
        size_t size = strcspn(at, "diouxXcsgfeGp") + 1;
        cr_assert(place < ARGUMENTS_MAX && size < CONVERSION_MAX, "%s", format);
        memcpy(out.conversions[place], at, size);
        out.count++;
        at += size;
    }
    return out;
}

Test(catalogue, are_one_for_each_language_but_english)
{
    static const char *const all[] = { "en", "de", "es", "fr", "hi", "ja", "zh" };
    size_t count = sizeof all / sizeof *all;
    for (size_t i = 0; i < count; i++)
        cr_assert_str_eq(languages[i], all[i]);
    cr_assert_null(languages[count]);
    for (size_t i = 1; i < count; i++)
        cr_expect_str_eq(catalogues[i - 1].language, all[i]);
    cr_expect_null(catalogues[count - 1].language);
}

Test(catalogue, hold_the_same_messages)
{
    cr_assert_gt(catalogue_count(&catalogues[0]), 200);
    for (const struct catalogue *one = catalogues; one->language; one++) {
        cr_assert_eq(catalogue_count(one), catalogue_count(&catalogues[0]), "%s", one->language);
        for (size_t i = 0; i < catalogue_count(one); i++)
            cr_expect_str_eq(catalogue_english(one, i), catalogue_english(&catalogues[0], i), "%s", one->language);
    }
}

Test(catalogue, hold_the_same_placeholders)
{
    for (const struct catalogue *one = catalogues; one->language; one++)
        for (size_t i = 1; i < catalogue_count(one); i++) {
            const char *english = catalogue_english(one, i), *told = catalogue_told(one, i);
            struct arguments wanted = arguments_of(english), got = arguments_of(told);
            cr_expect(strlen(told) > 0, "%s: %s", one->language, english);
            cr_expect(memcmp(&wanted, &got, sizeof got) == 0, "%s: %s: %s", one->language, english, told);
        }
}

Test(catalogue, finds_every_message_and_falls_back_to_english)
{
    for (const struct catalogue *one = catalogues; one->language; one++)
        for (size_t i = 1; i < catalogue_count(one); i++)
            cr_expect_eq(catalogue_find(one->language, catalogue_english(one, i)), catalogue_told(one, i));
    static const char unknown[] = "nobody says this";
    cr_expect_eq(catalogue_find("de", unknown), unknown);
    cr_expect_eq(catalogue_find("de", ""), "");
    static const char known[] = "success";
    cr_expect_eq(catalogue_find("en", known), known);
    cr_expect_eq(catalogue_find(NULL, known), known);
    cr_expect_eq(catalogue_find("xx", known), known);
    cr_expect_str_eq(catalogue_find("de", known), "Erfolg");
}

Test(catalogue, a_failure_is_told_in_the_language_and_logged_in_english)
{
    struct ctx ctx = { .locale = "de" };
    ctx_fail(&ctx, ERROR_CONFLICT, "there are %d roles already", 5);
    cr_expect_str_eq(ctx.error->message, "there are 5 roles already");
    cr_expect_str_eq(ctx.error->told, "Es gibt schon 5 Rollen");
    const char *passed_on = "the session has ended";
    ctx_fail(&ctx, ERROR_UNAUTHORIZED, "%s", passed_on);
    cr_expect_str_eq(ctx.error->message, passed_on);
    cr_expect_str_eq(ctx.error->told, "Die Sitzung ist beendet");
    ctx_fail(&ctx, ERROR_INTERNAL, "%d is in no catalogue", 7);
    cr_expect_str_eq(ctx.error->told, "7 is in no catalogue");
    ctx_finish(&ctx);
}

Test(catalogue, a_violation_is_told_in_the_language)
{
    struct ctx ctx = { .locale = "ja" };
    ctx_violation(&ctx, "limit", "max", "limit must be at most %d", 100);
    cr_expect_str_eq(ctx.error->violations->message, "limit は 100 以下でなければなりません");
    cr_expect_str_eq(ctx.error->told, "リクエストに正しくない項目があります");
    cr_expect_str_eq(ctx.error->message, "the request has invalid fields");
    ctx_finish(&ctx);
}
