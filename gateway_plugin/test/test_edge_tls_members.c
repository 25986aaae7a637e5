/* Members that speak TLS: a real nginx with certificates of an authority made here. */
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct backend *backend;
static struct edge_process edge;
static char dir[64];
static pid_t nginx;
static int good_port, other_port; /* a certificate for member.example and 127.0.0.1; one for other.example */
static int deep_port;             /* one that another one signed */
static int late_port, own_port;   /* one whose days are over; one that nobody signed */

static void shell(const char *format, const char *argument)
{
    char command[1024];
    snprintf(command, sizeof command, format, argument);
    cr_assert_eq(system(command), 0, "%s", command);
}

static void make_certificates(void)
{
    shell("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem"
          " -subj /CN=ca -days 2 2>/dev/null",
          dir);
    static const char leaf[] =
        "cd %%s && openssl req -x509 -CA %s.pem -CAkey %s.key -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        " -keyout %s.key -out %s.pem -subj /CN=%s -days 2 -addext basicConstraints=critical,CA:%s"
        " -addext subjectAltName=%s 2>/dev/null";
    static const struct {
        const char *ca, *name, *is_ca, *names;
    } rows[] = { { "ca", "good", "FALSE", "DNS:member.example,IP:127.0.0.1" },
                 { "ca", "other", "FALSE", "DNS:other.example" },
                 { "ca", "mid", "TRUE", "DNS:mid.example" },
                 { "mid", "deep", "FALSE", "IP:127.0.0.1" } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char command[512];
        snprintf(command, sizeof command, leaf, rows[i].ca, rows[i].ca, rows[i].name, rows[i].name, rows[i].name,
                 rows[i].is_ca, rows[i].names);
        shell(command, dir);
    }
    shell("cd %s && cat mid.pem >>deep.pem", dir);
    /* Nothing else is wrong with these two. */
    shell(
        "cd %s && printf 'subjectAltName=IP:127.0.0.1\n' >late.ext && openssl req -newkey ec -pkeyopt"
        " ec_paramgen_curve:P-256 -nodes -keyout late.key -out late.csr -subj /CN=late 2>/dev/null && openssl x509 -req"
        " -in late.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days -1 -extfile late.ext -out late.pem 2>/dev/null",
        dir);
    shell("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.pem"
          " -subj /CN=own -days 2 -addext subjectAltName=IP:127.0.0.1 2>/dev/null",
          dir);
}

static void write_server(FILE *file, int port, const char *name)
{
    fprintf(file,
            "server {\n"
            "  listen 127.0.0.1:%d ssl;\n"
            "  ssl_certificate %s.pem; ssl_certificate_key %s.key;\n"
            "  client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1;\n"
            "  proxy_set_header Host $host; proxy_set_header Upgrade $http_upgrade;\n"
            "  proxy_set_header Connection $http_connection; proxy_set_header X-Server-Name $ssl_server_name;\n"
            "  add_header X-Connection $connection always;\n"
            "  location / { proxy_pass http://127.0.0.1:%d; }\n"
            "}\n",
            port, name, name, backend_port(backend));
}

static void write_nginx(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/nginx.conf", dir);
    FILE *file = fopen(path, "w");
    fputs("daemon off; master_process off; pid nginx.pid; error_log error.log;\n"
          "events {}\nhttp {\n access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;\n"
          " uwsgi_temp_path t4; scgi_temp_path t5;\n",
          file);
    write_server(file, good_port, "good");
    write_server(file, deep_port, "deep");
    write_server(file, late_port, "late");
    write_server(file, own_port, "own");
    write_server(file, other_port, "other");
    fputs("}\n", file);
    fclose(file);
}

static void start_nginx(void)
{
    good_port = edge_free_port();
    deep_port = edge_free_port();
    other_port = edge_free_port();
    late_port = edge_free_port();
    own_port = edge_free_port();
    write_nginx();
    nginx = fork();
    if (nginx == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char prefix[80];
        snprintf(prefix, sizeof prefix, "%s/", dir);
        execlp("nginx", "nginx", "-p", prefix, "-e", "error.log", "-c", "nginx.conf", (char *)NULL);
        execl("/usr/sbin/nginx", "nginx", "-p", prefix, "-e", "error.log", "-c", "nginx.conf", (char *)NULL);
        _exit(127);
    }
    for (int64_t until = clock_ms() + 30000; clock_ms() < until; usleep(5000)) {
        int fd = dial(other_port);
        if (fd >= 0) {
            close(fd);
            return;
        }
    }
    cr_assert_fail("nginx does not start");
}

/* The authority, indented for a block of YAML. */
static void read_authority(char *out, size_t room)
{
    char path[128], line[128];
    snprintf(path, sizeof path, "%s/ca.pem", dir);
    FILE *file = fopen(path, "r");
    size_t size = 0;
    while (fgets(line, sizeof line, file))
        size += (size_t)snprintf(out + size, room - size, "    %s", line);
    fclose(file);
}

#define CA "00000000-0000-4000-8000-0000000000ca"
#define VERIFIED "tls_verify: true, ca_certificates: [" CA "]"

static void setup(void)
{
    char authority[4096];
    strcpy(dir, "/tmp/tonearm-tls-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    backend = backend_start("m0");
    make_certificates();
    start_nginx();
    read_authority(authority, sizeof authority);
    edge_process_start(
        &edge, NULL,
        "_format_version: '3.0'\n"
        "ca_certificates:\n- id: " CA "\n  cert: |\n%s"
        "upstreams:\n"
        "  - {name: named, host_header: member.example, targets: [{target: '127.0.0.1:%d'}]}\n"
        "  - {name: misnamed, host_header: wrong.example, targets: [{target: '127.0.0.1:%d'}]}\n"
        "  - {name: probed, targets: [{target: '127.0.0.1:%d'}], healthchecks: {active: {type: https, http_path: "
        "/health,\n"
        "     healthy: {interval: 0.05, successes: 1}, unhealthy: {interval: 0.05, tcp_failures: 1}}}}\n"
        "  - {name: lax, targets: [{target: '127.0.0.1:%d'}], healthchecks: {active: {type: https, http_path: /health,\n"
        "     https_verify_certificate: false, https_sni: lax.example,\n"
        "     healthy: {interval: 0.05, successes: 1}, unhealthy: {interval: 0.05, tcp_failures: 1}}}}\n"
        "services:\n"
        "  - {name: default, url: 'https://127.0.0.1:%d', routes: [{name: default, paths: [/default]}]}\n"
        "  - {name: plain, url: 'http://127.0.0.1:%d', routes: [{name: plain, paths: [/plain]}]}\n"
        "  - {name: by-address, url: 'https://127.0.0.1:%d', " VERIFIED ", routes: [{name: a, paths: [/address]}]}\n"
        "  - {name: by-name, protocol: https, host: named, " VERIFIED ", routes: [{name: b, paths: [/name]}]}\n"
        "  - {name: misnamed, protocol: https, host: misnamed, retries: 0, " VERIFIED ",\n"
        "     routes: [{name: c, paths: [/misnamed]}]}\n"
        "  - {name: unknown, url: 'https://127.0.0.1:%d', tls_verify: true, routes: [{name: d, paths: [/unknown]}]}\n"
        "  - {name: other, url: 'https://127.0.0.1:%d', " VERIFIED ", routes: [{name: e, paths: [/other]}]}\n"
        "  - {name: deep, url: 'https://127.0.0.1:%d', " VERIFIED ", routes: [{name: f, paths: [/deep]}]}\n"
        "  - {name: flat, url: 'https://127.0.0.1:%d', tls_verify_depth: 0, " VERIFIED ",\n"
        "     routes: [{name: i, paths: [/flat]}]}\n"
        "  - {name: late, url: 'https://127.0.0.1:%d', " VERIFIED ", routes: [{name: j, paths: [/late]}]}\n"
        "  - {name: own, url: 'https://127.0.0.1:%d', " VERIFIED ", routes: [{name: k, paths: [/own]}]}\n"
        "  - {name: probed, protocol: https, host: probed, routes: [{name: g, paths: [/probed]}]}\n"
        "  - {name: lax, protocol: https, host: lax, routes: [{name: h, paths: [/lax]}]}\n",
        authority, good_port, good_port, good_port, good_port, good_port, good_port, good_port, good_port, other_port,
        deep_port, deep_port, late_port, own_port);
}

static void teardown(void)
{
    edge_process_stop(&edge);
    kill(nginx, SIGTERM);
    waitpid(nginx, NULL, 0);
    backend_stop(backend);
    shell("rm -rf %s", dir);
}

TestSuite(edge_tls_members, .timeout = 60);

static int status(const char *path)
{
    char *answer = get(edge.port, path, "");
    int out = status_of(answer);
    free(answer);
    return out;
}

EDGE_TEST(edge_tls_members, are_asked_by_tls_and_seen_by_their_name)
{
    char *answer = get(edge.port, "/name/x?y=1", "");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    cr_expect(has(body_of(answer), "GET /x?y=1 HTTP/1.1\r\n"), "%s", answer);
    cr_expect(has(body_of(answer), "X-Server-Name: member.example\r\n"), "%s", answer);
    free(answer);
}

EDGE_TEST(edge_tls_members, are_verified_by_the_files_own_authorities)
{
    cr_expect_eq(status("/address/x"), 200);
    cr_expect_eq(status("/name/x"), 200);
    cr_expect_eq(status("/deep/x"), 200);
}

/* And a member that has one hears nothing. */
EDGE_TEST(edge_tls_members, bad_certificates_of_an_upstream_are_503)
{
    cr_expect_eq(status("/late/x"), 503, "its days are over");
    cr_expect_eq(status("/own/x"), 503, "nobody signed it");
    cr_expect_eq(status("/unknown/x"), 503, "the machine's authorities do not know ours");
    cr_expect_eq(status("/misnamed/x"), 503, "the upstream's host_header is not in it");
    cr_expect_eq(status("/other/x"), 503, "a certificate for another name");
    cr_expect_eq(status("/flat/x"), 503, "its chain is longer than tls_verify_depth");
    cr_expect_eq(backend_requests(backend), backend_health_asked(backend), "but for the probes");
    char *log = edge_process_log(&edge);
    cr_expect(has(log, "the TLS of a member is not taken"), "%s", log);
    free(log);
}

EDGE_TEST(edge_tls_members, are_not_verified_unless_the_file_says_so_as_in_kong)
{
    cr_expect_eq(status("/default/x"), 200);
}

EDGE_TEST(edge_tls_members, connections_are_kept)
{
    char *one = get(edge.port, "/address/x", ""), *two = get(edge.port, "/address/x", "");
    const char *a = strcasestr(one, "\r\nx-connection: "), *b = strcasestr(two, "\r\nx-connection: ");
    cr_assert(a && b, "%s", one);
    /* Two loops may have one each. */
    char *three = get(edge.port, "/address/x", "");
    const char *c = strcasestr(three, "\r\nx-connection: ");
    size_t size = strcspn(a + 2, "\r");
    cr_expect(strncmp(a, b, size) == 0 || strncmp(b, c, size) == 0 || strncmp(a, c, size) == 0, "%s%s%s", one, two,
              three);
    free(one);
    free(two);
    free(three);
}

EDGE_TEST(edge_tls_members, plain_http_to_a_port_of_tls_is_no_answer_of_the_service)
{
    cr_expect_eq(status("/plain/x"), 400);
}

EDGE_TEST(edge_tls_members, large_answers_and_bodies_pass_whole)
{
    size_t size;
    int fd = dial(edge.port);
    say(fd, "GET /address/big?n=20000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    char *answer = hear_all(fd, 10000, &size);
    cr_expect_eq(size - (size_t)(body_of(answer) - answer), 20000000u);
    free(answer);
    close(fd);
    enum { BODY = 5 << 20 };
    char *body = calloc(1, BODY), head[256];
    snprintf(head, sizeof head, "PUT /address/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
             BODY);
    fd = dial(edge.port);
    say(fd, head);
    cr_expect(say_bytes(fd, body, BODY));
    answer = hear_all(fd, 10000, &size);
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    cr_expect_eq(backend_body_bytes(backend), BODY);
    close(fd);
    free(answer);
    free(body);
}

/* What a slow client does not take stays at the member. */
EDGE_TEST(edge_tls_members, a_slow_reader_holds_the_member_not_memory)
{
    int fds[8];
    long before = edge_process_memory(&edge);
    for (size_t i = 0; i < 8; i++) {
        int room = 4096;
        fds[i] = dial(edge.port);
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        say(fds[i], "GET /address/big?n=200000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    usleep(700000);
    long grown = edge_process_memory(&edge) - before;
    if (!edge_process_sanitized())
        cr_expect_lt(grown, 16 * 1024, "%ld KiB for eight", grown);
    for (size_t i = 0; i < 8; i++)
        close(fds[i]);
}

EDGE_TEST(edge_tls_members, websockets_pass)
{
    int fd = dial(edge.port);
    char text[4096] = "";
    size_t size = 0;
    say(fd, "GET /address/socket HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    while (!strstr(text, "welcome")) {
        ssize_t got = recv(fd, text + size, sizeof text - 1 - size, 0);
        cr_assert_gt(got, 0, "%s", text);
        size += (size_t)got;
    }
    say(fd, "echo me");
    while (!strstr(text, "echo me")) {
        ssize_t got = recv(fd, text + size, sizeof text - 1 - size, 0);
        cr_assert_gt(got, 0, "%s", text);
        size += (size_t)got;
    }
    close(fd);
}

static bool has_health(const char *upstream, const char *state)
{
    char path[128], want[64];
    snprintf(path, sizeof path, "/upstreams/%s/health", upstream);
    snprintf(want, sizeof want, "\"health\":\"%s\"", state);
    char *answer = get(edge.admin_port, path, "");
    bool out = has(answer, want);
    free(answer);
    return out;
}

EDGE_TEST(edge_tls_members, probes_verify_unless_they_are_told_not_to)
{
    for (int64_t until = clock_ms() + 30000; !has_health("probed", "UNHEALTHY") && clock_ms() < until;)
        usleep(10000);
    cr_expect(has_health("probed", "UNHEALTHY"));
    for (int64_t until = clock_ms() + 30000; backend_health_asked(backend) < 3 && clock_ms() < until;)
        usleep(10000);
    cr_expect_geq(backend_health_asked(backend), 3);
    cr_expect(has_health("lax", "HEALTHY"));
    char head[4096];
    backend_last_head(backend, head, sizeof head);
    cr_expect(strstr(head, "X-Server-Name: lax.example\r\n"), "%s", head);
}
