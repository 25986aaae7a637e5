#include "trace.h"

#include <criterion/criterion.h>
#include <string.h>

Test(trace, keeps_only_ids_that_are_safe_to_write)
{
    cr_expect(edge_id_valid("a-B_9.", 6));
    cr_expect_not(edge_id_valid("", 0));
    cr_expect_not(edge_id_valid("a b", 3));
    cr_expect_not(edge_id_valid("a\"", 2));
    char text[66];
    memset(text, 'a', sizeof text);
    cr_expect(edge_id_valid(text, 64));
    cr_expect_not(edge_id_valid(text, 65));
}

Test(trace, follows_a_trace_or_begins_one)
{
    static const char parent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    char out[TRACEPARENT_SIZE + 1];
    cr_expect(edge_trace_valid(parent, TRACEPARENT_SIZE));
    edge_trace_make(out, parent, 0, 0, 7);
    cr_expect_eq(strncmp(out, parent, 36), 0);
    cr_expect_str_eq(out + 36, "0000000000000007-01");
    edge_trace_make(out, NULL, 1, 2, 4);
    cr_expect_str_eq(out, "00-00000000000000010000000000000002-0000000000000005-01");
    cr_expect(edge_trace_valid(out, strlen(out)));
}

Test(trace, refuses_other_forms)
{
    static const char *const cases[] = {
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_not(edge_trace_valid(cases[i], strlen(cases[i])), "%s", cases[i]);
}
