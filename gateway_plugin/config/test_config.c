#include "config/config_text.h"
#include "config/kong_refused.h"

#include "base/calm_clock.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct arena arena;

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(config, .fini = teardown);

static const char *faults_of(const char *text)
{
    const char *faults;
    cr_expect_null(config_from(&arena, text, &faults));
    return faults;
}

static const char whole[] =
    "_format_version: '3.0'\n"
    "upstreams:\n"
    "  - name: u\n"
    "    tags: [tonearm]\n"
    "    targets: [{target: 'nats:auth'}, {target: '127.0.0.1:8010', weight: 7}]\n"
    "services:\n"
    "  - name: a\n"
    "    host: u\n"
    "    tags: [x]\n"
    "    read_timeout: 1234\n"
    "    plugins: [{name: request-size-limiting, config: {allowed_payload_size: 5, size_unit: bytes}}]\n"
    "    routes:\n"
    "      - name: r1\n"
    "        paths: [/a, /b/]\n"
    "        methods: [GET, POST]\n"
    "        plugins: [{name: key-auth, config: {key_names: [x-api-key]}}]\n"
    "      - name: r2\n"
    "        paths: [/a]\n"
    "  - name: b\n"
    "    url: http://example.com:81/base\n"
    "routes:\n"
    "  - {name: r3, service: {name: b}, paths: [/c], strip_path: false}\n"
    "plugins:\n"
    "  - name: request-size-limiting\n"
    "  - {name: prometheus, route: r3}\n"
    "consumers:\n"
    "  - username: ann\n"
    "    keyauth_credentials: [{key: secret}]\n";

Test(config, reads_what_kong_reads)
{
    struct config *config = config_good(&arena, whole);
    const struct kong_service *a = config->services, *b = a->next;
    cr_expect_str_eq(a->upstream->name, "u");
    cr_expect(a->upstream->tonearm);
    cr_expect_eq(a->read_timeout, 1234);
    cr_expect_eq(a->retries, 5);
    cr_expect_eq(a->upstream->targets->next->weight, 7);
    cr_expect_str_eq(b->host, "example.com");
    cr_expect_eq(b->port, 81);
    cr_expect_str_eq(b->path, "/base");
    cr_expect_str_eq(b->upstream->targets->target, "example.com:81");
    cr_expect_not(b->upstream->tonearm);
    cr_expect_str_eq(config_key(config, "secret")->consumer->username, "ann");
    cr_expect_null(config_key(config, "other"));
    config_unref(config);
}

Test(config, gives_each_route_the_closest_plugin)
{
    struct config *config = config_good(&arena, whole);
    const struct kong_route *r1 = config->routes, *r2 = r1->next, *r3 = r2->next;
    cr_expect_str_eq(r1->chain[0]->plugin->name, "key-auth");
    cr_expect_str_eq(r1->chain[1]->plugin->name, "request-size-limiting");
    cr_expect_str_eq(r1->chain[1]->service_name, "a");
    cr_expect_null(r1->chain[2]);
    cr_expect_str_eq(r2->chain[0]->service_name, "a");
    cr_expect_null(r2->chain[1]);
    cr_expect_null(r3->chain[0]->service_name);
    cr_expect_str_eq(r3->chain[1]->plugin->name, "prometheus");
    config_unref(config);
}

Test(config, takes_all_three_formats_and_json)
{
    static const char *const versions[] = { "'1.1'", "\"2.1\"", "3.0" };
    for (size_t i = 0; i < 3; i++) {
        char text[64];
        snprintf(text, sizeof text, "_format_version: %s\n_transform: true\n", versions[i]);
        config_unref(config_good(&arena, text));
    }
    config_unref(config_good(&arena, "{\"_format_version\":\"3.0\",\"services\":[{\"name\":\"a\",\"url\":\"http://"
                                     "x\",\"routes\":[{\"paths\":[\"/\"]}]}]}"));
}

Test(config, names_every_fault_with_its_line)
{
    cr_expect_str_eq(
        faults_of("_format_version: '3.0'\n"
                  "services:\n"
                  "  - name: a\n"
                  "    url: ftp://x\n"
                  "    retries: x\n"
                  "    client_certificate: x\n"
                  "    routes:\n"
                  "      - paths: [a]\n"
                  "        nonsense: 1\n"
                  "plugins:\n"
                  "  - name: nothing\n"),
        "f.yml:4: services[0].url: must begin with http://, https:// or nats:// (other protocols are not supported)\n"
        "f.yml:5: services[0].retries: must be a whole number\n"
        "f.yml:6: services[0].client_certificate: is not supported by the edge: members are shown no certificate: let them "
        "listen on loopback, or ask for a header that request-transformer adds\n"
        "f.yml:8: services[0].routes[0].paths[0]: \"a\" is no path: it must begin with a slash and hold neither a "
        "query nor an escaped slash or dot\n"
        "f.yml:9: services[0].routes[0].nonsense: is not a field that the edge knows\n"
        "f.yml:11: plugins[0].name: \"nothing\" is not a plugin that the edge has\n");
}

Test(config, refuses_what_does_not_fit_together)
{
    static const struct {
        const char *text, *fault;
    } cases[] = {
        { "", "f.yml:1: yaml: the file is empty\n" },
        { "x: [1", "f.yml:2: yaml: did not find expected ',' or ']'\n" },
        { "services: []\n", "f.yml:1: _format_version: is required\n" },
        { "_format_version: '9'\n", "f.yml:1: _format_version: is not supported but for: 1.1,2.1,3.0\n" },
        { "_format_version: '3.0'\n_format_version: '3.0'\n",
          "f.yml:2: _format_version: stands here a second time (first on line 1)\n" },
        { "_format_version: '3.0'\na: &x 1\nb: *x\n", "f.yml:3: yaml: aliases are not supported\n" },
        { "_format_version: '3.0'\nroutes:\n  - {name: r, service: s, paths: [/x]}\n",
          "f.yml:3: routes.service: \"s\" is no service of this file\n" },
        { "_format_version: '3.0'\nservices:\n  - {name: s, host: h, routes: [{name: r, paths: []}]}\n",
          "f.yml:3: services[0].routes[0]: must have at least one of: hosts, methods, paths, headers, snis\n" },
        { "_format_version: '3.0'\nservices:\n  - {name: s, host: h}\n  - {name: s, host: h}\n",
          "f.yml:4: services.name: \"s\" is another service's too\n" },
        { "_format_version: '3.0'\nservices:\n  - {name: s, host: h, routes: [{name: a, paths: [/x]}, {name: b, paths: "
          "[/x]}]}\n",
          "f.yml:3: routes.paths: \"/x\" is also a path of route \"a\" (line 3), which takes the same requests\n" },
        { "_format_version: '3.0'\nconsumers:\n  - {username: a, keyauth_credentials: [{key: '{vault://env/key}'}]}\n",
          "f.yml:3: consumers[0].keyauth_credentials[0].key: stands for a value that is elsewhere: there are no vaults "
          "and no variables, write the value here\n" },
        { "_format_version: '3.0'\nservices:\n  - {name: '${{ env \"DECK_NAME\" }}', host: h}\n",
          "f.yml:3: services[0].name: stands for a value that is elsewhere: there are no vaults and no variables, write "
          "the value here\n" },
        { "_format_version: '3.0'\nplugins:\n  - {name: prometheus, protocols: [https]}\n",
          "f.yml:3: plugins[0].protocols: must name both http and https: for one of them, give the plugin to a route of "
          "that protocol\n" },
        { "_format_version: '3.0'\nservices:\n  - {name: s, url: 'http://h/a%2fb'}\n",
          "f.yml:3: services[0].url: its path is not in normal form\n" },
        { "_format_version: '3.0'\nplugins:\n  - name: prometheus\n  - name: prometheus\n",
          "f.yml:4: plugins.name: prometheus stands here a second time (first on line 3)\n" },
        { "_format_version: '3.0'\nupstreams:\n  - {name: u, targets: [{target: 'nats:a.b'}]}\n",
          "f.yml:3: upstreams[0].targets[0].target: \"nats:a.b\" is neither HOST:PORT nor nats:NAME\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(faults_of(cases[i].text), cases[i].fault, "%zu", i);
}

Test(config, takes_names_in_any_script)
{
    struct config *config = config_good(&arena,
                                        "_format_version: '3.0'\n"
                                        "services: [{name: música, host: h, routes: [{name: 音楽, paths: [/a]}]}]\n");
    cr_expect_str_eq(config->services->name, "música");
    cr_expect_str_eq(config->routes->name, "音楽");
    config_unref(config);
    cr_expect(strstr(faults_of("_format_version: '3.0'\nservices: [{name: 'a b', host: h}]\n"), "is no name"));
}

/* A file as `kong config db_export` writes it: by ids, and with what tools note. */
/* A path that could not be read, beside a route without any: each is as good a match. */
Test(config, is_not_brought_down_by_a_path_that_is_none)
{
    cr_expect_str_eq(faults_of("_format_version: '3.0'\n"
                               "services:\n"
                               "  - {name: s, host: h, routes: [{name: a, paths: [x]}, {name: b, methods: [POST]}]}\n"),
                     "f.yml:3: services[0].routes[0].paths[0]: \"x\" is no path: it must begin with a slash and hold "
                     "neither a query nor an escaped slash or dot\n");
}

Test(config, follows_ids)
{
    static const char text[] = "_format_version: '3.0'\n"
                               "_info: {select_tags: [x]}\n"
                               "_workspace: default\n"
                               "services:\n"
                               "- {id: 11111111-1111-4111-8111-111111111111, name: null, host: h, retries: 32767}\n"
                               "- {id: 22222222-2222-4222-8222-222222222222, name: b, url: 'http://x'}\n"
                               "routes:\n"
                               "- {id: 33333333-3333-4333-8333-333333333333, paths: [/a], service: "
                               "11111111-1111-4111-8111-111111111111}\n"
                               "- {name: r, paths: [/b], service: {id: 22222222-2222-4222-8222-222222222222}}\n"
                               "plugins:\n"
                               "- {name: prometheus, route: {id: 33333333-3333-4333-8333-333333333333}}\n"
                               "- {name: request-size-limiting, service: {name: b}}\n";
    struct config *config = config_good(&arena, text);
    const struct kong_route *first = config->routes, *second = first->next;
    cr_expect_eq(first->service, config->services);
    cr_expect_str_eq(second->service_name, "b");
    cr_expect_str_eq(first->chain[0]->plugin->name, "prometheus");
    cr_expect_null(first->chain[1]);
    cr_expect_str_eq(second->chain[0]->plugin->name, "request-size-limiting");
    config_unref(config);
}

Test(config, says_what_to_do_instead)
{
    cr_expect_str_eq(
        faults_of("_format_version: '3.0'\n"
                  "_info: {defaults: {service: {retries: 1}}}\n"
                  "vaults: []\n"
                  "plugins:\n"
                  "  - name: oauth2\n"),
        "f.yml:2: _info.defaults: is not supported by the edge: write them at each entity: Kong itself "
        "does not read them here\n"
        "f.yml:3: vaults: is not supported by the edge: write values where they belong: {vault://...} is refused; "
        "secrets of the edge itself come from files (NAME_FILE)\n"
        "f.yml:5: plugins[0].name: \"oauth2\" is not a plugin that the edge has: key-auth or jwt; "
        "tonearm's auth service signs people in, through other providers too\n");
}

Test(config, refuses_no_plugin_that_it_has)
{
    for (const struct kong_refused *row = refused_plugins; row->name; row++)
        cr_expect_null(plugin_named(row->name, &(size_t){ 0 }), "%s", row->name);
}

/* What a file costs is told by its length: nothing is looked for among all. */
Test(config, reads_a_large_file_in_time)
{
    struct buf text = BUF(&arena);
    buf_text(&text, "_format_version: '3.0'\nservices:\n");
    for (int i = 0; i < 500; i++) {
        buf_printf(&text, "- name: s%d\n  url: http://127.0.0.1:%d\n  routes:\n", i, 8000 + i);
        for (int j = 0; j < 10; j++)
            buf_printf(&text, "  - {name: r%d-%d, paths: [/s%d/r%d, '~/x%d/%d/\\d+$'], plugins: [{name: cors}]}\n", i,
                       j, i, j, i, j);
    }
    int64_t begun = calm_ms();
    config_unref(config_good(&arena, text.data));
    cr_expect_lt(calm_ms() - begun, 4000, "%lld ms", (long long)(calm_ms() - begun));
}

Test(config, is_not_fooled_by_depth_or_size)
{
    char deep[200];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    cr_expect(strstr(faults_of(deep), "nested too deeply"));
}

static struct config *good_file(const char *name)
{
    char file[512];
    snprintf(file, sizeof file, "%s/%s", getenv("ROOT"), name);
    struct faults faults = FAULTS(&arena, file);
    struct buf out = BUF(&arena);
    struct config *config = config_read_file(&faults, file);
    buf_text(&out, "");
    faults_write(&faults, &out);
    cr_assert_not_null(config, "%s", out.data);
    return config;
}

Test(config, the_shipped_file_is_good)
{
    config_unref(good_file("gateway.yml"));
}

/* With every field of every entity and plugin, as Kong itself writes them. */
Test(config, an_export_of_kong_is_good)
{
    struct config *config = good_file("gateway_plugin/test/kong_export.yml");
    cr_expect_str_eq(config->routes->service->upstream->name, "music_upstream");
    cr_expect_str_eq(config->routes->service->upstream->targets->target, "127.0.0.1:8010");
    cr_expect_str_eq(config_consumer(config, "ann")->username, "ann");
    config_unref(config);
}
