/* gomicro's two Kong files: they load as they are, and the edge does with them what Kong does. */
#include "config/config.h"
#include "edge_backend.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEMBERS = 4 };

static struct backend *members[MEMBERS]; /* auth1, auth2, blog1, blog2 */
static struct edge_process edge;

TestSuite(edge_gomicro, .timeout = 60);

static char *read_fixture(const char *name)
{
    char path[512], *text = calloc(1, 8192);
    snprintf(path, sizeof path, "%s/gateway_plugin/test/gomicro/%s", getenv("ROOT"), name);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    cr_assert_gt(fread(text, 1, 8191, file), 0u);
    fclose(file);
    return text;
}

/* The file with the addresses of our members where gomicro's containers stand. */
static char *with_members(char *text)
{
    static const struct {
        const char *name;
        int member;
    } names[] = { { "//auth:8000", 0 }, { "//blog:8000", 2 }, { "auth1:8000", 0 },
                  { "auth2:8000", 1 },  { "blog1:8000", 2 },  { "blog2:8000", 3 } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (char *at; (at = strstr(text, names[i].name));) {
            char *out = calloc(1, strlen(text) + 64);
            sprintf(out, "%.*s%s127.0.0.1:%d%s", (int)(at - text), text, *names[i].name == '/' ? "//" : "",
                    backend_port(members[names[i].member]), at + strlen(names[i].name));
            free(text);
            text = out;
        }
    }
    return text;
}

static void start_with(const char *name)
{
    static const char *const called[MEMBERS] = { "auth1", "auth2", "blog1", "blog2" };
    for (int i = 0; i < MEMBERS; i++)
        members[i] = backend_start(called[i]);
    char *text = with_members(read_fixture(name));
    edge_process_start(&edge, NULL, "%s", text);
    free(text);
}

static void stop(void)
{
    edge_process_stop(&edge);
    for (int i = 0; i < MEMBERS; i++)
        backend_stop(members[i]);
}

Test(edge_gomicro, its_files_load_unchanged)
{
    static const char *const files[] = { "kong.yml", "kong-load-balanced.yml" };
    for (size_t i = 0; i < 2; i++) {
        struct arena arena = { 0 };
        char *text = read_fixture(files[i]);
        struct faults faults = FAULTS(&arena, files[i]);
        struct config *config = config_read(&faults, text, strlen(text));
        struct buf out = BUF(&arena);
        buf_text(&out, "");
        faults_write(&faults, &out);
        cr_assert_not_null(config, "%s", out.data);
        cr_expect_str_eq(config->routes->chain[0]->plugin->name, "apikey-auth-plugin");
        config_unref(config);
        arena_free(&arena);
        free(text);
    }
}

static void expect(const char *path, const char *key, int status, const char *text)
{
    char *answer = get(edge.port, path, key);
    cr_expect_eq(status_of(answer), status, "%s: %s", path, answer);
    cr_expect(!text || has(answer, text), "%s: no \"%s\" in %s", path, text, answer);
    free(answer);
}

Test(edge_gomicro, asks_for_a_key_strips_the_path_and_lets_health_through)
{
    start_with("kong.yml");
    expect("/auth/signin/basic", "X-API-Key: good\r\n", 200, "GET /signin/basic HTTP/1.1");
    expect("/blog/latest?page=1", "X-API-Key: good\r\n", 200, "member: blog1\nbody: 0\nGET /latest?page=1 HTTP/1.1");
    expect("/auth/signin/basic", "", 401, "x-api-key header is missing");
    expect("/blog/latest", "X-API-Key: bad\r\n", 401, NULL);
    expect("/blog/health", "", 200, NULL);
    cr_expect_eq(backend_requests(members[2]), 2);
    expect("/other", "X-API-Key: good\r\n", 404, NULL);
    stop();
}

Test(edge_gomicro, shares_among_the_targets_of_its_upstreams)
{
    start_with("kong-load-balanced.yml");
    for (int i = 0; i < 20; i++)
        expect("/blog/latest", "X-API-Key: good\r\n", 200, "GET /latest HTTP/1.1");
    cr_expect_eq(backend_requests(members[2]), 10);
    cr_expect_eq(backend_requests(members[3]), 10);
    expect("/auth/profile", "X-API-Key: good\r\n", 200, "GET /profile HTTP/1.1");
    stop();
}
