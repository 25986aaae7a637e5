#include "exchange/flow.h"

#include <criterion/criterion.h>
#include <string.h>

/* Doubles each byte; `late`: says nothing before the end. */
struct doubling {
    struct body_filter filter;
    bool late, broken;
    size_t size, most;
    char text[8 * FILTER_SLICE];
};

static bool take(struct body_filter *filter, const char *data, size_t size, bool last, const char **out,
                 size_t *out_size)
{
    struct doubling *self = (struct doubling *)filter;
    self->most = size > self->most ? size : self->most;
    if (!self->late)
        self->size = 0;
    for (size_t i = 0; i < size; i++) {
        self->text[self->size++] = data[i];
        self->text[self->size++] = data[i];
    }
    *out = self->text;
    *out_size = self->late && !last ? 0 : self->size;
    return !self->broken;
}

static void forget(struct body_filter *filter)
{
    free(filter);
}

static struct doubling *doubling(void)
{
    struct doubling *self = calloc(1, sizeof *self);
    self->filter = (struct body_filter){ take, forget };
    return self;
}

static char got[16 * FILTER_SLICE];
static size_t got_size;

static enum flow_state drain(struct flow *flow, bool *last)
{
    const char *out;
    size_t size;
    enum flow_state state;
    while ((state = flow_next(flow, &out, &size, last)) == FLOW_OUT) {
        memcpy(got + got_size, out, size);
        got_size += size;
        if (*last)
            break;
    }
    return state;
}

Test(flow, gives_what_comes_through_all_filters_in_order)
{
    struct flow *flow = flow_add(flow_add(NULL, &doubling()->filter), &doubling()->filter);
    bool last = false;
    flow_give(flow, "ab", 2, false);
    cr_expect_eq(drain(flow, &last), FLOW_HUNGRY);
    flow_give(flow, "c", 1, true);
    cr_expect_eq(drain(flow, &last), FLOW_OUT);
    cr_expect(last);
    cr_expect_eq(got_size, 12u);
    cr_expect_arr_eq(got, "aaaabbbbcccc", 12);
    cr_expect_eq(drain(flow, &last), FLOW_HUNGRY, "the end is said once");
    flow_free(flow);
}

Test(flow, cuts_what_is_large_into_slices)
{
    static char large[3 * FILTER_SLICE + 5];
    struct doubling *late = doubling(), *next = doubling();
    struct flow *flow = flow_add(flow_add(NULL, &late->filter), &next->filter);
    bool last = false;
    late->late = true;
    memset(large, 'x', sizeof large);
    flow_give(flow, large, sizeof large, true);
    cr_expect_eq(drain(flow, &last), FLOW_OUT);
    cr_expect_eq(got_size, 4 * sizeof large);
    cr_expect_eq(late->most, (size_t)FILTER_SLICE);
    cr_expect_eq(next->most, (size_t)FILTER_SLICE);
    flow_free(flow);
}

Test(flow, ends_an_empty_body_too)
{
    struct flow *flow = flow_add(NULL, &doubling()->filter);
    bool last = false;
    flow_give(flow, NULL, 0, true);
    cr_expect_eq(drain(flow, &last), FLOW_OUT);
    cr_expect(last && !got_size);
    flow_free(flow);
}

Test(flow, tells_of_a_filter_that_is_broken)
{
    struct doubling *broken = doubling();
    struct flow *flow = flow_add(flow_add(NULL, &doubling()->filter), &broken->filter);
    bool last = false;
    broken->broken = true;
    flow_give(flow, "ab", 2, true);
    cr_expect_eq(drain(flow, &last), FLOW_BROKEN);
    flow_free(flow);
}
