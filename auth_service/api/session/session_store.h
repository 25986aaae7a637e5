#pragma once
#include "revocation/announcer.h"
#include "session/session.h"

extern const struct collection session_collection;
extern const struct announced session_announced;

enum { SESSION_PAGE = 100 };

struct session *session_store_get(struct ctx *ctx, struct store *store, const char *id);
bool session_store_insert(struct ctx *ctx, struct store *store, struct session *session);
/* A rotation or an end: if it is unchanged since it was read, else ERROR_CONFLICT. */
bool session_store_change(struct ctx *ctx, struct store *store, struct session *session);
/* Several ends, each for itself; those changed meanwhile are passed over. */
bool session_store_change_many(struct ctx *ctx, struct store *store, struct session *sessions, size_t count);
/* Of one user, by age; SESSION_PAGE a page. */
bool session_store_of(struct ctx *ctx, struct store *store, const char *user_id, bool newest_first, const char *cursor,
                      struct page *out);
bool session_store_expired(struct ctx *ctx, struct store *store, int64_t now, struct page *out);
bool session_store_remove_many(struct ctx *ctx, struct store *store, const struct session *sessions, size_t count);
