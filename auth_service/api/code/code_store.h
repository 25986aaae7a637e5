#pragma once
#include "code/code.h"

struct one_code {
    const char *hash; /* NULL: none is out */
    int64_t until;
};

/* All codes of an account: what must change together is one document. */
struct code_sheet {
    struct doc doc; /* the user's id; of who has no account, one of CODE_NOBODIES */
    struct one_code *verify, *reset;
    struct list sent, tried; /* of int64_t, unix ms: codes that went out, tries that were wrong; the last hour's */
    int64_t touched_at, expires_at;
};

enum { CODE_NOBODIES = 4096, CODE_PAGE = 100 };

extern const struct collection code_collection;

/* An empty one, with version 0, where there is none. */
struct code_sheet *code_store_get(struct ctx *ctx, struct store *store, const char *id);
/* ERROR_CONFLICT: it has changed since it was read. */
bool code_store_put(struct ctx *ctx, struct store *store, struct code_sheet *sheet, struct events events);
bool code_store_expired(struct ctx *ctx, struct store *store, int64_t now, struct page *out);
bool code_store_remove_many(struct ctx *ctx, struct store *store, const struct code_sheet *sheets, size_t count);
