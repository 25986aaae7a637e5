#include "transform/compress.h"

#include <brotli/decode.h>
#include <criterion/criterion.h>
#include <string.h>
#include <zlib.h>

static enum coding choose(enum compress allowed, const char *accept)
{
    h2o_iovec_t value = h2o_iovec_init(accept, strlen(accept));
    return compress_choose(allowed, &value, 1);
}

Test(compress, takes_what_the_client_likes_best)
{
    static const struct {
        const char *accept;
        enum coding both, gzip, brotli;
    } rows[] = {
        { "gzip, deflate, br", CODING_BROTLI, CODING_GZIP, CODING_BROTLI },
        { "gzip", CODING_GZIP, CODING_GZIP, CODING_NONE },
        { "br;q=0.5, gzip;q=0.8", CODING_GZIP, CODING_GZIP, CODING_BROTLI },
        { "br;q=0.8,gzip;q=0.8", CODING_BROTLI, CODING_GZIP, CODING_BROTLI },
        { "gzip;q=1.0, br ; q=0.001", CODING_GZIP, CODING_GZIP, CODING_BROTLI },
        { "gzip;q=0, *", CODING_BROTLI, CODING_NONE, CODING_BROTLI },
        { "*;q=0", CODING_NONE, CODING_NONE, CODING_NONE },
        { "*;q=0, GZIP", CODING_GZIP, CODING_GZIP, CODING_NONE },
        { "identity, gzip;q=0.0", CODING_NONE, CODING_NONE, CODING_NONE },
        { "x-gzip", CODING_GZIP, CODING_GZIP, CODING_NONE },
        { "gzip;q=nonsense, br;q=2x", CODING_NONE, CODING_NONE, CODING_NONE },
        { "", CODING_NONE, CODING_NONE, CODING_NONE },
        { ",,;,;q=1", CODING_NONE, CODING_NONE, CODING_NONE },
        { "deflate, zstd", CODING_NONE, CODING_NONE, CODING_NONE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(choose(COMPRESS_BOTH, rows[i].accept), rows[i].both, "%s", rows[i].accept);
        cr_expect_eq(choose(COMPRESS_GZIP, rows[i].accept), rows[i].gzip, "%s", rows[i].accept);
        cr_expect_eq(choose(COMPRESS_BROTLI, rows[i].accept), rows[i].brotli, "%s", rows[i].accept);
    }
}

enum { SIZE = 300000 };

static char text[SIZE], packed[SIZE * 2], unpacked[SIZE + 1];

static size_t unpack(bool brotli, size_t size)
{
    size_t out = sizeof unpacked;
    if (brotli)
        return BrotliDecoderDecompress(size, (const uint8_t *)packed, &out, (uint8_t *)unpacked) ? out : 0;
    z_stream stream = {
        .next_in = (Bytef *)packed, .avail_in = (uInt)size, .next_out = (Bytef *)unpacked, .avail_out = sizeof unpacked
    };
    inflateInit2(&stream, 15 + 16);
    int state = inflate(&stream, Z_FINISH);
    out = stream.total_out;
    inflateEnd(&stream);
    return state == Z_STREAM_END ? out : 0;
}

static size_t pack(struct body_filter *filter, size_t size, size_t step)
{
    size_t got = 0;
    for (size_t at = 0; at < size || !size; at += step) {
        const char *out = NULL;
        size_t out_size = 0, part = size - at < step ? size - at : step;
        bool last = at + part >= size;
        cr_assert(filter->take(filter, text + at, part, last, &out, &out_size));
        cr_expect(out_size, "what has come is not held back");
        memcpy(packed + got, out, out_size);
        got += out_size;
        if (last)
            break;
    }
    filter->free(filter);
    return got;
}

static void expect_round(bool brotli, size_t size, size_t step)
{
    size_t got = pack(brotli ? compress_brotli() : compress_gzip(), size, step);
    cr_assert_eq(unpack(brotli, got), size, "%d %zu %zu", brotli, size, step);
    cr_expect_arr_eq(unpacked, text, size);
}

Test(compress, gives_back_what_went_in)
{
    unsigned seed = 1;
    for (int noise = 0; noise < 2; noise++) {
        for (size_t i = 0; i < SIZE; i++)
            text[i] = noise ? (char)((seed = seed * 1103515245 + 12345) >> 16) : "tonearm "[i % 8];
        for (int brotli = 0; brotli < 2; brotli++) {
            expect_round(brotli, SIZE, FILTER_SLICE);
            expect_round(brotli, 100, 1);
            expect_round(brotli, 0, 1);
        }
    }
}
