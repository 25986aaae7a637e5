/* Who is shown the edge's secret: the members of services that are tagged so, and nobody who shares their address. */
#include "base/clock.h"
#include "edge_one.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RELOADS = 6, PATIENCE_MS = 30000 };

/* The two in this order or the other, and a path that only this file has. */
static void write_config(char *out, size_t room, int number)
{
    char ours[256], theirs[256];
    int port = backend_port(one);
    snprintf(ours, sizeof ours,
             "  - {name: ours, url: 'http://127.0.0.1:%d', tags: [tonearm], routes: [{name: a, paths: [/ours]}]}\n",
             port);
    snprintf(theirs, sizeof theirs,
             "  - {name: theirs, url: 'http://127.0.0.1:%d', routes: [{name: b, paths: [/theirs, /file-%d]}]}\n", port,
             number);
    snprintf(out, room, "_format_version: '3.0'\nservices:\n%s%s", number % 2 ? ours : theirs,
             number % 2 ? theirs : ours);
}

static void setup(void)
{
    static const char *const environment[] = { "EDGE_SECRET=0123456789abcdef-secret", NULL };
    char config[1024];
    one = backend_start("one");
    write_config(config, sizeof config, 0);
    edge_process_start(&edge, environment, "%s", config);
}

TestSuite(edge_secret, .timeout = 120);

static bool shown(const char *path)
{
    char *answer = get(edge.port, path, "");
    bool out = has(body_of(answer), "x-tonearm-edge: 0123456789abcdef-secret");
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    free(answer);
    return out;
}

static void wait_for_file(int number)
{
    char path[32];
    int64_t until = clock_ms() + PATIENCE_MS;
    snprintf(path, sizeof path, "/file-%d", number);
    for (int status = 0; status != 200;) {
        cr_assert(clock_ms() < until, "%s", path);
        char *answer = get(edge.port, path, "");
        status = status_of(answer);
        free(answer);
        usleep(10000);
    }
}

EDGE_TEST(edge_secret, is_not_shown_to_who_has_the_same_address)
{
    char config[1024];
    for (int i = 0; i < RELOADS; i++) {
        if (i) {
            write_config(config, sizeof config, i);
            edge_process_write(&edge, "%s", config);
            edge_process_signal(&edge, SIGHUP);
            wait_for_file(i);
        }
        cr_expect(shown("/ours/"), "%d", i);
        cr_expect_not(shown("/theirs/"), "%d", i);
    }
}
