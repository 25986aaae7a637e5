#include "text/fold.h"

#include "base/buf.h"
#include "base/text.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>

enum {
    UNITS = 64, /* UTF-16 units that one character may become */
    WORDS_MAX = 4096,
};

/* What Unicode's own folding keeps apart, and readers do not. */
static const struct {
    uint32_t from;
    const char *to;
} plain[] = {
    { 0xe6, "ae" }, { 0xf0, "d" },  { 0xf8, "o" },  { 0xfe, "th" },  { 0x111, "d" },
    { 0x127, "h" }, { 0x131, "i" }, { 0x142, "l" }, { 0x153, "oe" }, { 0x167, "t" },
};

static const char *plain_of(uint32_t c)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (plain[i].from == c)
            return plain[i].to;
    return NULL;
}

static bool is_mark(uint32_t c)
{
    return U_GET_GC_MASK(c) & U_GC_M_MASK;
}

static bool in_word(uint32_t c)
{
    return U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK | U_GC_M_MASK);
}

/* Accents go; signs that are the vowels of their script stay, and so do the voicing marks of kana. */
static bool is_accent(uint32_t c)
{
    UErrorCode error = U_ZERO_ERROR;
    return u_charType((UChar32)c) == U_NON_SPACING_MARK && c != 0x3099 && c != 0x309a &&
           uscript_getScript((UChar32)c, &error) == USCRIPT_INHERITED;
}

static int32_t without_accents(UChar *units, int32_t count)
{
    int32_t kept = 0;
    for (int32_t at = 0; at < count;) {
        UChar32 c;
        U16_NEXT(units, at, count, c);
        /* It is no longer than it was: it fits. */
        if (!is_accent((uint32_t)c))
            U16_APPEND_UNSAFE(units, kept, c);
    }
    return kept;
}

static size_t put(char *out, size_t size, uint32_t c)
{
    const char *ascii = plain_of(c);
    int32_t at = (int32_t)size;
    UBool full = false;
    if (ascii) {
        size_t length = strlen(ascii);
        if (size + length > FOLDED_ROOM)
            return size;
        memcpy(out + size, ascii, length);
        return size + length;
    }
    if (in_word(c))
        U8_APPEND((uint8_t *)out, at, FOLDED_ROOM, (UChar32)c, full);
    return full ? size : (size_t)at;
}

static int32_t normalise(const UNormalizer2 *form, const UChar *from, int32_t count, UChar *to)
{
    UErrorCode error = U_ZERO_ERROR;
    int32_t got = unorm2_normalize(form, from, count, to, UNITS, &error);
    return U_FAILURE(error) ? 0 : got;
}

size_t fold_character(uint32_t c, char out[static FOLDED_ROOM])
{
    if (c < 0x80) {
        out[0] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        return (c >= '0' && c <= '9') || (out[0] >= 'a' && out[0] <= 'z');
    }
    UErrorCode error = U_ZERO_ERROR;
    UChar first[UNITS], second[UNITS];
    int32_t count = 0;
    if (c > UCHAR_MAX_VALUE || U_IS_SURROGATE(c))
        return 0;
    U16_APPEND_UNSAFE(first, count, c);
    count = normalise(unorm2_getNFKCCasefoldInstance(&error), first, count, second);
    count = normalise(unorm2_getNFDInstance(&error), second, count, first);
    count = without_accents(first, count);
    count = normalise(unorm2_getNFCInstance(&error), first, count, second);
    size_t size = 0;
    for (int32_t at = 0; at < count;) {
        UChar32 part;
        U16_NEXT(second, at, count, part);
        size = put(out, size, (uint32_t)part);
    }
    return size;
}

enum kind { BETWEEN, LETTER, HAN };

static enum kind kind_of(uint32_t c, enum kind before)
{
    if (is_mark(c))
        return before;
    if (!in_word(c))
        return BETWEEN;
    UErrorCode error = U_ZERO_ERROR;
    UScriptCode script = uscript_getScript((UChar32)c, &error);
    bool han = script == USCRIPT_HAN || script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA || c == 0x30fc;
    return han ? HAN : LETTER;
}

static const char *fold_part(struct arena *arena, const char *from, const char *end)
{
    struct buf out = BUF(arena);
    char folded[FOLDED_ROOM];
    while (from < end)
        buf_add(&out, folded, fold_character(utf8_next(&from), folded));
    return out.size > 0 ? out.data : NULL;
}

struct words fold_words(struct arena *arena, const char *text, size_t limit)
{
    /* No two words without something between them, but for Han beside letters. */
    size_t room = strlen(text) + 1;
    if (limit > room)
        limit = room;
    struct words words = { .items = arena_array(arena, struct word, limit) };
    const char *at = text, *start = text;
    enum kind kind = BETWEEN;
    while (words.count < limit) {
        const char *before = at;
        enum kind next = *at ? kind_of(utf8_next(&at), kind) : BETWEEN;
        if (next != kind) {
            const char *folded = kind == BETWEEN ? NULL : fold_part(arena, start, before);
            if (folded)
                words.items[words.count++] = (struct word){
                    .text = folded, .start = (size_t)(start - text), .end = (size_t)(before - text), .han = kind == HAN
                };
            kind = next;
            start = before;
        }
        if (!*before)
            break;
    }
    return words;
}

char *fold_join(struct arena *arena, const char *text, char between)
{
    struct words words = fold_words(arena, text, WORDS_MAX);
    struct buf out = BUF(arena);
    for (size_t i = 0; i < words.count; i++) {
        if (i)
            buf_char(&out, between);
        buf_text(&out, words.items[i].text);
    }
    return out.data ? out.data : arena_strdup(arena, "");
}

static void add_pairs(struct buf *out, const char *text)
{
    while (*text) {
        size_t one = utf8_length(text), two = one ? utf8_length(text + one) : 0;
        if (!one)
            return;
        if (out->size)
            buf_char(out, ' ');
        buf_add(out, text, one + two);
        text += one;
    }
}

char *fold_for_index(struct arena *arena, const char *text)
{
    struct words words = fold_words(arena, text, WORDS_MAX);
    struct buf out = BUF(arena);
    for (size_t i = 0; i < words.count; i++) {
        if (words.items[i].han) {
            add_pairs(&out, words.items[i].text);
            continue;
        }
        if (out.size)
            buf_char(&out, ' ');
        buf_text(&out, words.items[i].text);
    }
    return out.data ? out.data : arena_strdup(arena, "");
}

char *fold_name(struct arena *arena, const char *name)
{
    char *folded = fold_join(arena, name, ' ');
    return *folded ? folded : arena_strdup(arena, name);
}
