#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is too large is refused, as it is where memory is bounded. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
    return "detect_leaks=1:allocator_may_return_null=1:max_allocation_size_mb=1024:quarantine_size_mb=32";
}

const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}

void must_hold(bool right, const char *words)
{
    if (right)
        return;
    fprintf(stderr, "does not hold: %s\n", words);
    abort();
}

unsigned input_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

size_t input_left(const struct input *input)
{
    return (size_t)(input->end - input->at);
}

char *input_copy(const void *data, size_t size)
{
    char *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    return copy;
}

char *input_text(struct input *input)
{
    size_t left = input_left(input);
    const uint8_t *stop = left ? memchr(input->at, 0, left) : NULL;
    size_t size = stop ? (size_t)(stop - input->at) : left;
    char *text = malloc(size + 1);
    if (!text)
        abort();
    if (size)
        memcpy(text, input->at, size);
    text[size] = 0;
    input->at += stop ? size + 1 : size;
    return text;
}
