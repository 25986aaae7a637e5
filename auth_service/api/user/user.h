#pragma once
/* People. One address (email_key()) is one account. */
#include "crypto/password.h"
#include "role/role.h"

enum user_status { USER_ACTIVE, USER_SUSPENDED };
extern const char *const user_statuses[]; /* "ACTIVE", "SUSPENDED" */

enum {
    USER_EMAIL_MAX = 254,
    USER_NAME_MIN = 2,
    USER_NAME_MAX = 200,
    USER_PICTURE_MAX = 2048,
    USER_PASSWORD_MIN = 8,
    USER_PASSWORD_MAX = 128,
};

struct user {
    struct doc doc;
    const char *email, *email_key;
    const char *name, *picture, *locale;
    const char *password; /* hash; NULL: no sign-in by password */
    struct list roles;    /* of const char *: ids */
    int status;           /* enum user_status */
    int64_t user_version; /* rises with every change that answers about this person hang on */
    int64_t epoch;        /* sessions begun under an earlier one are over ... */
    const char *spared;   /* ... but for this one; NULL: none */
    int64_t created_at, changed_at;
    int64_t announce; /* since when its change waits to be broadcast; 0 = everybody knows */
};

struct announcer;

/* What the functions here work on; records like this are open and live as long as their service. */
struct users {
    struct store *store;
    struct roles *roles;
    const struct announcer *announcer; /* NULL (the command line): a running auth finds and broadcasts what changed */
    struct password_cost cost;
};

struct new_user {
    const char *email, *password, *name, *picture, *locale;
    struct list roles; /* of const char *: codes; none = LISTENER */
};
/* email, password, name, profilePicUrl: what user_create() takes for checked. */
extern const struct field new_user_fields[];

/* ERROR_CONFLICT for a taken address; a violation of `roles` for an unknown one. Hashes the password (tens of ms). */
struct user *user_create(struct ctx *ctx, const struct users *users, const struct new_user *in);
/* By id or by address. ERROR_NOT_FOUND, also for what is no id. */
struct user *user_get(struct ctx *ctx, const struct users *users, const char *id);
struct user *user_find(struct ctx *ctx, const struct users *users, const char *email);

/* Changes a user that was just read. False fails the edit. May be called again with a newer one. */
typedef bool user_edit_fn(struct ctx *ctx, struct user *user, const void *with);
/* Reads, edits, writes, again while another write comes between; raises user_version, emits event.user.changed,
 * broadcasts. */
struct user *user_edit(struct ctx *ctx, const struct users *users, const char *id, user_edit_fn *edit,
                       const void *with);

/* `codes` become all the roles of this user. ERROR_NOT_FOUND; a violation of `roles`. */
struct user *user_set_roles(struct ctx *ctx, const struct users *users, const char *id, const struct list *codes);
/* A suspended user has no sessions and gets none. */
struct user *user_set_status(struct ctx *ctx, const struct users *users, const char *id, enum user_status status);
/* Ends all sessions in this one write: those that begin from now on carry the new epoch. */
struct user *user_end_sessions(struct ctx *ctx, const struct users *users, const char *id);

/* The password in a form that is kept; never changes what answers about this person say. Best effort. */
void user_rehash(struct ctx *ctx, const struct users *users, struct user *user, const char *password);
