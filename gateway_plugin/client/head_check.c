#include "client/head_check.h"

#include <string.h>
#include <strings.h>

/* What the scan has found so far. */
struct scan {
    const char *at, *end; /* end: after the empty line */
    struct head *head;
    unsigned headers;
    bool host, length, coding, expect;
};

__extension__ static const unsigned char token_chars[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
    ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

__extension__ static const unsigned char value_chars[256] = { ['\t'] = 1, [' ' ... '~'] = 1, [0x80 ... 0xff] = 1 };

__extension__ static const unsigned char name_chars[256] = {
    ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1,
};

__extension__ static const unsigned char six_chars[256] = {
    ['0' ... '9'] = 1, ['A' ... 'F'] = 1, ['a' ... 'f'] = 1, [':'] = 1, ['.'] = 1,
};

static bool all_of(const unsigned char table[256], const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!table[(unsigned char)text[i]])
            return false;
    return true;
}

bool is_token_char(unsigned char c)
{
    return token_chars[c];
}

bool is_token(const char *text, size_t size)
{
    return size && all_of(token_chars, text, size);
}

static bool is_port(const char *text, size_t size)
{
    unsigned port = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || i == 5)
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port && port <= 65535;
}

bool is_authority(const char *text, size_t size)
{
    const char *end = text + size, *host = text;
    bool six = size && *text == '[';
    const char *stop = memchr(text, six ? ']' : ':', size);
    if (!stop)
        stop = end;
    if (six && (stop == end || !memchr(text, ':', (size_t)(stop - text))))
        return false;
    host += six;
    if (stop == host || !all_of(six ? six_chars : name_chars, host, (size_t)(stop - host)))
        return false;
    stop += six;
    return stop == end || (*stop == ':' && is_port(stop + 1, (size_t)(end - stop - 1)));
}

/* Eight characters at a time: is there one below a space, or DEL? The tab is among those too. */
static bool may_hold_control(const char *text)
{
    const uint64_t ones = 0x0101010101010101, highs = ones * 0x80;
    uint64_t word;
    memcpy(&word, text, sizeof word);
    uint64_t del = word ^ ones * 0x7f;
    return (((word - ones * ' ') & ~word) | ((del - ones) & ~del)) & highs;
}

bool is_field_value(const char *text, size_t size)
{
    for (; size >= 8; text += 8, size -= 8)
        if (may_hold_control(text) && !all_of(value_chars, text, 8))
            return false;
    return all_of(value_chars, text, size);
}

static bool bad(struct head *head, int status, const char *reason)
{
    head->status = status;
    head->reason = reason;
    return false;
}

/* Where the head ends, or NULL. A bare LF ends it too, so that it is refused at once and not waited for. */
static const char *find_end(const char *data, size_t size, size_t seen)
{
    const char *end = data + size;
    for (const char *at = data + seen; (at = memchr(at, '\n', (size_t)(end - at)));) {
        at++;
        if (at < end && *at == '\n')
            return at + 1;
        if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
            return at + 2;
    }
    return NULL;
}

static bool is(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && strncasecmp(text, word, size) == 0;
}

static bool check_method(struct scan *scan)
{
    const char *method = scan->at;
    while (scan->at < scan->end && is_token_char((unsigned char)*scan->at))
        scan->at++;
    size_t size = (size_t)(scan->at - method);
    if (!size || size > 32 || *scan->at != ' ')
        return bad(scan->head, 400, "the method is not a token");
    if (is(method, size, "TRACE") || is(method, size, "CONNECT"))
        return bad(scan->head, 400, "this method is not served");
    scan->at++;
    return true;
}

static bool check_target(struct scan *scan)
{
    if (*scan->at != '/')
        return bad(scan->head, 400, "the request target must be a path");
    while (scan->at < scan->end && (unsigned char)*scan->at > ' ' && *scan->at != 0x7f)
        scan->at++;
    if (*scan->at != ' ')
        return bad(scan->head, 400, "the request line is malformed");
    scan->at++;
    return true;
}

static bool check_request_line(struct scan *scan)
{
    /* One empty line before it is forgiven (RFC 9112, 2.2). */
    if (scan->end - scan->at > 2 && scan->at[0] == '\r' && scan->at[1] == '\n')
        scan->at += 2;
    if (!check_method(scan) || !check_target(scan))
        return false;
    static const char version[] = "HTTP/1.";
    if (scan->end - scan->at < 10 || memcmp(scan->at, version, 7) != 0 || scan->at[8] != '\r' || scan->at[9] != '\n')
        return bad(scan->head, 400, "the request line is malformed");
    if (scan->at[7] != '0' && scan->at[7] != '1')
        return bad(scan->head, 505, "only HTTP/1.0, 1.1 and 2 are spoken");
    scan->head->minor = scan->at[7] - '0';
    scan->at += 10;
    return true;
}

static bool take_host(struct scan *scan, const char *value, size_t size)
{
    if (scan->host)
        return bad(scan->head, 400, "Host stands twice");
    scan->host = true;
    return is_authority(value, size) || bad(scan->head, 400, "Host is malformed");
}

static bool take_length(struct scan *scan, const char *value, size_t size)
{
    if (scan->length)
        return bad(scan->head, 400, "Content-Length stands twice");
    scan->length = true;
    int64_t length = 0;
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9' || i == 18)
            return bad(scan->head, 400, "Content-Length is malformed");
        length = length * 10 + value[i] - '0';
    }
    scan->head->length = length;
    return size || bad(scan->head, 400, "Content-Length is malformed");
}

static bool take_coding(struct scan *scan, const char *value, size_t size)
{
    if (scan->coding)
        return bad(scan->head, 400, "Transfer-Encoding stands twice");
    scan->coding = scan->head->chunked = true;
    return is(value, size, "chunked") || bad(scan->head, 400, "the transfer coding is not known");
}

static bool take_expect(struct scan *scan, const char *value, size_t size)
{
    scan->head->expect = true;
    return is(value, size, "100-continue") || bad(scan->head, 417, "only 100-continue can be expected");
}

static const struct {
    const char *name;
    bool (*take)(struct scan *scan, const char *value, size_t size);
} watched[] = {
    { "host", take_host },
    { "content-length", take_length },
    { "transfer-encoding", take_coding },
    { "expect", take_expect },
};

static bool take_header(struct scan *scan, const char *name, size_t name_size, const char *value, size_t size)
{
    switch (name_size) {
    case 4:
    case 6:
    case 14:
    case 17:
        for (size_t i = 0; i < sizeof watched / sizeof *watched; i++)
            if (is(name, name_size, watched[i].name))
                return watched[i].take(scan, value, size);
    }
    return true;
}

static bool check_header(struct scan *scan)
{
    const char *name = scan->at;
    if (*name == ' ' || *name == '\t')
        return bad(scan->head, 400, "a folded header line");
    const char *at = name;
    while (token_chars[(unsigned char)*at])
        at++;
    if (*at != ':' || at == name)
        return bad(scan->head, 400, "a header name is not a token");
    size_t name_size = (size_t)(at++ - name);
    while (*at == ' ' || *at == '\t')
        at++;
    const char *value = at;
    while (value_chars[(unsigned char)*at])
        at++;
    if (at[0] != '\r' || at[1] != '\n')
        return bad(scan->head, 400, "a header value holds control characters");
    scan->at = at + 2;
    while (at > value && (at[-1] == ' ' || at[-1] == '\t'))
        at--;
    if (++scan->headers > HEADERS_MAX)
        return bad(scan->head, 431, "too many headers");
    return take_header(scan, name, name_size, value, (size_t)(at - value));
}

static bool check_whole(struct scan *scan)
{
    const struct head *head = scan->head;
    if (!scan->host && head->minor)
        return bad(scan->head, 400, "Host is missing");
    if (scan->coding && scan->length)
        return bad(scan->head, 400, "Transfer-Encoding and Content-Length together");
    if (scan->coding && !head->minor)
        return bad(scan->head, 400, "Transfer-Encoding in HTTP/1.0");
    return true;
}

/* Every loop stops inside the head: it ends with a line feed, which is in no table. */
static bool check(struct scan *scan)
{
    if (!check_request_line(scan))
        return false;
    while (scan->end - scan->at > 2)
        if (!check_header(scan))
            return false;
    if (scan->end - scan->at != 2 || scan->at[0] != '\r')
        return bad(scan->head, 400, "lines must end with CR LF");
    return check_whole(scan);
}

static bool promising(const char *data, size_t size)
{
    return !size || is_token_char((unsigned char)data[0]) || (data[0] == '\r' && (size < 2 || data[1] == '\n'));
}

enum head_state head_check(const char *data, size_t size, size_t seen, struct head *head)
{
    *head = (struct head){ .length = -1 };
    if (!promising(data, size))
        return bad(head, 400, "this is not HTTP") ? HEAD_GOOD : HEAD_BAD;
    /* One empty line may stand before the request line: it must not be taken for the end. */
    size_t skip = size >= 2 && data[0] == '\r' ? 2 : 0;
    size_t from = seen > skip + 3 ? seen - 3 : skip;
    const char *end = size > from ? find_end(data, size, from) : NULL;
    if (end ? end - data > HEAD_MAX : size > HEAD_MAX)
        return bad(head, 431, "the head is too large") ? HEAD_GOOD : HEAD_BAD;
    if (!end)
        return HEAD_PARTIAL;
    struct scan scan = { .at = data, .end = end, .head = head };
    head->size = (size_t)(end - data);
    return check(&scan) ? HEAD_GOOD : HEAD_BAD;
}
