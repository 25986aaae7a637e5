#pragma once
/* Randomness from the kernel (getrandom), and the ids made of it. Any thread. */
#include "base/arena.h"

#include <stdbool.h>

void random_bytes(void *out, size_t size);
/* 24 hexadecimal digits: 4 bytes of time (so that ids sort by birth, as MongoDB's ObjectId), 8 random. */
char *id_new(struct arena *arena);
bool id_valid(const char *text);
/* `bytes` random bytes as base64url without padding. */
char *random_text(struct arena *arena, size_t bytes);
