#include "text/fold.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;

static void done(void)
{
    arena_free(&arena);
}

TestSuite(fold, .fini = done);

Test(fold, makes_spellings_one)
{
    static const char *const same[][2] = {
        { "Überton", "uberton" },
        { "STRASSE", "strasse" },
        { "Straße", "strasse" },
        { "Łukasz", "lukasz" },
        { "Ærøskøbing", "aeroskobing" },
        { "Þórr", "thorr" },
        { "Dvořák", "dvorak" },
        { "Ｆｕｌｌ　ｗｉｄｔｈ", "full width" },
        { "Cafe\xcc\x81", "cafe" }, /* e and a combining acute */
        { "Ἀχιλλεύς", "αχιλλευς" },
        { "ΧΕΙΡΟΣ", "χειροσ" },
        { "İstanbul", "istanbul" },
        { "ısı", "isi" },
        { "ﬁn", "fin" },
        { "Ⅷ", "viii" },
        { "AC/DC", "ac dc" },
        { "  a,b;c  ", "a b c" },
        { "हिन्दी", "हिन्दी" },
        { "ガギグ", "ガギグ" },
        { "한국어", "한국어" },
        { "¿?!", "" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const char *folded = fold_join(&arena, same[i][0], ' ');
        if (i == 9)
            cr_expect_str_eq(folded, "αχιλλευσ"); /* the final sigma too */
        else
            cr_expect_str_eq(folded, same[i][1], "%s: %s", same[i][0], folded);
    }
}

Test(fold, words_know_where_they_stood)
{
    static const char text[] = "Die Straße, 東京tokyo";
    struct words words = fold_words(&arena, text, 10);
    cr_assert_eq(words.count, 4);
    for (size_t i = 0; i < words.count; i++) {
        static const char *const parts[] = { "Die", "Straße", "東京", "tokyo" };
        cr_expect_eq(words.items[i].end - words.items[i].start, strlen(parts[i]));
        cr_expect_eq(strncmp(text + words.items[i].start, parts[i], strlen(parts[i])), 0);
        cr_expect_eq(words.items[i].han, i == 2);
    }
    cr_expect_eq(fold_words(&arena, text, 2).count, 2);
}

Test(fold, han_is_indexed_by_pairs)
{
    cr_expect_str_eq(fold_for_index(&arena, "音楽会 2"), "音楽 楽会 会 2");
    cr_expect_str_eq(fold_for_index(&arena, "会"), "会");
    cr_expect_str_eq(fold_for_index(&arena, "さくら"), "さく くら ら");
}

Test(fold, a_name_without_letters_is_itself)
{
    cr_expect_str_eq(fold_name(&arena, "!!!"), "!!!");
    cr_expect_str_eq(fold_name(&arena, "The BEATLES"), "the beatles");
}

Test(fold, takes_bytes_that_are_no_text)
{
    for (int first = 1; first < 256; first++) {
        char text[] = { 'a', (char)first, (char)0xff, 'b', 0 };
        cr_expect(fold_words(&arena, text, 10).count >= 1);
    }
}
