/* GET /page, and / for browsers: the operator's page. It asks /live once a second. */
#include "admin/edge_admin_parts.h"

#include "admin/edge_page.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

/* 'sha256-...' of what stands between <name> and </name>: that and nothing else may run. */
static const char *hash_of(struct arena *arena, const char *name)
{
    unsigned char digest[SHA256_DIGEST_LENGTH], text[4 * SHA256_DIGEST_LENGTH / 3 + 4];
    const char *open = arena_printf(arena, "<%s>", name), *close = arena_printf(arena, "</%s>", name);
    const char *begin = strstr(edge_page, open) + strlen(open);
    SHA256((const unsigned char *)begin, (size_t)(strstr(begin, close) - begin), digest);
    EVP_EncodeBlock(text, digest, sizeof digest);
    return arena_printf(arena, "'sha256-%s'", (const char *)text);
}

void admin_page(struct admin *admin)
{
    admin->type = "text/html; charset=utf-8";
    admin->policy = arena_printf(&admin->arena,
                                 "default-src 'none'; connect-src 'self'; script-src %s; style-src %s; base-uri "
                                 "'none'; form-action 'none'; frame-ancestors 'none'",
                                 hash_of(&admin->arena, "script"), hash_of(&admin->arena, "style"));
    buf_add(&admin->out, edge_page, edge_page_size);
}

bool admin_wants_page(const struct admin *admin)
{
    ssize_t at = h2o_find_header(&admin->req->headers, H2O_TOKEN_ACCEPT, -1);
    if (at < 0)
        return false;
    const h2o_iovec_t *accept = &admin->req->headers.entries[at].value;
    return memmem(accept->base, accept->len, "text/html", 9);
}
