/* Who is believed, who may, and what is kept for whom. */
#include "http/test_service.h"

#include "base/calm_clock.h"

#include <criterion/criterion.h>
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

Test(server, believes_the_edge_alone)
{
    const char *said = "X-Forwarded-Prefix: /media\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: music.example\r\n"
                       "X-Forwarded-For: 9.9.9.9, 1.2.3.4\r\nX-Consumer-Id: c1\r\n";
    struct arena arena = { 0 };
    struct reply reply = ask(service.server, "GET /public/a", arena_printf(&arena, "%s%s", EDGE, said), NULL);
    cr_expect(strstr(reply.body, "\"prefix\":\"/media\""), "%s", reply.body);
    cr_expect(strstr(reply.body, "\"host\":\"music.example\""));
    cr_expect(strstr(reply.body, "\"scheme\":\"https\""));
    cr_expect(strstr(reply.body, "\"peer\":\"1.2.3.4\""));
    cr_expect(strstr(reply.body, "\"consumer\":\"c1\""));
    cr_expect_not(strstr(reply.body, "\"proof\""));
    free_reply(&reply);
    static const char *const proofs[] = { "", "X-Tonearm-Edge: wrong\r\n", "X-Tonearm-Edge:\r\n",
                                          "X-Tonearm-Edge: the secret of the edg\r\n" };
    for (size_t i = 0; i < sizeof proofs / sizeof *proofs; i++) {
        reply = ask(service.server, "GET /public/a", arena_printf(&arena, "%s%s", proofs[i], said), NULL);
        cr_expect(strstr(reply.body, "\"prefix\":\"\"") || !strstr(reply.body, "\"prefix\""), "%s", reply.body);
        cr_expect(strstr(reply.body, "\"host\":\"test\""));
        cr_expect(strstr(reply.body, "\"scheme\":\"http\""));
        cr_expect(strstr(reply.body, "\"peer\":\"1.2.3.4\""), "a trusted proxy's: %s", reply.body);
        cr_expect_not(strstr(reply.body, "\"consumer\""));
        cr_expect_not(strstr(reply.body, "\"forwarded\""));
        cr_expect_not(strstr(reply.body, "\"proof\""));
        free_reply(&reply);
    }
    arena_free(&arena);
}

Test(server_alone, believes_no_proxy_it_was_not_told_of, .init = service_prepare, .fini = service_end)
{
    service.options.trusted_proxies = "10.0.0.0/8";
    service_start();
    expect("GET /public/a", "X-Forwarded-For: 1.2.3.4\r\n", NULL, 200, "\"peer\":\"127.0.0.1\"");
    expect("GET /public/a", EDGE "X-Forwarded-For: 1.2.3.4\r\n", NULL, 200, "\"peer\":\"1.2.3.4\"");
}

Test(server, asks_for_a_key)
{
    static const char *const paths[] = { "GET /key/a", "GET /key/loop", "GET /key/kept" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        expect(paths[i], NULL, NULL, 401, "\"status\":401");
        expect(paths[i], "X-API-Key: wrong\r\n", NULL, 401, "\"status\":401");
        expect(paths[i], "X-API-Key:\r\n", NULL, 401, "\"status\":401");
        expect(paths[i], "X-API-Key: general\r\n", NULL, 200, "\"status\":200");
        expect(paths[i], "X-API-Key: narrow\r\n", NULL, 200, "\"status\":200");
        expect(paths[i], EDGE, NULL, 200, "\"status\":200");
        expect(paths[i], EDGE "X-Tonearm-Anonymous: 1\r\n", NULL, 401, "\"status\":401");
        expect(paths[i], EDGE "X-Tonearm-Anonymous: 1\r\nX-API-Key: general\r\n", NULL, 401, "\"status\":401");
        expect(paths[i], "X-Tonearm-Anonymous: 1\r\nX-API-Key: general\r\n", NULL, 200, "\"status\":200");
    }
    expect("GET /signed", "X-API-Key: narrow\r\nAuthorization: Bearer ann's\r\n", NULL, 403, "\"status\":403");
    expect("GET /key/a", EDGE "X-Forwarded-Prefix: /media\r\n", NULL, 200, "\"status\":200");
    struct reply reply = ask(service.server, "GET /key/a", NULL, NULL);
    cr_expect_not_null(reply_header(&reply, "www-authenticate"));
    free_reply(&reply);
    atomic_store(&service.authority_away, true);
    expect("GET /key/a", "X-API-Key: general\r\n", NULL, 503, "\"status\":503");
}

Test(server, asks_who_it_is)
{
    expect("GET /signed", "X-API-Key: general\r\n", NULL, 401, "an access token is needed");
    expect("GET /signed", "Authorization: Bearer ann's\r\n", NULL, 401, "an API key is needed");
    expect("GET /signed", EDGE "Authorization: Bearer ann's\r\n", NULL, 200, "\"caller\":\"ann\"");
    expect("GET /signed", EDGE "authorization: bEARER   ann's\r\n", NULL, 200, "\"caller\":\"ann\"");
    expect("GET /signed", "X-API-Key: general\r\nAuthorization: Bearer ann's\r\n", NULL, 200, "\"key\":\"general\"");
    expect("GET /signed", EDGE "Authorization: Bearer wrong\r\n", NULL, 401, "this token is not valid");
    expect("GET /signed", EDGE "Authorization: Bearer \r\n", NULL, 401, "an access token is needed");
    expect("GET /signed", EDGE "Authorization: Basic ann's\r\n", NULL, 401, "an access token is needed");
    expect("GET /admin", EDGE "Authorization: Bearer ann's\r\n", NULL, 403, "this is for others");
    expect("GET /admin", EDGE "Authorization: Bearer root's\r\n", NULL, 200, "\"caller\":\"root\"");
    expect("GET /publish", EDGE "Authorization: Bearer ann's\r\n", NULL, 403, "this is for others");
    expect("GET /publish", EDGE "Authorization: Bearer root's\r\n", NULL, 200, "\"caller\":\"root\"");
    atomic_store(&service.authority_away, true);
    expect("GET /signed", EDGE "Authorization: Bearer ann's\r\n", NULL, 503, "\"status\":503");
}

/* The route has 5 s, and who waits for its caller to be known has not. */
Test(server, tells_within_two_seconds_that_nobody_knows_who_it_is)
{
    int64_t began = calm_ms();
    expect("GET /signed", EDGE "Authorization: Bearer nobody answers\r\n", NULL, 503, "\"status\":503");
    cr_expect_lt(calm_ms() - began, 2000);
}

Test(server_alone, keeps_public_answers_on_the_loop, .init = service_prepare, .fini = service_end)
{
    service.options.loops = 1;
    service_start();
    expect("GET /public/kept", NULL, NULL, 200, "\"data\":1}");
    expect("GET /public/kept", NULL, NULL, 200, "\"data\":1}");
    struct reply reply = ask(service.server, "GET /public/kept", "X-Request-Id: mine\r\n", NULL);
    cr_expect_str_eq(reply_header(&reply, "x-request-id"), "mine");
    cr_expect_str_eq(reply_header(&reply, "x-kept"), "yes");
    cr_expect_str_eq(reply_header(&reply, "content-language"), "en");
    cr_expect_str_eq(reply_header(&reply, "vary"), "accept-language");
    free_reply(&reply);
    expect("GET /public/kept?a=1", NULL, NULL, 200, "\"data\":2}");
    expect("GET /public/kept", "Accept-Language: de\r\n", NULL, 200, "\"data\":3}");
    expect("GET /public/kept", EDGE "X-Forwarded-Prefix: /media\r\n", NULL, 200, "\"data\":4}");
    expect("GET /public/kept", NULL, NULL, 200, "\"data\":1}");
    expect("GET /public/kept", "Accept-Language: de\r\n", NULL, 200, "\"data\":3}");
    answers_drop(service.server, "another");
    expect("GET /public/kept", NULL, NULL, 200, "\"data\":1}");
    answers_drop(service.server, "kept");
    expect("GET /public/kept", NULL, NULL, 200, "\"data\":5}");
    expect("GET /public/kept", NULL, NULL, 200, "\"data\":5}");
}

Test(server_alone, gives_no_kept_answer_to_whom_it_has_not_checked, .init = service_prepare, .fini = service_end)
{
    service.options.loops = 1;
    service_start();
    expect("GET /key/kept", EDGE, NULL, 200, "\"data\":1}");
    expect("GET /key/kept", EDGE, NULL, 200, "\"data\":1}");
    expect("GET /key/kept", NULL, NULL, 401, "\"status\":401");
    expect("GET /key/kept", "X-API-Key: wrong\r\n", NULL, 401, "\"status\":401");
    expect("GET /key/kept", EDGE "X-Tonearm-Anonymous: 1\r\n", NULL, 401, "\"status\":401");
    expect("GET /key/kept", EDGE, NULL, 200, "\"data\":1}");
}

Test(server_alone, keeps_nothing_that_was_dropped_while_it_was_made, .init = service_prepare, .fini = service_end)
{
    service.options.loops = 1;
    service_start();
    expect("GET /public/overtaken", NULL, NULL, 200, "\"data\":1}");
    expect("GET /public/overtaken", NULL, NULL, 200, "\"data\":2}");
    expect("GET /kept/fail/unavailable", NULL, NULL, 503, "\"status\":503");
}
