#include "transform/template.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *value(void *self, enum template_source source, const char *name)
{
    static char out[64];
    (void)self;
    if (strcmp(name, "none") == 0)
        return NULL;
    snprintf(out, sizeof out, "<%d:%s>", source, name);
    return out;
}

static void expect(const char *text, const char *want)
{
    struct arena arena = { 0 };
    struct template_env env = { &arena, value, NULL };
    cr_expect(template_valid(text), "%s", text);
    cr_expect_str_eq(template_render(&env, text), want);
    arena_free(&arena);
}

Test(template, gives_what_is_named)
{
    expect("plain", "plain");
    expect("a $ ( b", "a $ ( b");
    expect("$(headers.host)", "<0:host>");
    expect("$( headers[\"x-a b\"] )", "<0:x-a b>");
    expect("/u/$(query_params['id'])/x", "/u/<1:id>/x");
    expect("$(uri_captures.id)-$(uri_captures[1])", "<2:id>-<2:1>");
    expect("x$(headers.none)y", "xy");
    expect("$(headers.none or query_params.none or 'other')", "other");
    expect("$(headers.a or 'other')", "<0:a>");
}

Test(template, takes_no_program)
{
    static const char *const bad[] = {
        "$(",
        "$()",
        "$(headers)",
        "$(headers.)",
        "$(os.time())",
        "$(headers.a .. 'x')",
        "$(headers.a",
        "$(shared.x)",
        "$((function() return 1 end)())",
        "$(headers[host])",
        "$(headers['a)",
        "$('a' or)",
        "$(headers.a orheaders.b)",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(template_valid(bad[i]), "%s", bad[i]);
}
