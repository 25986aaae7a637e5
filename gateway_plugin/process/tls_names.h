#pragma once
/*
 * Names that a client's TLS may ask for, and what answers to each. As in Kong:
 * the whole name first, then `*.example.com`, then `example.*`, then `*`. A star
 * stands for one label.
 */
#include <stdbool.h>
#include <stddef.h>

struct tls_names;

enum { TLS_NAME_MAX = 253 };

/* `release` is called on each value. */
struct tls_names *tls_names_create(void (*release)(void *value));
void tls_names_destroy(struct tls_names *names);
/* Takes the value. The first of a name stays. Before tls_names_find(). */
void tls_names_add(struct tls_names *names, const char *name, void *value);
void *tls_names_find(const struct tls_names *names, const char *name);
/* A host name, in which the first or the last label may be a star; or a star. */
bool tls_name_valid(const char *name);
