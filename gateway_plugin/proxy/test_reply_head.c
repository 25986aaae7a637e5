#include "proxy/reply_head.h"

#include <criterion/criterion.h>
#include <string.h>

static struct reply_head head;

static enum head_state read_head(const char *text, bool head_request)
{
    return reply_head_read(text, strlen(text), head_request, &head);
}

Test(reply_head, knows_how_the_body_ends)
{
    static const struct {
        const char *text;
        bool head_request;
        enum body_end end;
        bool keep;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, BODY_LENGTH, true },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, BODY_NONE, true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, BODY_CHUNKS, true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", false, BODY_CHUNKS, false },
        { "HTTP/1.1 200 OK\r\n\r\n", false, BODY_CLOSE, false },
        { "HTTP/1.1 204 No Content\r\n\r\n", false, BODY_NONE, true },
        { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, BODY_NONE, true },
        { "HTTP/1.1 101 Switching\r\n\r\n", false, BODY_UPGRADE, false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, BODY_LENGTH, false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", false, BODY_LENGTH, true },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, Close\r\n\r\n", false, BODY_LENGTH, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", false, BODY_LENGTH, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(read_head(cases[i].text, cases[i].head_request), HEAD_GOOD, "%zu", i);
        cr_expect_eq(head.end, cases[i].end, "%zu", i);
        cr_expect_eq(head.keep, cases[i].keep, "%zu", i);
    }
}

Test(reply_head, refuses_what_is_malformed)
{
    static const char *const cases[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 999 OK\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(read_head(cases[i], false), HEAD_BAD, "%s", cases[i]);
    cr_expect_eq(read_head("HTTP/1.1 200 OK\r\nContent-Le", false), HEAD_PARTIAL);
}

Test(reply_head, finds_words_in_lists)
{
    cr_expect(list_has("a, Close ,b", 11, "close"));
    cr_expect(list_has("close", 5, "close"));
    cr_expect_not(list_has("closed, xclose", 14, "close"));
    cr_expect_not(list_has("", 0, "close"));
    cr_expect_not(list_has(",,", 2, "close"));
}
