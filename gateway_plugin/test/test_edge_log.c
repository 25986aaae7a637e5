/* The access log: what stands in it, and what never does. */
#include "base/clock.h"
#include "edge_h2.h"
#include "log_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(edge_log, .timeout = 60);

static const char *const json_log[] = { "EDGE_ACCESS_LOG=access.log", NULL };

Test(edge_log, has_a_line_for_each_request)
{
    log_start(json_log);
    int64_t before = clock_now_ms();
    char *answer = get(edge.port, "/a/stall?ms=150",
                       "X-Request-Id: mine\r\ntraceparent: "
                       "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nUser-Agent: tester\r\n");
    cr_assert_eq(status_of(answer), 200);
    free(answer);
    char *text = log_wait("access.log", 1);
    json_t *line = log_line_of(text, 0);
    cr_expect_str_eq(log_text(line, "request", "id"), "mine");
    cr_expect_str_eq(log_text(line, "request", "method"), "GET");
    cr_expect_str_eq(log_text(line, "request", "uri"), "/a/stall?ms=150");
    cr_expect_eq(log_number(line, "response", "status"), 200);
    cr_expect_eq(log_number(line, "response", "size"), 4, "\"late\"");
    cr_expect_str_eq(log_text(line, "route", "name"), "open");
    cr_expect_str_eq(log_text(line, "service", "name"), "a");
    cr_expect_str_eq(log_text(line, "trace_id", "w3c"), "0af7651916cd43dd8448eb211c80319c");
    cr_expect_str_eq(json_string_value(json_object_get(line, "upstream_status")), "200");
    cr_expect_str_eq(json_string_value(json_object_get(line, "upstream_uri")), "/stall?ms=150");
    cr_expect_str_eq(json_string_value(json_object_get(line, "source")), "upstream");
    cr_expect_str_eq(json_string_value(json_object_get(line, "client_ip")), "127.0.0.1");
    cr_expect_geq(json_integer_value(json_object_get(line, "started_at")), before - 2);
    cr_expect_leq(json_integer_value(json_object_get(line, "started_at")), before + 100);
    int64_t proxy = log_number(line, "latencies", "proxy"), total = log_number(line, "latencies", "request");
    cr_expect(proxy >= 149 && total >= proxy && log_number(line, "latencies", "kong") <= total - proxy, "%s", text);
    json_t *tries = json_object_get(line, "tries"), *member = json_array_get(tries, 0);
    cr_expect_eq(json_array_size(tries), 1);
    cr_expect_str_eq(json_string_value(json_object_get(member, "ip")), "127.0.0.1");
    cr_expect_eq(json_integer_value(json_object_get(member, "port")), backend_port(one));
    json_t *headers = json_object_get(json_object_get(line, "request"), "headers");
    cr_expect_str_eq(json_string_value(json_object_get(headers, "user-agent")), "tester");
    json_decref(line);
    free(text);
    teardown();
}

Test(edge_log, tells_whom_a_trusted_proxy_names)
{
    static const char *const environment[] = { "EDGE_ACCESS_LOG=access.log", "EDGE_TRUSTED_PROXIES=127.0.0.0/8", NULL };
    log_start(environment);
    free(get(edge.port, "/nothing",
             "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
             "X-Forwarded-Host: shop.example\r\n"));
    char *text = log_wait("access.log", 1);
    cr_expect(has(text, "\"client_ip\":\"203.0.113.7\""), "%s", text);
    cr_expect(has(text, "\"scheme\":\"https\"") && has(text, "\"host\":\"shop.example\""), "%s", text);
    free(text);
    teardown();
}

Test(edge_log, does_not_believe_who_is_not_trusted)
{
    static const char *const environment[] = { "EDGE_ACCESS_LOG=access.log", "EDGE_TRUSTED_PROXIES=10.0.0.0/8", NULL };
    log_start(environment);
    free(get(edge.port, "/nothing",
             "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
             "X-Forwarded-Host: shop.example\r\n"));
    char *text = log_wait("access.log", 1);
    cr_expect(has(text, "\"client_ip\":\"127.0.0.1\"") && has(text, "\"scheme\":\"http\""), "%s", text);
    cr_expect(has(text, "\"host\":\"music.example:8000\""), "%s", text);
    free(text);
    teardown();
}

Test(edge_log, tells_of_requests_that_reach_nobody)
{
    log_start(json_log);
    free(get(edge.port, "/nothing", ""));
    free(log_wait("access.log", 1)); /* each loop has its own lane: only then is the order that of the requests */
    free(ask(edge.port, "GET /k HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    char *text = log_wait("access.log", 2);
    json_t *lost = log_line_of(text, 0), *refused = log_line_of(text, 1);
    cr_expect_eq(log_number(lost, "response", "status"), 404);
    cr_expect_null(json_object_get(lost, "route"));
    cr_expect_eq(log_number(lost, "latencies", "proxy"), -1);
    cr_expect_eq(json_array_size(json_object_get(lost, "tries")), 0);
    cr_expect_eq(log_number(refused, "response", "status"), 401);
    cr_expect_str_eq(log_text(refused, "route", "name"), "keyed");
    cr_expect_str_eq(json_string_value(json_object_get(refused, "source")), "kong");
    json_decref(lost);
    json_decref(refused);
    free(text);
    teardown();
}

Test(edge_log, shows_no_key_and_no_token)
{
    static const char *const environment[] = { "EDGE_ACCESS_LOG=access.log", NULL };
    log_start(environment);
    char *answer = get(edge.port, "/k/x?door=sesame-open&access_token=sesame-query&x=1",
                       "Authorization: Bearer sesame-bearer\r\nCookie: s=sesame-cookie\r\nX-API-Key: sesame-header\r\n"
                       "Referer: http://h/?token=sesame-referer\r\nProxy-Authorization: Basic sesame-proxy\r\n");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    free(answer);
    free(log_wait("access.log", 1));
    free(get(edge.port, "/k/x", "door: sesame-open\r\n"));
    free(get(edge.port, "/nothing?door=sesame-wrong", "door: sesame-wrong\r\n"));
    free(get(edge.port, "/f/headers", ""));
    char *texts[] = { log_wait("access.log", 4), log_wait("routed.log", 2), log_wait("followed.log", 1) };
    for (size_t i = 0; i < 3; i++) {
        cr_expect(!has(texts[i], "sesame"), "%s", texts[i]);
        cr_expect(has(texts[i], "REDACTED"), "%s", texts[i]);
    }
    cr_expect(has(texts[0], "/k/x?door=REDACTED&access_token=REDACTED&x=1"), "%s", texts[0]);
    json_t *line = log_line_of(texts[0], 0);
    cr_expect_str_eq(log_text(line, "consumer", "username"), "jane");
    json_decref(line);
    line = log_line_of(texts[2], 0);
    json_t *headers = json_object_get(json_object_get(line, "response"), "headers");
    cr_expect_str_eq(json_string_value(json_object_get(headers, "x-public")), "yes");
    cr_expect_eq(json_array_size(json_object_get(headers, "set-cookie")), 2, "%s", texts[2]);
    json_decref(line);
    for (size_t i = 0; i < 3; i++)
        free(texts[i]);
    teardown();
}

static bool matches(const char *text, const char *pattern)
{
    regex_t regex;
    cr_assert_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool out = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return out;
}

Test(edge_log, speaks_ncsa_too)
{
    static const struct {
        const char *format, *pattern;
    } rows[] = {
        { "EDGE_ACCESS_LOG_FORMAT=common",
          "^127\\.0\\.0\\.1 - - \\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} \\+0000\\] \"GET /a\\?token=REDACTED "
          "HTTP/1\\.1\" 200 [0-9]+\n$" },
        { "EDGE_ACCESS_LOG_FORMAT=combined",
          "HTTP/1\\.1\" 200 [0-9]+ \"http://h/\\?sig=REDACTED\" \"say \\\\x22hi\\\\x22\"\n$" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const environment[] = { "EDGE_ACCESS_LOG=access.log", rows[i].format, NULL };
        log_start(environment);
        free(get(edge.port, "/a?token=x", "Referer: http://h/?sig=1\r\nUser-Agent: say \"hi\"\r\n"));
        char *text = log_wait("access.log", 1);
        cr_expect(matches(text, rows[i].pattern), "%s", text);
        free(text);
        teardown();
    }
}

Test(edge_log, takes_a_sample)
{
    static const char *const environment[] = { "EDGE_ACCESS_LOG=access.log", "EDGE_ACCESS_LOG_SAMPLE=4", NULL };
    log_start(environment);
    int fd = dial(edge.port);
    for (int i = 0; i < 400; i++) {
        say(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        free(hear_one(fd));
    }
    close(fd);
    {
        char *text = log_wait("access.log", 50);
        int lines = count_lines(text);
        cr_expect(lines >= 50 && lines < 200, "%d of 400", lines);
        free(text);
    }
    teardown();
}

Test(edge_log, goes_to_stdout)
{
    char path[] = "/tmp/tonearm-out-XXXXXX";
    static const char *const environment[] = { "EDGE_ACCESS_LOG=stdout", NULL };
    int own = dup(STDOUT_FILENO), file = mkstemp(path);
    dup2(file, STDOUT_FILENO);
    log_start(environment);
    dup2(own, STDOUT_FILENO);
    free(get(edge.port, "/a", ""));
    teardown();
    char *text = calloc(1, 8192);
    cr_expect_gt(pread(file, text, 8191, 0), 0, "what is left is written at the stop");
    json_decref(log_line_of(text, 0));
    free(text);
    close(file);
    unlink(path);
}

/* The closest one wins: what joe asks is in his own file, not in the route's. */
Test(edge_log, of_a_consumer_has_a_file_of_its_own)
{
    log_start(NULL);
    free(get(edge.port, "/k/joe", "door: sesame-joe\r\n"));
    free(get(edge.port, "/k/jane", "door: sesame-open\r\n"));
    char *own = log_wait("joe.log", 1), *routed = log_wait("routed.log", 1);
    cr_expect(has(own, "/k/joe") && !has(own, "/k/jane"), "%s", own);
    cr_expect(has(routed, "/k/jane") && !has(routed, "/k/joe"), "%s", routed);
    free(own);
    free(routed);
    teardown();
}

Test(edge_log, has_websockets_and_http2)
{
    log_start(json_log);
    int fd = dial(edge.port);
    say(fd, "GET /a/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    char *text = log_wait("access.log", 1);
    json_t *line = log_line_of(text, 0);
    cr_expect_eq(log_number(line, "response", "status"), 101);
    json_decref(line);
    free(text);
    close(fd);
    char body[1024];
    fd = h2_dial(edge.port);
    h2_get(fd, 1, "/a/x?token=sesame");
    cr_expect_eq(h2_answer(fd, 1, body, sizeof body), 200);
    close(fd);
    text = log_wait("access.log", 2);
    line = log_line_of(text, 1);
    cr_expect_str_eq(log_text(line, "request", "version"), "2");
    cr_expect_str_eq(log_text(line, "request", "uri"), "/a/x?token=REDACTED");
    cr_expect_eq(log_number(line, "response", "size"), (int64_t)strlen(body));
    json_decref(line);
    free(text);
    teardown();
}
