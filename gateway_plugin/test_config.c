#include "config/config.h"
#include "router.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct arena arena;

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(config, .fini = teardown);
TestSuite(router, .fini = teardown);

static struct config *read_text(const char *text, const char **faults_text)
{
    struct faults faults = FAULTS(&arena, "f.yml");
    struct buf out = BUF(&arena);
    struct config *config = config_read(&faults, text, strlen(text));
    buf_text(&out, "");
    faults_write(&faults, &out);
    *faults_text = out.data;
    return config;
}

static const char *faults_of(const char *text)
{
    const char *faults;
    struct config *config = read_text(text, &faults);
    cr_expect_null(config);
    config_unref(config);
    return faults;
}

static struct config *good(const char *text)
{
    const char *faults;
    struct config *config = read_text(text, &faults);
    cr_assert_not_null(config, "%s", faults);
    return config;
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
    struct config *config = good(whole);
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
    struct config *config = good(whole);
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
        config_unref(good(text));
    }
    config_unref(good("{\"_format_version\":\"3.0\",\"services\":[{\"name\":\"a\",\"url\":\"http://"
                      "x\",\"routes\":[{\"paths\":[\"/\"]}]}]}"));
}

Test(config, names_every_fault_with_its_line)
{
    cr_expect_str_eq(faults_of("_format_version: '3.0'\n"
                               "services:\n"
                               "  - name: a\n"
                               "    url: ftp://x\n"
                               "    retries: x\n"
                               "    tls_verify: true\n"
                               "    routes:\n"
                               "      - paths: [a]\n"
                               "        nonsense: 1\n"
                               "plugins:\n"
                               "  - name: nothing\n"),
                     "f.yml:4: services[0].url: must begin with http:// (other protocols are not supported)\n"
                     "f.yml:5: services[0].retries: must be a whole number\n"
                     "f.yml:6: services[0].tls_verify: is not supported by the edge\n"
                     "f.yml:8: services[0].routes[0].paths: \"a\" is no path in normal form (regular expressions and "
                     "escapes are not supported)\n"
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
        { "_format_version: '3.0'\nservices:\n  - {name: s, host: h}\n  - {name: s, host: h}\n",
          "f.yml:4: services.name: \"s\" is another service's too\n" },
        { "_format_version: '3.0'\nservices:\n  - {name: s, host: h, routes: [{name: a, paths: [/x]}, {name: b, paths: "
          "[/x]}]}\n",
          "f.yml:3: routes.paths: \"/x\" is also a path of route \"a\" (line 3) with the same methods\n" },
        { "_format_version: '3.0'\nplugins:\n  - name: prometheus\n  - name: prometheus\n",
          "f.yml:4: plugins.name: prometheus stands here a second time (first on line 3)\n" },
        { "_format_version: '3.0'\nplugins:\n  - {name: key-auth, config: {hide_credentials: true}}\n",
          "f.yml:3: plugins[0].config.hide_credentials: is not supported together with key_in_query: true\n" },
        { "_format_version: '3.0'\nupstreams:\n  - {name: u, targets: [{target: 'nats:a.b'}]}\n",
          "f.yml:3: upstreams[0].targets[0].target: \"nats:a.b\" is neither HOST:PORT nor nats:NAME\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(faults_of(cases[i].text), cases[i].fault, "%zu", i);
}

Test(config, is_not_fooled_by_depth_or_size)
{
    char deep[200];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    cr_expect(strstr(faults_of(deep), "nested too deeply"));
}

Test(config, the_shipped_file_is_good)
{
    char file[512];
    snprintf(file, sizeof file, "%s/gateway.yml", getenv("ROOT"));
    struct faults faults = FAULTS(&arena, file);
    struct config *config = config_read_file(&faults, file);
    cr_expect_not_null(config);
    config_unref(config);
}

/* Routes */

static const char routes[] = "_format_version: '3.0'\n"
                             "services:\n"
                             "  - name: s\n"
                             "    host: h\n"
                             "    routes:\n"
                             "      - {name: root, paths: [/]}\n"
                             "      - {name: auth, paths: [/auth]}\n"
                             "      - {name: health, paths: [/auth/health], methods: [GET]}\n"
                             "      - {name: slash, paths: [/dir/]}\n"
                             "      - {name: post, paths: [/auth], methods: [POST]}\n"
                             "      - {name: tls, paths: [/tls], protocols: [https]}\n";

static const char *route_of(const struct config *config, unsigned method, bool tls, const char *path, size_t *prefix)
{
    struct match match;
    if (!router_match(config->router, method, tls, path, strlen(path), &match))
        return "none";
    *prefix = match.prefix;
    return match.route->name;
}

Test(router, takes_the_longest_path_by_whole_segments)
{
    static const struct {
        unsigned method;
        const char *path, *route;
        size_t prefix;
    } cases[] = {
        { METHOD_GET, "/", "root", 0 },
        { METHOD_GET, "/other/x", "root", 0 },
        { METHOD_GET, "/auth", "auth", 5 },
        { METHOD_GET, "/auth/", "auth", 5 },
        { METHOD_GET, "/auth/x/y", "auth", 5 },
        { METHOD_GET, "/author", "root", 0 },
        { METHOD_GET, "/auth/health", "health", 12 },
        { METHOD_HEAD, "/auth/health", "health", 12 },
        { METHOD_POST, "/auth/health", "post", 5 },
        { METHOD_POST, "/auth", "post", 5 },
        { METHOD_DELETE, "/auth", "auth", 5 },
        { METHOD_GET, "/dir", "root", 0 },
        { METHOD_GET, "/dir/", "slash", 4 },
        { METHOD_GET, "/dir/x", "slash", 4 },
        { METHOD_GET, "/tls/x", "root", 0 },
    };
    struct config *config = good(routes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t prefix = 99;
        cr_expect_str_eq(route_of(config, cases[i].method, false, cases[i].path, &prefix), cases[i].route, "%s",
                         cases[i].path);
        cr_expect_eq(prefix, cases[i].prefix, "%s", cases[i].path);
    }
    size_t prefix;
    cr_expect_str_eq(route_of(config, METHOD_GET, true, "/tls/x", &prefix), "tls");
    config_unref(config);
}

Test(router, finds_nothing_where_nothing_is)
{
    struct config *config = good(
        "_format_version: '3.0'\nservices: [{name: s, host: h, routes: [{paths: [/a], methods: [GET]}]}]\n");
    size_t prefix;
    cr_expect_str_eq(route_of(config, METHOD_GET, false, "/b", &prefix), "none");
    cr_expect_str_eq(route_of(config, METHOD_POST, false, "/a", &prefix), "none");
    cr_expect_str_eq(route_of(config, METHOD_GET, false, "/", &prefix), "none");
    config_unref(config);
}
