/* Consumers of the file: who they are to a service, and what is theirs alone. */
#include "edge_one.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - name: s\n"
    "    url: http://127.0.0.1:%d\n"
    "    plugins:\n"
    "      - {name: key-auth}\n"
    "      - {name: request-size-limiting, config: {allowed_payload_size: 4, size_unit: bytes}}\n"
    "    routes:\n"
    "      - {name: r, paths: [/r]}\n"
    "      - {name: wide, paths: [/wide]}\n"
    "  - name: t\n"
    "    url: http://127.0.0.1:%d\n"
    "    routes:\n"
    "      - {name: hides, paths: [/hides], plugins: [{name: key-auth, config: {key_names: [apikey, X_Other_Key], "
    "hide_credentials: true, key_in_cookie: true}}]}\n"
    "      - {name: header, paths: [/header], plugins: [{name: key-auth, config: {key_in_query: false, realm: here}}]}\n"
    "      - {name: query, paths: [/query], plugins: [{name: key-auth, config: {key_in_header: false}}]}\n"
    "      - {name: free, paths: [/free], plugins: [{name: key-auth, config: {run_on_preflight: false}}]}\n"
    "      - {name: open, paths: [/open], plugins: [{name: key-auth, config: {anonymous: anybody}}]}\n"
    "      - {name: staff, paths: [/staff], plugins: [{name: key-auth, config: {anonymous: "
    "6b4f5a3c-0000-4000-8000-000000000001}}, {name: acl, config: {allow: [nobody, staff]}}]}\n"
    "      - {name: others, paths: [/others], plugins: [{name: key-auth}, {name: acl, config: {deny: [staff], "
    "hide_groups_header: true}}]}\n"
    "      - {name: quiet, paths: [/quiet], plugins: [{name: key-auth}, {name: acl, config: {whitelist: [editors], "
    "hide_groups_header: true}}]}\n"
    "      - {name: limited, paths: [/limited], plugins: [{name: key-auth}, {name: rate-limiting, config: {minute: 1, "
    "policy: local}}]}\n"
    "      - {name: old, paths: [/old], plugins: [{name: key-auth}, {name: acl, config: {blacklist: [editors]}}]}\n"
    "      - {name: nobody, paths: [/nobody], plugins: [{name: acl, config: {deny: [staff]}}]}\n"
    "consumers:\n"
    "  - username: ann\n"
    "    custom_id: ann-7\n"
    "    keyauth_credentials: [{key: key-of-ann}]\n"
    "    plugins:\n"
    "      - {name: request-size-limiting, config: {allowed_payload_size: 8, size_unit: bytes}}\n"
    "      - {name: request-size-limiting, route: wide, config: {allowed_payload_size: 16, size_unit: bytes}}\n"
    "  - username: bob\n"
    "    keyauth_credentials: [{key: key-of-bob}]\n"
    "    plugins: [{name: rate-limiting, config: {minute: 3, policy: local}}, {name: rate-limiting, route: wide, "
    "enabled: false, config: {minute: 1, policy: local}}]\n"
    "  - {username: anybody, id: 6b4f5a3c-0000-4000-8000-000000000001, acls: [{group: guests}]}\n"
    "  - {custom_id: 'only custom', tags: [x]}\n"
    "keyauth_credentials:\n"
    "  - {key: second-key-of-bob, consumer: bob, id: 6b4f5a3c-0000-4000-8000-000000000002}\n"
    "  - {key: 'key of custom', consumer: only custom}\n"
    "acls: [{group: staff, consumer: ann}, {group: editors, consumer: {username: ann}}]\n";

static void setup(void)
{
    one_start(NULL, config);
}

TestSuite(edge_consumers, .timeout = 60);

static int status_of_post(const char *path, const char *key, size_t size)
{
    char text[512];
    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\nHost: x\r\napikey: %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%.*s", path,
             key, size, (int)size, "0123456789abcdef0123456789abcdef");
    char *answer = ask(edge.port, text);
    int status = status_of(answer);
    free(answer);
    return status;
}

EDGE_TEST(edge_consumers, have_plugins_of_their_own)
{
    static const struct {
        const char *path, *key;
        size_t allowed;
    } cases[] = {
        { "/r", "key-of-bob", 4 },
        { "/wide", "key-of-bob", 4 },
        { "/r", "key-of-ann", 8 },
        { "/wide", "key-of-ann", 16 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(status_of_post(cases[i].path, cases[i].key, cases[i].allowed), 200, "%zu", i);
        cr_expect_eq(status_of_post(cases[i].path, cases[i].key, cases[i].allowed + 1), 413, "%zu", i);
    }
}

EDGE_TEST(edge_consumers, are_named_to_the_service)
{
    char *answer = get(edge.port, "/r/", "apikey: key-of-ann\r\nX-Consumer-Custom-ID: forged\r\n");
    cr_expect(has(answer, "\r\nx-consumer-username: ann\r\n"), "%s", answer);
    cr_expect(has(answer, "\r\nx-consumer-custom-id: ann-7\r\n"), "%s", answer);
    cr_expect_not(has(answer, "forged") || has(answer, "x-anonymous-consumer"), "%s", answer);
    free(answer);
    answer = get(edge.port, "/r/", "apikey: key-of-bob\r\nX-Anonymous-Consumer: true\r\n");
    cr_expect(has(answer, "\r\nx-consumer-username: bob\r\n"), "%s", answer);
    cr_expect_not(has(answer, "x-consumer-custom-id") || has(answer, "x-anonymous-consumer"), "%s", answer);
    free(answer);
}

/* The answer to a GET, as far as the test wants to know it. */
static void expect_get(const char *path, const char *headers, int status, const char *text)
{
    char *answer = get(edge.port, path, headers);
    cr_expect_eq(status_of(answer), status, "%s %s: %s", path, headers, answer);
    cr_expect(has(answer, text), "%s %s: not \"%s\" in %s", path, headers, text, answer);
    free(answer);
}

static void expect_not_forwarded(const char *path, const char *headers, const char *text)
{
    char *answer = get(edge.port, path, headers);
    cr_expect_eq(status_of(answer), 200, "%s: %s", path, answer);
    cr_expect_not(has(answer, text), "%s: \"%s\" in %s", path, text, answer);
    free(answer);
}

EDGE_TEST(edge_consumers, send_their_key_where_it_is_looked_for)
{
    static const char *const anns = "x-consumer-username: ann";
    expect_get("/r/", "APIKEY: key-of-ann\r\n", 200, anns);
    expect_get("/r/?apikey=key-of-ann", "", 200, anns);
    expect_get("/r/?a=b&apike%79=key%2Dof-ann&c", "", 200, anns);
    expect_get("/hides/", "x-other-key: key-of-ann\r\n", 200, anns);
    expect_get("/hides/?X_Other_Key=key-of-ann", "", 200, anns);
    expect_get("/hides/", "Cookie: a=1; apikey=key-of-ann\r\n", 200, anns);
    expect_get("/r/", "Cookie: apikey=key-of-ann\r\n", 401, "No API key found in request");
    expect_get("/hides/?x_other_key=key-of-ann", "", 401, "No API key found in request");
    expect_get("/header/?apikey=key-of-ann", "", 401, "No API key found in request");
    expect_get("/query/", "apikey: key-of-ann\r\n", 401, "No API key found in request");
    expect_get("/query/?apikey=key+of+custom", "", 200, "x-consumer-custom-id: only custom\r\n");
    expect_get("/query/?apikey", "", 401, "No API key found in request");
    expect_get("/r/", "apikey:\r\n", 401, "No API key found in request");
}

EDGE_TEST(edge_consumers, are_refused_without_a_good_key)
{
    expect_get("/r/", "", 401, "\r\nwww-authenticate: Key\r\n");
    expect_get("/header/", "", 401, "\r\nwww-authenticate: Key realm=\"here\"\r\n");
    expect_get("/r/", "apikey: wrong\r\n", 401, "\"message\":\"Unauthorized\"");
    expect_get("/r/", "apikey: key-of-ann\r\napikey: key-of-ann\r\n", 401, "Duplicate API key found");
    expect_get("/r/?apikey=key-of-ann&apikey=x", "", 401, "Duplicate API key found");
}

EDGE_TEST(edge_consumers, key_is_hidden_wherever_it_stands)
{
    static const char *const keys = "apikey: key-of-ann\r\nCookie: a=1; apikey=key-of-ann; b=2\r\nX-Other: kept\r\n";
    expect_not_forwarded("/hides/?apikey=key-of-ann", keys, "key-of-ann");
    expect_get("/hides/?q=1&apike%79=key-of-ann&r=2&apikey&s", keys, 200, "GET /?q=1&r=2&s HTTP/1.1\r\n");
    expect_get("/hides/?apikey=key-of-ann", keys, 200, "GET / HTTP/1.1\r\n");
    expect_get("/hides/", keys, 200, "\r\ncookie: a=1; b=2\r\n");
    expect_get("/hides/", keys, 200, "\r\nx-other: kept\r\n");
    expect_get("/hides/", "Cookie: a;b;c;d;e;apikey=key-of-ann;f;g;h;i\r\n", 200,
               "\r\ncookie: a; b; c; d; e; f; g; h; i\r\n");
    expect_get("/r/?apikey=x", keys, 200, "GET /?apikey=x HTTP/1.1\r\n");
}

EDGE_TEST(edge_consumers, preflights_need_a_key_unless_told_otherwise)
{
    static const char options[] = "OPTIONS %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    static const struct {
        const char *path;
        int status;
    } cases[] = { { "/r/", 401 }, { "/free/", 200 } };
    for (size_t i = 0; i < 2; i++) {
        char text[128];
        snprintf(text, sizeof text, options, cases[i].path);
        char *answer = ask(edge.port, text);
        cr_expect_eq(status_of(answer), cases[i].status, "%s", answer);
        free(answer);
    }
    expect_get("/free/", "", 401, "No API key found in request");
}

EDGE_TEST(edge_consumers, anybody_is_the_anonymous_one)
{
    static const char *const wrong = "apikey: wrong\r\n";
    expect_get("/open/", wrong, 200, "\r\nx-anonymous-consumer: true\r\n");
    expect_get("/open/", "", 200, "\r\nx-consumer-username: anybody\r\n");
    expect_get("/open/", "", 200, "\r\nx-consumer-id: 6b4f5a3c-0000-4000-8000-000000000001\r\n");
    expect_not_forwarded("/open/", "", "x-credential-identifier");
    expect_not_forwarded("/open/", "apikey: key-of-bob\r\n", "x-anonymous-consumer");
    expect_get("/open/", "apikey: key-of-bob\r\n", 200, "\r\nx-consumer-username: bob\r\n");
    expect_get("/open/", "apikey: second-key-of-bob\r\n", 200,
               "\r\nx-credential-identifier: 6b4f5a3c-0000-4000-8000-000000000002\r\n");
}

/* Kong's precedence: one's own comes before the route's. */
EDGE_TEST(edge_consumers, have_limits_of_their_own)
{
    for (int i = 0; i < 3; i++)
        expect_get("/limited/", "apikey: key-of-bob\r\n", 200, "x-ratelimit-limit-minute: 3\r\n");
    expect_get("/limited/", "apikey: key-of-bob\r\n", 429, "");
    expect_get("/limited/", "apikey: key-of-ann\r\n", 200, "x-ratelimit-limit-minute: 1\r\n");
    expect_get("/limited/", "apikey: key-of-ann\r\n", 429, "");
}

EDGE_TEST(edge_consumers, come_in_by_their_groups)
{
    static const char *const ann = "apikey: key-of-ann\r\n", *const bob = "apikey: key-of-bob\r\n";
    expect_get("/staff/", ann, 200, "\r\nx-consumer-groups: staff, editors\r\n");
    expect_get("/staff/", bob, 403, "You cannot consume this service");
    expect_get("/staff/", "", 403, "You cannot consume this service"); /* a guest is in another group */
    expect_get("/others/", ann, 403, "You cannot consume this service");
    expect_not_forwarded("/others/", bob, "x-consumer-groups");
    expect_not_forwarded("/quiet/", ann, "x-consumer-groups");
    expect_get("/quiet/", bob, 403, "You cannot consume this service");
    expect_get("/old/", ann, 403, "You cannot consume this service");
    expect_get("/old/", bob, 200, "\r\nx-consumer-username: bob\r\n");
    expect_get("/nobody/", "X-Consumer-Groups: staff\r\n", 401, "Unauthorized");
    expect_not_forwarded("/r/", "apikey: key-of-bob\r\nX-Consumer-Groups: forged\r\nX-Authenticated-Groups: forged\r\n",
                         "forged");
}
