#pragma once
/* What the services ask each other: a struct and its table for each message. */
#include "record/record.h"

struct validate_token {
    const char *access_token;
};
extern const struct field validate_token_fields[];

struct public_user {
    const char *id, *name, *email, *picture; /* email: only in valid_token */
};
extern const struct field public_user_fields[];  /* id, name, profilePicUrl */
extern const struct field private_user_fields[]; /* and email */

struct role_ref {
    const char *id, *code;
};
extern const struct field role_ref_fields[];

struct valid_token {
    struct public_user *user;
    struct list roles; /* of struct role_ref */
    const char *session_id;
    int64_t user_version;
    int64_t expires_at;    /* unix ms */
    int64_t roles_version; /* of the roles as they were for this answer; 0 = not told (an older auth) */
};
extern const struct field valid_token_fields[];

struct validate_role {
    const char *user_id;
    struct list roles; /* of const char *: any of these roles or permissions */
};
extern const struct field validate_role_fields[];

struct valid_role {
    bool has_role;
    struct list roles;     /* of const char *: the user's codes */
    int64_t roles_version; /* as above */
};
extern const struct field valid_role_fields[];

struct validate_apikey {
    const char *key;
};
extern const struct field validate_apikey_fields[];

struct valid_apikey {
    const char *id, *name;
    struct list scopes; /* of const char * */
    int64_t rate;
    int64_t expires_at; /* unix ms, 0 = never: keep the answer no longer */
};
extern const struct field valid_apikey_fields[];

struct by_id {
    const char *id;
};
extern const struct field by_id_fields[];

struct by_ids {
    struct list ids; /* of const char *, up to 100 */
};
extern const struct field by_ids_fields[];

struct public_users {
    struct list users; /* of struct public_user */
};
extern const struct field public_users_fields[];

/* Broadcasts of the revocation feed. */
struct revocation {
    const char *id;
    int64_t version;
};
extern const struct field revocation_fields[];

/* A one-time code on its way to an address: data of event.otp.*. */
struct otp_message {
    const char *user_id, *email, *name, *locale;
    const char *code;
    int64_t expires_at; /* unix ms: of no use to anybody after it */
};
extern const struct field otp_message_fields[];
