/* ip-restriction, and who a client is where proxies stand before the edge. */
#include "edge_one.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - name: s\n"
    "    url: http://127.0.0.1:%d\n"
    "    routes:\n"
    "      - {name: open, paths: [/open]}\n"
    "      - {name: tls, paths: [/tls], protocols: [https]}\n"
    "      - {name: in, paths: [/in], plugins: [{name: ip-restriction, config: {allow: [127.0.0.0/8, 172.16.0.0/12, '2001:db8::/32']}}]}\n"
    "      - {name: out, paths: [/out], plugins: [{name: ip-restriction, config: {deny: [127.0.0.1]}}]}\n"
    "      - {name: both, paths: [/both], plugins: [{name: ip-restriction, config: {allow: [10.0.0.0/8], deny: "
    "[10.1.0.0/16], status: 451, message: 'not from there'}}]}\n"
    "      - {name: old, paths: [/old], plugins: [{name: ip-restriction, config: {whitelist: [10.0.0.1], blacklist: "
    "['2001:db8::1']}}]}\n";

static void setup(void)
{
    const char *const trusting[] = { "EDGE_TRUSTED_PROXIES=127.0.0.0/8,10.9.0.0/16", NULL };
    one_start(trusting, config);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_ip_restriction, .timeout = 60);

static void expect(const char *path, const char *headers, int status, const char *text)
{
    char *answer = get(edge.port, path, headers);
    cr_expect_eq(status_of(answer), status, "%s, %s: %s", path, headers, answer);
    cr_expect(has(answer, text), "%s, %s: %s", path, headers, answer);
    free(answer);
}

EDGE_TEST(edge_ip_restriction, lets_in_whom_the_lists_say)
{
    static const struct {
        const char *path, *address;
        int status;
    } cases[] = {
        { "/in/", "172.31.255.255", 200 },   { "/in/", "172.32.0.0", 403 },       { "/in/", "127.0.0.9", 200 },
        { "/in/", "2001:db8::7", 200 },      { "/in/", "2001:db9::7", 403 },      { "/in/", "128.0.0.1", 403 },
        { "/in/", "126.255.255.255", 403 },  { "/out/", "127.0.0.1", 403 },       { "/out/", "127.0.0.2", 200 },
        { "/both/", "10.0.0.1", 200 },       { "/both/", "10.1.0.1", 451 },       { "/both/", "11.0.0.1", 451 },
        { "/both/", "10.2.0.0", 200 },       { "/old/", "10.0.0.1", 200 },        { "/old/", "10.0.0.2", 403 },
        { "/old/", "2001:db8::1", 403 },     { "/in/", "::ffff:127.0.0.1", 200 }, { "/in/", "128.0.0.1:80", 403 },
        { "/in/", "[2001:db8::7]:80", 200 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[128];
        snprintf(header, sizeof header, "X-Forwarded-For: %s\r\n", cases[i].address);
        expect(cases[i].path, header, cases[i].status, "");
    }
    expect("/out/", "", 403, "\"message\":\"IP address not allowed: 127.0.0.1\"");
    expect("/both/", "X-Forwarded-For: 10.1.0.1\r\n", 451, "\"message\":\"not from there\"");
}

EDGE_TEST(edge_ip_restriction, believes_only_proxies_that_are_trusted)
{
    /* From the end: what stands left of one who is not trusted may be invented. */
    expect("/both/", "X-Forwarded-For: 10.0.0.1, 11.0.0.1\r\n", 451, "");
    expect("/both/", "X-Forwarded-For: 11.0.0.1, 10.0.0.1\r\n", 200, "");
    expect("/both/", "X-Forwarded-For: 11.0.0.1, 10.0.0.1, 10.9.1.1 , 127.0.0.3\r\n", 200, "");
    expect("/both/", "X-Forwarded-For: 11.0.0.1\r\nX-Forwarded-For: 10.0.0.1\r\n", 200, "");
    expect("/both/", "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 11.0.0.1\r\n", 451, "");
    /* Where it cannot be read, the last who was: the proxy. */
    expect("/both/", "X-Forwarded-For: 10.0.0.1, nonsense\r\n", 451, "");
    expect("/open/", "X-Forwarded-For: 10.0.0.1\r\n", 200, "\r\nx-real-ip: 10.0.0.1\r\n");
    expect("/open/", "X-Forwarded-For: 10.0.0.1\r\n", 200, "\r\nx-forwarded-for: 10.0.0.1, 127.0.0.1\r\n");
    edge_process_stop(&edge);
    edge_process_start(&edge, NULL, config, backend_port(one));
    expect("/both/", "X-Forwarded-For: 10.0.0.1\r\n", 451, "");
    expect("/in/", "X-Forwarded-For: 10.0.0.1\r\n", 200, "");
    expect("/open/", "X-Forwarded-For: 10.0.0.1\r\n", 200, "\r\nx-real-ip: 127.0.0.1\r\n");
    /* Others are trusted, and this one is none of them. */
    static const char *const others[] = { "EDGE_TRUSTED_PROXIES=10.0.0.0/8", NULL };
    edge_process_stop(&edge);
    edge_process_start(&edge, others, config, backend_port(one));
    expect("/both/", "X-Forwarded-For: 10.0.0.1\r\n", 451, "");
    expect("/open/", "X-Forwarded-For: 10.0.0.1\r\n", 200, "\r\nx-real-ip: 127.0.0.1\r\n");
}

/* TLS may end at a proxy: what is open to TLS only would send its clients round in a circle. */
EDGE_TEST(edge_ip_restriction, believes_those_proxies_how_was_asked)
{
    static const char said[] =
        "X-Forwarded-Proto: https\r\nX-Forwarded-Host: radio.example\r\nX-Forwarded-Port: 4433\r\n";
    static const char nonsense[] = "X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\nX-Forwarded-Port: 0x1\r\n";
    expect("/tls/", said, 200, "\r\nx-forwarded-proto: https\r\n");
    expect("/open/", said, 200,
           "\r\nx-forwarded-proto: https\r\nx-forwarded-host: radio.example\r\nx-forwarded-port: 4433\r\n");
    expect("/open/", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: radio.example\r\n", 200,
           "\r\nx-forwarded-port: 443\r\n");
    expect("/open/", nonsense, 200,
           "\r\nx-forwarded-proto: http\r\nx-forwarded-host: music.example:8000\r\nx-forwarded-port: 8000\r\n");
    expect("/tls/", "", 426, "");
    edge_process_stop(&edge);
    edge_process_start(&edge, NULL, config, backend_port(one));
    expect("/tls/", said, 426, "");
    expect("/open/", said, 200,
           "\r\nx-forwarded-proto: http\r\nx-forwarded-host: music.example:8000\r\nx-forwarded-port: 8000\r\n");
}
