/*
 * The head of a request as the edge checks it. What is taken must have one
 * reading: h2o's parser, which reads it next, has to find the same in it, and it
 * must not matter in which pieces it came.
 */
#include "fuzz.h"
#include "client/head_check.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct line {
    const char *name;
    size_t name_size;
    const char *value;
    size_t value_size;
};

/* picohttpparser, exported by libh2o without a header. */
int phr_parse_request(const char *data, size_t size, const char **method, size_t *method_size, const char **path,
                      size_t *path_size, int *minor, struct line *headers, size_t *count, size_t last_size);

static bool is(const struct line *line, const char *name)
{
    return line->name_size == strlen(name) && strncasecmp(line->name, name, line->name_size) == 0;
}

static void check_bytes(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)data[i];
        must_hold(c != '\n' || (i && data[i - 1] == '\r'), "no bare line feed");
        must_hold(c != '\r' || (i + 1 < size && data[i + 1] == '\n'), "no bare carriage return");
        must_hold(c >= ' ' || c == '\t' || c == '\r' || c == '\n', "no control character");
        must_hold(c != 0x7f, "no DEL");
    }
    must_hold(size >= 4 && memcmp(data + size - 4, "\r\n\r\n", 4) == 0, "it ends with an empty line");
}

static void check_headers(const struct head *head, const struct line *lines, size_t count)
{
    size_t hosts = 0, lengths = 0, codings = 0;
    for (size_t i = 0; i < count; i++) {
        const struct line *line = &lines[i];
        must_hold(line->name && is_token(line->name, line->name_size), "each line has a name");
        must_hold(is_field_value(line->value, line->value_size), "values are clean");
        hosts += is(line, "host");
        codings += is(line, "transfer-encoding");
        if (!is(line, "content-length"))
            continue;
        lengths++;
        char *text = input_copy(line->value, line->value_size + 1); /* a line end stands behind it */
        char *end;
        must_hold(strtoll(text, &end, 10) == head->length, "the length is the one");
        end += strspn(end, " \t");
        must_hold(end == text + line->value_size, "and nothing else stands there");
        free(text);
    }
    must_hold(hosts == 1 || (!hosts && !head->minor), "one host");
    must_hold(lengths + codings <= 1, "one way to say how long the body is");
    must_hold((head->length >= 0) == (lengths == 1) && head->chunked == (codings == 1), "and it was seen");
}

static void check_good(const char *data, const struct head *head)
{
    check_bytes(data, head->size);
    must_hold(head->size <= HEAD_MAX, "bounded");
    struct line lines[HEADERS_MAX];
    size_t method_size, path_size, count = HEADERS_MAX;
    const char *method, *path;
    int minor;
    int read = phr_parse_request(data, head->size, &method, &method_size, &path, &path_size, &minor, lines, &count, 0);
    must_hold(read == (int)head->size, "h2o's parser ends where ours does");
    must_hold(minor == head->minor, "of the same version");
    must_hold(is_token(method, method_size), "the method is a token");
    must_hold(path_size && path[0] == '/', "the target is a path");
    check_headers(head, lines, count);
}

/* The same in two pieces. */
static void check_pieces(const char *data, size_t size, size_t cut, enum head_state whole, const struct head *head)
{
    struct head first, then;
    char *piece = input_copy(data, cut);
    enum head_state state = head_check(piece, cut, 0, &first);
    free(piece);
    if (whole == HEAD_GOOD && cut < head->size)
        must_hold(state == HEAD_PARTIAL, "what is good is waited for");
    if (state == HEAD_GOOD)
        must_hold(whole == HEAD_GOOD && head->size == first.size, "more bytes do not change what was good");
    if (state != HEAD_PARTIAL)
        return;
    must_hold(head_check(data, size, cut, &then) == whole, "pieces do not matter");
    must_hold(whole != HEAD_GOOD || (then.size == head->size && then.length == head->length &&
                                     then.chunked == head->chunked && then.minor == head->minor),
              "nor does what was read in them");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    size_t share = input_byte(&input);
    size_t left = input_left(&input);
    char *text = input_copy(input.at, left);
    struct head head;
    enum head_state state = head_check(text, left, 0, &head);
    if (state == HEAD_GOOD)
        check_good(text, &head);
    else if (state == HEAD_BAD)
        must_hold(head.reason && head.status >= 400 && head.status < 600, "a refusal says why");
    check_pieces(text, left, left * share / 256, state, &head);
    free(text);
    return 0;
}
