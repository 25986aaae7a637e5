/* Kong's precedence among instances of one plugin. */
#include "config/config_text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct arena arena;

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(chain, .fini = teardown);

enum { ROOM = 32 };

/* Names of the rows that run for ann (or nobody) on the first route, by comma. */
static const char *run_for(const struct config *config, bool ann, size_t after)
{
    static char out[1024];
    const struct kong_plugin *chain[ROOM];
    size_t count = config_chain(config->routes, ann ? config->consumers : NULL, after, chain);
    out[0] = 0;
    for (size_t i = 0; i < count; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s", i ? "," : "", chain[i]->instance_name);
    cr_expect_null(chain[count]);
    return out;
}

/* From the closest to the one for all. */
static const struct {
    const char *name, *fields;
} levels[] = {
    { "crs", "consumer: ann, route: r, service: s" },
    { "cr", "consumer: ann, route: r" },
    { "cs", "consumer: {username: ann}, service: {name: s}" },
    { "rs", "route: r, service: s" },
    { "c", "consumer: ann" },
    { "r", "route: r" },
    { "s", "service: s" },
    { "g", "" },
};

enum { LEVELS = sizeof levels / sizeof *levels };

static const char head[] = "_format_version: '3.0'\n"
                           "services:\n"
                           "  - {name: s, host: h, routes: [{name: r, paths: [/r]}, {name: other, paths: [/other]}]}\n"
                           "  - {name: t, host: h}\n"
                           "consumers: [{username: ann}, {username: bob}]\n"
                           "plugins:\n";

static struct config *with_levels(unsigned set)
{
    static char text[4096];
    strcpy(text, head);
    /* Rows of others never count. */
    strcat(text, "  - {name: request-size-limiting, instance_name: x1, consumer: bob, route: r}\n"
                 "  - {name: request-size-limiting, instance_name: x2, consumer: ann, route: other}\n"
                 "  - {name: request-size-limiting, instance_name: x3, consumer: ann, service: t}\n"
                 "  - {name: request-size-limiting, instance_name: x4, route: r, service: t}\n");
    for (size_t i = 0; i < LEVELS; i++)
        if (set >> i & 1)
            snprintf(text + strlen(text), sizeof text - strlen(text),
                     "  - {name: request-size-limiting, instance_name: %s%s%s}\n", levels[i].name,
                     *levels[i].fields ? ", " : "", levels[i].fields);
    return config_good(&arena, text);
}

/* Every set of levels: the closest of them is the one that runs. */
Test(chain, takes_the_closest_of_all_levels)
{
    for (unsigned set = 0; set < 1U << LEVELS; set++) {
        struct config *config = with_levels(set);
        const char *wanted = "", *wanted_of_nobody = "";
        for (size_t i = LEVELS; i-- > 0;) {
            if (!(set >> i & 1))
                continue;
            wanted = levels[i].name;
            if (levels[i].name[0] != 'c')
                wanted_of_nobody = levels[i].name;
        }
        cr_expect_str_eq(run_for(config, true, 0), wanted, "%x", set);
        cr_expect_str_eq(run_for(config, false, 0), wanted_of_nobody, "%x", set);
        config_unref(config);
    }
}

Test(chain, merges_what_is_the_consumers_alone_in_order)
{
    struct config *config = config_good(
        &arena, "_format_version: '3.0'\n"
                "services: [{name: s, host: h, routes: [{name: r, paths: [/r], plugins: ["
                "{name: key-auth, instance_name: key}, {name: correlation-id, instance_name: id}]}]}]\n"
                "consumers:\n"
                "  - username: ann\n"
                "    plugins:\n"
                "      - {name: prometheus, instance_name: anns, enabled: false}\n"
                "      - {name: request-size-limiting, instance_name: size, route: r}\n"
                "plugins: [{name: prometheus, instance_name: all}]\n");
    size_t order;
    plugin_named("correlation-id", &order);
    cr_expect_str_eq(run_for(config, true, order), "key,size,all");
    plugin_named("key-auth", &order);
    cr_expect_str_eq(run_for(config, true, order), "size,all");
    cr_expect_str_eq(run_for(config, false, order), "all");
    plugin_named("request-size-limiting", &order);
    cr_expect_str_eq(run_for(config, true, order), "all");
    config_unref(config);
}

/* What grows with the square of their number takes more. */
Test(chain, ten_thousand_consumers_are_read_at_once)
{
    struct buf text = BUF(&arena);
    buf_text(&text, "_format_version: '3.0'\nservices:\n  - name: s\n    host: h\n    routes:\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "      - {name: r%d, paths: [/r%d], plugins: [{name: request-size-limiting}]}\n", i, i);
    buf_text(&text, "consumers:\n");
    for (int i = 0; i < 10000; i++)
        buf_printf(&text,
                   "  - {username: c%d, acls: [{group: g}], keyauth_credentials: [{key: key-%d}], plugins: "
                   "[{name: request-size-limiting}]}\n",
                   i, i);
    clock_t begun = clock();
    struct config *config = config_good(&arena, text.data);
    cr_expect_lt((double)(clock() - begun) / CLOCKS_PER_SEC, 3);
    cr_expect_str_eq(config_key(config, "key-9999")->consumer->username, "c9999");
    config_unref(config);
}

struct refusal {
    const char *text, *fault;
};

static void expect_refusals(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *faults;
        cr_expect_null(
            config_from(&arena, arena_printf(&arena, "_format_version: '3.0'\n%s", refusals[i].text), &faults));
        cr_expect_str_eq(faults, refusals[i].fault, "%zu", i);
    }
}

Test(chain, refuses_consumers_that_do_not_fit)
{
    static const struct refusal refusals[] = {
        { "plugins: [{name: prometheus, consumer: eve}]\n",
          "f.yml:2: plugins.consumer: \"eve\" is no consumer of this file\n" },
        { "consumers:\n  - username: ann\n    plugins:\n      - name: prometheus\n      - name: prometheus\n",
          "f.yml:6: plugins.name: prometheus stands here a second time (first on line 5)\n" },
        { "consumers:\n  - username: ann\n    plugins: [{name: prometheus, consumer: bob}]\n  - username: bob\n",
          "f.yml:4: consumers[0].plugins[0].consumer: names another than \"ann\", below which it stands\n" },
        { "consumers: [{username: a, custom_id: x}, {username: a, custom_id: x}]\n",
          "f.yml:2: consumers.username: is that of the consumer on line 2 too\n"
          "f.yml:2: consumers.custom_id: is that of the consumer on line 2 too\n" },
        { "consumers:\n"
          "  - {username: a, keyauth_credentials: [{key: k, consumer: b}, {key: \"\\x01\"}]}\n"
          "keyauth_credentials:\n"
          "  - {key: k, consumer: a}\n"
          "  - {key: l}\n"
          "  - {key: m, consumer: c, ttl: 5}\n"
          "acls:\n"
          "  - {consumer: a}\n",
          "f.yml:3: consumers[0].keyauth_credentials[0].consumer: names another than the one below which it stands\n"
          "f.yml:3: consumers[0].keyauth_credentials[1].key: cannot stand in a header\n"
          "f.yml:5: consumers.keyauth_credentials.key: stands on line 3 too\n"
          "f.yml:6: keyauth_credentials[1].consumer: is required\n"
          "f.yml:7: keyauth_credentials[2].ttl: is not supported by the edge: keys of tonearm's auth service can end\n"
          "f.yml:7: keyauth_credentials[2].consumer: \"c\" is no consumer of this file\n"
          "f.yml:9: acls[0].group: is required\n" },
        { "consumers: [{username: ann, id: 6b4f5a3c-0000-4000-8000-000000000001, plugins: [{name: prometheus}]}]\n"
          "plugins: [{name: prometheus, consumer: 6b4f5a3c-0000-4000-8000-000000000001}]\n",
          "f.yml:2: plugins.name: prometheus stands here a second time (first on line 3)\n" },
    };
    expect_refusals(refusals, sizeof refusals / sizeof *refusals);
}

Test(chain, refuses_keys_and_groups_that_do_not_fit)
{
    static const struct refusal refusals[] = {
        { "plugins: [{name: key-auth, consumer: ann}]\nconsumers: [{username: ann}]\n",
          "f.yml:2: plugins[0].consumer: key-auth cannot be a consumer's: it runs before one is known\n" },
        { "plugins: [{name: key-auth, config: {anonymous: eve}}]\n",
          "f.yml:2: plugins.config.anonymous: \"eve\" is no consumer of this file\n" },
        { "plugins: [{name: key-auth, config: {key_in_header: false, key_in_query: false}}]\n",
          "f.yml:2: plugins[0].config.key_in_header: a key must be taken from header, query or cookie\n" },
        { "plugins: [{name: key-auth, config: {key_names: [], key_in_body: true, realm: 'a\"b', identity_realms: []}}]\n",
          "f.yml:2: plugins[0].config.key_in_body: is not supported but for: false: send it in a header, the query or "
          "a cookie\n"
          "f.yml:2: plugins[0].config.realm: \"a\"b\" cannot stand in a header in quotes\n"
          "f.yml:2: plugins[0].config.identity_realms: is not supported by the edge: keys are those of this file, and of "
          "tonearm's auth service\n"
          "f.yml:2: plugins[0].config.key_names: must name one at least\n" },
        { "plugins: [{name: acl, config: {allow: [a], deny: [b]}}]\n",
          "f.yml:2: plugins[0].config.allow: one of allow and deny must name groups, not both\n" },
        { "plugins: [{name: acl, config: {include_consumer_groups: true}}]\n",
          "f.yml:2: plugins[0].config.include_consumer_groups: is not supported but for: false: give the consumers acls\n"
          "f.yml:2: plugins[0].config.allow: one of allow and deny must name groups, not both\n" },
    };
    expect_refusals(refusals, sizeof refusals / sizeof *refusals);
}

Test(chain, refuses_tokens_that_do_not_fit)
{
    static const struct refusal refusals[] = {
        { "plugins: [{name: jwt, config: {anonymous: eve, uri_param_names: [], header_names: [], maximum_expiration: "
          "5}}]\n",
          "f.yml:2: plugins[0].config.header_names: a token must be taken from a header, the query or a cookie\n"
          "f.yml:2: plugins[0].config.claims_to_verify: must hold exp where there is a maximum_expiration\n"
          "f.yml:2: plugins.config.anonymous: \"eve\" is no consumer of this file\n" },
        { "plugins: [{name: jwt, config: {claims_to_verify: [aud], jwks: 'https://x', maximum_expiration: -1}}]\n",
          "f.yml:2: plugins[0].config.claims_to_verify: \"aud\" is not supported (exp, nbf)\n"
          "f.yml:2: plugins[0].config.jwks: \"https://x\" is not supported (none, auth)\n"
          "f.yml:2: plugins[0].config.maximum_expiration: must be between 0 and 31536000\n" },
        { "plugins: [{name: apikey-auth-plugin}, {name: apikey-auth-plugin, route: x, config: {verification_urls: ['ftp://x', "
          "'http://', 'http://a b', 'https://ok:8443/v?x']}}]\n",
          "f.yml:2: plugins[0].config.verification_urls: is required\n"
          "f.yml:2: plugins[1].config.verification_urls: \"ftp://x\" is no address that begins with http:// or https://\n"
          "f.yml:2: plugins[1].config.verification_urls: \"http://\" is no address that begins with http:// or https://\n"
          "f.yml:2: plugins[1].config.verification_urls: \"http://a b\" is no address that begins with http:// or "
          "https://\n"
          "f.yml:2: plugins.route: \"x\" is no route of this file\n" },
        { "consumers: [{username: a}]\n"
          "jwt_secrets:\n"
          "  - {consumer: a, key: k}\n"
          "  - {consumer: a, key: k, secret: s}\n"
          "  - {consumer: a, key: r, secret: s, algorithm: RS256}\n"
          "  - {consumer: a, key: e, rsa_public_key: x, algorithm: ES256}\n"
          "  - {secret: s, algorithm: none}\n",
          "f.yml:4: jwt_secrets.secret: is required for HS256\n"
          "f.yml:5: jwt_secrets.key: stands on line 4 too\n"
          "f.yml:6: jwt_secrets.rsa_public_key: is required for this algorithm\n"
          "f.yml:7: jwt_secrets.rsa_public_key: is no public key in PEM\n"
          "f.yml:8: jwt_secrets[4].algorithm: \"none\" is not supported (HS256, HS384, HS512, RS256, RS384, RS512, "
          "ES256, ES384, ES512, PS256, PS384, PS512, EdDSA)\n"
          "f.yml:8: jwt_secrets[4].key: is required\n"
          "f.yml:8: jwt_secrets[4].consumer: is required\n" },
    };
    expect_refusals(refusals, sizeof refusals / sizeof *refusals);
}
