#include "exchange/answer.h"

#include "base/catalogue.h"
#include "exchange/trace.h"
#include "http/status.h"

#include <stdlib.h>
#include <string.h>

const char answer_too_large[] = MESSAGE("the body is too large: send it in parts with tus (/media/studio/uploads)");

const char *reason_phrase(int status)
{
    const char *reason = http_reason(status);
    return reason ? reason : status < 400 ? "OK" : "Error";
}

void answer_body(struct buf *out, int status, const char *message, const char *request_id)
{
    buf_printf(out, "{\"code\":\"10001\",\"status\":%d,\"message\":", status);
    buf_json(out, message);
    buf_text(out, ",\"requestId\":");
    buf_json(out, request_id);
    buf_char(out, '}');
}

char *answer_raw(int status, const char *language, const char *message, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct arena arena = { 0 };
    struct buf body = BUF(&arena), out = BUF(&arena);
    char request_id[REQUEST_ID_MAX + 1], traceparent[TRACEPARENT_SIZE + 1];
    edge_id_make(request_id, a, b);
    edge_trace_make(traceparent, NULL, b, c, d);
    answer_body(&body, status, catalogue_find(language, message), request_id);
    buf_printf(&out,
               "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
               "Content-Language: %s\r\nX-Request-Id: %s\r\ntraceparent: %s\r\n%s\r\n%s",
               status, reason_phrase(status), body.size, language, request_id, traceparent,
               status == 503 ? "Retry-After: 1\r\n" : "", body.data);
    char *text = strdup(out.data);
    if (!text)
        abort();
    arena_free(&arena);
    return text;
}
