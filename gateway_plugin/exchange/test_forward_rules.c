#include "exchange/forward_rules.h"

#include <criterion/criterion.h>
#include <string.h>

#define IN(name) request_action(name, strlen(name))
#define OUT(name) reply_action(name, strlen(name))

Test(forward_rules, knows_names_in_any_case_and_whole)
{
    cr_expect_eq(IN("te"), DROP);
    cr_expect_eq(IN("TE"), DROP);
    cr_expect_eq(IN("t"), PASS);
    cr_expect_eq(IN("tex"), PASS);
    cr_expect_eq(IN(""), PASS);
    cr_expect_eq(IN("Connection"), NAMES);
    cr_expect_eq(IN("COOKIE"), COOKIE);
    cr_expect_eq(IN("Via"), APPEND);
    cr_expect_eq(IN("x-api-key"), PASS);
    cr_expect_eq(IN("X-Forwarded-For"), APPEND);
    cr_expect_eq(IN("x-forwarded-fo"), PASS);
    cr_expect_eq(IN("authorization"), PASS);
    /* 'c' and '#' differ in the upper bits only. */
    cr_expect_eq(IN("#onnection"), PASS);
}

Test(forward_rules, drops_what_only_the_edge_may_say)
{
    static const char *const own[] = { "x-consumer-id",        "X-Consumer-Username",   "x-credential-identifier",
                                       "x-anonymous-consumer", "x-authenticated-scope", "x-tonearm-edge",
                                       "tonearm-anything" };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        cr_expect_eq(IN(own[i]), DROP_PREFIX, "%s", own[i]);
    cr_expect_eq(IN("x-consumer"), PASS);
    cr_expect_eq(OUT("x-tonearm-edge"), DROP_PREFIX);
    cr_expect_eq(OUT("Date"), DROP);
    cr_expect_eq(OUT("x-consumer-id"), PASS);
    cr_expect_eq(OUT("Connection"), NAMES);
    cr_expect_eq(OUT("set-cookie"), PASS);
}

Test(forward_rules, a_connection_header_mostly_names_nothing)
{
    cr_expect_not(connection_names("keep-alive", 10));
    cr_expect_not(connection_names("Close", 5));
    cr_expect(connection_names("keep-alive, x", 13));
    cr_expect(connection_names("x-secret", 8));
}
