#include "http/status.h"

#include <criterion/criterion.h>

Test(status, has_a_phrase_or_none)
{
    cr_expect_str_eq(http_reason(200), "OK");
    cr_expect_str_eq(http_reason(404), "Not Found");
    cr_expect_str_eq(http_reason(507), "Insufficient Storage");
    static const int unknown[] = { -1, 0, 99, 100, 199, 299, 418, 508, 599, 999, 1 << 30 };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        cr_expect_null(http_reason(unknown[i]), "%d", unknown[i]);
}

Test(status, has_a_place_of_its_own)
{
    size_t count = 0, others = http_status_index(0);
    int at[HTTP_STATUSES_MAX] = { 0 };
    for (int status = 1; status < 1000; status++) {
        size_t index = http_status_index(status);
        cr_assert_lt(index, (size_t)HTTP_STATUSES_MAX);
        cr_expect_eq(index == others, http_reason(status) == NULL, "%d", status);
        if (index == others)
            continue;
        cr_expect_eq(at[index], 0, "%d and %d share a place", at[index], status);
        at[index] = status;
        count++;
    }
    cr_expect_gt(count, 30);
    cr_expect_eq(http_status_index(1000), others);
}
