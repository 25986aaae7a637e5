#pragma once
/* What the fuzzers share: how an input is taken apart, and what becomes of one that shows a fault. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libFuzzer's: each target has its own. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of every input. Where it does not hold the process dies with the words, and the input is kept. */
void must_hold(bool right, const char *words);

/* What is left of an input. */
struct input {
    const uint8_t *at, *end;
};

#define INPUT(data_, size_) ((struct input){ (data_), (data_) + (size_) })

/* 0 when nothing is left. */
unsigned input_byte(struct input *input);
size_t input_left(const struct input *input);
/* Up to the next NUL, which is taken too, or all that is left: as text on the heap, so that a byte too far is seen. The
 * caller frees it. */
char *input_text(struct input *input);
/* A copy on the heap, no byte larger. The caller frees it. */
char *input_copy(const void *data, size_t size);
