#pragma once
/*
 * A YAML file (or JSON, which is YAML) as a tree that remembers its lines.
 * Bounded: 4 MiB, 32 levels, 200,000 nodes. Aliases, tags and several documents
 * are refused: none of them is needed, each can hide what a file says.
 */
#include "config/faults.h"

enum node_kind { NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
    enum node_kind kind;
    int line;
    const char *key;  /* where it is a map's */
    const char *text; /* NODE_SCALAR */
    bool quoted;      /* "5" is text, 5 is a number */
    struct node *first, *next;
    size_t count; /* of children */
};

enum { YAML_MAX = 4 << 20 };

/* NULL when it cannot be read: the faults say why. */
struct node *yaml_read(struct faults *faults, const char *data, size_t size);
/* NULL where the map has no such key. */
const struct node *node_get(const struct node *map, const char *key);
/* ~, null or nothing. */
bool node_null(const struct node *node);
