#pragma once
/*
 * Asks others over HTTP whether a credential is good: a thread of its own with
 * kept connections, for all loops of this process. Many who ask the same at a time
 * make one question; an answer holds for a second, so that what is revoked there is
 * refused here within one. Bounded; the loops never wait for it.
 */
#include "process/loop.h"

struct verifier;
struct verdict_waiter;

struct verifier_question {
    const char *url;       /* http:// or https:// */
    const char *spare_url; /* where nothing listens at the first; NULL: none */
    const char *name;      /* of the answers: those of one name are alike wherever they are asked for */
    const char *header;    /* that the credential is sent as */
    const char *credential;
};

/* On the loop's thread. `status` 0: nobody answered in time, or with more than VERIFIER_BODY_MAX. `body` is valid
 * during the call. */
typedef void verifier_fn(void *self, int status, const char *body, size_t size);

enum { VERIFIER_BODY_MAX = 64 * 1024 };

/* Starts its thread with the first question. */
struct verifier *verifier_create(void);
/* All questions are answered by then, with 0 where need be. NULL is fine. */
void verifier_stop(struct verifier *verifier);
/* After the loops. NULL is fine. */
void verifier_destroy(struct verifier *verifier);
/* Calls `answer` here and now, if it is known. */
bool verifier_known(struct verifier *verifier, const struct verifier_question *question, verifier_fn *answer,
                    void *self);
/* `answer` is called later, exactly once, unless cancelled. NULL: too many wait. */
struct verdict_waiter *verifier_ask(struct verifier *verifier, struct loop *loop,
                                    const struct verifier_question *question, verifier_fn *answer, void *self);
/* On the loop's thread. */
void verdict_waiter_cancel(void *waiter);
