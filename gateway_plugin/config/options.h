#pragma once
/*
 * A table of the fields that a map may have: it fills a struct and refuses the
 * rest by name. What the edge does not do is refused, never ignored.
 */
#include "config/yaml_tree.h"

#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_TEXT = 1, /* const char * */
    OPTION_INTEGER,  /* int64_t, between min and max */
    OPTION_SECONDS,  /* int64_t, ms: given in seconds, with a fraction; between min and max (ms) */
    OPTION_PART,     /* int64_t, thousandths: given as a number between 0 and 1 */
    OPTION_FLAG,     /* bool */
    OPTION_TEXTS,    /* struct texts */
    OPTION_INTEGERS, /* struct integers, each between min and max */
    OPTION_CHOICE,   /* int: index into choices */
    OPTION_FIXED,    /* taken where it says `only`, else refused; not kept */
    OPTION_NOTE,     /* says nothing to the edge (an id, a time, a comment) */
    OPTION_CHILD,    /* the caller reads it */
    OPTION_MAP,      /* a map of further options, read into the same struct from `offset` on */
    OPTION_NAMED,    /* struct named_texts: a map of names, which the file chooses, to texts */
    OPTION_REFUSED,  /* a field of Kong's that the edge does not have */
};

struct texts {
    const char **items;
    size_t count;
};

struct integers {
    int64_t *items;
    size_t count;
};

struct named_texts {
    struct texts names, values; /* as many of each */
};

struct option {
    const char *name;
    enum option_kind kind;
    size_t offset;
    int64_t min, max;
    const char *const *choices;      /* NULL-terminated; TEXTS: what an item may be */
    const char *only;                /* FIXED: values by comma */
    bool (*valid)(const char *text); /* TEXT, TEXTS, names of NAMED ... */
    const char *rule;                /* ... and what it asks for, in words */
    const char *instead;             /* REFUSED, FIXED, CHOICE: what is possible, in words */
    const char *ours;                /* Kong has it not: what it is for, in words */
    bool required;
    const struct option *fields; /* MAP */
    bool secret;                 /* TEXT, values of NAMED: never shown */
    bool filled;                 /* TEXTS: not empty where it is there */
};

#define OPTION(name_, kind_, type_, member_, ...)                                                                      \
    {                                                                                                                  \
        .name = (name_), .kind = (kind_), .offset = offsetof(type_, member_), ##__VA_ARGS__                            \
    }

/* Fills `out`, which holds the defaults. `path` names the map: "services[0]", "" at the top. */
void options_read(struct faults *faults, const char *path, const struct node *map, const struct option *options,
                  void *out);
/* "services[0].url" */
const char *field_path(struct faults *faults, const char *path, const char *name);
const char *item_path(struct faults *faults, const char *path, const char *name, size_t index);
