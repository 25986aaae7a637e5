#include "answer.h"

#include "trace.h"

#include <stdlib.h>
#include <string.h>

const char answer_too_large[] = "the body is too large: send it in parts with tus (/media/studio/uploads)";

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 206, "Partial Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 422, "Unprocessable Content" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 499, "Client Closed Request" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
    { 507, "Insufficient Storage" },
};

const char *reason_phrase(int status)
{
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return status < 400 ? "OK" : "Error";
}

void answer_body(struct buf *out, int status, const char *message, const char *request_id)
{
    buf_printf(out, "{\"code\":\"10001\",\"status\":%d,\"message\":", status);
    buf_json(out, message);
    buf_text(out, ",\"requestId\":");
    buf_json(out, request_id);
    buf_char(out, '}');
}

char *answer_raw(int status, const char *message, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct arena arena = { 0 };
    struct buf body = BUF(&arena), out = BUF(&arena);
    char request_id[REQUEST_ID_MAX + 1], traceparent[TRACEPARENT_SIZE + 1];
    edge_id_make(request_id, a, b);
    edge_trace_make(traceparent, NULL, b, c, d);
    answer_body(&body, status, message, request_id);
    buf_printf(&out,
               "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
               "X-Request-Id: %s\r\ntraceparent: %s\r\n%s\r\n%s",
               status, reason_phrase(status), body.size, request_id, traceparent,
               status == 503 ? "Retry-After: 1\r\n" : "", body.data);
    char *text = strdup(out.data);
    if (!text)
        abort();
    arena_free(&arena);
    return text;
}
