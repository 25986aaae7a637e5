/* correlation-id with each of its generators, and request-size-limiting. */
#include "edge_one.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - name: s\n"
    "    url: http://127.0.0.1:%d\n"
    "    routes:\n"
    "      - {name: counter, paths: [/counter], plugins: [{name: correlation-id, config: {echo_downstream: true}}]}\n"
    "      - {name: uuid, paths: [/uuid], plugins: [{name: correlation-id, config: {generator: uuid, header_name: "
    "X-Corr}}]}\n"
    "      - {name: tracker, paths: [/tracker], plugins: [{name: correlation-id, config: {generator: tracker, "
    "echo_downstream: true}}]}\n"
    "      - {name: ours, paths: [/ours], plugins: [{name: correlation-id, config: {header_name: X-Request-ID, "
    "echo_downstream: true}}]}\n"
    "      - {name: bytes, paths: [/bytes], plugins: [{name: request-size-limiting, config: {allowed_payload_size: 4, "
    "size_unit: bytes}}]}\n"
    "      - {name: kilobytes, paths: [/kilobytes], plugins: [{name: request-size-limiting, config: "
    "{allowed_payload_size: 1, size_unit: kilobytes, require_content_length: true}}]}\n"
    "      - {name: megabytes, paths: [/megabytes], plugins: [{name: request-size-limiting, config: "
    "{allowed_payload_size: 1}}]}\n";

static void setup(void)
{
    one_start((const char *const[]){ "EDGE_THREADS=1", NULL }, config);
}

/* What fails in a fixture's end counts too: see EDGE_TEST. */
TestSuite(edge_ids, .timeout = 60);

/* The value of a header, from the first line of this name after `from`. */
static void value_of(const char *from, const char *name, char out[128])
{
    char line[64];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strcasestr(from, line);
    *out = 0;
    if (at)
        sscanf(at + strlen(line), "%127[^\r]", out);
}

static bool is_uuid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx";
    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'x' ? !strchr("0123456789abcdef", text[i]) || !text[i] : text[i] != form[i])
            return false;
    return true;
}

/* What the service was told, and what the client was. */
static void ids_of(const char *path, const char *headers, const char *name, char sent[128], char echoed[128])
{
    char *answer = get(edge.port, path, headers);
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    value_of(body_of(answer), name, sent);
    char *end = strstr(answer, "\r\n\r\n");
    end[2] = 0;
    value_of(answer, name, echoed);
    free(answer);
}

EDGE_TEST(edge_ids, count_by_default)
{
    char first[128], second[128], echoed[128];
    ids_of("/counter/", "", "kong-request-id", first, echoed);
    cr_expect_str_eq(first, echoed);
    ids_of("/counter/", "", "kong-request-id", second, echoed);
    cr_expect(is_uuid(first) && is_uuid(second) && memcmp(first, second, 36) == 0, "%s %s", first, second);
    cr_expect_str_eq(first + 36, "#1");
    cr_expect_str_eq(second + 36, "#2");
}

EDGE_TEST(edge_ids, can_be_a_uuid_each)
{
    char first[128], second[128], echoed[128];
    ids_of("/uuid/", "", "x-corr", first, echoed);
    cr_expect_str_eq(echoed, "", "it was not to be echoed");
    ids_of("/uuid/", "", "x-corr", second, echoed);
    cr_expect(is_uuid(first) && is_uuid(second) && strlen(first) == 36, "%s", first);
    cr_expect_str_neq(first, second);
}

EDGE_TEST(edge_ids, can_tell_where_a_request_came_in)
{
    char id[128], echoed[128], address[64];
    int port, pid, connection, request;
    double seconds;
    ids_of("/tracker/", "", "kong-request-id", id, echoed);
    cr_expect_str_eq(id, echoed);
    cr_assert_eq(sscanf(id, "%63[^-]-%d-%d-%d-%d-%lf", address, &port, &pid, &connection, &request, &seconds), 6, "%s",
                 id);
    cr_expect_str_eq(address, "127.0.0.1");
    cr_expect_eq(port, edge.port);
    cr_expect_eq(pid, edge.pid);
    cr_expect_eq(request, 1);
    cr_expect_gt(seconds, 1.7e9);
}

EDGE_TEST(edge_ids, of_the_client_are_kept)
{
    char sent[128], echoed[128];
    ids_of("/counter/", "Kong-Request-ID: mine\r\n", "kong-request-id", sent, echoed);
    cr_expect_str_eq(sent, "mine");
    cr_expect_str_eq(echoed, "mine");
    ids_of("/counter/", "Kong-Request-ID:\r\n", "kong-request-id", sent, echoed);
    cr_expect(is_uuid(sent), "an empty one is none: %s", sent);
    ids_of("/ours/", "X-Request-ID: mine\r\n", "x-request-id", sent, echoed);
    cr_expect_str_eq(sent, "mine");
    cr_expect_str_eq(echoed, "mine");
}

static int post(const char *path, size_t size, bool chunked)
{
    char head[256], *text = calloc(1, size + 512);
    snprintf(head, sizeof head, chunked ? "Transfer-Encoding: chunked\r\n\r\n%zx\r\n" : "Content-Length: %zu\r\n\r\n",
             size);
    int used = sprintf(text, "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s", path, head);
    memset(text + used, 'x', size);
    strcpy(text + used + size, chunked ? "\r\n0\r\n\r\n" : "");
    char *answer = ask(edge.port, text);
    int status = status_of(answer);
    cr_expect(status == 200 || has(answer, status == 411 ? "Content-Length" : "tus"), "%s", answer);
    free(answer);
    free(text);
    return status;
}

EDGE_TEST(edge_ids, and_bodies_have_their_bounds)
{
    cr_expect_eq(post("/bytes/", 4, false), 200);
    cr_expect_eq(post("/bytes/", 5, false), 413);
    cr_expect_eq(post("/bytes/", 4, true), 200);
    cr_expect_eq(post("/bytes/", 5, true), 413);
    cr_expect_eq(post("/kilobytes/", 1024, false), 200);
    cr_expect_eq(post("/kilobytes/", 1025, false), 413);
    cr_expect_eq(post("/kilobytes/", 10, true), 200, "chunks are counted");
    cr_expect_eq(post("/kilobytes/", 1025, true), 413);
    cr_expect_eq(post("/megabytes/", 1 << 20, false), 200);
    cr_expect_eq(post("/megabytes/", (1 << 20) + 1, false), 413);
    char *answer = get(edge.port, "/kilobytes/", "");
    cr_expect_eq(status_of(answer), 411, "as Kong has it: without a length, whatever the method");
    free(answer);
}
