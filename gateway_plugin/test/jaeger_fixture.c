#include "jaeger_fixture.h"

#include "base/clock.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_MS = 20000, FIND_MS = 10000 };

static void binary_path(char out[1024])
{
    const char *root = getenv("ROOT"), *bin = getenv("TEST_BIN"); /* of the mutants, whose ROOT has no programs */
    if (bin)
        snprintf(out, 1024, "%s/jaeger", bin);
    else
        snprintf(out, 1024, "%s/run/bin/jaeger", root ? root : ".");
}

static void run(const struct jaeger *jaeger, const char *binary)
{
    char otlp[64], query[64];
    int null = open("/dev/null", O_WRONLY);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    setenv("GOMAXPROCS", "2", 1);
    snprintf(otlp, sizeof otlp, "--collector.otlp.http.host-port=127.0.0.1:%d", jaeger->otlp_port);
    snprintf(query, sizeof query, "--query.http-server.host-port=127.0.0.1:%d", jaeger->query_port);
    execl(binary, binary, "--collector.otlp.enabled=true", otlp, query, "--collector.otlp.grpc.host-port=127.0.0.1:0",
          "--collector.grpc-server.host-port=127.0.0.1:0", "--collector.http-server.host-port=127.0.0.1:0",
          "--query.grpc-server.host-port=127.0.0.1:0", "--admin.http.host-port=127.0.0.1:0", (char *)NULL);
    _exit(127);
}

static bool answers(int port, const char *path)
{
    int fd = dial(port);
    if (fd < 0)
        return false;
    close(fd);
    char *answer = get(port, path, "");
    bool out = status_of(answer) == 200;
    free(answer);
    return out;
}

void jaeger_again(struct jaeger *jaeger)
{
    char binary[1024];
    binary_path(binary);
    jaeger->pid = fork();
    cr_assert_geq(jaeger->pid, 0);
    if (jaeger->pid == 0)
        run(jaeger, binary);
    int fd = -1;
    for (int64_t until = clock_ms() + START_MS; !answers(jaeger->query_port, "/api/services") || fd < 0;
         usleep(50000)) {
        cr_assert(clock_ms() < until && waitpid(jaeger->pid, NULL, WNOHANG) == 0, "Jaeger does not start");
        fd = fd < 0 ? dial(jaeger->otlp_port) : fd;
    }
    close(fd);
}

bool jaeger_start(struct jaeger *jaeger)
{
    char binary[1024];
    binary_path(binary);
    if (access(binary, X_OK) != 0)
        return false;
    *jaeger = (struct jaeger){ .otlp_port = edge_free_port(), .query_port = edge_free_port() };
    jaeger_again(jaeger);
    return true;
}

void jaeger_stop(struct jaeger *jaeger)
{
    kill(jaeger->pid, SIGKILL);
    waitpid(jaeger->pid, NULL, 0);
}

static json_t *look(const struct jaeger *jaeger, const char *trace_id)
{
    char text[128];
    /* Of version 1.0: no chunks in the answer. */
    snprintf(text, sizeof text, "GET /api/traces/%s HTTP/1.0\r\nHost: x\r\n\r\n", trace_id);
    char *answer = ask(jaeger->query_port, text);
    json_t *page = json_loads(body_of(answer), 0, NULL);
    json_t *trace = json_incref(json_array_get(json_object_get(page, "data"), 0));
    json_decref(page);
    free(answer);
    return trace;
}

json_t *jaeger_trace(const struct jaeger *jaeger, const char *trace_id, size_t spans)
{
    for (int64_t until = clock_ms() + FIND_MS; clock_ms() < until; usleep(30000)) {
        json_t *trace = look(jaeger, trace_id);
        if (json_array_size(json_object_get(trace, "spans")) >= spans)
            return trace;
        json_decref(trace);
    }
    return NULL;
}

const char *jaeger_tag(json_t *span, const char *name)
{
    static char digits[32];
    size_t i;
    json_t *tag;
    json_array_foreach(json_object_get(span, "tags"), i, tag)
    {
        json_t *value = json_object_get(tag, "value");
        if (strcmp(json_string_value(json_object_get(tag, "key")), name) != 0)
            continue;
        if (json_is_string(value))
            return json_string_value(value);
        snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
        return json_is_boolean(value) ? (json_is_true(value) ? "true" : "false") : digits;
    }
    return "";
}

json_t *jaeger_span(json_t *trace, const char *kind)
{
    size_t i;
    json_t *span;
    json_array_foreach(json_object_get(trace, "spans"), i, span)
    {
        if (strcmp(jaeger_tag(span, "span.kind"), kind) == 0)
            return span;
    }
    cr_assert_fail("no %s span", kind);
    return NULL;
}
