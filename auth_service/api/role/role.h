#pragma once
/*
 * Roles are documents seeded by a migration and changed by ADMIN: {code,
 * permissions, status}. Users name them by id, people and services by code. What
 * is asked for is a role ("EDITOR") or a permission ("track:publish"). ADMIN passes every check; no other role
 * implies another. A disabled role counts for nobody.
 *
 * The version of all roles is the sum of their documents' versions: it rises
 * with each change, whoever makes it, and is told by the feed (FEED_ROLES).
 */
#include "contract/messages.h"
#include "nats/feed.h"
#include "store/store.h"

#define ROLE_LISTENER "LISTENER" /* what everybody gets who signs up */
#define ROLE_ARTIST "ARTIST"
#define ROLE_EDITOR "EDITOR"
#define ROLE_ADMIN "ADMIN"

enum { ROLES_MAX = 64, PERMISSIONS_MAX = 32 };

enum role_status { ROLE_ACTIVE, ROLE_DISABLED };

struct role {
    struct doc doc;
    const char *code;
    struct list permissions; /* of const char *: "track:publish" */
    int status;              /* enum role_status */
    int64_t announce;        /* since when its change waits to be broadcast; 0 = everybody knows */
};
extern const char *const role_statuses[]; /* "ACTIVE", "DISABLED" */

/*
 * The role documents, as they are remembered: read again when the feed tells of
 * newer ones, and when they are older than a second. While the store is away they
 * hold for as long as the feed vouches for them. Any thread.
 */
struct roles;

struct roles *roles_create(struct store *store, struct feed *feed); /* feed: NULL for the command line */
void roles_destroy(struct roles *roles);

/* The active ones of these ids (const char *), as struct role_ref; ids of no role are passed over. `version` (may be
 * NULL): of the roles that this was read from. */
bool roles_refs(struct ctx *ctx, struct roles *roles, const struct list *ids, struct list *out, int64_t *version);
/* The disabled ones of these, which count for nothing. */
bool roles_refs_disabled(struct ctx *ctx, struct roles *roles, const struct list *ids, struct list *out);
/* The active ones by code. */
bool roles_of_codes(struct ctx *ctx, struct roles *roles, const struct list *codes, struct list *out);
/*
 * Their ids; a violation of `roles` where one is none (enum), or is disabled and not among the ids `held` (disabled):
 * who has a disabled role keeps it, and nobody else is given it. `held` NULL: none. Duplicates fall together.
 */
bool roles_ids(struct ctx *ctx, struct roles *roles, const struct list *codes, const struct list *held,
               struct list *out);

enum reach { REACH_UNKNOWN, REACH_YES, REACH_NO };
/* Whether who has these roles (codes, NULL-terminated) has one of `any_of`, has a permission of it by one of them, or
 * is ADMIN. REACH_UNKNOWN: ctx->error says why. */
enum reach roles_reach(struct ctx *ctx, struct roles *roles, const char *const *codes, const char *const *any_of);

/* What ADMIN does with them. */
struct new_role {
    const char *code;
    struct list permissions; /* of const char * */
};
extern const struct field new_role_fields[]; /* code, permissions */

struct role_change {
    struct list permissions; /* from now on, no others */
    int status;
};
extern const struct field role_change_fields[]; /* permissions, status */

/* As they stand in the store now, by code; of struct role. */
bool roles_list(struct ctx *ctx, struct store *store, struct list *out);
struct announcer;
/* ERROR_CONFLICT for a taken code, or when there are ROLES_MAX. */
struct role *role_create(struct ctx *ctx, const struct announcer *announcer, struct store *store,
                         const struct new_role *in);
/* Holds everywhere within a second. ERROR_NOT_FOUND; ERROR_CONFLICT for ADMIN, and when LISTENER would be disabled. */
struct role *role_change(struct ctx *ctx, const struct announcer *announcer, struct store *store, const char *code,
                         const struct role_change *in);
