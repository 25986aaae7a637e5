/* request-transformer and response-transformer: each field, its effect or its refusal. */
#include "edge_backend.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct backend *one;
static struct edge_process edge;

#define ROUTE(name, config) "  - {name: " name ", service: one, paths: [/" name "], plugins: [" config "]}\n"
#define REQUEST(name, config) ROUTE(name, "{name: request-transformer, config: " config "}")
#define RESPONSE(name, config) ROUTE(name, "{name: response-transformer, config: " config "}")

static const char config[] = "_format_version: '3.0'\n"
                             "services: [{name: one, url: 'http://127.0.0.1:%d'}]\n"
                             "routes:\n"
                             "  - name: parts\n"
                             "    service: one\n"
                             "    paths: ['/users/{id}', '~/x/(?<id>[^/]+)/(y*)$']\n"
                             "    plugins:\n"
                             "      - name: request-transformer\n"
                             "        config:\n"
                             "          replace: {uri: '/people/$(uri_captures.id)/$(uri_captures[2])'}\n"
                             "          add: {headers: ['X-Id:$(uri_captures.id or headers.none)']}\n"
    /* A request */
    REQUEST("remove", "{remove: {headers: [X-Gone], querystring: [gone], body: [gone]}}")
        REQUEST("rename", "{rename: {headers: ['X-Old:X-New'], querystring: ['old:new'], body: ['old:new']}}") REQUEST(
            "replace", "{replace: {headers: ['X-A:b:c', 'Host:other.test'], querystring: ['a:b'], body: ['a:b']}}")
            REQUEST("uri", "{replace: {uri: '/fixed/path'}}")
                REQUEST("add", "{add: {headers: ['X-A:new'], querystring: ['a:new'], body: ['a:new']}}")
                    REQUEST("append", "{append: {headers: ['X-A:more'], querystring: ['a:more'], body: ['a:more']}}")
                        REQUEST("post", "{http_method: POST}") REQUEST("get", "{http_method: GET}") REQUEST(
                            "template",
                            "{add: {headers: ['X-Q:$(query_params.q)', \"X-H:$(headers.x_who or headers.none or "
                            "'nobody')\"], querystring: ['h:$(headers[\"x-who\"])'], body: ['q:$(query_params.q)']}}")
                            REQUEST("where", "{replace: {uri: '/at/$(query_params.q)/end'}}")
    /* An answer */
    RESPONSE("out-remove", "{remove: {headers: [X-Gone], json: [gone]}}")
        RESPONSE("out-rename", "{rename: {headers: ['X-Old:X-New'], json: ['old:new']}}") RESPONSE(
            "out-replace", "{replace: {headers: ['X-A:b:c'], json: ['a:true', 's:true'], json_types: [boolean]}}")
            RESPONSE("out-add",
                     "{add: {headers: ['X-A:new'], json: ['n:-1.5', 's:new', 'b:false'], json_types: [number, "
                     "string, boolean]}}")
                RESPONSE("out-append", "{append: {headers: ['X-A:more'], json: ['a:2', 'a:x'], json_types: [number]}}")
                    RESPONSE(
                        "out-many",
                        "{remove: {headers: [x-a]}, rename: {headers: ['x-b:x-a']}, replace: {headers: ['x-a:3']}, "
                        "add: {headers: ['x-a:4', 'x-c:5']}, append: {headers: ['x-c:6']}}");

static void setup(void)
{
    one = backend_start("one");
    edge_process_start(&edge, (const char *const[]){ "EDGE_COMPRESS=off", NULL }, config, backend_port(one));
}

static void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(one);
}

TestSuite(edge_transform, .timeout = 60);

/* What the member saw. */
static char *seen(const char *path, const char *headers)
{
    static char head[8192];
    char *answer = get(edge.port, path, headers);
    cr_expect_eq(status_of(answer), 200, "%s", answer);
    backend_last_head(one, head, sizeof head);
    free(answer);
    return head;
}

/* What the member got as a body. */
static void expect_body(const char *path, const char *type, const char *body, const char *want)
{
    char request[1024];
    snprintf(request, sizeof request,
             "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
             path, type, strlen(body), body);
    char *answer = ask(edge.port, request);
    cr_expect_str_eq(body_of(answer), want, "%s %s: %s", path, type, answer);
    free(answer);
}

#define FORM "application/x-www-form-urlencoded"
#define JSON "application/json; charset=utf-8"

EDGE_TEST(edge_transform, request_remove)
{
    const char *head = seen("/remove/?gone=1&kept=a%20b&gone=2", "X-Gone: 1\r\nX-Kept: 1\r\nx-gone: 2\r\n");
    cr_expect(has(head, "GET /?kept=a%20b HTTP") && has(head, "x-kept: 1") && !has(head, "x-gone"), "%s", head);
    expect_body("/remove/mirror", FORM, "gone=1&kept=2", "kept=2");
    expect_body("/remove/mirror", JSON, "{\"gone\":{\"a\":1},\"kept\" : 1.0}", "{\"kept\" : 1.0}");
    /* What is neither passes as it is. */
    expect_body("/remove/mirror", "text/plain", "gone=1", "gone=1");
    expect_body("/remove/mirror", JSON, "[\"gone\"]", "[\"gone\"]");
    expect_body("/remove/mirror", JSON, "{\"gone\":", "{\"gone\":");
}

#define MULTIPART "multipart/form-data; boundary=B"
#define PART(name, value) "--B\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define SONG                                                                                                           \
    "--B\r\nContent-Disposition: form-data; name=song; filename=a.flac\r\nContent-Type: audio/flac\r\n\r\nfLaC\n \r\n"
#define END "--B--\r\n"

static void expect_refused(const char *path, const char *type, const char *body)
{
    char request[1024];
    snprintf(request, sizeof request,
             "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
             path, type, strlen(body), body);
    char *answer = ask(edge.port, request);
    cr_expect_eq(status_of(answer), 400, "%s %s: %s", path, type, answer);
    free(answer);
}

/* What is not named stays byte for byte; what might be read in another way by the service does not reach it. */
EDGE_TEST(edge_transform, request_with_parts)
{
    expect_body("/remove/mirror", MULTIPART, PART("gone", "1") SONG PART("gone", "2") END, SONG END);
    expect_body("/rename/mirror", MULTIPART, SONG PART("old", "1") PART("new", "2") END, SONG PART("new", "1") END);
    expect_body("/replace/mirror", MULTIPART, PART("a", "1") SONG END, PART("a", "b") SONG END);
    expect_body("/replace/mirror", MULTIPART, SONG "--B-- ", SONG "--B-- ");
    expect_body("/add/mirror", MULTIPART, SONG END, SONG PART("a", "new") END);
    expect_body("/append/mirror", MULTIPART, PART("a", "1") END, PART("a", "1") PART("a", "more") END);
    expect_body("/template/mirror?q=1", MULTIPART, END, PART("q", "1") END);
    long before = backend_requests(one);
    expect_refused("/remove/mirror", MULTIPART,
                   PART("a", "1\n--B\nContent-Disposition: form-data; name=gone\n\n2") END);
    expect_refused("/remove/mirror", "multipart/form-data", PART("gone", "1") END);
    expect_refused("/remove/mirror", MULTIPART, "gone");
    expect_refused("/template/mirror?q=--B--", MULTIPART, SONG END);
    cr_expect_eq(backend_requests(one), before);
    /* Where nothing is to be changed it is nobody's business. */
    expect_body("/out-add/mirror", MULTIPART, "gone", "gone");
}

EDGE_TEST(edge_transform, request_rename)
{
    const char *head = seen("/rename/?old=1", "X-Old: 1\r\nX-New: 2\r\n");
    cr_expect(has(head, "GET /?new=1 HTTP") && has(head, "x-new: 1") && !has(head, "x-old") && !has(head, "x-new: 2"),
              "%s", head);
    expect_body("/rename/mirror", FORM, "old=1", "new=1");
    expect_body("/rename/mirror", JSON, "{\"old\":[1]}", "{\"new\":[1]}");
}

EDGE_TEST(edge_transform, request_replace)
{
    const char *head = seen("/replace/?a=1&a=2&c=3", "X-A: 1\r\n");
    cr_expect(has(head, "GET /?a=b&c=3 HTTP") && has(head, "x-a: b:c") && has(head, "host: other.test\r\n"), "%s",
              head);
    head = seen("/replace/", "");
    cr_expect(has(head, "GET / HTTP") && !has(head, "x-a"), "%s", head);
    expect_body("/replace/mirror", FORM, "a=1", "a=b");
    expect_body("/replace/mirror", JSON, "{\"a\":1,\"c\":null}", "{\"a\":\"b\",\"c\":null}");
    expect_body("/replace/mirror", JSON, "{\"c\":null}", "{\"c\":null}");
    head = seen("/uri/deeper?x=1", "");
    cr_expect(has(head, "GET /fixed/path?x=1 HTTP"), "%s", head);
}

EDGE_TEST(edge_transform, request_add)
{
    const char *head = seen("/add/", "");
    cr_expect(has(head, "GET /?a=new HTTP") && has(head, "x-a: new"), "%s", head);
    head = seen("/add/?a=old", "X-A: old\r\n");
    cr_expect(has(head, "GET /?a=old HTTP") && has(head, "x-a: old") && !has(head, "new"), "%s", head);
    expect_body("/add/mirror", FORM, "b=1", "b=1&a=new");
    expect_body("/add/mirror", JSON, "{}", "{\"a\":\"new\"}");
    expect_body("/add/mirror", JSON, "", "{\"a\":\"new\"}");
}

EDGE_TEST(edge_transform, request_append)
{
    const char *head = seen("/append/?a=1", "X-A: 1\r\n");
    cr_expect(has(head, "GET /?a=1&a=more HTTP") && has(head, "x-a: 1\r\n") && has(head, "x-a: more"), "%s", head);
    expect_body("/append/mirror", FORM, "a=1", "a=1&a=more");
    expect_body("/append/mirror", JSON, "{\"a\":\"x\"}", "{\"a\":[\"x\",\"more\"]}");
}

EDGE_TEST(edge_transform, request_http_method)
{
    const char *head = seen("/post/", "");
    cr_expect(has(head, "POST / HTTP") && has(head, "content-length: 0\r\n"), "%s", head);
    /* A member that answers with a body is asked, a client that wants none gets none. */
    int fd = dial(edge.port);
    say(fd, "HEAD /post/ HTTP/1.1\r\nHost: x\r\n\r\nGET /post/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    char *answer = hear_all(fd, 5000, NULL);
    const char *second = strstr(answer, "\r\n\r\n");
    cr_expect(second && strncmp(second + 4, "HTTP/1.1 200", 12) == 0, "%s", answer);
    free(answer);
    close(fd);
}

static void expect_moved(const char *request, const char *line)
{
    char head[8192];
    free(ask(edge.port, request));
    backend_last_head(one, head, sizeof head);
    cr_expect(strncmp(head, line, strlen(line)) == 0 && !has(head, "content-length"), "%s", head);
}

EDGE_TEST(edge_transform, a_form_goes_with_the_query_where_the_method_has_no_body)
{
    expect_moved("POST /get/?q=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: " FORM
                 "\r\nContent-Length: 7\r\n\r\na=1&b=2",
                 "GET /?q=1&a=1&b=2 HTTP/1.1\r\n");
    expect_moved("POST /get/?q=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\n"
                 "Content-Length: 7\r\n\r\na=1&b=2",
                 "GET /?q=1 HTTP/1.1\r\n");
}

EDGE_TEST(edge_transform, request_templates)
{
    const char *head = seen("/template/?q=a%20b&h=", "X-Who: me\r\n");
    cr_expect(has(head, "x-q: a b\r\n") && has(head, "x-h: me\r\n"), "%s", head);
    head = seen("/template/", "X-Who: a&b\r\n");
    cr_expect(has(head, "GET /?h=a%26b HTTP") && has(head, "x-q: \r\n"), "%s", head);
    head = seen("/template/", "");
    cr_expect(has(head, "x-h: nobody\r\n"), "%s", head);
    expect_body("/template/mirror?q=%22%5C", JSON, "{}", "{\"q\":\"\\\"\\\\\"}");
    /* What a client escapes does not end a header. */
    char *answer = get(edge.port, "/template/?q=a%0d%0aX-Evil:1", "");
    cr_expect_eq(status_of(answer), 400, "%s", answer);
    free(answer);
    head = seen("/where?q=a%20b%3fc", "");
    cr_expect(has(head, "GET /at/a%20b%3Fc/end?q="), "%s", head);
    static const char *const out[] = { "..%2f..%2fadmin", "..", "a/../../b", "." };
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        char path[64];
        snprintf(path, sizeof path, "/where?q=%s", out[i]);
        answer = get(edge.port, path, "");
        cr_expect_eq(status_of(answer), 400, "%s: %s", path, answer);
        free(answer);
    }
}

EDGE_TEST(edge_transform, templates_of_the_path)
{
    const char *head = seen("/users/a%20b?q=1", "");
    cr_expect(has(head, "GET /people/a%20b/?q=1 HTTP") && has(head, "x-id: a%20b\r\n"), "%s", head);
    head = seen("/x/7/yy", "");
    cr_expect(has(head, "GET /people/7/yy HTTP") && has(head, "x-id: 7\r\n"), "%s", head);
}

EDGE_TEST(edge_transform, a_body_too_large_to_be_changed_is_refused)
{
    size_t size = 5 << 20;
    char *body = malloc(size);
    memset(body, 'x', size);
    int fd = dial(edge.port);
    say(fd, "POST /remove/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: " FORM
            "\r\nContent-Length: 5242880\r\n\r\n");
    say_bytes(fd, body, size);
    char *answer = hear_all(fd, 5000, NULL);
    cr_expect_eq(status_of(answer), 413, "%s", answer);
    cr_expect_eq(backend_requests(one), 0);
    free(answer);
    free(body);
    close(fd);
}

/* The member answers with these bytes. */
static char *through(const char *route, const char *reply)
{
    char headers[8192] = "X-Say: ", path[64];
    size_t at = strlen(headers);
    for (const char *c = reply; *c; c++)
        at += (size_t)snprintf(headers + at, sizeof headers - at, "%02x", (unsigned char)*c);
    snprintf(headers + at, sizeof headers - at, "\r\nAccept-Encoding: gzip\r\n");
    snprintf(path, sizeof path, "/%s/say", route);
    return get(edge.port, path, headers);
}

static char *through_json(const char *route, const char *headers, const char *body)
{
    char reply[2048];
    snprintf(reply, sizeof reply,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s", strlen(body),
             headers, body);
    return through(route, reply);
}

/* Chunks taken off. */
static void expect_json(char *answer, const char *want)
{
    const char *line = body_of(answer), *end = strstr(line, "\r\n");
    size_t size = strtoul(line, NULL, 16);
    cr_expect(end && has(answer, "transfer-encoding: chunked") && !has(answer, "content-length") &&
                  size == strlen(want) && strncmp(end + 2, want, size) == 0 &&
                  strcmp(end + 2 + size, "\r\n0\r\n\r\n") == 0,
              "%s\nis not %s", answer, want);
    free(answer);
}

EDGE_TEST(edge_transform, response_headers)
{
    char *answer = through_json("out-remove", "X-Gone: 1\r\nx-gone: 2\r\nX-Kept: 3\r\n", "");
    cr_expect(!strcasestr(answer, "x-gone") && has(answer, "X-Kept: 3"), "%s", answer);
    free(answer);
    answer = through_json("out-rename", "X-Old: 1\r\nX-New: 2\r\n", "");
    cr_expect(has(answer, "x-new: 1") && !strcasestr(answer, "x-old") && !has(answer, "X-New: 2"), "%s", answer);
    free(answer);
    answer = through_json("out-replace", "X-A: 1\r\nX-A: 2\r\n", "");
    cr_expect(has(answer, "x-a: b:c\r\n") && !has(answer, "x-a: 1") && !has(answer, "x-a: 2"), "%s", answer);
    free(answer);
    answer = through_json("out-replace", "", "");
    cr_expect_not(strcasestr(answer, "x-a:"), "%s", answer);
    free(answer);
    answer = through_json("out-add", "", "");
    cr_expect(has(answer, "x-a: new\r\n"), "%s", answer);
    free(answer);
    answer = through_json("out-add", "X-A: old\r\n", "");
    cr_expect(!has(answer, "x-a: new\r\n") && has(answer, "X-A: old"), "%s", answer);
    free(answer);
    answer = through_json("out-append", "X-A: old\r\n", "");
    cr_expect(has(answer, "x-a: more\r\n") && has(answer, "X-A: old"), "%s", answer);
    free(answer);
    /* remove, rename, replace, add, append */
    answer = through_json("out-many", "x-a: 1\r\nx-b: 2\r\n", "");
    cr_expect(has(answer, "x-a: 3\r\n") && has(answer, "x-c: 5\r\n") && has(answer, "x-c: 6\r\n") &&
                  !has(answer, "x-b") && !has(answer, "x-a: 4"),
              "%s", answer);
    free(answer);
    /* The edge's own answers too. */
    answer = get(edge.port, "/out-add/garbage", "");
    cr_expect(status_of(answer) == 502 && has(answer, "x-a: new\r\n") && has(answer, "\"s\":\"new\""), "%s", answer);
    free(answer);
}

EDGE_TEST(edge_transform, response_json)
{
    expect_json(through_json("out-remove", "ETag: \"1\"\r\n", "{\"gone\":1,\"kept\":2}"), "{\"kept\":2}");
    expect_json(through_json("out-rename", "", "{\"old\":1}"), "{\"new\":1}");
    expect_json(through_json("out-replace", "", "{\"a\":1,\"s\":2}"), "{\"a\":true,\"s\":\"true\"}");
    expect_json(through_json("out-replace", "", "{\"b\":1}"), "{\"b\":1}");
    expect_json(through_json("out-add", "", "{\"s\":1}"), "{\"s\":1,\"n\":-1.5,\"b\":false}");
    expect_json(through_json("out-append", "", "{\"a\":1}"), "{\"a\":[1,2,\"x\"]}");
    /* However it comes: in chunks, until the connection ends, empty, no object. */
    expect_json(through("out-remove", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
                                      "\r\n\r\n5\r\n{\"gon\r\n9\r\ne\":1 , \"a\r\n4\r\n\":2}\r\n0\r\n\r\n"),
                "{\"a\":2}");
    expect_json(through_json("out-remove", "", "[1]"), "[1]");
    char *answer = through_json("out-remove", "ETag: \"1\"\r\n", "{\"gone\":1}");
    cr_expect_not(strcasestr(answer, "etag"), "%s", answer);
    free(answer);
    /* A member that compressed it would hide it. */
    char head[8192];
    backend_last_head(one, head, sizeof head);
    cr_expect_not(strcasestr(head, "accept-encoding"), "%s", head);
    /* No body, no filter. */
    answer = ask(edge.port, "HEAD /out-remove/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_expect_eq(status_of(answer), 200);
    free(answer);
    answer = through("out-remove", "HTTP/1.1 304 Not Modified\r\nContent-Type: application/json\r\n\r\n");
    cr_expect(status_of(answer) == 304 && *body_of(answer) == 0, "%s", answer);
    free(answer);
    answer = through("out-remove", "HTTP/1.1 200 OK\r\nContent-Type: application/json-seq\r\nContent-Length: 10\r\n\r\n"
                                   "{\"gone\":1}");
    cr_expect_str_eq(body_of(answer), "{\"gone\":1}");
    free(answer);
    /* Another type is not touched, nor held. */
    answer = through("out-remove",
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n{\"gone\":1}");
    cr_expect_str_eq(body_of(answer), "{\"gone\":1}");
    free(answer);
}

/* It would go out as it is, with what should have been removed. */
EDGE_TEST(edge_transform, an_answer_too_large_to_be_changed_is_cut)
{
    static const char start[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"gone\":\"";
    char request[8192];
    int at = sprintf(request, "GET /out-remove/say?times=2200 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Say: ");
    for (const char *c = start; *c; c++)
        at += sprintf(request + at, "%02x", (unsigned char)*c);
    for (int i = 0; i < 2000; i++)
        at += sprintf(request + at, "78");
    strcpy(request + at, "\r\n\r\n");
    char *answer = ask(edge.port, request);
    cr_expect_eq(status_of(answer), 200);
    cr_expect_str_eq(body_of(answer), "");
    free(answer);
}
