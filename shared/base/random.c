#include "base/random.h"

#include "base/clock.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void random_bytes(void *out, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = getrandom((char *)out + done, size - done, 0);
        if (n > 0)
            done += (size_t)n;
    }
}

char *id_new(struct arena *arena)
{
    unsigned char id[12];
    int64_t seconds = clock_now_ms() / 1000;
    for (int i = 0; i < 4; i++)
        id[i] = (unsigned char)(seconds >> (24 - 8 * i));
    random_bytes(id + 4, 8);
    return hex_encode(arena, id, sizeof id);
}

bool id_valid(const char *text)
{
    return text && strlen(text) == 24 && strspn(text, "0123456789abcdef") == 24;
}

char *random_text(struct arena *arena, size_t bytes)
{
    unsigned char raw[64];
    if (bytes > sizeof raw)
        abort();
    random_bytes(raw, bytes);
    char *out = arena_alloc(arena, (bytes + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)out, raw, (int)bytes);
    out[strcspn(out, "=")] = 0;
    for (char *c = out; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    return out;
}
