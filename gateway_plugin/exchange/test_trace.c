#include "exchange/trace.h"

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
    edge_trace_make(out, NULL, 0x0123456789abcdef, 0xfedcba9876543210, 0x90a0b0c0d0e0f009);
    cr_expect_str_eq(out, "00-0123456789abcdeffedcba9876543210-90a0b0c0d0e0f009-01");
    char id[REQUEST_ID_MAX + 1];
    edge_id_make(id, 0x0f1e2d3c4b5a6978, 0x12345678009a0b0c);
    cr_expect_str_eq(id, "0f1e2d3c4b5a6978009a0b0c");
}

Test(trace, refuses_other_forms)
{
    static const char *const cases[] = {
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_not(edge_trace_valid(cases[i], strlen(cases[i])), "%s", cases[i]);
}

Test(trace, carries_on_what_the_caller_has_decided)
{
    static const struct {
        const char *parent, *flags;
    } rows[] = {
        { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "00" },
        { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff", "01" },
        { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe", "00" },
        { "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "01" },
        { "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-is-to-come", "01" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[TRACEPARENT_SIZE + 1];
        cr_expect(edge_trace_valid(rows[i].parent, strlen(rows[i].parent)), "%s", rows[i].parent);
        edge_trace_make(out, rows[i].parent, 0, 0, 7);
        cr_expect_eq(strncmp(out, "00-0af7651916cd43dd8448eb211c80319c-0000000000000007-", 53), 0, "%s", out);
        cr_expect_str_eq(out + 53, rows[i].flags, "%s", rows[i].parent);
    }
}
