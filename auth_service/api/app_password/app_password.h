#pragma once
/*
 * App passwords: one for each program that cannot sign in as people do.
 * OpenSubsonic's t = md5(password + s) needs a secret that can be read back, so
 * each is random, never a password of a person, and sealed by the vault.
 *
 * They hold as long as the user's epoch (user/user.h): a changed or a forgotten
 * password, a sign-out everywhere, a suspension end all of them in one write.
 */
#include "http/endpoint.h"
#include "user/user.h"

enum { APP_PASSWORDS_MAX = 50 };            /* of one user */
#define APP_PASSWORD_PURPOSE "app password" /* of its seal, which is bound to its id */

struct app_password {
    struct doc doc;
    const char *user_id;
    int64_t epoch; /* the user's when it was made */
    const char *name;
    const char *sealed;
    int64_t created_at;
    int64_t used_at; /* when it last opened something; 0 = never */
};

struct app_passwords {
    struct store *store;
    const struct users *users;
    const struct vault *vault;
};

struct new_app_password {
    const char *name;
};
extern const struct field new_app_password_fields[]; /* name */

/* Shown once. */
struct issued_app_password {
    const char *id, *name;
    const char *password; /* for `p`, and for `t` with `s` */
    const char *api_key;  /* tap_<id>_<password>, for `apiKey` */
};

/* ERROR_CONFLICT for a name that another of this user has, and for one more than APP_PASSWORDS_MAX; ERROR_UNAVAILABLE
 * where the vault is away. */
struct issued_app_password *app_password_create(struct ctx *ctx, const struct app_passwords *service,
                                                const char *user_id, const struct new_app_password *in);
/* Those that hold, by name: of struct app_password. */
bool app_password_list(struct ctx *ctx, const struct app_passwords *service, const char *user_id, struct list *out);
/* ERROR_NOT_FOUND, also for another's. */
bool app_password_remove(struct ctx *ctx, const struct app_passwords *service, const char *user_id, const char *id);
