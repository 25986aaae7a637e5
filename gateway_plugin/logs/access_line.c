#include "logs/access_line.h"

#include "base/clock.h"
#include "base/text.h"
#include "exchange/exchange.h"
#include "logs/line.h"
#include "subject/nats_subject.h"
#include "logs/redact.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* All but headers is under 2,700 bytes before the request's part and under 1,250 in it: there is always room for it. */
enum {
    URL_MAX = 700,
    TARGET_MAX = 400,
    TEXT_MAX = 160,
    HEADER_MAX = 512,
    REQUEST_ROOM = 1250,
    REPLY_HEADERS_MAX = 1024,
    CLOSING = 32
};

static void put_text(struct line *line, const char *text)
{
    line_json(line, text, strlen(text), TEXT_MAX);
}

static void put_url(struct line *line, const struct exchange *x, const char *url, size_t size, size_t most)
{
    char out[URL_MAX];
    line_json(line, out, redact_url(&x->config->secret_names, url, size, out, sizeof out), most);
}

/* Latencies, as Kong tells them: milliseconds, -1 for what there was not. */

static int64_t ms_between(int64_t from_us, int64_t to_us)
{
    return from_us && to_us ? (to_us - from_us) / 1000 : -1;
}

static void put_latencies(struct line *line, const struct exchange *x)
{
    int64_t end = loop_now_us(x->loop), total = ms_between(x->begun_us, end);
    int64_t proxy = ms_between(x->asked_us, x->head_us), receive = ms_between(x->head_us, end);
    int64_t own = total - (proxy > 0 ? proxy : 0) - (receive > 0 ? receive : 0);
    LINE(line, ",\"latencies\":{\"request\":");
    line_number(line, total);
    LINE(line, ",\"kong\":");
    line_number(line, own > 0 ? own : 0);
    LINE(line, ",\"proxy\":");
    line_number(line, proxy);
    LINE(line, ",\"receive\":");
    line_number(line, receive);
    LINE(line, "}");
}

/* Headers, as Kong tells them: names in small letters, a list where one was sent several times. */

static bool same_name(const h2o_header_t *one, const h2o_header_t *other)
{
    return one->name->len == other->name->len && strncasecmp(one->name->base, other->name->base, one->name->len) == 0;
}

/* Has it stood before `end`? */
static bool stands_in(const h2o_headers_t *headers, const h2o_header_t *header, size_t end)
{
    for (size_t i = 0; i < end; i++)
        if (same_name(&headers->entries[i], header))
            return true;
    return false;
}

static void put_name(struct line *line, const h2o_iovec_t *name)
{
    char lower[TEXT_MAX];
    size_t size = name->len < sizeof lower ? name->len : sizeof lower;
    lower_copy(lower, name->base, size);
    line_json(line, lower, size, TEXT_MAX);
    LINE(line, ":");
}

static void put_value(struct line *line, const struct exchange *x, const h2o_header_t *header)
{
    const struct texts *names = &x->config->secret_names;
    char value[HEADER_MAX];
    if (redact_header(names, header->name->base, header->name->len))
        line_json(line, redacted, strlen(redacted), HEADER_MAX);
    else
        line_json(line, value, redact_url(names, header->value.base, header->value.len, value, sizeof value),
                  HEADER_MAX);
}

/* Number `at` and all of its name that follow. */
static void put_header(struct line *line, const struct exchange *x, const h2o_headers_t *headers, size_t at)
{
    const h2o_header_t *header = &headers->entries[at];
    size_t count = 0;
    for (size_t i = at; i < headers->size; i++)
        count += same_name(&headers->entries[i], header);
    put_name(line, header->name);
    if (count > 1)
        LINE(line, "[");
    for (size_t i = at, put = 0; i < headers->size; i++) {
        if (!same_name(&headers->entries[i], header))
            continue;
        if (put++)
            LINE(line, ",");
        put_value(line, x, &headers->entries[i]);
    }
    if (count > 1)
        LINE(line, "]");
}

/* Those that fit. */
static void put_headers(struct line *line, const struct exchange *x, const h2o_headers_t *headers)
{
    const char *begin = line->at;
    for (size_t i = 0; i < headers->size; i++) {
        struct line before = *line;
        if (stands_in(headers, &headers->entries[i], i))
            continue;
        if (line->at > begin)
            LINE(line, ",");
        put_header(line, x, headers, i);
        if (line->full)
            *line = before;
    }
}

void access_line_keep_head(struct exchange *x)
{
    char text[REPLY_HEADERS_MAX];
    struct line line = { text, text + sizeof text, false };
    if (x->log_head.base)
        return;
    put_headers(&line, x, &x->req->res.headers);
    x->log_head = h2o_strdup(&x->req->pool, text, (size_t)(line.at - text));
}

/* The request and the answer; their headers come last in a line: what does not fit is one of them. */

static void put_request(struct line *line, const struct exchange *x)
{
    const h2o_req_t *req = x->req;
    LINE(line, "\"request\":{\"id\":");
    put_text(line, x->request_id);
    LINE(line, ",\"method\":");
    line_json(line, req->input.method.base, req->input.method.len, TEXT_MAX);
    LINE(line, ",\"uri\":");
    put_url(line, x, req->input.path.base, req->input.path.len, URL_MAX);
    LINE(line, ",\"host\":");
    h2o_iovec_t host = client_host(x);
    line_json(line, host.base, host.len, TEXT_MAX);
    LINE(line, ",\"scheme\":");
    put_text(line, client_tls(x) ? "https" : "http");
    LINE(line, ",\"version\":");
    put_text(line, req->version >= 0x200 ? "2" : req->version == 0x101 ? "1.1" : "1.0");
    LINE(line, ",\"size\":");
    line_number(line, (int64_t)req->entity.len);
}

static void put_response(struct line *line, const struct exchange *x)
{
    LINE(line, "\"response\":{\"status\":");
    line_number(line, x->req->res.status);
    LINE(line, ",\"size\":");
    line_number(line, (int64_t)x->req->bytes_sent);
}

static void put_try(struct line *line, const struct tried *tried, int64_t begun_us, int64_t started_ms)
{
    char text[INET6_ADDRSTRLEN] = "";
    bool six = tried->socket.v4.sin_family == AF_INET6;
    inet_ntop(six ? AF_INET6 : AF_INET, six ? (const void *)&tried->socket.v6.sin6_addr : &tried->socket.v4.sin_addr,
              text, sizeof text);
    LINE(line, "{\"ip\":");
    put_text(line, text);
    LINE(line, ",\"port\":");
    line_number(line, ntohs(six ? tried->socket.v6.sin6_port : tried->socket.v4.sin_port));
    LINE(line, ",\"balancer_start\":");
    line_number(line, started_ms + (tried->at_us - begun_us) / 1000);
    LINE(line, "}");
}

static void put_tries(struct line *line, const struct exchange *x, int64_t started_ms)
{
    LINE(line, ",\"tries\":[");
    for (size_t i = 0; i < x->proxy.tried_count; i++) {
        if (i)
            LINE(line, ",");
        put_try(line, &x->tries[i], x->begun_us, started_ms);
    }
    LINE(line, "]");
}

static void put_member(struct line *line, const char *name, const char *text, bool first)
{
    if (!text)
        return;
    if (!first)
        LINE(line, ",");
    put_text(line, name);
    LINE(line, ":");
    put_text(line, text);
}

/* What was found for the request: route, service, consumer. */
static void put_entities(struct line *line, const struct exchange *x)
{
    if (x->route) {
        LINE(line, ",\"route\":{");
        put_member(line, "name", x->route->name, true);
        LINE(line, "}");
    }
    if (x->route && x->route->service) {
        LINE(line, ",\"service\":{");
        put_member(line, "name", x->route->service->name, true);
        LINE(line, "}");
    }
    if (x->identity.id || x->identity.name) {
        LINE(line, ",\"consumer\":{");
        put_member(line, "id", x->identity.id, true);
        put_member(line, "username", x->identity.name, !x->identity.id);
        put_member(line, "custom_id", x->identity.custom_id, false);
        LINE(line, "}");
    }
    if (x->identity.credential) {
        LINE(line, ",\"authenticated_entity\":{");
        put_member(line, "id", x->identity.credential, true);
        LINE(line, "}");
    }
}

/* What the service was asked for; of one that NATS answers, its subject as the file has it. */
static void put_upstream_uri(struct line *line, const struct exchange *x)
{
    const struct nats_subject *subject = x->route->service->subject;
    struct block *scratch = loop_block(x->loop);
    struct line text = { scratch->data, scratch->data + sizeof scratch->data, false };
    if (subject) {
        LINE(&text, "nats://");
        line_text(&text, nats_subject_text(subject));
    } else {
        text.at += forward_target(x, scratch->data, sizeof scratch->data);
    }
    LINE(line, ",\"upstream_uri\":");
    put_url(line, x, scratch->data, (size_t)(text.at - scratch->data), TARGET_MAX);
    loop_block_free(x->loop, scratch);
}

static void put_upstream(struct line *line, const struct exchange *x)
{
    LINE(line, ",\"source\":");
    put_text(line, x->upstream_status ? "upstream" : "kong");
    if (!x->upstream_status)
        return;
    LINE(line, ",\"upstream_status\":\"");
    line_number(line, x->upstream_status);
    LINE(line, "\"");
    put_upstream_uri(line, x);
}

static void put_json(struct line *line, const struct exchange *x)
{
    int64_t started_ms = clock_now_ms() - (clock_us() - x->begun_us) / 1000;
    LINE(line, "{\"started_at\":");
    line_number(line, started_ms);
    LINE(line, ",\"client_ip\":");
    put_text(line, client_text(x));
    put_latencies(line, x);
    put_tries(line, x, started_ms);
    put_upstream(line, x);
    put_entities(line, x);
    LINE(line, ",\"trace_id\":{\"w3c\":");
    line_json(line, x->traceparent + 3, 32, 32);
    LINE(line, "},");
    put_response(line, x);
    LINE(line, ",\"headers\":{");
    if (x->log_head.len + REQUEST_ROOM <= (size_t)(line->end - line->at))
        line_add(line, x->log_head.base, x->log_head.len);
    LINE(line, "}},");
    put_request(line, x);
    LINE(line, ",\"headers\":{");
    line->end -= CLOSING;
    put_headers(line, x, &x->req->headers);
    line->end += CLOSING;
    LINE(line, "}}}");
}

/* NCSA */

static void put_time(struct line *line, const struct exchange *x)
{
    char text[40];
    struct tm parts;
    time_t second = (time_t)((clock_now_ms() - (clock_us() - x->begun_us) / 1000) / 1000);
    gmtime_r(&second, &parts);
    line_add(line, text, strftime(text, sizeof text, "[%d/%b/%Y:%H:%M:%S +0000] ", &parts));
}

/* Its URL may hold secrets, whatever header it is. */
static void put_quoted(struct line *line, const struct exchange *x, const char *value, size_t size)
{
    char out[URL_MAX];
    LINE(line, "\"");
    line_hex(line, out, redact_url(&x->config->secret_names, value, size, out, sizeof out), URL_MAX);
    LINE(line, "\"");
}

static void put_sent(struct line *line, const struct exchange *x, const char *name)
{
    size_t count;
    const h2o_iovec_t *value = exchange_request_header(x, name, &count);
    LINE(line, " ");
    if (value)
        put_quoted(line, x, value->base, value->len);
    else
        LINE(line, "\"-\"");
}

static void put_common(struct line *line, const struct exchange *x)
{
    const h2o_req_t *req = x->req;
    char target[URL_MAX];
    line_text(line, client_text(x));
    LINE(line, " - ");
    if (x->identity.name)
        line_hex(line, x->identity.name, strcspn(x->identity.name, " "), TEXT_MAX);
    else
        LINE(line, "-");
    LINE(line, " ");
    put_time(line, x);
    LINE(line, "\"");
    line_hex(line, req->input.method.base, req->input.method.len, TEXT_MAX);
    LINE(line, " ");
    line_hex(line, target,
             redact_url(&x->config->secret_names, req->input.path.base, req->input.path.len, target, sizeof target),
             URL_MAX);
    line_text(line, req->version >= 0x200 ? " HTTP/2.0\" " : req->version == 0x101 ? " HTTP/1.1\" " : " HTTP/1.0\" ");
    line_number(line, req->res.status);
    LINE(line, " ");
    if (req->bytes_sent)
        line_number(line, (int64_t)req->bytes_sent);
    else
        LINE(line, "-");
}

size_t access_line(const struct exchange *x, enum access_format format, char out[ACCESS_LINE_MAX])
{
    struct line line = { out, out + ACCESS_LINE_MAX - 1, false };
    if (format == ACCESS_JSON)
        put_json(&line, x);
    else
        put_common(&line, x);
    if (format == ACCESS_COMBINED) {
        put_sent(&line, x, "referer");
        put_sent(&line, x, "user-agent");
    }
    line.end = out + ACCESS_LINE_MAX;
    LINE(&line, "\n");
    return (size_t)(line.at - out);
}
