#include "member/srv_records.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* What a name server says of `_m._tcp.x`: priority, weight, port, a host of one label, a TTL for each. */
struct row {
    unsigned priority, weight, port;
    const char *host; /* "": the root */
    unsigned ttl_s;
};

static unsigned char data[2048];
static int size;

static void put16(unsigned value)
{
    data[size++] = (unsigned char)(value >> 8);
    data[size++] = (unsigned char)value;
}

static void put_label(const char *text)
{
    size_t length = strlen(text);
    data[size++] = (unsigned char)length;
    memcpy(data + size, text, length);
    size += (int)length;
}

static void make(const struct row *rows, unsigned count)
{
    size = 0;
    put16(1);
    put16(0x8400);
    put16(1);
    put16(count);
    put16(0);
    put16(0);
    put_label("_m");
    put_label("_tcp");
    put_label("x");
    data[size++] = 0;
    put16(33);
    put16(1);
    for (unsigned i = 0; i < count; i++) {
        put16(0xc00c);
        put16(33);
        put16(1);
        put16(rows[i].ttl_s >> 16);
        put16(rows[i].ttl_s);
        put16((unsigned)(6 + (*rows[i].host ? 2 + strlen(rows[i].host) : 1)));
        put16(rows[i].priority);
        put16(rows[i].weight);
        put16(rows[i].port);
        if (*rows[i].host)
            put_label(rows[i].host);
        data[size++] = 0;
    }
}

Test(srv_records, are_those_of_the_first_priority_in_an_order_of_their_own)
{
    static const struct row rows[] = { { 10, 5, 81, "b", 300 }, { 20, 1, 82, "never", 30 }, { 10, 0, 80, "a", 70000 } };
    struct srv_records records;
    make(rows, 3);
    cr_expect_eq(srv_records_read(data, size, &records), 30, "the least TTL of all");
    cr_assert_eq(records.count, 2u);
    cr_expect_str_eq(records.items[0].target, "a:80");
    cr_expect_eq(records.items[0].weight, 1, "as Kong: none is one");
    cr_expect_str_eq(records.items[1].target, "b:81");
    cr_expect_eq(records.items[1].weight, 5);
    srv_records_free(&records);
}

Test(srv_records, that_name_no_host_or_no_port_are_none)
{
    static const struct row rows[] = { { 0, 0, 80, "", 5 }, { 0, 0, 0, "a", 5 } };
    struct srv_records records;
    make(rows, 2);
    srv_records_read(data, size, &records);
    cr_expect_eq(records.count, 0u);
    srv_records_free(&records);
}

Test(srv_records, are_compared_by_host_port_and_weight)
{
    static const struct row one[] = { { 0, 1, 80, "a", 5 }, { 0, 1, 80, "b", 5 } };
    static const struct row turned[] = { { 0, 1, 80, "b", 9 }, { 0, 1, 80, "a", 9 } };
    static const struct row heavier[] = { { 0, 1, 80, "a", 5 }, { 0, 2, 80, "b", 5 } };
    struct srv_records a, b, c;
    make(one, 2);
    srv_records_read(data, size, &a);
    make(turned, 2);
    srv_records_read(data, size, &b);
    make(heavier, 2);
    srv_records_read(data, size, &c);
    cr_expect(srv_records_same(&a, &b));
    cr_expect_not(srv_records_same(&a, &c));
    srv_records_free(&a);
    srv_records_free(&b);
    srv_records_free(&c);
}

/* In a piece of memory that ends where the answer does. */
static void read_piece(const unsigned char *from, int length)
{
    struct srv_records records;
    unsigned char *piece = malloc((size_t)length + 1);
    memcpy(piece, from, (size_t)length);
    srv_records_read(piece, length, &records);
    srv_records_free(&records);
    free(piece);
}

Test(srv_records, that_are_cut_or_spoilt_are_read_no_further_than_they_go)
{
    static const struct row rows[] = { { 1, 1, 80, "host", 5 }, { 1, 1, 81, "other", 5 } };
    unsigned char whole[sizeof data];
    make(rows, 2);
    for (int length = 0; length <= size; length++)
        read_piece(data, length);
    memcpy(whole, data, sizeof data);
    for (int at = 0; at < size; at++) {
        for (int value = 0; value < 256; value += 5) {
            data[at] = (unsigned char)value;
            read_piece(data, size);
        }
        data[at] = whole[at];
    }
}
