#pragma once
/*
 * The subject of a service `nats://SUBJECT`: tokens by dots, and {NAME} where the
 * request's path says what stands there. What a client sends is a part of one
 * token: never a further one, a wildcard, or the beginning of a system's subject.
 */
#include "base/buf.h"

#include <stdbool.h>

enum { SUBJECT_SIZE_MAX = 255, PARAMS_MAX = 32, PARAM_NAME_MAX = 32 };

/* What a path's part says, as it stands in the path: escapes are not undone. */
struct param {
    const char *name;
    const char *value;
    size_t size;
};

struct params {
    struct param items[PARAMS_MAX];
    size_t count;
};

struct nats_subject;

/* NULL: `*why` says what is wrong with it. */
const struct nats_subject *nats_subject_parse(struct arena *arena, const char *text, const char **why);
/* As it was written. */
const char *nats_subject_text(const struct nats_subject *subject);
/* The name of the next {NAME} from number `index` on; NULL: there is none. */
const char *nats_subject_param(const struct nats_subject *subject, size_t index);
/* false: a value is missing, or cannot stand in a subject. */
bool nats_subject_write(const struct nats_subject *subject, const struct params *params, struct buf *out);

/* Undoes escapes (and `+`, in a query). NULL: they are malformed, or what comes out is not UTF-8 or has control
 * characters. */
char *nats_field_text(struct arena *arena, const char *text, size_t size, bool query);
