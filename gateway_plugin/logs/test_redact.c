/* What no log may show. */
#include "logs/redact.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *own[] = { "door" };
static const struct texts names = { own, 1 };

static const char *url(const char *in)
{
    static char out[256];
    out[redact_url(&names, in, strlen(in), out, sizeof out - 1)] = 0;
    return out;
}

Test(redact, hides_what_a_query_may_hold)
{
    static const char *const rows[][2] = {
        { "/a", "/a" },
        { "/a?x=1", "/a?x=1" },
        { "/a?apikey=ta_1&x=2", "/a?apikey=REDACTED&x=2" },
        { "/a?x=2&access_token=abc", "/a?x=2&access_token=REDACTED" },
        { "/a?X-Amz-Signature=abc&sig=1&exp=2", "/a?X-Amz-Signature=REDACTED&sig=REDACTED&exp=2" },
        { "/rest/ping?u=me&p=sesame&t=1&s=2&v=1.16", "/rest/ping?u=me&p=REDACTED&t=REDACTED&s=REDACTED&v=1.16" },
        { "/a?door=open&doors=2&DOOR=x", "/a?door=REDACTED&doors=2&DOOR=REDACTED" },
        { "/a?api%6bey=1", "/a?api%6bey=REDACTED" },
        { "/a?x=1;password=2", "/a?x=1;password=REDACTED" },
        { "/a?x=1?token=2", "/a?x=1?token=REDACTED" },
        { "https://h/cb?code=1&state=2#token=3", "https://h/cb?code=REDACTED&state=REDACTED#token=REDACTED" },
        { "<https://h/?next=2&ticket=1>; rel=next", "<https://h/?next=2&ticket=REDACTED>; rel=next" },
        { "/a?token", "/a?token" },
        { "/a?token=", "/a?token=" },
        { "/a?token=a=b", "/a?token=REDACTED" },
        { "/a?", "/a?" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_str_eq(url(rows[i][0]), rows[i][1]);
}

Test(redact, writes_no_more_than_there_is_room)
{
    char out[8] = "-------";
    cr_expect_eq(redact_url(&names, "/a?token=secret", 15, out, 6), 6);
    cr_expect_str_eq(out, "/a?tok-");
}

Test(redact, hides_headers_that_may_hold_credentials)
{
    static const char *const hidden[] = { "authorization",
                                          "proxy-authorization",
                                          "cookie",
                                          "set-cookie",
                                          "x-api-key",
                                          "apikey",
                                          "door",
                                          "DOOR",
                                          "x-csrf-token",
                                          "X-CSRF-TOKEN",
                                          "sign",
                                          "my-session",
                                          "x-a-very-long-name-of-a-header-that-nobody-has-ever-heard-of-before-now" };
    static const char *const shown[] = { "accept", "user-agent",   "host", "content-type",
                                         "doors",  "x-request-id", "toke", "ke" };
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        cr_expect(redact_header(&names, hidden[i], strlen(hidden[i])), "%s", hidden[i]);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        cr_expect(!redact_header(&names, shown[i], strlen(shown[i])), "%s", shown[i]);
}
