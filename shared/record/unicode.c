#include "record/unicode.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/uidna.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

static bool is_ascii(const char *text)
{
    for (text += text_plain(text, strlen(text)); *text; text++)
        if (*text & 0x80)
            return false;
    return true;
}

/* UTF-16 on the heap, as ICU wants it; NULL where `text` is not UTF-8. */
static UChar *widen(const char *text, int32_t *length)
{
    size_t size = strlen(text);
    if (size > INT32_MAX / 8)
        return NULL;
    UChar *wide = malloc((size + 1) * sizeof *wide);
    if (!wide)
        abort();
    UErrorCode failed = U_ZERO_ERROR;
    u_strFromUTF8(wide, (int32_t)size + 1, length, text, (int32_t)size, &failed);
    if (U_SUCCESS(failed))
        return wide;
    free(wide);
    return NULL;
}

static char *narrow(struct arena *arena, const UChar *wide, int32_t length)
{
    UErrorCode failed = U_ZERO_ERROR;
    int32_t size = 0;
    u_strToUTF8(NULL, 0, &size, wide, length, &failed);
    failed = U_ZERO_ERROR;
    char *out = arena_alloc(arena, (size_t)size + 1);
    u_strToUTF8(out, size + 1, NULL, wide, length, &failed);
    return U_SUCCESS(failed) ? out : NULL;
}

/* NFC never makes more than three UTF-16 units of one (UAX 15). */
static char *compose(struct arena *arena, const UChar *wide, int32_t length)
{
    UErrorCode failed = U_ZERO_ERROR;
    const UNormalizer2 *nfc = unorm2_getNFCInstance(&failed);
    int32_t room = 3 * length + 1;
    _cleanup_(freep) void *composed = malloc((size_t)room * sizeof(UChar));
    if (!composed)
        abort();
    length = unorm2_normalize(nfc, wide, length, composed, room, &failed);
    return U_SUCCESS(failed) ? narrow(arena, composed, length) : NULL;
}

static bool is_composed(const UChar *wide, int32_t length)
{
    UErrorCode failed = U_ZERO_ERROR;
    return unorm2_quickCheck(unorm2_getNFCInstance(&failed), wide, length, &failed) == UNORM_YES && U_SUCCESS(failed);
}

char *unicode_nfc(struct arena *arena, const char *text)
{
    if (is_ascii(text))
        return arena_strdup(arena, text);
    int32_t length = 0;
    _cleanup_(freep) void *wide = widen(text, &length);
    char *out = wide && !is_composed(wide, length) ? compose(arena, wide, length) : NULL;
    return out ? out : arena_strdup(arena, text);
}

char *unicode_fold(struct arena *arena, const char *text)
{
    if (is_ascii(text))
        return text_lower(arena, text);
    int32_t length = 0;
    _cleanup_(freep) void *wide = widen(text, &length);
    if (!wide)
        return arena_strdup(arena, text);
    int32_t room = 3 * length + 1; /* "\u0390" folds to three */
    _cleanup_(freep) void *folded = malloc((size_t)room * sizeof(UChar));
    if (!folded)
        abort();
    UErrorCode failed = U_ZERO_ERROR;
    length = u_strFoldCase(folded, room, wide, length, U_FOLD_CASE_DEFAULT, &failed);
    char *out = U_SUCCESS(failed) ? compose(arena, folded, length) : NULL;
    return out ? out : arena_strdup(arena, text);
}

DEFINE_CLEANUP(UIDNA *, uidna_close)

char *unicode_domain(struct arena *arena, const char *domain)
{
    enum { ROOM = 1024 }; /* a name has 253 bytes at the most, decoded a few more */
    UErrorCode failed = U_ZERO_ERROR;
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    _cleanup_(uidna_closep) UIDNA *idna = uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_UNICODE, &failed);
    char *out = arena_alloc(arena, ROOM);
    int32_t size = uidna_nameToUnicodeUTF8(idna, domain, -1, out, ROOM - 1, &info, &failed);
    bool done = U_SUCCESS(failed) && !info.errors && size < ROOM - 1;
    return done ? out : text_lower(arena, domain);
}

bool unicode_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character <= 0x9f);
}

bool unicode_word(uint32_t character)
{
    return U_GET_GC_MASK((UChar32)character) & (U_GC_L_MASK | U_GC_M_MASK | U_GC_ND_MASK);
}

bool unicode_visible(uint32_t character)
{
    return !(U_GET_GC_MASK((UChar32)character) & (U_GC_C_MASK | U_GC_Z_MASK));
}
