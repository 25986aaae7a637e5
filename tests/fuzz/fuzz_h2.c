/* The guard over HTTP/2 frames: pieces do not matter, and what it counts is what it holds. */
#include "fuzz.h"
#include "client/h2_guard.h"

#include <stdlib.h>
#include <string.h>

static void check_sums(const struct h2_guard *guard)
{
    size_t sum = 0;
    must_hold(guard->upload_count <= H2_UPLOADS, "bounded");
    for (size_t i = 0; i < guard->upload_count; i++)
        sum += guard->uploads[i].bytes;
    must_hold(sum == guard->uploading, "the bytes of the bodies are those of each");
    must_hold(guard->head_size < sizeof guard->head, "a head is not left whole");
}

static const char *by_bytes(struct h2_guard *guard, const char *data, size_t size, int64_t now)
{
    const char *fault = NULL;
    for (size_t i = 0; !fault && i < size; i++)
        fault = h2_guard_read(guard, data + i, 1, now);
    return fault;
}

/* Pieces with the time that passes between them: a byte of length, a byte of tenths of a second, and so on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    struct h2_guard *whole = malloc(sizeof *whole), *bytes = malloc(sizeof *bytes);
    if (!whole || !bytes)
        abort();
    h2_guard_start(whole);
    h2_guard_start(bytes);
    whole->preface = bytes->preface = (uint8_t)(input_byte(&input) % 25);
    int64_t now = 1000;
    const char *fault = NULL;
    while (!fault && input_left(&input)) {
        size_t most = input_byte(&input) * 16u, left = (now += input_byte(&input) * 10u, input_left(&input));
        size_t piece = most && most < left ? most : left;
        if (!piece)
            break;
        char *copy = input_copy(input.at, piece);
        fault = h2_guard_read(whole, copy, piece, now);
        const char *again = by_bytes(bytes, copy, piece, now);
        /* Requests in one breath are counted by what is read at once. */
        must_hold(fault == again || (fault && !strcmp(fault, "requests in one breath")), "pieces do not matter");
        whole->requests = bytes->requests = 0;
        free(copy);
        input.at += piece;
        check_sums(whole);
        must_hold(fault || memcmp(whole, bytes, sizeof *whole) == 0, "nor for what it knows");
    }
    free(whole);
    free(bytes);
    return 0;
}
