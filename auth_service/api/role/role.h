#pragma once
/*
 * Roles are documents seeded by a migration: {code, status}. Users name them by
 * id, people and services by code. ADMIN passes every check; no other role
 * implies another. A disabled role counts for nobody.
 */
#include "contract/messages.h"
#include "store/store.h"

#define ROLE_LISTENER "LISTENER" /* what everybody gets who signs up */
#define ROLE_ARTIST "ARTIST"
#define ROLE_EDITOR "EDITOR"
#define ROLE_ADMIN "ADMIN"

enum { ROLES_MAX = 64 };

enum role_status { ROLE_ACTIVE, ROLE_DISABLED };

struct role {
    struct doc doc;
    const char *code;
    int status; /* enum role_status */
};

/* The role documents, read again when they are older than 5 s. Any thread. */
struct roles;

struct roles *roles_create(struct store *store);
void roles_destroy(struct roles *roles);

/* The active ones of these ids (const char *), as struct role_ref; ids of no role are passed over. */
bool roles_refs(struct ctx *ctx, struct roles *roles, const struct list *ids, struct list *out);
/* The same by code. */
bool roles_of_codes(struct ctx *ctx, struct roles *roles, const struct list *codes, struct list *out);
/* Their ids; a violation of `roles` (enum) for each that is none. Duplicates fall together. */
bool roles_ids(struct ctx *ctx, struct roles *roles, const struct list *codes, struct list *out);

/* Whether struct role_refs hold one of `any_of` (NULL-terminated), or ADMIN. */
bool roles_reach(const struct list *refs, const char *const *any_of);
