#include "client/h2_guard.h"

#include <string.h>

enum {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION,
    UNKNOWN,
    UPDATE_OF_NOTHING, /* a WINDOW_UPDATE that is an error */
};
enum { END_STREAM = 1, END_HEADERS = 4, PADDED = 8, PRIORITISED = 32 };
enum {
    PREFACE_SIZE = 24,
    BLOCK_BYTES = 48 * 1024,
    BLOCK_FRAMES = 16,
    BLOCK_FIELDS = 512,  /* more than a hundred are answered with 431, so many are an attack */
    READ_REQUESTS = 512, /* a hundred streams are open at a time, and answers go out between two reads */
    SMALL_DATA = 32,
};

/* How many a second. A browser that leaves a page resets about a hundred streams. */
static const struct {
    uint32_t budget;
    const char *name;
} budgets[] = {
    [DATA] = { 2000, "small DATA frames" },
    [HEADERS] = { UINT32_MAX, "HEADERS frames" },
    [PRIORITY] = { 1000, "PRIORITY frames" },
    [RST_STREAM] = { 200, "RST_STREAM frames" },
    [SETTINGS] = { 50, "SETTINGS frames" },
    [PUSH_PROMISE] = { 1, "PUSH_PROMISE frames" },
    [PING] = { 100, "PING frames" },
    [GOAWAY] = { 10, "GOAWAY frames" },
    [WINDOW_UPDATE] = { 250000, "WINDOW_UPDATE frames" }, /* two for each frame of a gigabyte a second */
    [CONTINUATION] = { 1000, "CONTINUATION frames" },
    [UNKNOWN] = { 200, "frames of unknown types" },
    [UPDATE_OF_NOTHING] = { 1000, "WINDOW_UPDATE frames of nothing" },
};

void h2_guard_start(struct h2_guard *guard)
{
    *guard = (struct h2_guard){ .preface = PREFACE_SIZE };
}

static const char *in_block(struct h2_guard *guard, unsigned type, unsigned flags, uint32_t length)
{
    if (type != HEADERS && type != CONTINUATION)
        return NULL;
    if (type == HEADERS) {
        guard->block_bytes = guard->block_frames = 0;
        guard->fields = (struct h2_fields){ 0 };
        if (++guard->requests > READ_REQUESTS)
            return "requests in one breath";
    }
    guard->block_bytes += length;
    guard->block_frames++;
    guard->in_block = !(flags & END_HEADERS);
    if (guard->block_bytes > BLOCK_BYTES || guard->block_frames > BLOCK_FRAMES)
        return "a block of headers without end";
    return NULL;
}

static const char *count(struct h2_guard *guard, unsigned type, unsigned flags, uint32_t length)
{
    if (type > UNKNOWN)
        type = UNKNOWN;
    uint32_t small = SMALL_DATA + (flags & PADDED ? 256U : 0);
    if (type == DATA && (flags & END_STREAM || length >= small))
        return NULL;
    return ++guard->counts[type] > budgets[type].budget ? budgets[type].name : NULL;
}

static struct h2_upload *upload_of(struct h2_guard *guard, uint32_t stream)
{
    for (size_t i = 0; i < guard->upload_count; i++)
        if (guard->uploads[i].stream == stream)
            return &guard->uploads[i];
    return NULL;
}

static void end_upload(struct h2_guard *guard, uint32_t stream)
{
    struct h2_upload *upload = upload_of(guard, stream);
    if (!upload)
        return;
    guard->uploading -= upload->bytes;
    *upload = guard->uploads[--guard->upload_count];
}

void h2_guard_stop_reading(struct h2_guard *guard, uint32_t stream)
{
    end_upload(guard, stream);
    guard->unread[guard->unread_count++ % H2_UPLOADS] = stream;
}

bool h2_guard_unread(const struct h2_guard *guard, uint32_t stream)
{
    for (size_t i = 0; i < guard->unread_count && i < H2_UPLOADS; i++)
        if (guard->unread[i] == stream)
            return true;
    return false;
}

static const char *count_data(struct h2_guard *guard, uint32_t stream, uint32_t length)
{
    struct h2_upload *upload = upload_of(guard, stream);
    if (!upload) {
        if (guard->upload_count == H2_UPLOADS)
            return "bodies at a time";
        upload = &guard->uploads[guard->upload_count++];
        *upload = (struct h2_upload){ .stream = stream };
    }
    upload->bytes += length;
    guard->uploading += length;
    guard->received += length;
    return NULL;
}

/* What the frame adds to the bodies, or takes from them. */
static const char *follow_upload(struct h2_guard *guard, unsigned type, unsigned flags, uint32_t length)
{
    const unsigned char *head = guard->head;
    uint32_t stream = (uint32_t)(head[5] & 127) << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
    bool counts = type == DATA && length && !h2_guard_unread(guard, stream);
    const char *fault = counts ? count_data(guard, stream, length) : NULL;
    if (type == HEADERS && !(flags & END_STREAM) && guard->opened_count < H2_UPLOADS)
        guard->opened[guard->opened_count++] = stream;
    if (type == RST_STREAM || (type <= HEADERS && flags & END_STREAM))
        end_upload(guard, stream);
    return fault;
}

static const char *one_frame(struct h2_guard *guard)
{
    const unsigned char *head = guard->head;
    uint32_t length = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
    guard->left = length;
    guard->head_size = 0;
    const char *fault = count(guard, head[3], head[4], length);
    if (!fault)
        fault = follow_upload(guard, head[3], head[4], length);
    return fault ? fault : in_block(guard, head[3], head[4], length);
}

/* A part of the payload of HEADERS or CONTINUATION: what of it is neither padding nor priority are fields. */
static bool read_block(struct h2_guard *guard, const char *data, size_t size)
{
    const unsigned char *head = guard->head, *bytes = (const unsigned char *)data;
    uint32_t length = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2], at = length - guard->left;
    bool padded = head[3] == HEADERS && head[4] & PADDED;
    if (!at)
        guard->pad = padded ? bytes[0] : 0;
    size_t from = padded + (head[3] == HEADERS && head[4] & PRIORITISED ? 5 : 0);
    size_t to = length > guard->pad ? length - guard->pad : 0;
    from = from > at ? from - at : 0;
    to = to > at ? to - at : 0;
    if (to > size)
        to = size;
    if (from < to)
        h2_fields_read(&guard->fields, bytes + from, to - from);
    return guard->fields.count <= BLOCK_FIELDS;
}

/* A part of the payload of a WINDOW_UPDATE. */
static const char *read_update(struct h2_guard *guard, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        guard->increment |= (unsigned char)data[i];
    if (size < guard->left)
        return NULL;
    bool nothing = !guard->increment;
    guard->increment = 0;
    bool spent = nothing && ++guard->counts[UPDATE_OF_NOTHING] > budgets[UPDATE_OF_NOTHING].budget;
    return spent ? budgets[UPDATE_OF_NOTHING].name : NULL;
}

static const char *read_payload(struct h2_guard *guard, const char *data, size_t size)
{
    unsigned type = guard->head[3];
    if ((type == HEADERS || type == CONTINUATION) && !read_block(guard, data, size))
        return "header fields";
    return type == WINDOW_UPDATE ? read_update(guard, data, size) : NULL;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

const char *h2_guard_read(struct h2_guard *guard, const char *data, size_t size, int64_t now_ms)
{
    if (guard->second != now_ms / 1000) {
        guard->second = now_ms / 1000;
        memset(guard->counts, 0, sizeof guard->counts);
    }
    guard->requests = 0;
    size_t skip = least(size, guard->preface);
    guard->preface = (uint8_t)(guard->preface - skip);
    for (size_t at = skip; at < size;) {
        if (guard->left) {
            size_t part = least(size - at, guard->left);
            const char *fault = read_payload(guard, data + at, part);
            if (fault)
                return fault;
            guard->left -= (uint32_t)part;
            at += part;
            continue;
        }
        size_t part = least(size - at, sizeof guard->head - guard->head_size);
        memcpy(guard->head + guard->head_size, data + at, part);
        guard->head_size = (uint8_t)(guard->head_size + part);
        at += part;
        if (guard->head_size < sizeof guard->head)
            break;
        const char *fault = one_frame(guard);
        if (fault)
            return fault;
    }
    return NULL;
}
