#include "config/config_text.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;

TestSuite(config_ids);

/* Python: uuid5(uuid5(UUID("fd02801f-0957-4a15-a55a-c8d9606f30b5"), "services"), "a") */
Test(config_ids, are_those_that_kong_makes)
{
    struct config *config = config_good(&arena, "_format_version: '3.0'\n"
                                                "upstreams: [{name: u, targets: [{target: '127.0.0.1:1'}]}]\n"
                                                "services: [{name: a, host: u, routes: [{name: r, paths: [/a]}]}]\n"
                                                "plugins: [{name: key-auth, service: a}]\n"
                                                "consumers: [{username: ann}]\n");
    cr_expect_str_eq(config->services->id, "72734e2a-702d-5711-b9ef-697178108ad8");
    cr_expect_str_eq(config->upstreams->id, "597a2b96-28b9-56b9-8745-bb55e59539cc");
    cr_expect_str_eq(config->upstreams->targets->id, "8566c145-6f7d-5406-88ac-33d858a07a74");
    cr_expect_eq(strlen(config->plugins->id), 36);
    cr_expect_str_neq(config->routes->id, config->consumers->id);
    config_unref(config);
    arena_free(&arena);
}

Test(config_ids, are_those_of_the_file_where_it_has_some)
{
    struct config *config = config_good(&arena,
                                        "_format_version: '3.0'\n"
                                        "services: [{id: 00000000-0000-4000-8000-00000000000A, name: a, host: h}]\n");
    cr_expect_str_eq(config->services->id, "00000000-0000-4000-8000-00000000000A");
    config_unref(config);
    cr_expect_null(config_from(&arena, "_format_version: '3.0'\nservices: [{id: x, name: a, host: h}]\n", NULL));
    arena_free(&arena);
}
