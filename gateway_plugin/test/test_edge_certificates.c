/* Several certificates, by the name that the client asks for; reloaded while connections are open. */
#include "base/arena.h"
#include "edge_backend.h"
#include "edge_certificate.h"
#include "edge_fixture.h"
#include "nats/nats_fixture.h"

#include <criterion/criterion.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct edge_process edge;
static struct backend *backend;
static struct arena arena;
static char dir[] = "/tmp/tonearm-tls-XXXXXX";

static const char *file_of(const char *name, const char *what)
{
    return arena_printf(&arena, "%s/%s.%s", dir, name, what);
}

static void make(const char *name)
{
    certificate_make(name, file_of(name, "cert"), file_of(name, "key"));
}

/* A PEM file as a block of YAML, so many spaces deep. */
static const char *inline_pem(const char *file, int depth)
{
    char line[256], *out = arena_strdup(&arena, "|\n");
    FILE *in = fopen(file, "r");
    while (fgets(line, sizeof line, in))
        out = arena_printf(&arena, "%s%*s%s", out, depth, "", line);
    fclose(in);
    return out;
}

static const char *config_with(const char *certificates)
{
    return arena_printf(&arena,
                        "_format_version: '3.0'\n"
                        "services: [{name: a, url: 'http://127.0.0.1:%d', routes: [{name: r, paths: [/]}]}]\n%s",
                        backend_port(backend), certificates);
}

/* One by its file, one as it is, with a name that stands for itself. */
static const char *certificates(const char *first, const char *second)
{
    return arena_printf(&arena,
                        "certificates:\n"
                        "  - cert: %s\n"
                        "    key: %s\n"
                        "    snis: [{name: one.example}, {name: '*.one.example'}]\n"
                        "  - id: 11111111-2222-3333-4444-555555555555\n"
                        "    cert: %s"
                        "    key: %s"
                        "snis: [{name: two.*, certificate: {id: 11111111-2222-3333-4444-555555555555}}]\n",
                        file_of(first, "cert"), file_of(first, "key"), inline_pem(file_of(second, "cert"), 6),
                        inline_pem(file_of(second, "key"), 6));
}

static void setup(void)
{
    cr_assert_not_null(mkdtemp(dir));
    make("default.example");
    make("other.example");
    make("first");
    make("second");
    make("third");
    backend = backend_start("one");
    const char *const environment[] = {
        "WITH_TLS=1",
        arena_printf(&arena, "EDGE_TLS_CERT=%s,%s", file_of("default.example", "cert"),
                     file_of("other.example", "cert")),
        arena_printf(&arena, "EDGE_TLS_KEY=%s,%s", file_of("default.example", "key"), file_of("other.example", "key")),
        NULL,
    };
    edge_process_start(&edge, environment, "%s", config_with(certificates("first", "second")));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(backend);
    cr_assert_eq(system(arena_printf(&arena, "rm -rf '%s'", dir)), 0);
    arena_free(&arena);
}

TestSuite(edge_certificates, .timeout = 60);

static const char *name_of(SSL *ssl)
{
    char name[256] = "";
    X509 *x509 = SSL_get_peer_certificate(ssl);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, name, sizeof name);
    X509_free(x509);
    return arena_strdup(&arena, name);
}

/* Whose certificate is shown to who asks for this name. */
static const char *shown(const char *server_name)
{
    SSL *ssl = named_dial(edge.tls_port, server_name);
    const char *name = name_of(ssl);
    named_close(ssl);
    return name;
}

EDGE_TEST(edge_certificates, the_name_decides)
{
    cr_expect_str_eq(shown("one.example"), "first");
    cr_expect_str_eq(shown("ONE.example"), "first");
    cr_expect_str_eq(shown("a.one.example"), "first");
    cr_expect_str_eq(shown("two.example"), "second");
    cr_expect_str_eq(shown("two.org"), "second");
    cr_expect_str_eq(shown("other.example"), "other.example", "by what it is made for");
    cr_expect_str_eq(shown("default.example"), "default.example");
    cr_expect_str_eq(shown("a.b.one.example"), "default.example", "a star is one label");
    cr_expect_str_eq(shown("nobody.example"), "default.example");
    cr_expect_str_eq(shown(NULL), "default.example");
    char *answer = named_ask(edge.tls_port, "one.example",
                             "GET / HTTP/1.1\r\nHost: one.example\r\nConnection: close\r\n\r\n");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    free(answer);
}

static int post_config(const char *text, char **answer)
{
    *answer = ask(edge.admin_port, arena_printf(&arena,
                                                "POST /config HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                                                "Content-Type: text/yaml\r\nContent-Length: %zu\r\n\r\n%s",
                                                strlen(text), text));
    return status_of(*answer);
}

static bool shows_third(void *self)
{
    (void)self;
    return strcmp(shown("one.example"), "third") == 0;
}

EDGE_TEST(edge_certificates, posted_ones_are_shown_and_open_connections_stay)
{
    SSL *open = named_dial(edge.tls_port, "one.example");
    char *answer;
    cr_expect_eq(post_config(config_with(certificates("third", "second")), &answer), 201, "%s", answer);
    free(answer);
    cr_expect(eventually(30000, shows_third, NULL));
    static const char text[] = "GET / HTTP/1.1\r\nHost: one.example\r\n\r\n";
    char heard[64] = "";
    cr_expect_eq(SSL_write(open, text, sizeof text - 1), sizeof text - 1);
    cr_expect_gt(SSL_read(open, heard, sizeof heard - 1), 0);
    cr_expect_eq(status_of(heard), 200, "%s", heard);
    named_close(open);
}

EDGE_TEST(edge_certificates, files_are_read_again_on_sighup)
{
    certificate_make("third", file_of("first", "cert"), file_of("first", "key"));
    cr_expect_str_eq(shown("one.example"), "first");
    edge_process_signal(&edge, SIGHUP);
    cr_expect(eventually(30000, shows_third, NULL));
}

/* h2o makes its SSL when the client first speaks. */
EDGE_TEST(edge_certificates, who_had_connected_before_a_reload_is_served_after_it)
{
    enum { COUNT = 8 };
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = dial(edge.tls_port);
    for (int i = 0; i < 3; i++) {
        certificate_make(i < 2 ? "next" : "third", file_of("first", "cert"), file_of("first", "key"));
        edge_process_signal(&edge, SIGHUP);
        usleep(20000);
    }
    cr_expect(eventually(30000, shows_third, NULL));
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    for (int i = 0; i < COUNT; i++) {
        SSL *ssl = SSL_new(context);
        SSL_set_fd(ssl, fds[i]);
        cr_expect_eq(SSL_connect(ssl), 1, "%d", i);
        SSL_free(ssl);
        close(fds[i]);
    }
    SSL_CTX_free(context);
}

EDGE_TEST(edge_certificates, bad_certificates_are_refused_with_their_line_and_change_nothing)
{
    char *answer;
    certificate_make("third", file_of("other", "cert"), file_of("third", "key"));
    certificate_make("third", file_of("first", "cert"), file_of("other", "key"));
    cr_expect_eq(post_config(config_with(certificates("first", "second")), &answer), 400, "%s", answer);
    cr_expect(has(answer, "\"line\": 5") || has(answer, "\"line\":5"), "%s", answer);
    cr_expect(has(answer, "does not belong to the certificate"), "%s", answer);
    free(answer);
    edge_process_signal(&edge, SIGHUP);
    for (int i = 0; i < 20; i++, sleep_ms(10))
        cr_expect_str_eq(shown("one.example"), "first");
}

/* A handshake with no more than this version; what was agreed on, "" for none. */
static const char *agreed(int most, int least, const char *name, const char **protocol)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, least);
    SSL_CTX_set_max_proto_version(context, most);
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    int fd = dial(edge.tls_port);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, name);
    bool good = SSL_connect(ssl) == 1;
    const unsigned char *chosen = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &chosen, &size);
    *protocol = good ? arena_printf(&arena, "%.*s", (int)size, chosen ? (const char *)chosen : "") : "";
    const char *version = good ? arena_strdup(&arena, SSL_get_version(ssl)) : "";
    SSL_free(ssl);
    close(fd);
    return version;
}

EDGE_TEST(edge_certificates, tls_1_2_and_1_3_with_alpn_for_each_of_them)
{
    const char *protocol;
    static const char *const names[] = { "one.example", "two.example", "nobody.example" };
    for (size_t i = 0; i < 3; i++) {
        cr_expect_str_eq(agreed(TLS1_3_VERSION, TLS1_VERSION, names[i], &protocol), "TLSv1.3");
        cr_expect_str_eq(protocol, "h2", "%s", names[i]);
        cr_expect_str_eq(agreed(TLS1_2_VERSION, TLS1_VERSION, names[i], &protocol), "TLSv1.2");
        cr_expect_str_eq(protocol, "h2", "%s", names[i]);
        cr_expect_str_eq(agreed(TLS1_1_VERSION, TLS1_VERSION, names[i], &protocol), "", "TLS 1.1 is refused");
    }
}

/* TLS 1.2, whose session is there with the handshake. */
EDGE_TEST(edge_certificates, a_session_is_resumed_under_a_name)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL_SESSION *session = NULL;
    for (int i = 0; i < 2; i++) {
        SSL *ssl = SSL_new(context);
        int fd = dial(edge.tls_port);
        SSL_set_fd(ssl, fd);
        SSL_set_tlsext_host_name(ssl, "one.example");
        if (session)
            SSL_set_session(ssl, session);
        cr_assert_eq(SSL_connect(ssl), 1);
        cr_expect_eq(SSL_session_reused(ssl), i, "%d", i);
        SSL_SESSION_free(session);
        session = SSL_get1_session(ssl);
        SSL_shutdown(ssl); /* a session that breaks off is not resumed */
        SSL_free(ssl);
        close(fd);
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
}

EDGE_TEST(edge_certificates, the_file_alone_is_enough)
{
    edge_process_signal(&edge, SIGKILL);
    cr_assert_eq(waitpid(edge.pid, NULL, 0), edge.pid);
    edge_process_again(&edge, (const char *const[]){ "WITH_TLS=1", NULL });
    cr_expect_str_eq(shown("two.example"), "second");
    cr_expect_str_eq(shown("nobody.example"), "first");
    cr_expect_str_eq(shown(NULL), "first");
}
