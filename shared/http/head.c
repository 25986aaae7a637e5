#include "http/head.h"

#include <string.h>
#include <strings.h>

/* tchar of RFC 9110 */
static bool is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return size > 0;
}

/* No control characters but the tab. */
static bool is_value(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static enum head_state bad(struct head *head, const char *reason)
{
    head->reason = reason;
    return HEAD_BAD;
}

static bool is_target(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= 0x20 || c == 0x7f || c == '#')
            return false;
    }
    return size > 0 && (*text == '/' || (size == 1 && *text == '*'));
}

static enum head_state scan_request_line(const char *line, size_t size, struct head *head)
{
    const char *space = memchr(line, ' ', size);
    if (!space)
        return bad(head, "malformed request line");
    head->method = line;
    head->method_size = (size_t)(space - line);
    head->target = space + 1;
    size_t left = size - head->method_size - 1;
    const char *end = memchr(head->target, ' ', left);
    if (!end)
        return bad(head, "malformed request line");
    head->target_size = (size_t)(end - head->target);
    left -= head->target_size + 1;
    if (head->method_size > 32 || !is_token(head->method, head->method_size))
        return bad(head, "malformed method");
    if (!is_target(head->target, head->target_size))
        return bad(head, "malformed path");
    if (left != 8 || (memcmp(end + 1, "HTTP/1.1", 8) != 0 && memcmp(end + 1, "HTTP/1.0", 8) != 0))
        return bad(head, "unknown version of HTTP");
    head->http10 = end[8] == '0';
    return HEAD_OK;
}

static bool parse_length(const char *text, size_t size, int64_t *out)
{
    if (size == 0 || size > 18)
        return false;
    *out = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

static bool named(const char *line, size_t size, const char *name)
{
    return strlen(name) == size && strncasecmp(line, name, size) == 0;
}

/* The headers that say where the request ends and whom it is for. */
static enum head_state note_header(struct head *head, const char *name, size_t name_size, const char *value,
                                   size_t size)
{
    if (named(name, name_size, "host")) {
        if (++head->hosts > 1)
            return bad(head, "more than one Host");
    } else if (named(name, name_size, "content-length")) {
        if (++head->lengths > 1 || !parse_length(value, size, &head->length))
            return bad(head, "malformed Content-Length");
    } else if (named(name, name_size, "transfer-encoding")) {
        if (++head->encodings > 1 || !named(value, size, "chunked"))
            return bad(head, "unknown Transfer-Encoding");
        head->chunked = true;
    } else if (named(name, name_size, "x-request-id")) {
        head->request_id = value;
        head->request_id_size = size;
    } else if (named(name, name_size, "traceparent")) {
        head->traceparent = value;
        head->traceparent_size = size;
    }
    return HEAD_OK;
}

static enum head_state scan_header(const char *line, size_t size, struct head *head)
{
    const char *colon = memchr(line, ':', size);
    if (!colon || !is_token(line, (size_t)(colon - line)))
        return bad(head, "malformed header");
    const char *value = colon + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (!is_value(value, (size_t)(end - value)))
        return bad(head, "malformed header");
    return note_header(head, line, (size_t)(colon - line), value, (size_t)(end - value));
}

static enum head_state check_framing(struct head *head)
{
    if (!head->http10 && head->hosts == 0)
        return bad(head, "no Host");
    if (head->chunked && (head->lengths || head->http10))
        return bad(head, "both Content-Length and Transfer-Encoding");
    return HEAD_OK;
}

enum head_state head_scan(const char *bytes, size_t size, struct head *head)
{
    *head = (struct head){ .length = -1 };
    size_t at = size >= 2 && bytes[0] == '\r' && bytes[1] == '\n'
                    ? 2
                    : 0; /* RFC 9112, 2.2: one empty line before is forgiven */
    size_t lines = 0;
    for (;;) {
        size_t room = (size < HEAD_SIZE_MAX ? size : HEAD_SIZE_MAX) - (at < HEAD_SIZE_MAX ? at : HEAD_SIZE_MAX);
        const char *line = bytes + at, *end = room ? memchr(line, '\n', room) : NULL;
        if (!end)
            return size >= HEAD_SIZE_MAX ? HEAD_TOO_LARGE : HEAD_PARTIAL;
        if (end == line || end[-1] != '\r')
            return bad(head, "a line without CR");
        size_t length = (size_t)(end - line) - 1;
        at += length + 2;
        if (lines > 0 && length == 0)
            break;
        enum head_state state = lines == 0 ? scan_request_line(line, length, head) : scan_header(line, length, head);
        if (state != HEAD_OK)
            return state;
        if (lines++ > HEAD_HEADERS_MAX)
            return HEAD_TOO_LARGE;
    }
    head->size = at;
    return check_framing(head);
}
