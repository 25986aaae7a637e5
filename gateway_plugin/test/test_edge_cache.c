/* proxy-cache: each field and its effect, and what no cache may do. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "edge_one.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CACHE(name, more, plugins)                                                                                     \
    "  - {name: " name ", service: one, paths: [/" name                                                                \
    "], plugins: [{name: proxy-cache, config: {strategy: memory" more "}}" plugins "]}\n"

static const char config[] =
    "_format_version: '3.0'\n"
    "services: [{name: one, url: 'http://127.0.0.1:%d', read_timeout: 700}]\n"
    "consumers:\n"
    "  - {username: ann, keyauth_credentials: [{key: ann}]}\n"
    "  - {username: ben, keyauth_credentials: [{key: ben}]}\n"
    "routes:\n" CACHE("plain", "", "") CACHE("codes", ", response_code: [418], request_method: [POST]", "")
        CACHE("types", ", content_type: ['application/*', 'text/html; charset=utf-8']",
              "") CACHE("short", ", cache_ttl: 1, storage_ttl: 60", "") CACHE("obey", ", cache_control: true", "")
            CACHE("case",
                  ", ignore_uri_case: true, vary_query_params: [a], vary_headers: [X-V], memory: {dictionary_name: x}",
                  "") CACHE("quiet", ", response_headers: {age: false, X-Cache-Status: false, X-Cache-Key: false}",
                            "") CACHE("keys", "", ", {name: key-auth}")
                CACHE("changed", "",
                      ", {name: response-transformer, config: {append: {headers: ['X-A:b']}, add: {json: ['n:1']}}}, "
                      "{name: correlation-id, config: {header_name: X-Id, generator: uuid, echo_downstream: true}}");

static void setup(void)
{
    one = backend_start("one");
    edge_process_start(&edge, (const char *const[]){ "EDGE_TRUSTED_PROXIES=127.0.0.0/8", NULL }, config,
                       backend_port(one));
}

TestSuite(edge_cache, .timeout = 60);

/* Whether the answer came from the cache is told by the member's count as well. */
static void expect(const char *path, const char *headers, const char *status)
{
    char line[64];
    long before = backend_requests(one);
    char *answer = get(edge.port, path, headers);
    snprintf(line, sizeof line, "x-cache-status: %s\r\n", status);
    cr_expect(has(answer, line), "%s %s: want %s: %s", path, headers, status, answer);
    bool given = strcmp(status, "Hit") == 0 || strcmp(status, "Stale") == 0;
    if (strcmp(status, "Stale") != 0)
        cr_expect_eq(backend_requests(one) - before, given ? 0 : 1, "%s %s", path, headers);
    cr_expect(!given || has(answer, "\r\nage: "), "%s", answer);
    free(answer);
}

/* Headers that make the member at /ROUTE/say answer so. */
static const char *say_reply(const char *headers, const char *body)
{
    static char out[4096];
    char reply[1024];
    size_t at = (size_t)sprintf(out, "X-Say: ");
    snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n%s", strlen(body), headers, body);
    for (const char *c = reply; *c; c++)
        at += (size_t)sprintf(out + at, "%02x", (unsigned char)*c);
    strcpy(out + at, "\r\n");
    return out;
}

#define TEXT "Content-Type: text/plain\r\n"

EDGE_TEST(edge_cache, keeps_and_gives)
{
    expect("/plain/a", "", "Miss");
    expect("/plain/a", "", "Hit");
    expect("/plain/b", "", "Miss");
    expect("/plain/a?x=1&y=2", "", "Miss");
    expect("/plain/a?y=2&x=1", "", "Hit");
    expect("/plain/a?x=2&y=1", "", "Miss");
    expect("/plain/A", "", "Miss");
    expect("/plain/a", "Accept-Encoding: br\r\n", "Miss");
    expect("/plain/a", "X-Forwarded-Proto: https\r\n", "Miss");
    expect("/plain/a", "X-Forwarded-Host: shop.example\r\n", "Miss");
    expect("/plain/a", "X-Forwarded-Port: 8443\r\n", "Miss");
    expect("/plain/a", "X-Forwarded-Proto: https\r\n", "Hit");
    char *first = get(edge.port, "/plain/say", say_reply(TEXT "X-A: 1\r\nETag: \"e\"\r\n", "body"));
    char *second = get(edge.port, "/plain/say", "");
    cr_expect(has(first, "X-A: 1\r\n") && has(second, "x-a: 1\r\n") && has(second, "etag: \"e\"") &&
                  has(second, "content-length: 4\r\n") && strcmp(body_of(second), "body") == 0,
              "%s%s", first, second);
    const char *key = strstr(first, "x-cache-key: ");
    cr_expect(key && strspn(key + 13, "0123456789abcdef") == 64, "%s", first);
    free(first);
    free(second);
    /* A HEAD has its own, with the length that there would be. */
    first = ask(edge.port, "HEAD /plain/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    second = ask(edge.port, "HEAD /plain/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_expect(has(first, "x-cache-status: Miss") && has(second, "x-cache-status: Hit"), "%s%s", first, second);
    const char *length = strstr(first, "Content-Length: ");
    cr_expect(length && strtol(length + 16, NULL, 10) > 100 && *body_of(second) == 0, "%s%s", first, second);
    free(first);
    free(second);
    /* Another host may be another site. */
    first = ask(edge.port, "GET /plain/a HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n");
    cr_expect(has(first, "x-cache-status: Miss"), "%s", first);
    free(first);
}

EDGE_TEST(edge_cache, has_kongs_fields)
{
    /* request_method, response_code: what is not among them passes by. */
    expect("/codes/status?code=418", "", "Bypass");
    for (int i = 0; i < 2; i++) {
        char *answer = ask(edge.port,
                           "POST /codes/say HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n"
                           "X-Say: "
                           "485454502f312e31203431382058200d0a436f6e74656e742d547970653a20746578742f706c61696e0d"
                           "0a436f6e74656e742d4c656e6774683a20300d0a0d0a\r\n\r\nx");
        cr_expect(status_of(answer) == 418 && has(answer, i ? "x-cache-status: Hit" : "x-cache-status: Miss"), "%s",
                  answer);
        free(answer);
    }
    /* content_type */
    expect("/types/say?1", say_reply("Content-Type: text/plain\r\n", ""), "Bypass");
    expect("/types/say?2", say_reply("Content-Type: application/xml; charset=x\r\n", ""), "Miss");
    expect("/types/say?2", "", "Hit");
    expect("/types/say?3", say_reply("Content-Type: text/html\r\n", ""), "Bypass");
    expect("/types/say?4", say_reply("Content-Type: text/html; charset=utf-8\r\n", ""), "Miss");
    expect("/types/say?4", "", "Hit");
    expect("/types/say?5", say_reply("", ""), "Bypass");
    /* ignore_uri_case, vary_query_params, vary_headers */
    expect("/case/Say?a=1&b=1", say_reply(TEXT, ""), "Miss");
    expect("/case/sAY?b=2&a=1", "", "Hit");
    expect("/case/say?a=2", say_reply(TEXT, ""), "Miss");
    char with[4096];
    snprintf(with, sizeof with, "X-V: 1\r\n%s", say_reply(TEXT, ""));
    expect("/case/Say?a=1", with, "Miss");
    expect("/case/Say?a=1", "X-V: 1\r\nAccept-Encoding: br\r\n", "Hit");
    /* response_headers */
    free(get(edge.port, "/quiet/", ""));
    char *answer = get(edge.port, "/quiet/", "");
    cr_expect(!has(answer, "x-cache") && !has(answer, "\r\nage:"), "%s", answer);
    cr_expect_eq(backend_requests(one), 11);
    free(answer);
    /* cache_ttl and storage_ttl */
    expect("/short/", "", "Miss");
    expect("/short/", "", "Hit");
    usleep(1100000);
    expect("/short/", "", "Refresh");
    expect("/short/", "", "Hit");
}

EDGE_TEST(edge_cache, obeys_cache_control_where_told)
{
    char fresh[4096];
    expect("/obey/say?1", say_reply(TEXT, ""), "Bypass");
    expect("/obey/say?2", say_reply(TEXT "Cache-Control: max-age=60\r\nAge: 10\r\n", ""), "Miss");
    expect("/obey/say?2", "", "Hit");
    char *answer = get(edge.port, "/obey/say?2", "");
    cr_expect(has(answer, "\r\nage: 10\r\n"), "%s", answer);
    free(answer);
    snprintf(fresh, sizeof fresh, "Cache-Control: no-cache\r\n%s", say_reply(TEXT, ""));
    expect("/obey/say?2", fresh, "Bypass");
    snprintf(fresh, sizeof fresh, "Pragma: no-cache\r\n%s", say_reply(TEXT, ""));
    expect("/obey/say?2", fresh, "Bypass");
    snprintf(fresh, sizeof fresh, "Cache-Control: no-store\r\n%s", say_reply(TEXT, ""));
    expect("/obey/say?2", fresh, "Bypass");
    expect("/obey/say?2", "Cache-Control: min-fresh=40\r\n", "Hit");
    snprintf(fresh, sizeof fresh, "Cache-Control: min-fresh=55\r\n%s",
             say_reply(TEXT "Cache-Control: max-age=60\r\nAge: 10\r\n", ""));
    expect("/obey/say?2", fresh, "Refresh");
    expect("/obey/say?2", "Cache-Control: max-age=10\r\n", "Hit");
    snprintf(fresh, sizeof fresh, "Cache-Control: max-age=9\r\n%s",
             say_reply(TEXT "Cache-Control: max-age=60\r\n", ""));
    expect("/obey/say?2", fresh, "Refresh");
    answer = get(edge.port, "/obey/say?3", "Cache-Control: only-if-cached\r\n");
    cr_expect_eq(status_of(answer), 504);
    free(answer);
    expect("/obey/say?4", say_reply(TEXT "Cache-Control: max-age=1\r\n", ""), "Miss");
    expect("/obey/say?5", say_reply(TEXT "Cache-Control: no-cache, max-age=60\r\n", ""), "Bypass");
    /* Where it is not told to, neither side's says how long. */
    expect("/plain/say?1", say_reply(TEXT "Cache-Control: no-cache, max-age=0\r\n", ""), "Miss");
    expect("/plain/say?1", "Cache-Control: no-cache\r\n", "Hit");
}

/* An answer is counted once it has left: its client may be faster. */
static void expect_metric(const char *name, long value)
{
    char line[96];
    int64_t until = clock_ms() + 30000;
    snprintf(line, sizeof line, "\ntonearm_edge_cache_%s %ld\n", name, value);
    char *page = get(edge.admin_port, "/metrics", "");
    for (; !has(page, line) && clock_ms() < until; usleep(10000)) {
        free(page);
        page = get(edge.admin_port, "/metrics", "");
    }
    cr_expect(has(page, line), "want %s%s", line, page);
    free(page);
}

EDGE_TEST(edge_cache, is_counted)
{
    expect_metric("entries", 0);
    expect_metric("bytes", 0);
    expect("/plain/a", "", "Miss");
    expect("/plain/a", "", "Hit");
    expect("/plain/a", "", "Hit");
    expect("/plain/say", say_reply(TEXT "Cache-Control: private\r\n", ""), "Bypass");
    expect("/obey/say?2", say_reply(TEXT "Cache-Control: max-age=60\r\nAge: 10\r\n", ""), "Miss");
    expect("/obey/say?2", "Cache-Control: max-age=9\r\n", "Refresh");
    expect_metric("hits", 2);
    expect_metric("misses", 2);
    expect_metric("bypassed", 1);
    expect_metric("refreshed", 1);
    /* That at /plain/say nothing is kept is kept too. */
    expect_metric("entries", 3);
    char *page = get(edge.admin_port, "/metrics", "");
    const char *bytes = strstr(page, "\ntonearm_edge_cache_bytes ");
    cr_expect(bytes && strtol(bytes + strlen("\ntonearm_edge_cache_bytes "), NULL, 10) > 0, "%s", page);
    free(page);
}

/* Whoever is told `Stale` first has the member asked, once. */
EDGE_TEST(edge_cache, counts_what_is_asked_behind_a_client)
{
    const char *reply = say_reply(TEXT "Cache-Control: max-age=1, stale-while-revalidate=60\r\n", "");
    int64_t until = clock_ms() + 30000;
    expect("/obey/say", reply, "Miss");
    expect_metric("stale", 0);
    for (bool stale = false; !stale;) {
        cr_assert_lt(clock_ms(), until);
        usleep(50000);
        char *answer = get(edge.port, "/obey/say", reply);
        stale = has(answer, "x-cache-status: Stale");
        free(answer);
    }
    expect_metric("stale", 1);
    expect_metric("asked_behind", 1);
}

EDGE_TEST(edge_cache, respects_vary)
{
    expect("/plain/say", say_reply(TEXT "Vary: X-Lang\r\n", "none"), "Miss");
    char english[4096];
    snprintf(english, sizeof english, "X-Lang: en\r\n%s", say_reply(TEXT "Vary: X-Lang\r\n", "english"));
    expect("/plain/say", english, "Miss");
    char *answer = get(edge.port, "/plain/say", "X-Lang: en\r\n");
    cr_expect_str_eq(body_of(answer), "english");
    free(answer);
    answer = get(edge.port, "/plain/say", "");
    cr_expect_str_eq(body_of(answer), "none");
    free(answer);
    expect("/plain/say", "X-Lang: en\r\n", "Hit");
    expect("/plain/say?*", say_reply(TEXT "Vary: *\r\n", ""), "Bypass");
}

/* Nobody gets what is another's. */
EDGE_TEST(edge_cache, keeps_nothing_that_is_one_clients_own)
{
    expect("/plain/say?1", say_reply(TEXT "Cache-Control: private\r\n", ""), "Bypass");
    expect("/plain/say?2", say_reply(TEXT "Cache-Control: no-store\r\n", ""), "Bypass");
    expect("/plain/say?3", say_reply(TEXT "Set-Cookie: a=b\r\n", ""), "Bypass");
    char with[4096];
    snprintf(with, sizeof with, "Authorization: Bearer x\r\n%s", say_reply(TEXT, "mine"));
    expect("/plain/say?4", with, "Bypass");
    expect("/plain/say?4", say_reply(TEXT, "all"), "Miss");
    expect("/plain/say?4", with, "Bypass");
    snprintf(with, sizeof with, "Authorization: Bearer x\r\n%s", say_reply(TEXT "Cache-Control: public\r\n", "all"));
    expect("/plain/say?5", with, "Miss");
    expect("/plain/say?5", "Authorization: Bearer y\r\n", "Hit");
    /* A part is neither kept nor made. */
    expect("/plain/say?6", say_reply(TEXT, "0123456789"), "Miss");
    snprintf(with, sizeof with, "Range: bytes=0-1\r\n%s", say_reply(TEXT, "01"));
    expect("/plain/say?6", with, "Bypass");
    /* Each consumer has his own. */
    expect("/keys/", "apikey: ann\r\n", "Miss");
    expect("/keys/", "apikey: ann\r\n", "Hit");
    expect("/keys/", "apikey: ben\r\n", "Miss");
    char *answer = get(edge.port, "/keys/", "");
    cr_expect_eq(status_of(answer), 401);
    free(answer);
    /* What was cut off is no answer. */
    free(get(edge.port, "/plain/say?7",
             "X-Say: 485454502f312e3120323030204f4b0d0a436f6e74656e742d547970653a20746578742f70"
             "6c61696e0d0a5472616e736665722d456e636f64696e673a206368756e6b65640d0a0d0a350d0a68656c"
             "6c6f58580d0a\r\n"));
    expect("/plain/say?7", say_reply(TEXT, ""), "Miss");
}

EDGE_TEST(edge_cache, what_other_plugins_do_is_done_each_time)
{
    char *first = get(edge.port, "/changed/say", say_reply("Content-Type: application/json\r\n", "{}"));
    char *second = get(edge.port, "/changed/say", "");
    cr_expect(has(first, "x-cache-status: Miss") && has(second, "x-cache-status: Hit"), "%s%s", first, second);
    cr_expect(has(first, "{\"n\":\"1\"}") && has(second, "{\"n\":\"1\"}") && has(second, "x-a: b\r\n"), "%s%s", first,
              second);
    const char *a = strstr(first, "x-id: "), *b = strstr(second, "x-id: ");
    cr_assert(a && b, "%s%s", first, second);
    cr_expect_neq(strncmp(a, b, 42), 0, "an id is of one request");
    const char *twice = strstr(b + 1, "x-id: ");
    cr_expect_null(twice, "%s", second);
    free(first);
    free(second);
    /* Compressed for who accepts it, from one copy. */
    char large[600];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    expect("/case/say", say_reply(TEXT, large), "Miss");
}

EDGE_TEST(edge_cache, says_that_nothing_has_changed)
{
    expect("/plain/say", say_reply(TEXT "ETag: \"e\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "body"),
           "Miss");
    static const struct {
        const char *header;
        int status;
    } rows[] = {
        { "If-None-Match: \"e\"\r\n", 304 },
        { "If-None-Match: W/\"x\", W/\"e\"\r\n", 304 },
        { "If-None-Match: *\r\n", 304 },
        { "If-None-Match: \"f\"\r\n", 200 },
        { "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304 },
        { "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200 },
        { "If-None-Match: \"f\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 200 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *answer = get(edge.port, "/plain/say", rows[i].header);
        cr_expect(status_of(answer) == rows[i].status && has(answer, "x-cache-status: Hit"), "%s: %s", rows[i].header,
                  answer);
        cr_expect(has(answer, "etag: \"e\"") && strcmp(body_of(answer), rows[i].status == 304 ? "" : "body") == 0, "%s",
                  answer);
        free(answer);
    }
    cr_expect_eq(backend_requests(one), 1);
}

EDGE_TEST(edge_cache, forgets_what_is_changed)
{
    static const char post[] = "POST /plain/say HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n";
    char request[4096];
    expect("/plain/say", say_reply(TEXT, ""), "Miss");
    expect("/plain/say?x=1", say_reply(TEXT, ""), "Miss");
    expect("/plain/other", "", "Miss");
    snprintf(request, sizeof request, "%s\r\n", post);
    char *answer = ask(edge.port, "POST /plain/status?code=500 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                  "Content-Length: 0\r\n\r\n");
    free(answer);
    expect("/plain/say", "", "Hit");
    snprintf(request, sizeof request, "%s%s\r\n", post, say_reply(TEXT, ""));
    answer = ask(edge.port, request);
    cr_expect(status_of(answer) == 200 && has(answer, "x-cache-status: Bypass"), "%s", answer);
    free(answer);
    expect("/plain/say", say_reply(TEXT, ""), "Miss");
    expect("/plain/say?x=1", say_reply(TEXT, ""), "Miss");
    expect("/plain/other", "", "Hit");
}

/* RFC 5861: what is stale answers at once, and one asks the member behind the clients' backs. */
EDGE_TEST(edge_cache, stale_while_revalidate)
{
#define SWR TEXT "Cache-Control: max-age=1, stale-while-revalidate=60\r\n"
    expect("/obey/say", say_reply(SWR, "old"), "Miss");
    expect("/obey/say", "", "Hit");
    usleep(1100000);
    char headers[4096];
    snprintf(headers, sizeof headers, "%s", say_reply(SWR, "new"));
    char path[64] = "/obey/say";
    for (int i = 0; i < 5; i++) {
        int64_t begun = calm_ms();
        char *answer = get(edge.port, path, headers);
        bool fresh = strcmp(body_of(answer), "new") == 0;
        cr_expect(has(answer, fresh ? "x-cache-status: Hit" : "x-cache-status: Stale"), "%s", answer);
        cr_expect(i || !fresh);
        cr_expect_lt(calm_ms() - begun, 1000);
        free(answer);
    }
    int64_t until = clock_ms() + 30000;
    for (bool fresh = false; !fresh;) {
        char *answer = get(edge.port, path, headers);
        fresh = strcmp(body_of(answer), "new") == 0;
        free(answer);
        cr_assert_lt(clock_ms(), until);
    }
    cr_expect_eq(backend_requests(one), 2);
    /* A member that fails changes nothing of what is kept. */
    usleep(1100000);
    for (int i = 0; i < 5; i++) {
        char *answer = get(edge.port, path, "X-Say: 00\r\n");
        cr_expect_str_eq(body_of(answer), "new", "%s", answer);
        free(answer);
        usleep(20000);
    }
    /* And one that does not want it kept any more is heard. */
    char *answer = NULL;
    until = clock_ms() + 30000;
    do {
        free(answer);
        answer = get(edge.port, path, say_reply(TEXT "Cache-Control: private\r\n", "mine"));
        cr_assert_lt(clock_ms(), until);
    } while (strcmp(body_of(answer), "mine") != 0);
    free(answer);
}
