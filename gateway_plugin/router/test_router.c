#include "config/config_text.h"
#include "router/router.h"

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

TestSuite(router, .fini = teardown);

/* Routes as items of a list, in one service; of this format. */
static const char *with_routes(const char *version, const char *routes)
{
    struct buf text = BUF(&arena);
    buf_printf(&text, "_format_version: '%s'\nservices:\n- name: s\n  host: h\n  routes:\n%s", version, routes);
    return text.data;
}

static struct config *good(const char *routes)
{
    return config_good(&arena, with_routes("3.0", routes));
}

static const char *faults_of(const char *routes)
{
    const char *faults;
    cr_expect_null(config_from(&arena, with_routes("3.0", routes), &faults), "%s", routes);
    return faults;
}

/* A request, in short: what is not said is not there. */
struct want {
    const char *method, *host, *path, *header, *value, *server_name;
    bool tls, by_proxy;
    const char *route; /* "none", "tls", "undecided", or a name */
};

static bool any_header(const void *self, const char *name,
                       bool (*test)(const void *arg, const char *value, size_t size), const void *arg)
{
    const struct want *want = self;
    return want->header && strcmp(name, want->header) == 0 && test(arg, want->value, strlen(want->value));
}

static enum route_answer ask(const struct config *config, const struct want *want, struct match *match)
{
    const char *method = want->method ? want->method : "GET", *host = want->host ? want->host : "";
    struct asked asked = { .method = method_bit(method, strlen(method)),
                           .method_name = method,
                           .method_size = strlen(method),
                           .tls = want->tls,
                           .path = want->path,
                           .size = strlen(want->path),
                           .authority = host,
                           .authority_size = strlen(host),
                           .server_name = want->server_name,
                           .by_proxy = want->by_proxy,
                           .any_header = any_header,
                           .self = want };
    return router_match(config->router, &asked, match);
}

static const char *route_of(const struct config *config, const struct want *want)
{
    struct match match;
    switch (ask(config, want, &match)) {
    case ROUTE_FOUND:
        return match.route->name;
    case ROUTE_WANTS_TLS:
        return "tls";
    case ROUTE_UNDECIDED:
        return "undecided";
    default:
        return "none";
    }
}

static void expect_routes(const struct config *config, const struct want *wants, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_expect_str_eq(route_of(config, &wants[i]), wants[i].route, "%zu: %s%s", i,
                         wants[i].host ? wants[i].host : "", wants[i].path);
}

#define EXPECT_ROUTES(config, wants) expect_routes(config, wants, sizeof(wants) / sizeof *(wants))

static size_t prefix_of(const struct config *config, const char *path)
{
    struct match match = { .prefix = 99 };
    ask(config, &(struct want){ .path = path }, &match);
    return match.prefix;
}

Test(router, takes_the_longest_path_by_whole_segments)
{
    struct config *config = good("  - {name: root, paths: [/]}\n"
                                 "  - {name: auth, paths: [/auth]}\n"
                                 "  - {name: health, paths: [/auth/health], methods: [GET]}\n"
                                 "  - {name: slash, paths: [/dir/]}\n"
                                 "  - {name: post, paths: [/auth], methods: [POST]}\n");
    static const struct want wants[] = {
        { .path = "/", .route = "root" },
        { .path = "/other/x", .route = "root" },
        { .path = "/auth", .route = "auth" },
        { .path = "/auth/", .route = "auth" },
        { .path = "/auth/x/y", .route = "auth" },
        { .path = "/author", .route = "root" },
        { .path = "/auth/health", .route = "health" },
        { .path = "/auth/health", .method = "HEAD", .route = "health" },
        { .path = "/auth/health", .method = "POST", .route = "post" },
        { .path = "/auth", .method = "POST", .route = "post" },
        { .path = "/auth", .method = "DELETE", .route = "auth" },
        { .path = "/dir", .route = "root" },
        { .path = "/dir/", .route = "slash" },
        { .path = "/dir/x", .route = "slash" },
    };
    EXPECT_ROUTES(config, wants);
    static const struct {
        const char *path;
        size_t prefix;
    } prefixes[] = { { "/", 0 }, { "/x", 0 }, { "/auth", 5 }, { "/auth/x", 5 }, { "/dir/", 4 }, { "/dir/x", 4 } };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        cr_expect_eq(prefix_of(config, prefixes[i].path), prefixes[i].prefix, "%s", prefixes[i].path);
    config_unref(config);
}

Test(router, finds_nothing_where_nothing_is)
{
    struct config *config = good("  - {name: a, paths: [/a], methods: [GET, PURGE]}\n");
    static const struct want wants[] = {
        { .path = "/b", .route = "none" },
        { .path = "/a", .method = "POST", .route = "none" },
        { .path = "/", .route = "none" },
        { .path = "/a", .method = "PURGE", .route = "a" },
        { .path = "/a", .method = "MOVE", .route = "none" },
    };
    EXPECT_ROUTES(config, wants);
    config_unref(config);
    config = good("  - {name: get, paths: [/a], methods: [GET]}\n  - {name: head, paths: [/a], methods: [HEAD]}\n");
    static const struct want heads[] = { { .path = "/a", .method = "HEAD", .route = "head" },
                                         { .path = "/a", .route = "get" } };
    EXPECT_ROUTES(config, heads);
    config_unref(config);
}

Test(router, knows_hosts_whole_and_with_a_star)
{
    struct config *config = good("  - {name: plain, hosts: [Example.com]}\n"
                                 "  - {name: port, hosts: ['ported.com:8000']}\n"
                                 "  - {name: https, hosts: ['secure.com:443']}\n"
                                 "  - {name: left, hosts: ['*.example.com']}\n"
                                 "  - {name: right, hosts: ['example.*']}\n"
                                 "  - {name: both, hosts: [one.org, '*.two.org'], paths: [/x]}\n"
                                 "  - {name: six, hosts: ['[::1]']}\n");
    static const struct want wants[] = {
        { .host = "example.com", .path = "/", .route = "plain" },
        { .host = "EXAMPLE.com:8000", .path = "/any", .route = "plain" },
        { .host = "example.com.", .path = "/", .route = "plain" },
        { .host = "a.example.com", .path = "/", .route = "left" },
        { .host = "a.b.example.com:81", .path = "/", .route = "left" },
        { .host = "badexample.com", .path = "/", .route = "none" },
        { .host = "example.org", .path = "/", .route = "right" },
        { .host = "example.co.uk", .path = "/", .route = "right" },
        { .host = "ported.com:8000", .path = "/", .route = "port" },
        { .host = "ported.com", .path = "/", .route = "none" },
        { .host = "secure.com", .path = "/", .tls = true, .route = "https" },
        { .host = "secure.com", .path = "/", .route = "none" },
        { .host = "one.org", .path = "/x/y", .route = "both" },
        { .host = "a.two.org", .path = "/x", .route = "both" },
        { .host = "two.org", .path = "/x", .route = "none" },
        { .host = "one.org", .path = "/", .route = "none" },
        { .host = "[::1]:8000", .path = "/", .route = "six" },
        { .path = "/", .route = "none" },
    };
    EXPECT_ROUTES(config, wants);
    config_unref(config);
}

Test(router, knows_headers_by_text_and_by_expression)
{
    struct config *config = good("  - {name: version, paths: [/], headers: {X-Version: [v1, V2]}}\n"
                                 "  - {name: regex, paths: [/], headers: {X-Version: ['~*^v[3-5]+$']}}\n"
                                 "  - {name: two, paths: [/], headers: {X-Version: [v1], Accept: [json]}}\n"
                                 "  - {name: rest, paths: [/longer]}\n");
    static const struct want wants[] = {
        { .path = "/", .header = "x-version", .value = "V1", .route = "version" },
        { .path = "/", .header = "x-version", .value = "v2", .route = "version" },
        { .path = "/", .header = "x-version", .value = "V34", .route = "regex" },
        { .path = "/", .header = "x-version", .value = "v6", .route = "none" },
        { .path = "/", .header = "x-version", .value = "v1x", .route = "none" },
        { .path = "/longer", .header = "x-version", .value = "v2", .route = "version" },
        { .path = "/longer", .route = "rest" },
    };
    EXPECT_ROUTES(config, wants);
    config_unref(config);
}

Test(router, knows_expressions_of_paths)
{
    struct config *config = good("  - {name: digits, paths: ['~/tracks/(?<id>\\d+)$']}\n"
                                 "  - {name: whole, paths: ['~/tracks/latest$']}\n"
                                 "  - {name: begins, paths: ['~/begin']}\n"
                                 "  - {name: dot, paths: ['~/a\\.b/x?y$']}\n"
                                 "  - {name: choice, paths: ['~/one|/two']}\n"
                                 "  - {name: prefix, paths: [/tracks]}\n");
    static const struct want wants[] = {
        { .path = "/tracks/17", .route = "digits" },    { .path = "/tracks/17/x", .route = "prefix" },
        { .path = "/tracks/latest", .route = "whole" }, { .path = "/tracks/latest/", .route = "prefix" },
        { .path = "/begin", .route = "begins" },        { .path = "/beginning", .route = "begins" },
        { .path = "/x/begin", .route = "none" },        { .path = "/a.b/y", .route = "dot" },
        { .path = "/a.b/xy", .route = "dot" },          { .path = "/a.b/xxy", .route = "none" },
        { .path = "/aab/y", .route = "none" },          { .path = "/one", .route = "choice" },
        { .path = "/two/x", .route = "choice" },
    };
    EXPECT_ROUTES(config, wants);
    cr_expect_eq(prefix_of(config, "/beginning"), 6u);
    cr_expect_eq(prefix_of(config, "/tracks/latest"), 14u);
    config_unref(config);
}

Test(router, keeps_what_an_expression_captured)
{
    struct config *config = good("  - {name: r, paths: ['~/u/(?<user>[^/]+)/(\\d+)?', '/v/{name}/of/{id}']}\n");
    struct match match;
    cr_assert_eq(ask(config, &(struct want){ .path = "/u/ann/17/x" }, &match), ROUTE_FOUND);
    size_t user = pattern_group(match.pattern, "user");
    cr_expect_eq(user, 1u);
    cr_expect_eq(match.captures.items[user].start, 3u);
    cr_expect_eq(match.captures.items[user].end, 6u);
    cr_expect_eq(match.captures.items[2].end, 9u);
    cr_expect_eq(match.prefix, 9u);
    cr_assert_eq(ask(config, &(struct want){ .path = "/v/a/of/b/rest" }, &match), ROUTE_FOUND);
    size_t id = pattern_group(match.pattern, "id");
    cr_expect_eq(match.captures.items[id].start, 8u);
    cr_expect_eq(match.captures.items[id].end, 9u);
    cr_expect_eq(match.prefix, 9u);
    cr_expect_eq(pattern_group(match.pattern, "other"), 0u);
    cr_expect_eq(ask(config, &(struct want){ .path = "/v/a/office/b" }, &match), ROUTE_NONE);
    config_unref(config);
}

/* Kong's order, attribute by attribute. */
Test(router, orders_routes_as_kong_does)
{
    static const struct {
        const char *routes;
        struct want want;
    } cases[] = {
        /* who asks for more comes first, whatever the path */
        { "  - {name: long, paths: [/a/b/c]}\n  - {name: more, paths: [/a], methods: [GET]}\n",
          { .path = "/a/b/c", .route = "more" } },
        { "  - {name: path, paths: [/a]}\n  - {name: both, paths: [/], hosts: [h.org]}\n",
          { .host = "h.org", .path = "/a", .route = "both" } },
        /* then whole hosts */
        { "  - {name: star, hosts: ['*.org'], paths: [/a/b]}\n  - {name: whole, hosts: [h.org], paths: [/a]}\n",
          { .host = "h.org", .path = "/a/b", .route = "whole" } },
        { "  - {name: path, paths: [/a]}\n  - {name: host, hosts: [h.org]}\n",
          { .host = "h.org", .path = "/a", .route = "host" } },
        /* then more headers */
        { "  - {name: regex, headers: {a: [b]}, paths: ['~/a/b/.+']}\n  - {name: two, headers: {a: [b], A: [b, c]}, "
          "paths: [/a]}\n",
          { .path = "/a/b/c", .header = "a", .value = "b", .route = "two" } },
        /* then expressions, by their priority */
        { "  - {name: plain, paths: [/a/b]}\n  - {name: regex, paths: ['~/a/.$']}\n",
          { .path = "/a/b", .route = "regex" } },
        { "  - {name: low, paths: ['~/a/b.*'], regex_priority: -1}\n  - {name: zero, paths: ['~/a/.+']}\n",
          { .path = "/a/b", .route = "zero" } },
        { "  - {name: zero, paths: ['~/a/b.*']}\n  - {name: high, paths: ['~/.+'], regex_priority: 10}\n",
          { .path = "/a/b", .route = "high" } },
        { "  - {name: high, paths: [/a], regex_priority: 10}\n  - {name: longer, paths: [/a/b]}\n",
          { .path = "/a/b", .route = "longer" } },
        /* then the longest path, and the first in the file */
        { "  - {name: short, paths: [/a]}\n  - {name: long, paths: [/a/b]}\n", { .path = "/a/b", .route = "long" } },
        { "  - {name: first, paths: ['~/a/.+']}\n  - {name: second, paths: ['~/a/..*']}\n",
          { .path = "/a/b", .route = "first" } },
        /* a route of several paths has the place of each */
        { "  - {name: two, paths: [/a, /x/y/z]}\n  - {name: one, paths: [/a/b]}\n",
          { .path = "/a/b", .route = "one" } },
        /* ours: `{id}` is as long as what stands before it */
        { "  - {name: id, paths: ['/a/{id}']}\n  - {name: latest, paths: [/a/latest]}\n",
          { .path = "/a/latest", .route = "latest" } },
        { "  - {name: all, paths: [/a]}\n  - {name: id, paths: ['/a/{id}']}\n", { .path = "/a/x", .route = "id" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config *config = good(cases[i].routes);
        cr_expect_str_eq(route_of(config, &cases[i].want), cases[i].want.route, "%zu: %s", i, cases[i].routes);
        config_unref(config);
    }
}

Test(router, minds_tls_and_its_server_name)
{
    struct config *config = good("  - {name: root, paths: [/]}\n"
                                 "  - {name: secure, paths: [/secure], protocols: [https]}\n"
                                 "  - {name: open, paths: [/open], protocols: [http]}\n"
                                 "  - {name: twice-tls, paths: [/twice], protocols: [https]}\n"
                                 "  - {name: twice, paths: [/twice], protocols: [http]}\n"
                                 "  - {name: named, paths: [/named], snis: [A.example.com.]}\n");
    static const struct want wants[] = {
        { .path = "/secure/x", .route = "tls" },
        { .path = "/secure/x", .tls = true, .route = "secure" },
        { .path = "/open", .route = "open" },
        { .path = "/open", .tls = true, .route = "root" },
        { .path = "/twice", .route = "twice" },
        { .path = "/twice", .tls = true, .route = "twice-tls" },
        { .path = "/named", .tls = true, .server_name = "a.example.com", .route = "named" },
        { .path = "/named", .tls = true, .server_name = "b.example.com", .route = "root" },
        { .path = "/named", .tls = true, .route = "root" },
        { .path = "/named", .route = "named" },
        { .path = "/named", .tls = true, .by_proxy = true, .route = "named" },
    };
    EXPECT_ROUTES(config, wants);
    config_unref(config);
}

/* What cannot be told must not fall to a route that asks for less. */
Test(router, gives_up_on_an_expression_that_explodes)
{
    struct config *config = good("  - {name: root, paths: [/]}\n"
                                 "  - {name: bad, paths: ['~/x/(a+)+(a+)+(a+)+$']}\n"
                                 "  - {name: header, paths: [/h], headers: {x: ['~*^(a+)+(a+)+(a+)+$']}}\n");
    static const char text[] = "/x/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
    static const struct want wants[] = {
        { .path = text, .route = "undecided" },
        { .path = "/x/aaa", .route = "bad" },
        { .path = "/x/b", .route = "root" },
        { .path = "/h", .header = "x", .value = text + 3, .route = "undecided" },
    };
    int64_t begun = calm_ms();
    EXPECT_ROUTES(config, wants);
    cr_expect_lt(calm_ms() - begun, 500);
    config_unref(config);
}

/* A long path is not a hard one. */
Test(router, takes_long_paths_by_expression)
{
    struct config *config = good(
        "  - {name: groups, paths: ['~/g(/[a-z]+)+$']}\n  - {name: rest, paths: ['~/r/.*/end$']}\n");
    char path[3999];
    for (size_t i = 0; i + 1 < sizeof path; i++)
        path[i] = i % 2 ? 'g' : '/';
    path[sizeof path - 1] = 0;
    cr_expect_str_eq(route_of(config, &(struct want){ .path = path }), "groups");
    path[1] = 'r';
    cr_expect_str_eq(route_of(config, &(struct want){ .path = path }), "none");
    memcpy(path + sizeof path - 6, "/end", 5);
    cr_expect_str_eq(route_of(config, &(struct want){ .path = path }), "rest");
    config_unref(config);
}

Test(router, reads_paths_of_old_formats_as_kong_did)
{
    struct config *config = config_good(&arena, with_routes("2.1", "  - {name: regex, paths: ['/tracks/\\d+$']}\n"
                                                                   "  - {name: plain, paths: [/a.b/c-d_e~f]}\n"));
    static const struct want wants[] = {
        { .path = "/tracks/17", .route = "regex" },
        { .path = "/tracks/x", .route = "none" },
        { .path = "/a.b/c-d_e~f/g", .route = "plain" },
        { .path = "/axb/c-d_e~f", .route = "none" },
    };
    EXPECT_ROUTES(config, wants);
    config_unref(config);
}

Test(router, compares_paths_in_their_normal_form)
{
    struct config *config = good("  - {name: r, paths: [/a//b/../c%20d, '/%7euser']}\n");
    static const struct want wants[] = {
        { .path = "/a/c%20d", .route = "r" },
        { .path = "/~user/x", .route = "r" },
        { .path = "/a/b", .route = "none" },
    };
    EXPECT_ROUTES(config, wants);
    config_unref(config);
}

Test(router, has_no_routes_of_a_service_that_is_off)
{
    static const char text[] = "_format_version: '3.0'\nservices:\n"
                               "- {name: off, host: h, enabled: false, routes: [{name: a, paths: [/a]}]}\n"
                               "- {name: on, host: h, routes: [{name: b, paths: [/]}]}\n";
    struct config *config = config_good(&arena, text);
    cr_expect_str_eq(route_of(config, &(struct want){ .path = "/a" }), "b");
    config_unref(config);
}

Test(router, refuses_what_no_route_can_be)
{
    static const struct {
        const char *routes, *fault;
    } cases[] = {
        { "  - {paths: ['~/(']}\n",
          "f.yml:6: services[0].routes[0].paths[0]: \"~/(\" is no regular expression: missing closing parenthesis at its "
          "character 3\n" },
        { "  - {paths: ['~x']}\n",
          "f.yml:6: services[0].routes[0].paths[0]: \"~x\" is no regular expression of a path: it "
          "must begin with ~/\n" },
        { "  - {paths: ['/a%2fb']}\n",
          "f.yml:6: services[0].routes[0].paths[0]: \"/a%2fb\" is no path: it must begin with a "
          "slash and hold neither a query nor an escaped slash or dot\n" },
        { "  - {paths: ['/a/x{id}']}\n",
          "f.yml:6: services[0].routes[0].paths[0]: \"/a/x{id}\" has a brace that is no {name} of a whole segment\n" },
        { "  - {hosts: ['a.*.com']}\n",
          "f.yml:6: services[0].routes[0].hosts[0]: \"a.*.com\" is no host: a name, with a "
          "star as its first or its last label or none, and a port or none\n" },
        { "  - {headers: {Host: [x]}}\n",
          "f.yml:6: services[0].routes[0].headers.Host: cannot stand here: give it as one of `hosts`\n" },
        { "  - {headers: {a: []}}\n", "f.yml:6: services[0].routes[0].headers.a: must not be empty\n" },
        { "  - {headers: {a: ['~*(']}}\n",
          "f.yml:6: services[0].routes[0].headers.a[0]: \"~*(\" is no regular expression: missing closing parenthesis at its "
          "character 2\n" },
        { "  - {paths: [/a], methods: [get]}\n", "f.yml:6: services[0].routes[0].methods: \"get\" is no method that is "
                                                 "served: capital letters, and neither TRACE nor CONNECT\n" },
        { "  - {paths: [/a], protocols: [grpc]}\n",
          "f.yml:6: services[0].routes[0].protocols: \"grpc\" is not supported (http, https)\n" },
        { "  - {paths: [/a], protocols: [http], snis: [x.org]}\n",
          "f.yml:6: services[0].routes[0].snis: needs https among the protocols\n" },
        { "  - {name: a, protocols: [http]}\n",
          "f.yml:6: services[0].routes[0]: must have at least one of: hosts, methods, paths, headers\n" },
        { "  - {paths: [/a], expression: 'x'}\n", "f.yml:6: services[0].routes[0].expression: is not supported by the "
                                                  "edge: say it by hosts, paths, methods, headers and snis\n" },
        { "  - {paths: [/a], path_handling: v1}\n",
          "f.yml:6: services[0].routes[0].path_handling: is not supported but for: v0: write the path of the service so "
          "that v0 makes the same of it\n" },
        { "  - {name: a, hosts: [x.org]}\n  - {name: b, hosts: [X.org]}\n",
          "f.yml:7: routes: route \"a\" (line 6) takes the same requests\n" },
        { "  - {name: a, paths: ['~/x.'], hosts: ['*.org']}\n  - {name: b, paths: ['~/x.'], hosts: ['*.org']}\n",
          "f.yml:7: routes.paths: \"~/x.\" is also a path of route \"a\" (line 6), which takes the same requests\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(faults_of(cases[i].routes), cases[i].fault, "%zu", i);
}

/* The same path for other hosts, headers, protocols or methods is no clash. */
Test(router, tells_like_routes_apart)
{
    config_unref(good("  - {name: a, paths: [/x], hosts: [a.org]}\n"
                      "  - {name: b, paths: [/x], hosts: [b.org]}\n"
                      "  - {name: c, paths: [/x], headers: {v: ['1']}}\n"
                      "  - {name: d, paths: [/x], headers: {v: ['2']}}\n"
                      "  - {name: e, paths: [/x], methods: [GET]}\n"
                      "  - {name: f, paths: [/x], methods: [POST]}\n"
                      "  - {name: g, paths: [/x], protocols: [http]}\n"
                      "  - {name: h, paths: [/x], protocols: [https]}\n"));
}

static int64_t time_of(const struct config *config, const char *path)
{
    struct match match;
    int64_t begun = clock_us();
    for (int i = 0; i < 20000; i++)
        ask(config, &(struct want){ .path = path }, &match);
    return clock_us() - begun;
}

/* A thousand of each kind cost a request no more than ten do. */
Test(router, is_as_fast_with_a_thousand_routes)
{
    struct config *configs[2];
    for (size_t which = 0; which < 2; which++) {
        struct buf text = BUF(&arena);
        for (int i = 0; i < (which ? 1000 : 10); i++)
            buf_printf(&text, "  - {paths: [/p%d, '~/w%d/x$', '~/r%d/\\d+']}\n  - {hosts: [h%d.org], paths: [/]}\n", i,
                       i, i, i);
        configs[which] = good(text.data);
    }
    static const char *const paths[] = { "/p7/a/b", "/w7/x", "/r7/123", "/none/at/all" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int64_t best = INT64_MAX, few = INT64_MAX;
        for (int round = 0; round < 5; round++) {
            int64_t took = time_of(configs[0], paths[i]);
            few = took < few ? took : few;
            took = time_of(configs[1], paths[i]);
            best = took < best ? took : best;
        }
        cr_expect_lt(best, few * 4 + 5000, "%s: %lld us with a thousand, %lld with ten", paths[i], (long long)best,
                     (long long)few);
    }
    config_unref(configs[0]);
    config_unref(configs[1]);
}
