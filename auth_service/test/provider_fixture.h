#pragma once
/* For tests: an OpenID Connect provider of their own (tools/servers/mockoidc), a process on a free port, ended by its
 * pid. */
#include <jansson.h>
#include <sys/types.h>

struct provider {
    pid_t pid;
    char base[64];   /* http://127.0.0.1:PORT */
    char issuer[72]; /* BASE/oidc */
};

/* A missing one skips the test, or fails it where CI=true. Further arguments of its command line may be NULL. */
void provider_start(struct provider *provider, const char *const *arguments);
void provider_stop(struct provider *provider);
/* POST /control/NAME with this JSON (tools/servers/mockoidc/control.go); the caller's. */
json_t *provider_control(const struct provider *provider, const char *name, const char *json);
/* The same where the answer does not matter. */
void provider_do(const struct provider *provider, const char *name, const char *json);
/* An access token as /control/token makes it. The caller's, by free(). */
char *provider_token(const struct provider *provider, const char *wish);
/* How often it was asked for its keys so far. */
int provider_asked_keys(const struct provider *provider);
/* Answers with this status for its document and its keys, until it is 0. */
void provider_answer(const struct provider *provider, int status);
