/* gomicro's plugin before an auth that is asked over HTTP. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct backend *service, *auth;
static struct edge_process edge;

/* The second route's first address is deaf; the third's are all. */
static const char config[] = "_format_version: \"2.1\"\n"
                             "_transform: true\n"
                             "services:\n"
                             "  - name: auth\n"
                             "    url: http://127.0.0.1:%d\n"
                             "    routes: [{name: auth, paths: [/auth]}]\n"
                             "  - name: others\n"
                             "    url: http://127.0.0.1:%d\n"
                             "    routes:\n"
                             "      - name: spare\n"
                             "        paths: [/spare]\n"
                             "        plugins: [{name: apikey-auth-plugin, config: {verification_urls: "
                             "['http://127.0.0.1:1/verify/apikey', 'http://127.0.0.1:%d/verify/apikey']}}]\n"
                             "      - name: deaf\n"
                             "        paths: [/deaf]\n"
                             "        plugins: [{name: apikey-auth-plugin, config: {verification_urls: "
                             "['http://127.0.0.1:1/verify/apikey']}}]\n"
                             "plugins:\n"
                             "  - name: apikey-auth-plugin\n"
                             "    config:\n"
                             "      verification_urls: \n"
                             "        - http://127.0.0.1:%d/verify/apikey";

static void setup(void)
{
    service = backend_start("service");
    auth = backend_start("auth");
    int a = backend_port(auth);
    edge_process_start(&edge, NULL, config, backend_port(service), backend_port(service), a, a);
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(service);
    backend_stop(auth);
}

TestSuite(edge_apikey_auth, .timeout = 60);

static int status_with(const char *path, const char *key)
{
    char header[256];
    snprintf(header, sizeof header, "X-API-Key: %s\r\n", key ? key : "");
    char *answer = get(edge.port, path, key ? header : "");
    int status = status_of(answer);
    free(answer);
    return status;
}

static void expect(const char *path, const char *headers, int status, const char *text)
{
    char *answer = get(edge.port, path, headers);
    cr_expect_eq(status_of(answer), status, "%s %s: %s", path, headers, answer);
    cr_expect(has(answer, text), "%s %s: no \"%s\" in %s", path, headers, text, answer);
    free(answer);
}

EDGE_TEST(edge_apikey_auth, lets_in_whom_the_other_knows)
{
    expect("/auth/x", "X-API-Key: good\r\n", 200, "\r\nx-api-key: good\r\n");
    expect("/auth/x", "", 401, "\"message\":\"x-api-key header is missing\"");
    expect("/auth/x", "", 401, "{\"code\":\"10001\",\"status\":401,");
    cr_expect_eq(backend_requests(service), 1);
}

EDGE_TEST(edge_apikey_auth, passes_on_what_the_other_says)
{
    expect("/auth/x", "X-API-Key: bad\r\n", 401, "\r\n\r\n{\"message\":\"not yours\"}");
    expect("/auth/x", "X-API-Key: narrow\r\n", 403, "\r\n\r\n{\"message\":\"not yours\"}");
    expect("/auth/x", "X-API-Key: narrow\r\n", 403, "\r\ncontent-type: application/json\r\n");
    cr_expect_eq(backend_requests(service), 0);
}

EDGE_TEST(edge_apikey_auth, asks_for_no_key_where_health_is_asked)
{
    expect("/auth/health", "", 200, "");
    expect("/auth/health?x=/y", "", 200, "");
    expect("/auth/x/health", "", 401, "missing");
    expect("/auth/healthy", "", 401, "missing");
    expect("/auth/x/../health", "", 200, "");
    cr_expect_eq(backend_requests(auth), 0);
}

EDGE_TEST(edge_apikey_auth, asks_once_a_second_over_one_connection)
{
    for (int i = 0; i < 50; i++)
        cr_expect_eq(status_with("/auth/x", "good"), 200);
    cr_expect_leq(backend_requests(auth), 3);
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "good-%d", i);
        cr_expect_eq(status_with("/auth/x", key), 200);
    }
    cr_expect_geq(backend_requests(auth), 21);
    cr_expect_eq(backend_connections(auth), 1);
}

static void *ask_slowly(void *status)
{
    *(int *)status = status_with("/auth/x", "slow-300");
    return NULL;
}

EDGE_TEST(edge_apikey_auth, many_at_a_time_make_one_question_and_hold_up_nobody)
{
    enum { MANY = 12 };
    pthread_t threads[MANY];
    int statuses[MANY];
    for (int i = 0; i < MANY; i++)
        pthread_create(&threads[i], NULL, ask_slowly, &statuses[i]);
    int64_t begun = calm_ms();
    for (int i = 0; i < 5; i++)
        cr_expect_eq(status_with("/auth/health", NULL), 200);
    cr_expect_lt(calm_ms() - begun, 250);
    for (int i = 0; i < MANY; i++) {
        pthread_join(threads[i], NULL);
        cr_expect_eq(statuses[i], 200);
    }
    cr_expect_eq(backend_requests(auth), 1);
}

EDGE_TEST(edge_apikey_auth, a_key_that_is_revoked_there_is_refused_here_within_a_second)
{
    char key[48];
    int64_t end = clock_ms() + 500;
    snprintf(key, sizeof key, "until-%lld", (long long)end);
    int status;
    int64_t ended = calm_ms(); /* of it */
    while ((status = status_with("/auth/x", key)) == 200 && clock_ms() < end + 30000)
        ended = clock_ms() < end ? calm_ms() : ended;
    cr_expect_eq(status, 401);
    cr_expect_geq(clock_ms(), end);
    cr_expect_lt(calm_ms() - ended, 1150); /* and the time of a request */
}

EDGE_TEST(edge_apikey_auth, takes_another_address_where_nothing_listens)
{
    for (int i = 0; i < 16; i++) {
        char key[16];
        snprintf(key, sizeof key, "good-%d", i);
        cr_expect_eq(status_with("/spare/x", key), 200);
    }
    /* And where there is none, it is gomicro's 500, which says nothing of what is inside. */
    expect("/deaf/x", "X-API-Key: good\r\n", 500, "\"message\":\"something went wrong\"");
}

EDGE_TEST(edge_apikey_auth, an_auth_that_misbehaves_harms_nobody)
{
    expect("/auth/x", "X-API-Key: broken\r\n", 500, "something went wrong");
    expect("/auth/x", "X-API-Key: large\r\n", 500, "something went wrong");
    int64_t begun = calm_ms();
    expect("/auth/x", "X-API-Key: slow-5000\r\n", 500, "something went wrong");
    cr_expect_lt(calm_ms() - begun, 2000);
    for (int i = 0; i < 5; i++) {
        int fd = dial(edge.port);
        say(fd, "GET /auth/x HTTP/1.1\r\nHost: a\r\nX-API-Key: slow-200\r\n\r\n");
        usleep(5000);
        close(fd);
    }
    cr_expect_eq(status_with("/auth/x", "good"), 200);
}
