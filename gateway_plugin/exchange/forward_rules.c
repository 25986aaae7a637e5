#include "exchange/forward_rules.h"

#include "base/text.h"

struct rule {
    const char *name; /* NULL: the last */
    size_t size;
    enum action action;
};

#define RULE(name, action)                                                                                             \
    {                                                                                                                  \
        name, sizeof(name) - 1, action                                                                                 \
    }

/* Each list holds the names that begin with one letter: most headers are looked up among none or few. */
static const struct rule request_c[] = {
    RULE("connection", NAMES), RULE("content-length", DROP), RULE("cookie", COOKIE), { 0 }
};
static const struct rule request_e[] = { RULE("expect", DROP), { 0 } };
static const struct rule request_f[] = { RULE("forwarded", APPEND), { 0 } };
static const struct rule request_h[] = { RULE("host", DROP), RULE("http2-settings", DROP), { 0 } };
static const struct rule request_k[] = { RULE("keep-alive", DROP), { 0 } };
static const struct rule request_p[] = { RULE("proxy-connection", DROP), RULE("proxy-authorization", DROP), { 0 } };
static const struct rule request_t[] = {
    RULE("te", DROP),
    RULE("trailer", DROP),
    RULE("transfer-encoding", DROP),
    RULE("traceparent", DROP),
    /* only the edge may say these */
    RULE("tonearm-", DROP_PREFIX),
    { 0 },
};
static const struct rule request_u[] = { RULE("upgrade", DROP), { 0 } };
static const struct rule request_v[] = { RULE("via", APPEND), { 0 } };
static const struct rule request_x[] = {
    /* written anew */
    RULE("x-request-id", DROP),
    RULE("x-real-ip", DROP),
    RULE("x-forwarded-proto", DROP),
    RULE("x-forwarded-host", DROP),
    RULE("x-forwarded-port", DROP),
    RULE("x-forwarded-prefix", DROP),
    RULE("x-forwarded-path", DROP),
    RULE("x-forwarded-for", APPEND),
    /* only the edge may say these */
    RULE("x-consumer-", DROP_PREFIX),
    RULE("x-credential-", DROP_PREFIX),
    RULE("x-anonymous-", DROP_PREFIX),
    RULE("x-authenticated-", DROP_PREFIX),
    RULE("x-tonearm-", DROP_PREFIX),
    { 0 },
};

static const struct rule reply_c[] = { RULE("connection", NAMES), RULE("content-length", DROP), { 0 } };
static const struct rule reply_d[] = { RULE("date", DROP), { 0 } };
static const struct rule reply_h[] = { RULE("http2-settings", DROP), { 0 } };
static const struct rule reply_k[] = { RULE("keep-alive", DROP), { 0 } };
static const struct rule reply_p[] = { RULE("proxy-connection", DROP), RULE("proxy-authenticate", DROP), { 0 } };
static const struct rule reply_t[] = {
    RULE("te", DROP), RULE("trailer", DROP), RULE("transfer-encoding", DROP), RULE("traceparent", DROP), { 0 },
};
static const struct rule reply_u[] = { RULE("upgrade", DROP), { 0 } };
static const struct rule reply_x[] = {
    RULE("x-request-id", DROP),
    RULE("x-tonearm-", DROP_PREFIX),
    RULE("x-reproxy-url", DROP),
    { 0 },
};

enum { LETTERS = 32 }; /* the lower five bits tell letters apart, whatever their case */

static const struct rule *const request_rules[LETTERS] = {
    ['c' & 31] = request_c, ['e' & 31] = request_e, ['f' & 31] = request_f, ['h' & 31] = request_h,
    ['k' & 31] = request_k, ['p' & 31] = request_p, ['t' & 31] = request_t, ['u' & 31] = request_u,
    ['v' & 31] = request_v, ['x' & 31] = request_x,
};

static const struct rule *const reply_rules[LETTERS] = {
    ['c' & 31] = reply_c, ['d' & 31] = reply_d, ['h' & 31] = reply_h, ['k' & 31] = reply_k,
    ['p' & 31] = reply_p, ['t' & 31] = reply_t, ['u' & 31] = reply_u, ['x' & 31] = reply_x,
};

bool same_text(const char *text, const char *lower_text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (lower_char(text[i]) != lower_text[i])
            return false;
    return true;
}

static bool fits(const struct rule *rule, const char *name, size_t size)
{
    return (rule->action == DROP_PREFIX ? size >= rule->size : size == rule->size) &&
           same_text(name, rule->name, rule->size);
}

static enum action look(const struct rule *const rules[LETTERS], const char *name, size_t size)
{
    const struct rule *rule = size ? rules[name[0] & 31] : NULL;
    for (; rule && rule->name; rule++)
        if (fits(rule, name, size))
            return rule->action;
    return PASS;
}

enum action request_action(const char *name, size_t size)
{
    return look(request_rules, name, size);
}

enum action reply_action(const char *name, size_t size)
{
    return look(reply_rules, name, size);
}

bool connection_names(const char *value, size_t size)
{
    return !(size == 10 && same_text(value, "keep-alive", 10)) && !(size == 5 && same_text(value, "close", 5));
}
