#pragma once
/* People. One address (email_key()) is one account. */
#include "crypto/password.h"
#include "role/role.h"

/* USER_DELETED: what is left of an account is its id and its times; nobody finds it but by the list of all. */
enum user_status { USER_ACTIVE, USER_SUSPENDED, USER_DELETED };
extern const char *const user_statuses[];          /* "ACTIVE", "SUSPENDED", "DELETED" */
extern const char *const user_statuses_settable[]; /* the first two */

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
    struct list links;    /* of const char *: "ISSUER SUBJECT" of the providers that open it (oauth/oauth_account.h) */
    struct list former_links; /* of const char *: of a deleted one, user_former_link() of each */
    int status;               /* enum user_status */
    int64_t roles_at;         /* unix s: when the token was issued whose roles claim stands (issuer/foreign_token.h) */
    int64_t user_version;     /* rises with every change that answers about this person hang on */
    int64_t epoch;            /* sessions begun under an earlier one are over ... */
    const char *spared;       /* ... but for this one; NULL: none */
    int64_t created_at, changed_at;
    int64_t verified_at; /* when a code or a provider showed that the address is this person's; 0 = not yet */
    int64_t announce;    /* since when its change waits to be broadcast; 0 = everybody knows */
};

struct announcer;
struct vault;

/* What the functions here work on; records like this are open and live as long as their service. */
struct users {
    struct store *store;
    struct roles *roles;
    const struct announcer *announcer; /* NULL (the command line): a running auth finds and broadcasts what changed */
    struct password_cost cost;
    const struct vault *vault;   /* of deeds: where they come from (audit/deed.h) */
    const struct secret *master; /* of user_former_link(); NULL (the command line): nobody is deleted by it */
};

struct new_user {
    const char *email, *password, *name, *picture, *locale;
    const char *hash;  /* in the password's place: kept as it is */
    struct list roles; /* of const char *: codes; none = LISTENER */
    int status;        /* enum user_status */
    const char *link;  /* see struct user; NULL = none */
    int64_t verified_at;
};
/* email, password, name, profilePicUrl: what user_create() takes for checked. */
extern const struct field new_user_fields[];

/* ERROR_CONFLICT for a taken address; a violation of `roles` for an unknown one. Hashes the password (tens of ms). */
struct user *user_create(struct ctx *ctx, const struct users *users, const struct new_user *in);
/*
 * An account of another system: email, name, password (a bcrypt hash, $2a$, $2b$ or $2y$; absent: no sign-in by
 * password), roles, status, profilePicUrl. The hash is kept and written anew when its person signs in.
 */
extern const struct field imported_user_fields[]; /* of a struct new_user */
/* As user_create(); true also where the address has an account already, which stays as it is: then *made is NULL. */
bool user_import(struct ctx *ctx, const struct users *users, const struct new_user *in, struct user **made);

/* By id or by address. ERROR_NOT_FOUND, also for what is no id. */
struct user *user_get(struct ctx *ctx, const struct users *users, const char *id);
struct user *user_find(struct ctx *ctx, const struct users *users, const char *email);
/* What is left of a link when its account is deleted: a code that only who has the master secret can compare with a
 * link, so that a program's token does not bring back who was deleted. ERROR_UNAVAILABLE: the secret cannot be read. */
const char *user_former_link(struct ctx *ctx, const struct users *users, const char *link);
struct user *user_find_linked(struct ctx *ctx, const struct users *users, const char *link);
/* Whether ADMIN is among the roles. */
bool user_administers(struct ctx *ctx, const struct users *users, const struct user *user, bool *out);

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
/*
 * In one write: the address, the name, the picture, the locale, the password, the roles and the links (but for
 * user_former_link()) are gone, all sessions are over, and event.user.deleted tells everybody. The address is free
 * again. ERROR_NOT_FOUND, also a second time.
 */
struct user *user_delete(struct ctx *ctx, const struct users *users, const char *id);
/* Ends all sessions in this one write: those that begin from now on carry the new epoch. */
struct user *user_end_sessions(struct ctx *ctx, const struct users *users, const char *id);

/* The password in a form that is kept; never changes what answers about this person say. Best effort. */
void user_rehash(struct ctx *ctx, const struct users *users, struct user *user, const char *password);
