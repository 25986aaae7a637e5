/*
 * gomicro's apikey-auth-plugin: one of some addresses says whether the key in
 * X-API-Key is good: 200 lets the request on, any other status is the answer, with
 * its body. What its plugin did over a connection for each request is asked once a
 * second for each key here (verifier.h). Paths like /auth/health need none.
 */
#include "plugins/plugins.h"

#include "exchange/answer.h"
#include "base/buf.h"
#include "base/text.h"
#include "process/edge.h"
#include "exchange/exchange.h"
#include "client/head_check.h"
#include "credential/verifier.h"

enum { KEY_SIZE_MAX = 4096 };

struct apikey_auth {
    struct texts urls;
    const char *name; /* all of them */
};

static bool is_url(const char *text)
{
    const char *host = text_starts(text, "http://") ? text + 7 : text_starts(text, "https://") ? text + 8 : NULL;
    size_t size = host ? strcspn(host, "/?") : 0;
    return size && is_authority(host, size) && is_field_value(text, strlen(text)) && !strpbrk(text, " \t#") &&
           strlen(text) <= 2048;
}

static const struct option options[] = {
    OPTION("verification_urls", OPTION_TEXTS, struct apikey_auth, urls, .valid = is_url, .required = true,
           .rule = "is no address that begins with http:// or https://"),
    { 0 },
};

static void link_config(struct faults *faults, const struct config *config, const struct kong_plugin *row)
{
    struct apikey_auth *auth = row->config;
    struct buf name = BUF(faults->arena);
    (void)config;
    buf_text(&name, "");
    for (size_t i = 0; i < auth->urls.count; i++)
        buf_printf(&name, "%s ", auth->urls.items[i]);
    auth->name = name.data;
}

static void secrets(const void *config, void (*each)(void *self, const struct texts *names), void *self)
{
    static const char *names[] = { "x-api-key" };
    (void)config;
    each(self, &(struct texts){ names, 1 });
}

/* "/auth/health": one segment, then health. */
static bool is_health(const struct path *path)
{
    static const char last[] = "/health";
    enum { SIZE = sizeof last - 1 };
    if (path->size < SIZE + 2 || memcmp(path->text + path->size - SIZE, last, SIZE) != 0)
        return false;
    return !memchr(path->text + 1, '/', path->size - SIZE - 1);
}

static enum verdict refuse(struct exchange *x, int status, const char *message)
{
    exchange_refuse(x, status, message);
    return VERDICT_ANSWERED;
}

struct judged {
    struct exchange *x;
    enum verdict verdict;
};

static void judge(void *self, int status, const char *body, size_t size)
{
    struct judged *judged = self;
    struct exchange *x = judged->x;
    judged->verdict = status == 200 ? VERDICT_NEXT : VERDICT_ANSWERED;
    if (status == 200)
        return;
    if (status < 200 || status > 599) {
        exchange_refuse(x, 500, "something went wrong");
        return;
    }
    char *kept = h2o_mem_alloc_pool(&x->req->pool, size + 1);
    memcpy(kept, body, size);
    x->req->res.status = status;
    x->req->res.reason = reason_phrase(status);
    exchange_header(x, "content-type", "application/json");
    exchange_give(x, kept, size);
}

static void on_answer(void *self, int status, const char *body, size_t size)
{
    struct judged judged = { .x = self };
    judged.x->cancel = NULL;
    judge(&judged, status, body, size);
    if (judged.verdict == VERDICT_NEXT)
        exchange_resume(judged.x);
}

static enum verdict ask(struct exchange *x, const struct apikey_auth *auth, const char *key)
{
    struct verifier *verifier = x->loop->edge->verifier;
    size_t first = loop_random(x->loop) % auth->urls.count, second = (first + 1) % auth->urls.count;
    struct verifier_question question = { .url = auth->urls.items[first],
                                          .spare_url = second == first ? NULL : auth->urls.items[second],
                                          .name = auth->name,
                                          .header = "x-api-key",
                                          .credential = key };
    struct judged judged = { .x = x };
    if (verifier_known(verifier, &question, judge, &judged))
        return judged.verdict;
    struct verdict_waiter *waiter = verifier_ask(verifier, x->loop, &question, on_answer, x);
    if (!waiter)
        return refuse(x, 503, "API keys cannot be checked at the moment");
    exchange_wait(x, verdict_waiter_cancel, waiter);
    return VERDICT_WAIT;
}

static enum verdict access_key(struct exchange *x, const void *config)
{
    const struct apikey_auth *auth = config;
    size_t count;
    const h2o_iovec_t *key = exchange_request_header(x, "x-api-key", &count);
    if (is_health(&x->path))
        return VERDICT_NEXT;
    if (!key || !key->len)
        return refuse(x, 401, "x-api-key header is missing");
    if (key->len > KEY_SIZE_MAX)
        return refuse(x, 401, "x-api-key is too long");
    return ask(x, auth, exchange_text(x, *key));
}

const struct plugin apikey_auth_plugin = {
    .name = "apikey-auth-plugin",
    .config_size = sizeof(struct apikey_auth),
    .options = options,
    .link = link_config,
    .secrets = secrets,
    .access = access_key,
};
