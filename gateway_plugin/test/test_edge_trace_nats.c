/* Spans of routes that end at a NATS subject, in a real Jaeger: the service's part hangs below the edge's. */
#include "edge_fixture.h"
#include "jaeger_fixture.h"
#include "nats/nats_fixture.h"

#include <criterion/criterion.h>
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nats_server server;
static struct edge_process edge;
static struct jaeger jaeger;
static natsConnection *peer;
static natsSubscription *subscription;

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - {name: shelf, url: 'nats://plain.shelf.{id}', routes: [{name: shelf, paths: ['/shelves/{id}']}]}\n"
    "  - {name: silent, url: 'nats://plain.silent', read_timeout: 200, routes: [{name: silent, paths: [/silent]}]}\n"
    "  - {name: nobody, url: 'nats://nobody.is.there', routes: [{name: nobody, paths: [/nobody]}]}\n";

/* Says what it was told of the trace; refuses to be asked for shelf 13. */
static void answer(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    const char *parent = "", *subject = natsMsg_GetSubject(msg);
    natsMsg *out = NULL;
    (void)sub;
    (void)closure;
    natsMsgHeader_Get(msg, "traceparent", &parent);
    natsMsg_Create(&out, natsMsg_GetReply(msg), NULL, parent, (int)strlen(parent));
    if (strcmp(subject, "plain.shelf.13") == 0)
        natsMsgHeader_Set(out, "Nats-Service-Error-Code", "403");
    if (strcmp(subject, "plain.silent") != 0)
        natsConnection_PublishMsg(nc, out);
    natsMsg_Destroy(out);
    natsMsg_Destroy(msg);
}

static bool is_connected(void *self)
{
    (void)self;
    char *log = edge_process_log(&edge);
    bool out = strstr(log, "nats: connected");
    free(log);
    return out;
}

/* false: there is no Jaeger. */
static bool start(void)
{
    char endpoint[96], url[96];
    if (!jaeger_start(&jaeger)) {
        cr_skip("Jaeger has not been built: tools/servers/build jaeger");
        return false;
    }
    nats_server_create(&server, NULL);
    cr_assert_eq(natsConnection_ConnectTo(&peer, server.url), NATS_OK);
    cr_assert_eq(natsConnection_Subscribe(&subscription, peer, "plain.>", answer, NULL), NATS_OK);
    cr_assert_eq(natsConnection_Flush(peer), NATS_OK);
    snprintf(endpoint, sizeof endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:%d", jaeger.otlp_port);
    snprintf(url, sizeof url, "NATS_URL=%s", server.url);
    edge_process_start(&edge, (const char *const[]){ endpoint, url, "EDGE_PROCESSES=1", NULL }, "%s", config);
    cr_assert(eventually(30000, is_connected, NULL), "%s", edge_process_log(&edge));
    return true;
}

static void stop(void)
{
    edge_process_stop(&edge);
    natsSubscription_Destroy(subscription);
    natsConnection_Destroy(peer);
    nats_server_destroy(&server);
    jaeger_stop(&jaeger);
}

TestSuite(edge_trace_nats, .timeout = 90);

/* The two spans of a request that is answered with `status`; `parent` is what the service said it was told. */
static json_t *trace_of(const char *path, int status, char parent[56])
{
    char *out = get(edge.port, path, ""), id[33];
    cr_assert_eq(status_of(out), status, "%s", out);
    const char *told = strcasestr(out, "\r\ntraceparent: ");
    cr_assert_not_null(told, "%s", out);
    snprintf(id, sizeof id, "%.32s", told + strlen("\r\ntraceparent: 00-"));
    snprintf(parent, 56, "%s", body_of(out));
    free(out);
    json_t *trace = jaeger_trace(&jaeger, id, 2);
    cr_assert_not_null(trace);
    return trace;
}

static const char *text_of(json_t *span, const char *name)
{
    return json_string_value(json_object_get(span, name));
}

Test(edge_trace_nats, what_a_service_is_asked_is_a_span_below_the_edges)
{
    char told[56];
    if (!start())
        return;
    json_t *trace = trace_of("/shelves/7", 200, told);
    json_t *above = jaeger_span(trace, "server"), *span = jaeger_span(trace, "client");
    json_t *reference = json_array_get(json_object_get(span, "references"), 0);
    cr_expect_str_eq(text_of(reference, "spanID"), text_of(above, "spanID"));
    cr_expect_eq(strncmp(told + 36, text_of(span, "spanID"), 16), 0, "the service was told %s", told);
    cr_expect_str_eq(jaeger_tag(span, "messaging.system"), "nats");
    cr_expect_str_eq(jaeger_tag(span, "messaging.destination.template"), "plain.shelf.{id}");
    cr_expect_str_eq(jaeger_tag(span, "http.response.status_code"), "200");
    cr_expect_str_eq(jaeger_tag(span, "server.address"), "", "it has none");
    cr_expect_str_eq(jaeger_tag(span, "error"), "");
    cr_expect_str_eq(jaeger_tag(above, "tonearm.service"), "shelf");
    json_decref(trace);
    stop();
}

Test(edge_trace_nats, says_who_refused_and_who_was_not_there)
{
    char told[56];
    if (!start())
        return;
    json_t *refused = trace_of("/shelves/13", 403, told), *silent = trace_of("/silent", 504, told);
    json_t *nobody = trace_of("/nobody", 503, told);
    cr_expect_str_eq(jaeger_tag(jaeger_span(refused, "client"), "http.response.status_code"), "403");
    cr_expect_str_eq(jaeger_tag(jaeger_span(refused, "client"), "error.type"), "", "it is the service's word");
    cr_expect_str_eq(jaeger_tag(jaeger_span(silent, "client"), "error.type"), "504");
    cr_expect_str_eq(jaeger_tag(jaeger_span(silent, "client"), "http.response.status_code"), "");
    cr_expect_geq(json_integer_value(json_object_get(jaeger_span(silent, "client"), "duration")), 195000);
    cr_expect_str_eq(jaeger_tag(jaeger_span(nobody, "client"), "error.type"), "503");
    cr_expect_str_eq(jaeger_tag(jaeger_span(nobody, "client"), "error"), "true");
    json_decref(refused);
    json_decref(silent);
    json_decref(nobody);
    stop();
}
