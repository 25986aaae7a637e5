#pragma once
/*
 * h2o's http2_internal.h, which Debian ships, asks for klib's khash.h, which it
 * does not. As much of its interface as that header needs: the layout of a table
 * of pointers by number as libh2o has it, and looking one up, by passing over all
 * of it: a connection's streams are a hundred, and few are asked for.
 */
#include <stdint.h>

typedef uint32_t khiter_t;

#define khash_t(name) struct khash_##name
#define KHASH_MAP_INIT_INT64(name, value)                                                                              \
    khash_t(name)                                                                                                      \
    {                                                                                                                  \
        uint32_t n_buckets, size, n_occupied, upper_bound;                                                             \
        uint32_t *flags; /* two bits each: empty, deleted */                                                           \
        uint64_t *keys;                                                                                                \
        value *vals;                                                                                                   \
    };                                                                                                                 \
    static inline khiter_t kh_get_##name(const khash_t(name) * table, uint64_t key)                                    \
    {                                                                                                                  \
        for (uint32_t i = 0; i < table->n_buckets; i++)                                                                \
            if (!(table->flags[i >> 4] >> ((i & 15) << 1) & 3) && table->keys[i] == key)                               \
                return i;                                                                                              \
        return table->n_buckets;                                                                                       \
    }
#define kh_get(name, table, key) kh_get_##name(table, key)
#define kh_end(table) ((table)->n_buckets)
#define kh_val(table, i) ((table)->vals[i])
