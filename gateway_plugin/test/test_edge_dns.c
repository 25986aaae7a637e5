/* Members by name: a name server of the test's own, whose answers change. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "dns_server.h"
#include "edge_backend.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct dns_server *dns;
static struct backend *one, *two;
static struct edge_process edge;
static char server_setting[64];

static const char config[] =
    "_format_version: '3.0'\n"
    "upstreams:\n"
    "  - {name: named, targets: [{target: 'member.test:%d'}]}\n"
    "  - {name: srv, targets: [{target: '_music._tcp.member.test:1'}]}\n"
    "services:\n"
    "  - {name: named, host: named, retries: 0, routes: [{name: named, paths: [/named]}]}\n"
    "  - {name: srv, host: srv, routes: [{name: srv, paths: [/srv]}]}\n"
    "  - {name: direct, url: 'http://direct.test:%d', routes: [{name: direct, paths: [/direct]}]}\n"
    "  - {name: missing, url: 'http://missing.test:%d', routes: [{name: missing, paths: [/missing]}]}\n"
    "  - {name: localhost, url: 'http://localhost:%d', routes: [{name: localhost, paths: [/localhost]}]}\n";

static void set_srv(const char *records_format)
{
    char records[256];
    snprintf(records, sizeof records, records_format, backend_port(one), backend_port(two));
    dns_server_set(dns, "_music._tcp.member.test", 1, records);
}

static void setup(void)
{
    dns = dns_server_start();
    one = backend_start("m0");
    two = backend_start("m1");
    dns_server_set(dns, "member.test", 1, "127.0.0.1");
    dns_server_set(dns, "direct.test", 60, "127.0.0.1");
    dns_server_set(dns, "a.member.test", 60, "127.0.0.1");
    set_srv("10 5 %d a.member.test");
    snprintf(server_setting, sizeof server_setting, "EDGE_DNS_RESOLVER=127.0.0.1:%d", dns_server_port(dns));
    int port = backend_port(one);
    edge_process_start(&edge, (const char *const[]){ server_setting, NULL }, config, port, port, port, port);
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(one);
    backend_stop(two);
    dns_server_stop(dns);
}

TestSuite(edge_dns, .timeout = 180);

static int status(const char *path)
{
    char *answer = get(edge.port, path, "");
    int out = status_of(answer);
    free(answer);
    return out;
}

static void wait_for_status(const char *path, int want)
{
    for (int64_t until = calm_ms() + 8000; status(path) != want && calm_ms() < until;)
        usleep(10000);
    cr_assert_eq(status(path), want, "%s", path);
}

static bool health_has(const char *upstream, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "/upstreams/%s/health", upstream);
    char *answer = get(edge.admin_port, path, "");
    bool out = has(answer, text);
    free(answer);
    return out;
}

static void wait_for_health(const char *upstream, const char *text)
{
    for (int64_t until = calm_ms() + 8000; !health_has(upstream, text) && calm_ms() < until;)
        usleep(10000);
    cr_assert(health_has(upstream, text), "%s", text);
}

EDGE_TEST(edge_dns, names_are_known_before_the_first_request)
{
    cr_expect_eq(status("/named/x"), 200);
    cr_expect_eq(status("/direct/x"), 200);
    cr_expect_eq(status("/srv/x"), 200);
    cr_expect_eq(status("/localhost/x"), 200, "of /etc/hosts");
}

EDGE_TEST(edge_dns, a_name_is_looked_up_again_when_its_ttl_is_over)
{
    cr_expect_eq(status("/named/x"), 200);
    dns_server_set(dns, "member.test", 1, "127.0.0.2");
    wait_for_health("named", "127.0.0.2");
    cr_expect_not(health_has("named", "127.0.0.1"), "the old address is gone");
    dns_server_set(dns, "member.test", 1, "127.0.0.3, 127.0.0.4");
    wait_for_health("named", "127.0.0.4");
    cr_expect(health_has("named", "127.0.0.3"));
    cr_expect_leq(dns_server_asked(dns, "direct.test"), 4,
                  "its TTL is a minute: A and AAAA, for two questions at most");
}

EDGE_TEST(edge_dns, a_name_server_that_is_away_takes_no_member_away)
{
    cr_expect_eq(status("/named/x"), 200);
    dns_server_mute(dns, true);
    int64_t began = clock_ms();
    while (clock_ms() - began < 2500) {
        cr_assert_eq(status("/named/x"), 200);
        usleep(20000);
    }
    dns_server_mute(dns, false);
    /* No more than it takes the name away when it says that there is none. */
    dns_server_set(dns, "member.test", 1, "");
    int asked = dns_server_asked(dns, "member.test");
    for (int64_t until = calm_ms() + 8000; dns_server_asked(dns, "member.test") < asked + 4 && calm_ms() < until;)
        usleep(10000);
    cr_expect_eq(status("/named/x"), 200);
}

EDGE_TEST(edge_dns, a_name_without_an_address_is_503_and_said_to_be_so_until_it_has_one)
{
    cr_expect_eq(status("/missing/x"), 503);
    char *log = edge_process_log(&edge);
    cr_expect(has(log, "a name was not resolved"), "%s", log);
    cr_expect(has(log, "missing.test"), "%s", log);
    free(log);
    dns_server_set(dns, "missing.test", 60, "127.0.0.1");
    wait_for_status("/missing/x", 200);
}

EDGE_TEST(edge_dns, srv_records_say_hosts_ports_and_weights)
{
    cr_expect_eq(status("/srv/x"), 200);
    cr_expect(health_has("srv", "\"weight\":5"));
    set_srv("10 300 %d a.member.test, 10 100 %d a.member.test, 20 1 1 never.test");
    char port[32];
    snprintf(port, sizeof port, "\"port\":%d", backend_port(two));
    wait_for_health("srv", port);
    wait_for_health("srv", "\"weight\":300");
    long before = backend_requests(one), other = backend_requests(two);
    for (int i = 0; i < 40; i++)
        cr_expect_eq(status("/srv/x"), 200);
    cr_expect(backend_requests(one) - before >= 26 && backend_requests(one) - before <= 34, "%ld",
              backend_requests(one) - before);
    cr_expect_geq(backend_requests(two) - other, 6);
}

EDGE_TEST(edge_dns, a_name_that_a_reload_brings_is_known_when_it_is_in_force)
{
    dns_server_set(dns, "late.test", 60, "127.0.0.1");
    edge_process_write(&edge,
                       "_format_version: '3.0'\n"
                       "services: [{name: late, url: 'http://late.test:%d', routes: [{name: late, paths: [/late]}]}]\n",
                       backend_port(one));
    edge_process_signal(&edge, SIGHUP);
    int last = 0;
    for (int64_t until = calm_ms() + 8000; calm_ms() < until && last != 200; usleep(1000)) {
        last = status("/late/x");
        cr_expect(last == 404 || last == 200, "%d", last);
    }
    cr_expect_eq(last, 200);
    /* And what is not wanted any more is not asked for. */
    int asked = dns_server_asked(dns, "member.test");
    usleep(2500000);
    cr_expect_leq(dns_server_asked(dns, "member.test"), asked + 2);
}

/* Nothing waits for a name server: not the loops, not other names. */
EDGE_TEST(edge_dns, a_mute_name_server_delays_no_request)
{
    dns_server_mute(dns, true);
    edge_process_write(&edge,
                       "_format_version: '3.0'\n"
                       "services:\n"
                       "  - {name: a, url: 'http://mute-1.test:1', routes: [{name: a, paths: [/mute]}]}\n"
                       "  - {name: b, url: 'http://127.0.0.1:%d', routes: [{name: b, paths: [/here]}]}\n",
                       backend_port(one));
    edge_process_signal(&edge, SIGHUP);
    int64_t slowest = 0;
    bool seen = false;
    for (int64_t until = calm_ms() + 8000; calm_ms() < until && !seen; usleep(1000)) {
        int64_t began = calm_ms();
        seen = status("/here/x") == 200;
        int64_t took = calm_ms() - began;
        slowest = took > slowest ? took : slowest;
    }
    cr_expect(seen);
    cr_expect_lt(slowest, 500);
    cr_expect_eq(status("/mute/x"), 503);
    dns_server_mute(dns, false);
}
