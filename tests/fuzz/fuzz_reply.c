/* What a member of the edge's upstreams may answer: the head, and a chunked body. */
#include "client/chunks.h"
#include "fuzz.h"
#include "proxy/reply_head.h"

#include <stdlib.h>
#include <string.h>

static bool within(const char *data, size_t size, const char *at, size_t length)
{
    return !length || (at >= data && at + length <= data + size);
}

static void check_head(const char *data, size_t size, const struct reply_head *head)
{
    must_hold(head->size <= size && head->status >= 100 && head->status <= 599, "a status, and a head that was there");
    must_hold(within(data, size, head->reason, head->reason_size), "the reason is in it");
    must_hold(head->count <= HEADERS_MAX, "bounded");
    for (size_t i = 0; i < head->count; i++)
        must_hold(within(data, head->size, head->fields[i].name, head->fields[i].name_size) &&
                      within(data, head->size, head->fields[i].value, head->fields[i].value_size),
                  "so is each header");
    must_hold(head->end != BODY_LENGTH || head->length != UINT64_MAX, "a length that is meant is there");
    must_hold(!head->keep || (head->end != BODY_CLOSE && head->end != BODY_UPGRADE),
              "what ends by closing is not kept");
    must_hold((head->status != 204 && head->status != 304) || head->end == BODY_NONE, "these have no body");
}

/* In pieces of `step` bytes, each in its place. */
static enum chunks_state in_pieces(char *data, size_t size, size_t step, struct chunks *chunks, size_t *used)
{
    enum chunks_state state = CHUNKS_MORE;
    *used = 0;
    while (state == CHUNKS_MORE && *used < size) {
        size_t taken, payload, piece = size - *used < step ? size - *used : step;
        state = chunks_read(chunks, data + *used, piece, &taken, data + *used, &payload);
        must_hold(taken <= piece && payload <= taken, "no more than there is");
        must_hold(state != CHUNKS_MORE || taken == piece, "all of it, while there may be more");
        *used += taken;
    }
    return state;
}

static void check_chunks(const char *data, size_t size, size_t step)
{
    struct chunks whole = { 0 }, pieces = { 0 };
    size_t used, payload, used_by_pieces;
    char *one = input_copy(data, size), *two = input_copy(data, size);
    enum chunks_state state = chunks_read(&whole, data, size, &used, one, &payload);
    must_hold(state == in_pieces(two, size, step, &pieces, &used_by_pieces), "pieces do not matter");
    must_hold(state == CHUNKS_BAD || (used == used_by_pieces && whole.payload == pieces.payload), "nor for the body");
    must_hold(payload == whole.payload && payload <= size, "no payload from nowhere");
    must_hold(state != CHUNKS_END || (used >= 5 && data[used - 1] == '\n'), "it ends with a line");
    free(one);
    free(two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    unsigned how = input_byte(&input);
    size_t left = input_left(&input);
    char *text = input_copy(input.at, left);
    struct reply_head *head = malloc(sizeof *head);
    if (!head)
        abort();
    size_t body = 0;
    enum head_state state = reply_head_read(text, left, how & 1, head);
    if (state == HEAD_GOOD) {
        check_head(text, left, head);
        body = head->size;
    }
    if (state == HEAD_GOOD || how & 2)
        check_chunks(text + body, left - body, 1 + how / 4);
    free(head);
    free(text);
    return 0;
}
