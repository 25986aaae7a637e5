/* The operator's side: what it shows, new configurations under load, TLS. */
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_certificate.h"
#include "edge_fixture.h"
#include "edge_h2.h"

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct backend *one, *two;
static struct edge_process edge;
static char dir[64], certificate[128], key[128];

static const char config[] = "_format_version: '3.0'\n"
                             "upstreams: [{name: u, targets: [{target: '127.0.0.1:%d'}]}]\n"
                             "services: [{name: a, host: u, tags: [x], routes: [{name: r, paths: [/a]}]}]\n"
                             "plugins: [{name: prometheus}]\n";

static void setup(void)
{
    char cert_setting[160], key_setting[160];
    one = backend_start("one");
    two = backend_start("two");
    strcpy(dir, "/tmp/tonearm-cert-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(certificate, sizeof certificate, "%s/cert.pem", dir);
    snprintf(key, sizeof key, "%s/key.pem", dir);
    certificate_make("localhost", certificate, key);
    snprintf(cert_setting, sizeof cert_setting, "EDGE_TLS_CERT=%s", certificate);
    snprintf(key_setting, sizeof key_setting, "EDGE_TLS_KEY=%s", key);
    const char *const environment[] = { cert_setting, key_setting, "WITH_TLS=1", NULL };
    edge_process_start(&edge, environment, config, backend_port(one));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(one);
    backend_stop(two);
    unlink(certificate);
    unlink(key);
    rmdir(dir);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_admin, .timeout = 60);
TestSuite(edge_hygiene, .timeout = 60);

EDGE_TEST(edge_admin, shows_what_kong_shows)
{
    static const struct {
        const char *path, *text;
    } pages[] = {
        { "/status", "\"connections_active\":" },   { "/services", "\"name\":\"a\"" },
        { "/routes", "\"paths\":[\"/a\"]" },        { "/plugins", "\"name\":\"prometheus\"" },
        { "/upstreams", "\"name\":\"u\"" },         { "/upstreams/u/health", "\"HEALTHY\"" },
        { "/config", "_format_version: '3.0'\\n" }, { "/health", "\"status\":\"OK\"" },
        { "/ready", "\"message\":\"ready\"" },
    };
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        char *answer = get(edge.admin_port, pages[i].path, "");
        cr_expect_eq(status_of(answer), 200, "%s", pages[i].path);
        cr_expect(has(answer, pages[i].text), "%s: %s", pages[i].path, answer);
        free(answer);
    }
    static const struct {
        const char *path;
        int status;
    } others[] = { { "/nothing", 404 }, { "/upstreams/x/health", 404 }, { "/statusx", 404 } };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *answer = get(edge.admin_port, others[i].path, "");
        cr_expect_eq(status_of(answer), others[i].status, "%s", others[i].path);
        free(answer);
    }
}

EDGE_TEST(edge_admin, counts)
{
    for (int i = 0; i < 3; i++)
        free(get(edge.port, "/a/", ""));
    free(get(edge.port, "/b", ""));
    char *page = get(edge.admin_port, "/metrics", "");
    cr_expect(has(page, "tonearm_edge_requests_total{route=\"r\",status=\"200\"} 3\n"), "%s", page);
    cr_expect(has(page, "tonearm_edge_requests_total{route=\"none\",status=\"404\"} 1\n"), "%s", page);
    cr_expect(has(page, "tonearm_edge_request_seconds_count{route=\"r\"} 3\n"), "%s", page);
    free(page);
}

static char *post(const char *type, const char *body)
{
    char text[4096];
    snprintf(
        text, sizeof text,
        "POST /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
        type, strlen(body), body);
    return ask(edge.admin_port, text);
}

static bool serves(const char *path, int status)
{
    char *answer = get(edge.port, path, "");
    bool out = status_of(answer) == status;
    free(answer);
    return out;
}

static bool soon(const char *path, int status)
{
    for (int i = 0; i < 3000 && !serves(path, status); i++)
        usleep(10000);
    return serves(path, status);
}

EDGE_TEST(edge_admin, takes_a_configuration_in_every_form)
{
    char yaml[512], body[1024];
    snprintf(yaml, sizeof yaml,
             "_format_version: '3.0'\nservices: [{name: b, url: 'http://127.0.0.1:%d', routes: [{paths: [/yaml]}]}]\n",
             backend_port(two));
    char *answer = post("text/yaml", yaml);
    cr_expect_eq(status_of(answer), 201, "%s", answer);
    free(answer);
    cr_expect(soon("/yaml", 200) && soon("/a", 404));
    snprintf(body, sizeof body,
             "{\"config\":\"{_format_version: '3.0', services: [{name: b, url: 'http://127.0.0.1:%d', routes: [{paths: "
             "[/json]}]}]}\"}",
             backend_port(two));
    answer = post("application/json", body);
    cr_expect_eq(status_of(answer), 201, "%s", answer);
    free(answer);
    cr_expect(soon("/json", 200));
    snprintf(body, sizeof body,
             "--xyz\r\nContent-Disposition: form-data; name=\"config\"; filename=\"kong.yml\"\r\n\r\n%s\r\n--xyz--\r\n",
             yaml);
    answer = post("multipart/form-data; boundary=xyz", body);
    cr_expect_eq(status_of(answer), 201, "%s", answer);
    free(answer);
    cr_expect(soon("/yaml", 200) && soon("/json", 404));
}

EDGE_TEST(edge_admin, keeps_what_it_has_when_the_new_one_is_wrong)
{
    static const char *const wrong[] = { "", "x: [", "_format_version: '3.0'\nservices: [{name: a}]\n" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *answer = post("text/yaml", wrong[i]);
        cr_expect_eq(status_of(answer), 400);
        cr_expect(has(answer, "\"errors\":[{\"line\":"), "%s", answer);
        free(answer);
    }
    edge_process_write(&edge, "nonsense");
    edge_process_signal(&edge, SIGHUP);
    bool said = false;
    for (int i = 0; i < 3000 && !said; i++, usleep(10000)) {
        char *log = edge_process_log(&edge);
        said = has(log, "the configuration was not taken");
        free(log);
    }
    cr_expect(said);
    cr_expect(serves("/a", 200));
}

struct load {
    atomic_bool stop;
    atomic_long good, bad;
};

static void *load_run(void *self)
{
    struct load *load = self;
    int fd = dial(edge.port);
    while (!load->stop) {
        say(fd, "GET /a/ HTTP/1.1\r\nHost: x\r\n\r\n");
        char *answer = hear_one(fd);
        atomic_fetch_add(status_of(answer) == 200 ? &load->good : &load->bad, 1);
        free(answer);
    }
    close(fd);
    return NULL;
}

EDGE_TEST(edge_admin, reads_its_file_again_without_losing_a_request)
{
    pthread_t threads[4];
    struct load load = { 0 };
    int slow = dial(edge.port);
    say(slow, "GET /a/stall?ms=700 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, load_run, &load);
    /* So often, and until both members were asked enough. */
    for (int i = 0; i < 20 || (i < 400 && (load.good <= 100 || backend_requests(two) <= 10)); i++) {
        edge_process_write(&edge, config, backend_port(i % 2 ? one : two));
        edge_process_signal(&edge, SIGHUP);
        usleep(50000);
    }
    load.stop = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(load.bad, 0, "%ld of %ld", (long)load.bad, (long)load.good);
    cr_expect_gt(load.good, 100);
    cr_expect_gt(backend_requests(two), 10);
    char *answer = hear_all(slow, 30000, NULL);
    cr_expect_str_eq(body_of(answer), "late");
    free(answer);
    close(slow);
}

/* TLS */

struct tls {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

static bool tls_dial(struct tls *tls, int version, const char *suites, const char *alpn)
{
    tls->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(tls->ctx, 0);
    if (version) {
        SSL_CTX_set_min_proto_version(tls->ctx, version);
        SSL_CTX_set_max_proto_version(tls->ctx, version);
    }
    if (suites)
        cr_assert(SSL_CTX_set_cipher_list(tls->ctx, suites));
    tls->ssl = SSL_new(tls->ctx);
    if (alpn)
        SSL_set_alpn_protos(tls->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    tls->fd = dial(edge.tls_port);
    SSL_set_fd(tls->ssl, tls->fd);
    return SSL_connect(tls->ssl) == 1;
}

static void tls_close(struct tls *tls)
{
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->ctx);
    close(tls->fd);
    ERR_clear_error();
}

static void expect_suite(int version, const char *suites, bool taken)
{
    struct tls tls;
    cr_expect_eq(tls_dial(&tls, version, suites, NULL), taken, "%s", suites ? suites : "any");
    tls_close(&tls);
}

EDGE_TEST(edge_hygiene, offers_aead_suites)
{
    expect_suite(0, NULL, true);
    expect_suite(TLS1_3_VERSION, NULL, true);
    expect_suite(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", true);
    expect_suite(TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true);
}

EDGE_TEST(edge_hygiene, offers_aead_suites_only)
{
    expect_suite(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", false);
    expect_suite(TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384", false);
    expect_suite(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM", false);
}

EDGE_TEST(edge_hygiene, refuses_tls_1_1)
{
    expect_suite(TLS1_1_VERSION, "ALL:@SECLEVEL=0", false);
}

EDGE_TEST(edge_hygiene, refuses_tls_1_0)
{
    expect_suite(TLS1_VERSION, "ALL:@SECLEVEL=0", false);
}

EDGE_TEST(edge_admin, serves_http_over_tls)
{
    struct tls tls;
    char answer[16384] = "";
    cr_assert(tls_dial(&tls, 0, NULL, "\x08http/1.1"));
    static const char request[] = "GET /a/x HTTP/1.1\r\nHost: music.example\r\nConnection: close\r\n\r\n";
    SSL_write(tls.ssl, request, (int)strlen(request));
    for (int got = 0, part; (part = SSL_read(tls.ssl, answer + got, (int)sizeof answer - 1 - got)) > 0; got += part)
        answer[got + part] = 0;
    cr_expect_eq(status_of(answer), 200);
    cr_expect(has(answer, "x-forwarded-proto: https\r\n") && has(answer, "x-forwarded-port: 443\r\n"), "%s", answer);
    tls_close(&tls);
    const unsigned char *alpn;
    unsigned size;
    cr_assert(tls_dial(&tls, 0, NULL, "\x02h2\x08http/1.1"));
    SSL_get0_alpn_selected(tls.ssl, &alpn, &size);
    cr_expect(size == 2 && memcmp(alpn, "h2", 2) == 0);
    tls_close(&tls);
    /* A refusal is heard through TLS too. */
    cr_assert(tls_dial(&tls, 0, NULL, NULL));
    SSL_write(tls.ssl, "GET / HTTP/1.1\r\n\r\n", 18);
    int got = SSL_read(tls.ssl, answer, sizeof answer - 1);
    answer[got > 0 ? got : 0] = 0;
    cr_expect_eq(status_of(answer), 400);
    tls_close(&tls);
    /* Somebody who only says hello is let go. */
    int fd = dial(edge.tls_port);
    say(fd, "hello\r\n\r\n");
    char *rest = hear_all(fd, 2000, NULL);
    free(rest);
    close(fd);
    cr_expect(serves("/a", 200));
}

static bool tls_dial_h2(struct tls *tls)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    return tls_dial(tls, 0, NULL, "\x02h2") && SSL_write(tls->ssl, preface, sizeof preface - 1) > 0;
}

static void tls_ask_h2(struct tls *tls, uint32_t stream, const char *authority)
{
    unsigned char frame[512];
    const struct h2_field fields[] = {
        { ":method", "GET" }, { ":scheme", "https" }, { ":path", "/a/x" }, { ":authority", authority }, { 0 }
    };
    size_t size = h2_block(frame + 9, fields);
    h2_frame_head(frame, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, stream, size);
    SSL_write(tls->ssl, frame, (int)(9 + size));
}

/* Whether HTTP/2 comes by ALPN or by prior knowledge makes no difference: the others of edge_hygiene_h2 know no TLS. */
EDGE_TEST(edge_hygiene, checks_heads_of_http2_within_tls)
{
    struct tls tls;
    cr_assert(tls_dial_h2(&tls));
    tls_ask_h2(&tls, 1, "user@a");
    tls_ask_h2(&tls, 3, "a");
    for (int i = 0; i < 3000 && !backend_requests(one); i++)
        usleep(10000);
    cr_expect_eq(backend_requests(one), 1);
    tls_close(&tls);
}

EDGE_TEST(edge_hygiene, counts_frames_of_http2_within_tls)
{
    struct tls tls;
    unsigned char pings[17 * 500] = { 0 };
    for (size_t i = 0; i < sizeof pings; i += 17)
        h2_frame_head(pings + i, H2_PING, 0, 0, 8);
    cr_assert(tls_dial_h2(&tls));
    SSL_write(tls.ssl, pings, sizeof pings);
    bool cut = false;
    for (int i = 0; i < 3000 && !cut; i++, usleep(10000)) {
        char *log = edge_process_log(&edge);
        cut = has(log, "PING frames");
        free(log);
    }
    cr_expect(cut);
    tls_close(&tls);
}
