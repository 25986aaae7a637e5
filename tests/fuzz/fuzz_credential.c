/*
 * Where credentials stand in a request (query, cookies), how they are taken out
 * of it, and tokens of the jwt plugin. What was hidden is found no more, in
 * whatever way its name was written; what was not stays; a token is taken only
 * where it is one that we signed.
 */
#include "base/text.h"
#include "credential/credential.h"
#include "fuzz.h"
#include "credential/signed_token.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = { "apikey", "jwt", "a", "X-Key" };

static const char secret[] = "your-256-bit-secret";
static const char ours[] =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0Ij"
    "oxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";

static size_t count_of(const struct path *path, char c)
{
    size_t count = 0;
    for (size_t i = path->size; i < path->total; i++)
        count += path->text[i] == c;
    return count;
}

static void check_query(struct exchange *x, const char *name, const char *text)
{
    size_t size = strlen(text);
    switch (path_look(text, size, &x->path)) {
    case PATH_BAD:
        return;
    case PATH_REWRITE:
        if (!path_rewrite(text, size, h2o_mem_alloc_pool(&x->req->pool, size * 3 + 2), &x->path))
            return;
        break;
    default:
        break;
    }
    struct path before = x->path, again;
    h2o_iovec_t value;
    size_t found = credential_in_query(x, name, &value);
    must_hold(!found || (value.len && value.len <= before.total), "what is found is there");
    credential_hide_query(x, name);
    must_hold(credential_in_query(x, name, &value) == 0, "what is hidden is found no more");
    must_hold(x->path.size == before.size && memcmp(x->path.text, before.text, before.size) == 0, "the path stays");
    must_hold(found ? x->path.total < before.total && count_of(&x->path, '&') <= count_of(&before, '&')
                    : x->path.total == before.total,
              "it is taken out, and nothing else");
    must_hold(path_look(x->path.text, x->path.total, &again) != PATH_BAD, "what is left is a path");
}

static void check_cookie(struct exchange *x, const char *name, const char *text)
{
    h2o_headers_t *headers = &x->req->headers;
    h2o_iovec_t value;
    h2o_add_header(&x->req->pool, headers, H2O_TOKEN_COOKIE, NULL, text, strlen(text));
    h2o_add_header(&x->req->pool, headers, H2O_TOKEN_ACCEPT, NULL, H2O_STRLIT("x"));
    size_t found = credential_in_cookie(x, name, &value);
    must_hold(!found || (value.base >= text && value.base + value.len <= text + strlen(text)), "it lies in the header");
    credential_hide_cookie(x, name);
    must_hold(credential_in_cookie(x, name, &value) == 0, "a hidden cookie is found no more");
    must_hold(headers->size && headers->entries[headers->size - 1].name == &H2O_TOKEN_ACCEPT->buf,
              "other headers stay");
    must_hold(found || (headers->entries[0].value.base == text && headers->entries[0].value.len == strlen(text)),
              "what is not there is not hidden");
    must_hold(headers->size == 1 || headers->entries[0].value.len <= strlen(text) * 2, "it fits");
}

static void check_token(const char *text)
{
    struct arena arena = { 0 };
    struct token_key key = { .alg = TOKEN_HS256, .secret = secret, .secret_size = strlen(secret) };
    struct token token;
    bool taken = !token_read(&arena, text, &token) && token_verify(&token, &key);
    must_hold(taken == (strcmp(text, ours) == 0), "a token is taken where it is ours, and nowhere else");
    token_finish(&token);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    const char *name = names[input_byte(&input) % (sizeof names / sizeof *names)];
    char *query = input_text(&input), *cookie = input_text(&input), *token = input_text(&input);
    struct exchange *x = calloc(1, sizeof *x);
    x->req = calloc(1, sizeof *x->req);
    h2o_mem_init_pool(&x->req->pool);
    check_query(x, name, query);
    check_cookie(x, name, cookie);
    check_token(token);
    h2o_mem_clear_pool(&x->req->pool);
    free(x->req);
    free(x);
    free(query);
    free(cookie);
    free(token);
    return 0;
}
