/* What the edge's log and its spans make of bytes that clients send: always JSON, never a credential; and the headers
 * of traces. */
#include "fuzz.h"
#include "logs/line.h"
#include "logs/redact.h"
#include "exchange/trace.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4096, MOST = 700 };

static const char *own_names[] = { "door" };
static const struct texts names = { own_names, 1 };

static void check_json(const char *text, size_t size)
{
    char out[ROOM];
    struct line line = { out, out + sizeof out, false };
    line_json(&line, text, size, MOST);
    must_hold(!line.full && (size_t)(line.at - out) <= MOST + 2, "within its bounds");
    json_t *json = json_loadb(out, (size_t)(line.at - out), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    must_hold(json_is_string(json), "a string of JSON");
    json_decref(json);
}

static void check_hex(const char *text, size_t size)
{
    char out[ROOM];
    struct line line = { out, out + sizeof out, false };
    line_hex(&line, text, size, MOST);
    must_hold(!line.full && (size_t)(line.at - out) <= MOST, "within its bounds");
    for (const char *c = out; c < line.at; c++)
        must_hold(*c >= 0x20 && *c < 0x7f && *c != '"', "one line, in which a quote ends a field");
}

/* The input as a value that is secret: what stands between it and the next field is nowhere. */
static void check_secret(const char *text, size_t size)
{
    static const char *const before[] = { "/a?x=1&apikey=", "/a?door=", "http://h/?a=b;p=", "/a?%61=" };
    size_t value = 0;
    while (value < size && !strchr("&;#?>\",", text[value]) && text[value] > ' ')
        value++;
    if (value < 9) /* not by chance a part of what stands there anyhow */
        return;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        size_t begin = strlen(before[i]);
        char *url = malloc(begin + value), out[ROOM];
        memcpy(url, before[i], begin);
        memcpy(url + begin, text, value);
        size_t shown = redact_url(&names, url, begin + value, out, sizeof out);
        must_hold(shown == begin + strlen(redacted) && memcmp(out + begin, redacted, strlen(redacted)) == 0,
                  "its value is hidden");
        free(url);
    }
}

static void check_url(const char *text, size_t size)
{
    char out[ROOM], small[64];
    size_t shown = redact_url(&names, text, size, out, sizeof out);
    must_hold(shown <= sizeof out && redact_url(&names, text, size, small, sizeof small) <= sizeof small, "bounded");
    redact_header(&names, text, size < 100 ? size : 100);
    check_json(out, shown);
    check_hex(out, shown);
}

static void check_trace(const char *text, size_t size)
{
    char out[TRACEPARENT_SIZE + 1];
    if (!edge_trace_valid(text, size))
        return;
    edge_trace_make(out, text, 1, 2, 3);
    must_hold(edge_trace_valid(out, TRACEPARENT_SIZE) && memcmp(out, "00-", 3) == 0, "what goes on is of version 00");
    must_hold(memcmp(out + TRACE_AT, text + TRACE_AT, TRACE_SIZE) == 0, "in the same trace");
    must_hold(edge_trace_sampled(out) == edge_trace_sampled(text), "and as it was decided");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = input_copy(data, size);
    check_json(text, size);
    check_hex(text, size);
    check_url(text, size);
    check_secret(text, size);
    check_trace(text, size);
    free(text);
    return 0;
}
