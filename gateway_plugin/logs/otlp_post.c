#include "logs/otlp_post.h"

#include "base/buf.h"
#include "base/clock.h"
#include "must.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

enum { STOP_MS = 1000 };

struct otlp_post {
    CURL *curl; /* made when it is first needed; it keeps connections */
    const atomic_bool *stopping;
    int64_t stop_at; /* on clock_ms(); 0: not stopping */
};

struct otlp_post *otlp_post_create(const atomic_bool *stopping)
{
    struct otlp_post *post = must(calloc(1, sizeof *post));
    post->stopping = stopping;
    return post;
}

void otlp_post_destroy(struct otlp_post *post)
{
    curl_easy_cleanup(post->curl);
    free(post);
}

static int64_t left_to_stop(struct otlp_post *post)
{
    if (!*post->stopping)
        return INT64_MAX;
    if (!post->stop_at)
        post->stop_at = clock_ms() + STOP_MS;
    return post->stop_at > clock_ms() ? post->stop_at - clock_ms() : 1;
}

static int on_progress(void *self, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
    (void)total, (void)now, (void)up_total, (void)up;
    return left_to_stop(self) <= 1;
}

static size_t drop(char *data, size_t size, size_t count, void *self)
{
    (void)data, (void)self;
    return size * count;
}

static void put_attributes(struct buf *out, const struct named_texts *pairs)
{
    for (size_t i = 0; i < pairs->names.count; i++) {
        buf_text(out, ",{\"key\":");
        buf_json(out, pairs->names.items[i]);
        buf_text(out, ",\"value\":{\"stringValue\":");
        buf_json(out, pairs->values.items[i]);
        buf_text(out, "}}");
    }
}

static const char *make_body(struct arena *arena, const struct otlp_target *target, const char *spans, size_t size,
                             size_t *body_size)
{
    struct buf out = BUF(arena);
    buf_text(&out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"
                   "\"stringValue\":");
    buf_json(&out, target->service);
    buf_text(&out, "}},{\"key\":\"service.version\",\"value\":{\"stringValue\":\"" TONEARM_VERSION "\"}}");
    put_attributes(&out, &target->attributes);
    buf_text(&out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"tonearm-edge\",\"version\":\"" TONEARM_VERSION
                   "\"},\"spans\":[");
    buf_add(&out, spans, size);
    buf_text(&out, "]}]}]}");
    *body_size = out.size;
    return out.data;
}

static struct curl_slist *make_headers(struct arena *arena, const struct otlp_target *target)
{
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    /* No body waits for a 100. */
    list = curl_slist_append(list, "Expect:");
    for (size_t i = 0; i < target->headers.names.count; i++)
        list = curl_slist_append(
            list, arena_printf(arena, "%s: %s", target->headers.names.items[i], target->headers.values.items[i]));
    return list;
}

static void set_up(struct otlp_post *post, const struct otlp_target *target)
{
    CURL *curl = post->curl;
    int64_t whole = target->connect_ms + target->send_ms + target->read_ms, left = left_to_stop(post);
    curl_easy_reset(curl); /* connections stay */
    curl_easy_setopt(curl, CURLOPT_URL, target->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)target->connect_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(whole < left ? whole : left));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, post);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "tonearm-edge/" TONEARM_VERSION);
}

/* OTLP/HTTP: 429, 502, 503 and 504 may be tried again, other failures not. */
static void judge(struct otlp_post *post, CURLcode code, struct post_result *result)
{
    long status = 0;
    curl_off_t retry_after = 0;
    *result = (struct post_result){ .outcome = POST_LATER };
    if (code != CURLE_OK) {
        snprintf(result->why, sizeof result->why, "%s", curl_easy_strerror(code));
        return;
    }
    curl_easy_getinfo(post->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(post->curl, CURLINFO_RETRY_AFTER, &retry_after);
    snprintf(result->why, sizeof result->why, "status %ld", status);
    result->retry_after_ms = retry_after < 3600 ? retry_after * 1000 : 3600000;
    if (status >= 200 && status < 300)
        result->outcome = POST_TAKEN;
    else if (status != 429 && status != 502 && status != 503 && status != 504)
        result->outcome = POST_REFUSED;
}

void otlp_post_send(struct otlp_post *post, const struct otlp_target *target, const char *spans, size_t size,
                    struct post_result *result)
{
    struct arena arena = { 0 };
    size_t body_size;
    const char *body = make_body(&arena, target, spans, size, &body_size);
    if (!post->curl)
        post->curl = must(curl_easy_init());
    struct curl_slist *headers = make_headers(&arena, target);
    set_up(post, target);
    curl_easy_setopt(post->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(post->curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(post->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_size);
    judge(post, curl_easy_perform(post->curl), result);
    curl_slist_free_all(headers);
    arena_free(&arena);
}
