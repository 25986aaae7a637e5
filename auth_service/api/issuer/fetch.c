#include "issuer/fetch.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <curl/curl.h>
#include <string.h>

enum { CONNECT_MS = 1000 };

DEFINE_CLEANUP(CURL *, curl_easy_cleanup)
DEFINE_CLEANUP(CURLU *, curl_url_cleanup)
DEFINE_CLEANUP(struct curl_slist *, curl_slist_free_all)
DEFINE_CLEANUP(char *, curl_free)

static bool url_part(CURLU *url, CURLUPart part, struct arena *arena, const char **out)
{
    _cleanup_(curl_freep) char *text = NULL;
    bool found = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    *out = found ? arena_strdup(arena, text) : NULL;
    return found;
}

static bool is_this_machine(const char *host)
{
    return text_equal(host, "localhost") || text_equal(host, "[::1]") ||
           (text_starts(host, "127.") && strspn(host, "0123456789.") == strlen(host));
}

static bool may(CURLU *url, struct arena *arena)
{
    const char *scheme, *host, *other;
    if (!url_part(url, CURLUPART_SCHEME, arena, &scheme) || !url_part(url, CURLUPART_HOST, arena, &host) ||
        url_part(url, CURLUPART_USER, arena, &other) || url_part(url, CURLUPART_PASSWORD, arena, &other) ||
        url_part(url, CURLUPART_FRAGMENT, arena, &other))
        return false;
    return text_equal(scheme, "https") || (text_equal(scheme, "http") && is_this_machine(host));
}

bool fetch_may(const char *text)
{
    _cleanup_(curl_url_cleanupp) CURLU *url = curl_url();
    struct arena arena = { 0 };
    if (!url)
        abort();
    bool good = curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK && may(url, &arena);
    arena_free(&arena);
    return good;
}

struct receipt {
    struct buf body;
    bool too_large;
};

static size_t take(char *data, size_t size, size_t count, void *self)
{
    struct receipt *receipt = self;
    size *= count;
    receipt->too_large = receipt->body.size + size > FETCH_BODY_MAX;
    if (receipt->too_large)
        return 0;
    buf_add(&receipt->body, data, size);
    return size;
}

static void put_escaped(struct buf *out, CURL *curl, const char *text)
{
    _cleanup_(curl_freep) char *escaped = curl_easy_escape(curl, text, (int)strlen(text));
    if (!escaped)
        abort();
    buf_text(out, escaped);
}

static const char *form_body(struct arena *arena, CURL *curl, const struct pair *form)
{
    struct buf out = BUF(arena);
    buf_text(&out, "");
    for (const struct pair *field = form; field->name; field++) {
        if (field != form)
            buf_char(&out, '&');
        put_escaped(&out, curl, field->name);
        buf_char(&out, '=');
        put_escaped(&out, curl, field->value);
    }
    return out.data;
}

static const char *escaped_text(struct arena *arena, CURL *curl, const char *text)
{
    struct buf out = BUF(arena);
    buf_text(&out, "");
    put_escaped(&out, curl, text);
    return out.data;
}

static void set_credentials(struct arena *arena, CURL *curl, const struct fetch *what)
{
    if (what->user) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, escaped_text(arena, curl, what->user));
        curl_easy_setopt(curl, CURLOPT_PASSWORD, escaped_text(arena, curl, what->password ? what->password : ""));
    }
    if (what->bearer) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, what->bearer);
    }
}

static void set_up(struct arena *arena, CURL *curl, const struct fetch *what, int64_t limit_ms)
{
    curl_easy_setopt(curl, CURLOPT_URL, what->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, text_starts(what->url, "https:") ? "https" : "http");
    if (!text_starts(what->url, "https:"))
        curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* this machine is nobody else's affair */
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (what->ca_file && *what->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, what->ca_file);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)limit_ms);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "tonearm/" TONEARM_VERSION);
    if (what->form)
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, form_body(arena, curl, what->form));
    set_credentials(arena, curl, what);
}

static bool no_answer(struct ctx *ctx, const struct fetch *what, const char *why)
{
    ctx_fail(ctx, ERROR_UNAVAILABLE, "%s: %s", what->url, why); /* the cause: for the log alone */
    ctx_fail(ctx, ERROR_UNAVAILABLE, "%s does not answer", what->whom);
    return false;
}

bool fetch(struct ctx *ctx, const struct fetch *what, struct fetched *out)
{
    struct receipt receipt = { .body = BUF(&ctx->arena) };
    int64_t limit_ms = ctx_left_ms(ctx, what->limit_ms ? what->limit_ms : FETCH_MS);
    if (!fetch_may(what->url))
        return no_answer(ctx, what, "neither https nor this machine");
    if (limit_ms <= 0)
        return no_answer(ctx, what, "no time is left");
    _cleanup_(curl_easy_cleanupp) CURL *curl = curl_easy_init();
    _cleanup_(curl_slist_free_allp) struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    if (!curl || !headers)
        abort();
    set_up(&ctx->arena, curl, what, limit_ms);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &receipt);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        return no_answer(ctx, what, receipt.too_large ? "too large" : curl_easy_strerror(code));
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    *out = (struct fetched){ (int)status, receipt.body.data ? receipt.body.data : "", receipt.body.size };
    return true;
}
