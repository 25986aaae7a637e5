#pragma once
#include "audit/audit.h"

extern const struct collection audit_collection;

/* true also where it is there already. */
bool audit_store_insert(struct ctx *ctx, struct store *store, struct audit_entry *entry);
bool audit_store_page(struct ctx *ctx, struct store *store, const struct audit_asked *asked, size_t limit,
                      const char *cursor, struct page *out);
/* Takes the addresses and devices out of these. */
bool audit_store_forget_origins(struct ctx *ctx, struct store *store, struct audit_entry *entries, size_t count);
/* Removes up to 100 of an action (NULL: of any) older than `before`; *all: none is left. */
bool audit_store_remove_old(struct ctx *ctx, struct store *store, const char *action, int64_t before, bool *all);
