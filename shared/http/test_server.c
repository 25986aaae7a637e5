/* What every request and every answer has, over real sockets. */
#include "http/test_service.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>

static void begin(void)
{
    service_prepare();
    service_start();
}

TestSuite(server, .init = begin, .fini = service_end);

static void expect(const char *request, const char *headers, const char *body, int status, const char *part)
{
    struct reply reply = ask(service.server, request, headers, body);
    cr_expect_eq(reply.status, status, "%s: %d %s", request, reply.status, reply.body);
    cr_expect(strstr(reply.body, part), "%s: no %s in %s", request, part, reply.body);
    free_reply(&reply);
}

Test(server, answers_in_the_envelope)
{
    struct reply reply = ask(service.server, "GET /public/a?q=b%20c&locale=de", NULL, NULL);
    cr_expect_eq(reply.status, 200);
    const char *begin_of_it = "{\"code\":\"10000\",\"status\":200,\"message\":\"echo\",\"data\":{";
    cr_expect_eq(strncmp(reply.body, begin_of_it, strlen(begin_of_it)), 0, "%s", reply.body);
    cr_expect(strstr(reply.body, "\"query\":\"b c\""));
    cr_expect(strstr(reply.body, "\"locale\":\"de\""));
    cr_expect(strstr(reply.body, "\"param\":\"a\""));
    cr_expect(strstr(reply.body, "\"peer\":\"127.0.0.1\""));
    cr_expect(strstr(reply.body, "\"host\":\"test\""));
    cr_expect_str_eq(reply_header(&reply, "content-type"), "application/json");
    cr_expect_null(reply_header(&reply, "server"));
    cr_expect_null(reply_header(&reply, "injected"));
    cr_expect_null(reply_header(&reply, "x-evil"));
    cr_expect_str_eq(reply_header(&reply, "x-good"), "yes");
    free_reply(&reply);
    expect("POST /created", NULL, "{}", 201, "{\"code\":\"10000\",\"status\":201,\"message\":\"made\",\"data\":null}");
    expect("GET /page", NULL, NULL, 200,
           "\"data\":{\"items\":[{\"path\":\"one\"},{\"path\":\"two\"}],\"next\":\"20 after nothing\"}}");
    expect("GET /page?limit=100&cursor=x", NULL, NULL, 200, "\"next\":\"100 after x\"");
    expect("GET /list", NULL, NULL, 200, "\"data\":[{\"path\":\"one\"},{\"path\":\"two\"}]}");
    expect("GET /list?none=1", NULL, NULL, 200, "\"data\":[]}");
    expect("POST /public/b", NULL, "the body", 200, "\"body\":\"the body\"");
}

static void expect_told(const char *request, const char *headers, const char *language, const char *message)
{
    struct reply reply = ask(service.server, request, headers, NULL);
    cr_expect(strstr(reply.body, message), "%s, %s: no %s in %s", request, headers, message, reply.body);
    cr_expect_str_eq(reply_header(&reply, "content-language"), language);
    cr_expect_str_eq(reply_header(&reply, "vary"), "accept-language");
    free_reply(&reply);
}

Test(server, tells_it_in_the_language_that_was_asked_for)
{
    static const char german[] = "Accept-Language: fr;q=0.3, de-AT;q=0.7\r\n";
    expect_told("GET /health", german, "de", "\"message\":\"in Betrieb\"");
    expect_told("GET /nothing?locale=ja", german, "ja", "\"message\":\"このパスには何もありません\"");
    expect_told("GET /page?limit=101", german, "de", "\"limit darf höchstens 100 sein\"");
    expect_told("GET /fail/internal", german, "de", "\"message\":\"Es ist etwas schiefgegangen\"");
    expect_told("DELETE /public/a", german, "de", "\"Diese Methode gilt nicht für diesen Pfad\"");
    /* The query cannot be read: the header holds. */
    expect_told("GET /%zz?locale=ja", german, "de", "\"message\":\"Der Pfad ist fehlerhaft\"");
    expect_told("GET /health", NULL, "en", "\"message\":\"alive\"");
    /* What no catalogue has is English, and says so. */
    expect_told("GET /fail/invalid", german, "en", "\"message\":\"failed on purpose\"");
    expect_told("GET /public/a", german, "en", "\"message\":\"echo\"");
}

Test(server, says_what_was_wrong)
{
    expect("GET /fail/invalid", NULL, NULL, 400,
           "{\"code\":\"10001\",\"status\":400,\"message\":\"failed on purpose\",\"requestId\":\"");
    /* What went wrong inside is for the log. */
    expect("GET /fail/internal", NULL, NULL, 500, "\"message\":\"something went wrong\"");
    expect("GET /fail/none", NULL, NULL, 500, "\"message\":\"something went wrong\"");
    expect("GET /violations", NULL, NULL, 400,
           "\"errors\":[{\"field\":\"email\",\"rule\":\"email\",\"message\":\"this is \\\"no\\\" address\"},"
           "{\"field\":\"name\",\"rule\":\"min\",\"message\":\"too short\"}]}");
    expect("GET /page?limit=0", NULL, NULL, 400, "\"errors\":[{\"field\":\"limit\",\"rule\":\"min\"");
    expect("GET /page?limit=101", NULL, NULL, 400, "\"rule\":\"max\"");
    expect("GET /page?limit=x", NULL, NULL, 400, "\"rule\":\"type\"");
    expect("POST /parsed", NULL, NULL, 400, "\"message\":\"the body must be a JSON object\"");
    expect("POST /parsed", NULL, "{", 400, "\"status\":400");
    expect("POST /parsed", NULL, "{\"path\":\"x\"}", 200, "\"path\":\"x\"");
    expect("GET /nothing", NULL, NULL, 404, "\"status\":404");
    expect("GET /%zz", NULL, NULL, 400, "\"status\":400");
    expect("GET /public/%00", NULL, NULL, 400, "\"status\":400");
    expect("GET /public/a?q=%ff", NULL, NULL, 400, "\"status\":400");
    struct reply reply = ask(service.server, "DELETE /public/a", NULL, NULL);
    cr_expect_eq(reply.status, 405);
    cr_expect_str_eq(reply_header(&reply, "allow"), "GET, HEAD, POST");
    free_reply(&reply);
    reply = ask(service.server, "BREW /public/a", NULL, NULL);
    cr_expect_eq(reply.status, 405);
    free_reply(&reply);
}

Test(server, says_when_to_come_again)
{
    struct reply reply = ask(service.server, "GET /fail/limited", NULL, NULL);
    cr_expect_eq(reply.status, 429);
    cr_expect_str_eq(reply_header(&reply, "retry-after"), "7");
    free_reply(&reply);
    reply = ask(service.server, "GET /fail/unavailable", NULL, NULL);
    cr_expect_eq(reply.status, 503);
    cr_expect_str_eq(reply_header(&reply, "retry-after"), "1");
    free_reply(&reply);
}

static void expect_ids(const char *bytes, const char *id, const char *trace)
{
    int fd = dial(service.server);
    put_bytes(fd, bytes, strlen(bytes));
    struct reply reply = take(fd, false);
    cr_expect_gt(reply.status, 0, "%s", bytes);
    const char *given = reply_header(&reply, "x-request-id");
    cr_expect(given && strlen(given) >= 1, "%s", bytes);
    if (id && given)
        cr_expect_str_eq(given, id, "%s", bytes);
    const char *parent = reply_header(&reply, "traceparent");
    cr_expect(parent && strlen(parent) == 55, "%s", bytes);
    if (trace && parent)
        cr_expect_str_eq(parent, trace);
    cr_expect(reply.status == 200 || strstr(reply.body, "{\"code\":\"10001\",\"status\":"), "%s: %s", bytes,
              reply.body);
    free_reply(&reply);
    close(fd);
}

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Test(server, gives_every_answer_an_id_and_a_trace)
{
    expect_ids("GET /public/a HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine.1_2-3\r\ntraceparent: " TRACE "\r\n\r\n",
               "mine.1_2-3", TRACE);
    expect_ids("GET /public/loop HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n", "mine", NULL);
    expect_ids("GET /public/a HTTP/1.1\r\nHost: x\r\nX-Request-Id: not mine\r\ntraceparent: 00-zz\r\n\r\n", NULL, NULL);
    expect_ids("GET /nothing HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n", "mine", NULL);
    expect_ids("DELETE /public/a HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n", "mine", NULL);
    expect_ids("GET /%zz HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n", "mine", NULL);
    expect_ids("GET /public/a HTTP/1.1\r\nX-Request-Id: mine\r\n\r\n", "mine", NULL);
    expect_ids("POST /public/a HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nContent-Length: 99999999999\r\n\r\n",
               "mine", NULL);
    expect_ids("POST /public/a HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
               "mine", NULL);
    expect_ids("POST /public/a HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n",
               "mine", NULL);
    expect_ids("nonsense\r\n\r\n", NULL, NULL);
    expect_ids("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NULL, NULL);
}

Test(server, answers_head_without_a_body)
{
    int fd = dial(service.server);
    static const char *const paths[] = { "/public/a",    "/public/loop", "/nothing", "/public/kept",
                                         "/public/kept", "/file",        "/list" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        put(fd, "HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        struct reply reply = take(fd, true);
        cr_expect_eq(reply.status, strcmp(paths[i], "/nothing") == 0 ? 404 : 200, "%s", paths[i]);
        const char *length = reply_header(&reply, "content-length");
        cr_expect(length && atoi(length) > 50, "%s", paths[i]);
        free_reply(&reply);
    }
    put(fd, "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
    struct reply reply = take(fd, true);
    cr_expect_eq(reply.status, 204);
    cr_expect_null(reply_header(&reply, "content-length"));
    cr_expect_null(reply_header(&reply, "content-type"));
    free_reply(&reply);
    close(fd);
}

Test(server, keeps_connections_and_takes_pipelined_requests_in_order)
{
    enum { COUNT = 50 };
    int fd = dial(service.server);
    struct arena arena = { 0 };
    struct buf text = BUF(&arena);
    for (int i = 0; i < COUNT; i++)
        buf_printf(&text, "%s /public/%s?q=%d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
                   i % 3 ? "POST" : "GET", i % 3 == 0 && i % 2 ? "loop" : "other", i);
    put_bytes(fd, text.data, text.size);
    for (int i = 0; i < COUNT; i++) {
        struct reply reply = take(fd, false);
        cr_assert_eq(reply.status, 200, "request %d: %d %s", i, reply.status, reply.body);
        cr_expect(strstr(reply.body, arena_printf(&arena, "\"query\":\"%d\"", i)), "request %d: %s", i, reply.body);
        free_reply(&reply);
    }
    arena_free(&arena);
    close(fd);
}

Test(server, looks_at_the_head_of_pipelined_requests_too)
{
    static const char *const second[] = {
        "GET /public/a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /public/a HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n",
        "POST /public/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof second / sizeof *second; i++) {
        int fd = dial(service.server);
        put(fd, "GET /public/loop HTTP/1.1\r\nHost: x\r\n\r\n%s", second[i]);
        struct reply reply = take(fd, false);
        cr_expect_eq(reply.status, 200);
        free_reply(&reply);
        reply = take(fd, false);
        cr_expect_eq(reply.status, 400, "%s: %d", second[i], reply.status);
        free_reply(&reply);
        cr_expect(is_closed(fd, 5000));
        close(fd);
    }
}

Test(server, bounds_the_head)
{
    int fd = dial(service.server);
    char line[1000];
    memset(line, 'a', sizeof line);
    put(fd, "GET /public/a HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n");
    for (int i = 0; i < 40; i++)
        put(fd, "A: %.*s\r\n", (int)sizeof line, line);
    struct reply reply = take(fd, false);
    cr_expect_eq(reply.status, 431);
    cr_expect_str_eq(reply_header(&reply, "connection"), "close");
    cr_expect_str_eq(reply_header(&reply, "x-request-id"), "mine");
    cr_expect(strstr(reply.body, "{\"code\":\"10001\",\"status\":431,"));
    free_reply(&reply);
    cr_expect(is_closed(fd, 5000));
    close(fd);
}

static void wait_begun(int count)
{
    int64_t until = clock_ms() + 10000;
    while (atomic_load(&service.begun) < count && clock_ms() < until)
        poll(NULL, 0, 2);
    cr_assert_geq(atomic_load(&service.begun), count);
}

/* Until so many of them have something to read. */
static void wait_answered(const int *fds, int count, int wanted)
{
    int64_t until = clock_ms() + 30000;
    for (int answered = 0; answered < wanted && clock_ms() < until; poll(NULL, 0, 2)) {
        answered = 0;
        for (int i = 0; i < count; i++)
            answered += poll(&(struct pollfd){ .fd = fds[i], .events = POLLIN }, 1, 0) == 1;
    }
}

Test(server_alone, says_when_it_has_too_much_to_do, .init = service_prepare, .fini = service_end)
{
    enum { THREADS = 2, ROOM = 4, COUNT = 20 };
    service.workers = workers_create(THREADS, 0, ROOM);
    service_start();
    int fds[COUNT];
    for (int i = 0; i < THREADS; i++) {
        fds[i] = dial(service.server);
        put(fds[i], "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    wait_begun(THREADS);
    for (int i = THREADS; i < COUNT; i++) {
        fds[i] = dial(service.server);
        put(fds[i], "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    wait_answered(fds + THREADS, COUNT - THREADS, COUNT - THREADS - ROOM);
    expect("GET /public/loop", NULL, NULL, 200, "\"status\":200");
    expect("GET /health", NULL, NULL, 200, "\"status\":\"OK\"");
    atomic_store(&service.gate_open, true);
    int done = 0, refused = 0;
    for (int i = 0; i < COUNT; i++) {
        struct reply reply = take(fds[i], false);
        done += reply.status == 200;
        refused += reply.status == 503 && reply_header(&reply, "retry-after");
        free_reply(&reply);
        close(fds[i]);
    }
    cr_expect_eq(done, THREADS + ROOM, "%d done", done);
    cr_expect_eq(refused, COUNT - THREADS - ROOM, "%d refused", refused);
}

Test(server_alone, does_not_begin_what_nobody_waits_for_any_more, .init = service_prepare, .fini = service_end)
{
    service.workers = workers_create(1, 0, 16);
    service_start();
    int first = dial(service.server), second = dial(service.server);
    put(first, "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_begun(1);
    put(second, "GET /gate/short HTTP/1.1\r\nHost: x\r\n\r\n");
    struct reply reply = take(second, false); /* its time is over */
    cr_expect_eq(reply.status, 503);
    atomic_store(&service.gate_open, true);
    expect("GET /public/after", NULL, NULL, 200, "after");
    cr_expect_eq(atomic_load(&service.begun), 1);
    free_reply(&reply);
    close(first);
    close(second);
}

/* A worker that stands still: those whose requests it has, and those that wait behind it, are told. */
Test(server_alone, answers_for_a_worker_that_does_not_come_back, .init = service_prepare, .fini = service_end)
{
    service.workers = workers_create(1, 0, 16);
    service_start();
    int first = dial(service.server), second = dial(service.server);
    put(first, "GET /gate/short HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n");
    wait_begun(1);
    put(second, "GET /gate/short HTTP/1.1\r\nHost: x\r\n\r\n");
    struct reply reply = take(first, false);
    cr_expect_eq(reply.status, 503);
    cr_expect_str_eq(reply_header(&reply, "x-request-id"), "mine");
    cr_expect_not_null(reply_header(&reply, "retry-after"));
    cr_expect(strstr(reply.body, "\"requestId\":\"mine\""), "%s", reply.body);
    free_reply(&reply);
    reply = take(second, false);
    cr_expect_eq(reply.status, 503);
    free_reply(&reply);
    expect("GET /health", NULL, NULL, 200, "\"status\":\"OK\"");
    close(second); /* before, */
    atomic_store(&service.gate_open, true);
    expect("GET /public/there", NULL, NULL, 200, "there");
    put(first, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"); /* and after the worker has come back */
    reply = take(first, false);
    cr_expect_eq(reply.status, 200);
    free_reply(&reply);
    close(first);
}

Test(server, tells_how_it_is)
{
    expect("GET /health", NULL, NULL, 200,
           "{\"code\":\"10000\",\"status\":200,\"message\":\"alive\",\"data\":{\"status\":\"OK\"}}");
    expect("GET /ready", NULL, NULL, 200,
           "\"data\":{\"status\":\"OK\",\"dependencies\":{\"store\":\"OK\",\"nats\":\"OK\",\"spare\":\"MISSING\"}}");
    atomic_store(&service.dependency_away, true);
    poll(NULL, 0, 1100);
    struct reply reply = ask(service.server, "GET /ready", NULL, NULL);
    cr_expect_eq(reply.status, 503);
    cr_expect(strstr(reply.body, "\"dependencies\":{\"store\":\"MISSING\",\"nats\":\"MISSING\","), "%s", reply.body);
    cr_expect_not_null(reply_header(&reply, "retry-after"));
    free_reply(&reply);
    expect("GET /health", NULL, NULL, 200, "\"status\":\"OK\"");
    expect("GET /nothing", NULL, NULL, 404, "");
    expect("GET /metrics", NULL, NULL, 200,
           "tonearm_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1");
    expect("GET /metrics", NULL, NULL, 200, "tonearm_http_request_seconds_count{route=\"/health\"} 2");
    expect("GET /metrics", NULL, NULL, 200, "tonearm_http_connections");
    expect("GET /metrics", NULL, NULL, 200, "tonearm_http_queue 0");
    expect("GET /metrics", EDGE "X-Forwarded-For: 1.2.3.4\r\n", NULL, 404, "\"status\":404");
}

Test(server, speaks_http_1_0)
{
    int fd = dial(service.server);
    put(fd, "GET /public/a HTTP/1.0\r\n\r\n");
    struct reply reply = take(fd, false);
    cr_expect_eq(reply.status, 200);
    free_reply(&reply);
    cr_expect(is_closed(fd, 5000));
    close(fd);
}

Test(server_alone, refuses_an_address_that_is_taken, .init = service_prepare, .fini = service_end)
{
    service_start();
    struct server_options options = service.options;
    struct metrics *metrics = metrics_create();
    options.metrics = metrics;
    options.listen = server_address(service.server);
    struct ctx ctx = { 0 };
    cr_expect_null(server_start(&ctx, &options));
    cr_expect(strstr(ctx.error->message, server_address(service.server)), "%s", ctx.error->message);
    cr_expect(strstr(ctx.error->message, "in use"), "%s", ctx.error->message);
    static const char *const bad[] = { "", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "nowhere.example:80", ":" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        options.listen = bad[i];
        cr_expect_null(server_start(&ctx, &options), "%s", bad[i]);
    }
    ctx_finish(&ctx);
    metrics_destroy(metrics);
    expect("GET /public/a", NULL, NULL, 200, "\"status\":200");
}

Test(server_alone, listens_on_several_addresses, .init = service_prepare, .fini = service_end)
{
    service.options.listen = "127.0.0.1:0, [::1]:0,127.0.0.2:0";
    service_start();
    cr_expect_eq(strncmp(server_address(service.server), "127.0.0.1:", 10), 0);
    expect("GET /public/a", NULL, NULL, 200, "\"status\":200");
}

Test(server_alone, bounds_its_connections, .init = service_prepare, .fini = service_end)
{
    enum { LIMIT = 4 };
    service.options.loops = 1;
    service.options.connections = LIMIT;
    service_start();
    int fds[LIMIT + 2];
    for (int i = 0; i < LIMIT + 2; i++) {
        fds[i] = dial(service.server);
        put(fds[i], "GET /public/loop HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    struct pollfd last = { .fd = fds[LIMIT + 1], .events = POLLIN };
    cr_expect_eq(poll(&last, 1, 500), 0, "more connections than the limit are served");
    for (int i = 0; i < LIMIT; i++) {
        struct reply reply = take(fds[i], false);
        cr_expect_eq(reply.status, 200);
        free_reply(&reply);
        close(fds[i]);
    }
    struct reply reply = take(fds[LIMIT + 1], false);
    cr_expect_eq(reply.status, 200, "who waited is served when there is room");
    free_reply(&reply);
    close(fds[LIMIT]);
    close(fds[LIMIT + 1]);
}
