/* Routes by what TLS tells. */
#include "edge_backend.h"
#include "edge_certificate.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct backend *member;
static struct edge_process edge;
static char dir[64], certificate[128], key[128];

static void setup(void)
{
    char cert_setting[160], key_setting[160];
    member = backend_start("one");
    strcpy(dir, "/tmp/tonearm-cert-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(certificate, sizeof certificate, "%s/cert.pem", dir);
    snprintf(key, sizeof key, "%s/key.pem", dir);
    certificate_make("localhost", certificate, key);
    snprintf(cert_setting, sizeof cert_setting, "EDGE_TLS_CERT=%s", certificate);
    snprintf(key_setting, sizeof key_setting, "EDGE_TLS_KEY=%s", key);
    const char *const environment[] = { cert_setting, key_setting, "WITH_TLS=1", NULL };
    edge_process_start(&edge, environment,
                       "_format_version: '3.0'\n"
                       "services:\n"
                       "  - name: s\n"
                       "    url: http://127.0.0.1:%d\n"
                       "    routes:\n"
                       "      - {name: other, paths: [/x]}\n"
                       "      - {name: named, paths: [/x], snis: [Music.example], strip_path: false}\n"
                       "      - {name: ported, hosts: ['secure.org:443']}\n"
                       "      - {name: https, paths: [/https], protocols: [https]}\n"
                       "      - {name: http, paths: [/http], protocols: [http]}\n",
                       backend_port(member));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(member);
    unlink(certificate);
    unlink(key);
    rmdir(dir);
}

TestSuite(edge_routes_tls, .timeout = 60);

static void expect_asked(const char *server_name, const char *host, const char *path, int status, const char *line)
{
    char text[256];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);
    char *answer = named_ask(edge.tls_port, server_name, text);
    cr_expect_eq(status_of(answer), status, "%s %s: %s", host, path, answer);
    cr_expect(!line || has(body_of(answer), line), "%s %s: %s", host, path, answer);
    free(answer);
}

EDGE_TEST(edge_routes_tls, are_chosen_by_its_server_name)
{
    expect_asked("music.EXAMPLE", "x", "/x", 200, "GET /x HTTP/1.1");
    expect_asked("other.example", "x", "/x", 200, "GET / HTTP/1.1");
    expect_asked(NULL, "music.example", "/x", 200, "GET / HTTP/1.1");
}

EDGE_TEST(edge_routes_tls, are_chosen_by_protocol_and_port)
{
    expect_asked(NULL, "secure.org", "/a", 200, "GET /a HTTP/1.1");
    expect_asked(NULL, "secure.org:8443", "/a", 404, NULL);
    expect_asked(NULL, "x", "/https/a", 200, "GET /a HTTP/1.1");
    expect_asked(NULL, "x", "/http/a", 404, NULL);
}
