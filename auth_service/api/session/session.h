#pragma once
/*
 * A session is one document: who, which generation of its refresh token is the
 * current one, the hash of that one's secret, and when it was made. So that a
 * rotation, and the end, are one conditional write.
 */
#include "audit/audit.h"
#include "session/refresh_token.h"
#include "user/user.h"

enum { SUCCESSOR_MS = 10000 }; /* how long after its rotation a predecessor still gets the same successor */

struct session {
    struct doc doc;
    const char *user_id;
    int64_t generation;
    const char *secret_hash; /* of the current generation */
    const char *salt;
    int64_t epoch; /* of the user when it began: see struct user */
    const char *device, *address;
    int64_t created_at, used_at, rotated_at, expires_at;
    int64_t revoked_at; /* 0 = alive */
    int64_t announce;
    bool is_token; /* an access token of another issuer: when it has ended its document stays until it expires */
};

struct sessions {
    struct store *store;
    const struct announcer *announcer;
    const struct secret *master;
    int64_t ttl_ms; /* of a refresh token, from its making */
    const struct audit *audit;
};

/* Where a request comes from: for the person to know their sessions by. */
struct device {
    const char *name, *address;
};

/* What a caller gets to hold. */
struct held_session {
    struct session *session;
    const char *refresh_token;
};

/* `how` they signed in, for the trail: "password", "signup", a provider's name. The entry is written before the
 * session: there is none without it. */
struct held_session *session_begin(struct ctx *ctx, const struct sessions *sessions, const struct user *user,
                                   const struct device *device, const char *how);

/* A session that is an access token of another issuer: nobody holds a refresh token of it. True also where it is there
 * already, as another replica began it. */
bool session_of_token(struct ctx *ctx, const struct sessions *sessions, const struct user *user,
                      const struct device *device, const char *id, int64_t expires_at);

/*
 * The current token rotates the session; its predecessor, within SUCCESSOR_MS of
 * that rotation, gets the same successor; any other that once was true ends the
 * session. ERROR_UNAUTHORIZED for all that get no token. `must_be` (may be NULL)
 * is the id that the session must have: looked at first.
 */
struct held_session *session_refresh(struct ctx *ctx, const struct sessions *sessions, const char *token,
                                     const char *must_be, const struct device *device);

/* Alive, for this user as read now. ERROR_UNAUTHORIZED. */
bool session_holds(struct ctx *ctx, const struct session *session, const struct user *user);
/* ERROR_NOT_FOUND, also for what is no id. */
struct session *session_get(struct ctx *ctx, const struct sessions *sessions, const char *id);
/* Those alive of this user, newest first, at most 100. */
bool session_list(struct ctx *ctx, const struct sessions *sessions, const struct user *user, struct list *out);

/* In one write, then told to everybody. Nothing where it has ended before. */
bool session_end(struct ctx *ctx, const struct sessions *sessions, const char *id);
/* Marks what an epoch has ended already (user_end_sessions), so that it is told of and removed. Best effort. */
void session_end_others(struct ctx *ctx, const struct sessions *sessions, const struct user *user);
/* A chore: removes those that have expired. */
bool session_sweep(struct ctx *ctx, void *sessions);
