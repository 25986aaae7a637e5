#include "logs/spans.h"

#include "base/clock.h"
#include "exchange/exchange.h"
#include "logs/line.h"
#include "subject/nats_subject.h"
#include "logs/redact.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

enum { TEXT_MAX = 256, URL_MAX = 512, CLOSING = 64 };
enum { KIND_SERVER = 2, KIND_CLIENT = 3, STATUS_ERROR = 2 };

struct spans {
    struct line line;
    const struct exchange *x;
    int64_t unix_us; /* of clock_us() 0 */
    bool first;      /* attribute */
};

static void put_text(struct line *line, const char *text)
{
    line_json(line, text, strlen(text), TEXT_MAX);
}

/* Attributes: as many as fit */

static struct line begin_attribute(struct spans *spans, const char *name)
{
    struct line before = spans->line;
    if (!spans->first)
        LINE(&spans->line, ",");
    LINE(&spans->line, "{\"key\":");
    put_text(&spans->line, name);
    return before;
}

static void end_attribute(struct spans *spans, struct line before)
{
    LINE(&spans->line, "}}");
    if (spans->line.full)
        spans->line = before;
    else
        spans->first = false;
}

static void put_bytes(struct spans *spans, const char *name, const char *text, size_t size)
{
    struct line before = begin_attribute(spans, name);
    LINE(&spans->line, ",\"value\":{\"stringValue\":");
    line_json(&spans->line, text, size, URL_MAX);
    end_attribute(spans, before);
}

static void put_string(struct spans *spans, const char *name, const char *text)
{
    if (text)
        put_bytes(spans, name, text, strlen(text));
}

static void put_integer(struct spans *spans, const char *name, int64_t value)
{
    struct line before = begin_attribute(spans, name);
    LINE(&spans->line, ",\"value\":{\"intValue\":\"");
    line_number(&spans->line, value);
    LINE(&spans->line, "\"");
    end_attribute(spans, before);
}

/* A span */

static void put_id(struct line *line, const char *name, const char *id, size_t size)
{
    line_text(line, name);
    line_json(line, id, size, size);
}

static void put_time(struct spans *spans, const char *name, int64_t us)
{
    line_text(&spans->line, name);
    LINE(&spans->line, "\"");
    line_number(&spans->line, (spans->unix_us + us) * 1000);
    LINE(&spans->line, "\"");
}

static void put_name(struct spans *spans, bool server)
{
    const struct exchange *x = spans->x;
    const h2o_iovec_t *method = &x->req->input.method;
    char name[TEXT_MAX];
    struct line line = { name, name + sizeof name, false };
    line_add(&line, method->base, method->len < 32 ? method->len : 32);
    if (x->route && server) {
        LINE(&line, " ");
        line_text(&line, x->route->name);
    }
    LINE(&spans->line, ",\"name\":");
    line_json(&spans->line, name, (size_t)(line.at - name), TEXT_MAX);
}

static void begin_span(struct spans *spans, const char *id, const char *parent, bool server, int64_t from_us)
{
    struct line *line = &spans->line;
    put_id(line, "{\"traceId\":", spans->x->traceparent + TRACE_AT, TRACE_SIZE);
    put_id(line, ",\"spanId\":", id, SPAN_SIZE);
    if (parent)
        put_id(line, ",\"parentSpanId\":", parent, SPAN_SIZE);
    LINE(line, ",\"flags\":1,\"kind\":");
    line_number(line, server ? KIND_SERVER : KIND_CLIENT);
    put_name(spans, server);
    put_time(spans, ",\"startTimeUnixNano\":", from_us);
    put_time(spans, ",\"endTimeUnixNano\":", loop_now_us(spans->x->loop));
    LINE(line, ",\"attributes\":[");
    spans->first = true;
    line->end -= CLOSING;
}

static void end_span(struct spans *spans, bool failed)
{
    spans->line.end += CLOSING;
    LINE(&spans->line, "]");
    if (failed) {
        LINE(&spans->line, ",\"status\":{\"code\":");
        line_number(&spans->line, STATUS_ERROR);
        LINE(&spans->line, "}");
    }
    LINE(&spans->line, "}");
}

/* The edge's own */

static void put_url(struct spans *spans)
{
    const struct exchange *x = spans->x;
    h2o_iovec_t path = x->req->input.path;
    const char *query = memchr(path.base, '?', path.len);
    size_t size = query ? (size_t)(query - path.base) : path.len;
    char shown[URL_MAX];
    put_bytes(spans, "url.path", path.base, size);
    if (!query)
        return;
    size_t shown_size = redact_url(&x->config->secret_names, query, path.len - size, shown, sizeof shown);
    put_bytes(spans, "url.query", shown + 1, shown_size - 1);
}

static void put_error(struct spans *spans, int status)
{
    char text[12];
    struct line line = { text, text + sizeof text, false };
    line_number(&line, status);
    put_bytes(spans, "error.type", text, (size_t)(line.at - text));
}

static void put_user_agent(struct spans *spans)
{
    size_t count;
    const h2o_iovec_t *value = exchange_request_header(spans->x, "user-agent", &count);
    if (value)
        put_bytes(spans, "user_agent.original", value->base, value->len);
}

static void put_server_span(struct spans *spans)
{
    const struct exchange *x = spans->x;
    const h2o_req_t *req = x->req;
    begin_span(spans, x->traceparent + SPAN_AT, x->tracing.followed ? x->tracing.parent : NULL, true, x->begun_us);
    put_bytes(spans, "http.request.method", req->input.method.base, req->input.method.len);
    put_integer(spans, "http.response.status_code", req->res.status);
    put_url(spans);
    h2o_iovec_t host = client_host(x);
    put_string(spans, "url.scheme", client_tls(x) ? "https" : "http");
    put_bytes(spans, "server.address", host.base, host.len);
    put_string(spans, "client.address", client_text(x));
    put_string(spans, "network.protocol.version", req->version >= 0x200 ? "2" : req->version == 0x101 ? "1.1" : "1.0");
    put_integer(spans, "http.request.body.size", (int64_t)req->entity.len);
    put_integer(spans, "http.response.body.size", (int64_t)req->bytes_sent);
    put_string(spans, "tonearm.request_id", x->request_id);
    put_string(spans, "tonearm.route", x->route ? x->route->name : NULL);
    put_string(spans, "tonearm.service", x->route && x->route->service ? x->route->service->name : NULL);
    put_string(spans, "tonearm.consumer", x->identity.name);
    if (req->res.status >= 500)
        put_error(spans, req->res.status);
    put_user_agent(spans);
    end_span(spans, req->res.status >= 500);
}

/* The service's part */

static void put_member(struct spans *spans)
{
    const struct exchange *x = spans->x;
    char text[INET6_ADDRSTRLEN] = "";
    if (!x->proxy.tried_count)
        return;
    const struct tried *last = &x->tries[x->proxy.tried_count - 1];
    bool six = last->socket.v4.sin_family == AF_INET6;
    inet_ntop(six ? AF_INET6 : AF_INET, six ? (const void *)&last->socket.v6.sin6_addr : &last->socket.v4.sin_addr,
              text, sizeof text);
    put_string(spans, "server.address", text);
    put_integer(spans, "server.port", ntohs(six ? last->socket.v6.sin6_port : last->socket.v4.sin_port));
    if (x->proxy.tried_count > 1)
        put_integer(spans, "http.request.resend_count", (int64_t)x->proxy.tried_count - 1);
}

static void put_client_span(struct spans *spans)
{
    const struct exchange *x = spans->x;
    const struct nats_subject *subject = x->route->service->subject;
    int status = x->upstream_status;
    begin_span(spans, x->tracing.asked, x->traceparent + SPAN_AT, false, x->asked_us);
    put_bytes(spans, "http.request.method", x->req->input.method.base, x->req->input.method.len);
    if (subject) {
        put_string(spans, "messaging.system", "nats");
        put_string(spans, "messaging.destination.template", nats_subject_text(subject));
    }
    put_member(spans);
    if (status)
        put_integer(spans, "http.response.status_code", status);
    else
        put_error(spans, x->req->res.status);
    end_span(spans, !status || status >= 400);
}

static int64_t unix_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

size_t spans_write(const struct exchange *x, char *out, size_t room)
{
    struct spans spans = { .line = { out, out + room, false }, .x = x, .unix_us = unix_us() - clock_us() };
    put_server_span(&spans);
    if (x->tracing.asked[0]) {
        LINE(&spans.line, ",");
        put_client_span(&spans);
    }
    return (size_t)(spans.line.at - out);
}
