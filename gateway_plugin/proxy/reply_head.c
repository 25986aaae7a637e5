#include "proxy/reply_head.h"

#include <string.h>
#include <strings.h>

/* picohttpparser, exported by libh2o without a header; its struct phr_header is laid out as struct reply_field. */
int phr_parse_response(const char *data, size_t size, int *minor, int *status, const char **reason, size_t *reason_size,
                       struct reply_field *headers, size_t *count, size_t last_size);

static bool is(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && strncasecmp(text, word, size) == 0;
}

bool list_names(const char *list, size_t size, const char *name, size_t name_size)
{
    const char *end = list + size;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list)), *stop = comma ? comma : end, *next = stop;
        while (list < stop && (*list == ' ' || *list == '\t'))
            list++;
        while (stop > list && (stop[-1] == ' ' || stop[-1] == '\t'))
            stop--;
        if ((size_t)(stop - list) == name_size && strncasecmp(list, name, name_size) == 0)
            return true;
        list = next + 1;
    }
    return false;
}

bool list_has(const char *list, size_t size, const char *word)
{
    return list_names(list, size, word, strlen(word));
}

struct framing {
    bool length, coding;
};

static bool take_length(struct reply_head *head, struct framing *framing, const struct reply_field *field)
{
    uint64_t length = 0;
    for (size_t i = 0; i < field->value_size; i++) {
        char c = field->value[i];
        if (c < '0' || c > '9' || i == 18)
            return false;
        length = length * 10 + (uint64_t)(c - '0');
    }
    bool again = framing->length && head->length != length;
    framing->length = true;
    head->length = length;
    return field->value_size && !again;
}

static bool take_field(struct reply_head *head, struct framing *framing, const struct reply_field *field)
{
    /* A folded line. The parser has let through tokens for names only, and no control characters in values. */
    if (!field->name_size)
        return false;
    switch (field->name_size) {
    case 10:
        if (is(field->name, 10, "connection")) {
            if (list_has(field->value, field->value_size, "close"))
                head->keep = false;
            else if (!head->minor && list_has(field->value, field->value_size, "keep-alive"))
                head->keep = true;
        }
        return true;
    case 12:
        if (is(field->name, 12, "content-type"))
            head->events = field->value_size >= 17 && strncasecmp(field->value, "text/event-stream", 17) == 0;
        return true;
    case 14:
        return !is(field->name, 14, "content-length") || take_length(head, framing, field);
    case 17:
        if (!is(field->name, 17, "transfer-encoding"))
            return true;
        if (framing->coding || !head->minor || !is(field->value, field->value_size, "chunked"))
            return false;
        framing->coding = true;
        return true;
    default:
        return true;
    }
}

static void find_end(struct reply_head *head, const struct framing *framing, bool head_request)
{
    if (!framing->length)
        head->length = UINT64_MAX;
    if (head->status == 101)
        head->end = BODY_UPGRADE;
    else if (head_request || head->status < 200 || head->status == 204 || head->status == 304)
        head->end = BODY_NONE;
    else if (framing->coding)
        head->end = BODY_CHUNKS;
    else
        head->end = framing->length ? BODY_LENGTH : BODY_CLOSE;
    /* A length beside chunks was a lie or an attack: the chunks hold, and nothing more is believed. */
    if (framing->coding && framing->length)
        head->keep = false;
    if (framing->coding)
        head->length = UINT64_MAX;
    if (head->end == BODY_CLOSE || head->end == BODY_UPGRADE)
        head->keep = false;
}

/* The parser takes a bare LF for the end of a line; the next one may not. */
static bool has_bare_lf(const char *data, size_t size)
{
    const char *end = data + size;
    for (const char *at = data; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        if (at == data || at[-1] != '\r')
            return true;
    return false;
}

enum head_state reply_head_read(const char *data, size_t size, bool head_request, struct reply_head *head)
{
    head->count = HEADERS_MAX;
    int read = phr_parse_response(data, size, &head->minor, &head->status, &head->reason, &head->reason_size,
                                  head->fields, &head->count, 0);
    if (read == -2)
        return HEAD_PARTIAL;
    if (read < 0 || head->status < 100 || head->status > 599 || has_bare_lf(data, (size_t)read))
        return HEAD_BAD;
    head->size = (size_t)read;
    head->keep = head->minor == 1;
    head->events = false;
    head->length = UINT64_MAX;
    struct framing framing = { 0 };
    for (size_t i = 0; i < head->count; i++)
        if (!take_field(head, &framing, &head->fields[i]))
            return HEAD_BAD;
    find_end(head, &framing, head_request);
    return HEAD_GOOD;
}
