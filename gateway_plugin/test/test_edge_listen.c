/* What an empty EDGE_LISTEN, EDGE_TLS_LISTEN or EDGE_ADMIN_LISTEN turns off, and what it leaves. */
#include "edge_backend.h"
#include "edge_certificate.h"
#include "edge_fixture.h"
#include "edge_workers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

static const char format[] =
    "_format_version: '3.0'\nservices: [{name: one, url: 'http://127.0.0.1:%d', routes: [{name: "
    "one, paths: [/one]}]}]\n";
static const char question[] = "GET /one/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

static struct backend *member;
static struct edge_process edge;
static char certificate[64], key[64], dir[] = "/tmp/tonearm-listen-XXXXXX";

static void setup(void)
{
    cr_assert_not_null(mkdtemp(dir));
    snprintf(certificate, sizeof certificate, "EDGE_TLS_CERT=%s/cert", dir);
    snprintf(key, sizeof key, "EDGE_TLS_KEY=%s/key", dir);
    certificate_make("localhost", certificate + sizeof "EDGE_TLS_CERT", key + sizeof "EDGE_TLS_KEY");
    member = backend_start("one");
}

static void teardown(void)
{
    backend_stop(member);
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(edge_listen, .timeout = 60);

static void expect_tls_alone(const char *processes)
{
    const char *const environment[] = { "WITH_TLS=1", "EDGE_LISTEN=", certificate, key, processes, NULL };
    edge_process_start(&edge, environment, format, backend_port(member));
    char *answer = named_ask(edge.tls_port, "localhost", question);
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    free(answer);
    cr_expect_lt(try_dial(edge.port), 0, "nobody listens there");
    answer = get(edge.admin_port, "/status", "");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    free(answer);
    edge_process_stop(&edge);
}

EDGE_TEST(edge_listen, an_empty_edge_listen_leaves_tls_alone)
{
    expect_tls_alone("EDGE_PROCESSES=1");
}

EDGE_TEST(edge_listen, an_empty_edge_listen_leaves_tls_alone_of_two_processes_too)
{
    expect_tls_alone("EDGE_PROCESSES=2");
}

/* The status that it ends with, and what it says. */
static int ends_with(const char *settings, char *said, size_t room)
{
    char command[1024];
    snprintf(command, sizeof command,
             "cd '%s' && env NATS_URL= EDGE_ADMIN_LISTEN= EDGE_CONFIG=edge.yml %s timeout 20 "
             "'%s/gateway_plugin/tonearm-edge' 2>&1",
             dir, settings, getenv("BUILD"));
    FILE *pipe = popen(command, "r");
    said[fread(said, 1, room - 1, pipe)] = 0;
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* An edge that nobody could ask would look as if it ran. */
EDGE_TEST(edge_listen, all_of_them_empty_are_refused)
{
    static const char *const settings[] = { "EDGE_LISTEN= EDGE_PROCESSES=1", "EDGE_LISTEN= EDGE_PROCESSES=2",
                                            "EDGE_LISTEN=, EDGE_TLS_LISTEN=,,", "EDGE_LISTEN= EDGE_TLS_LISTEN=" };
    char path[64], said[4096];
    snprintf(path, sizeof path, "%s/edge.yml", dir);
    FILE *file = fopen(path, "w");
    fprintf(file, format, backend_port(member));
    fclose(file);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        cr_expect_eq(ends_with(settings[i], said, sizeof said), EX_CONFIG, "%s: %s", settings[i], said);
        cr_expect(has(said, "EDGE_LISTEN and EDGE_TLS_LISTEN are both empty"), "%s: %s", settings[i], said);
    }
    cr_expect_eq(ends_with("EDGE_LISTEN=here", said, sizeof said), EX_CONFIG, "%s", said);
    cr_expect(has(said, "here: is no ADDR:PORT"), "%s", said);
}
