#pragma once
/* The answer to a question for SRV (RFC 2782): hosts, ports and weights of the first priority. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SRV_MAX = 32 };

struct srv_records {
    struct srv_record {
        char *target; /* HOST:PORT; from malloc */
        int64_t weight;
    } items[SRV_MAX]; /* in an order of their own */
    size_t count;
};

/* How long it holds, in seconds. None where it cannot be read. */
int64_t srv_records_read(const unsigned char *data, int size, struct srv_records *out);
bool srv_records_same(const struct srv_records *a, const struct srv_records *b);
void srv_records_free(struct srv_records *records);
