#include "transform/multipart.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;
static struct pairs pairs;

static bool multipart(const char *text)
{
    return pairs_read_multipart(&pairs, &arena, "xYz", text, strlen(text));
}

static void expect(const char *text)
{
    struct buf out = BUF(&arena);
    pairs_write(&pairs, &out);
    cr_expect_str_eq(out.data, text);
    arena_free(&arena);
}

#define PART(name, value) "--xYz\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FILE                                                                                                            \
    "--xYz\r\nContent-Type: audio/flac\r\ncontent-disposition:form-data ; filename=\"a\\b;name=c.flac\" ;name=song\r\n" \
    "X-Other: 1\r\n\r\n\r\n--xY\r\nfLaC --xYz \r\n"
#define END "--xYz--\r\n"

Test(multipart, leaves_what_is_not_named_byte_for_byte)
{
    cr_assert(multipart(PART("a", "1") FILE PART("", "") "--xYz-- \r\nthe end"));
    cr_expect_eq(pairs.count, 3);
    cr_expect_str_eq(pairs.items[1].name, "song");
    pairs_remove(&pairs, "none");
    cr_expect_not(pairs.changed);
    pairs_add(&pairs, "b", "2");
    expect(PART("a", "1") FILE PART("", "") PART("b", "2") "--xYz-- \r\nthe end");
}

Test(multipart, changes_parts)
{
    cr_assert(multipart(PART("a", "1") FILE PART("a", "2") PART("c", "3") END));
    pairs_rename(&pairs, "c", "d\"\r\n");
    pairs_replace(&pairs, "a", "9");
    pairs_append(&pairs, "a", "8");
    pairs_remove(&pairs, "song");
    expect(PART("a", "9") PART("d%22%0D%0A", "3") PART("a", "8") END);
}

Test(multipart, may_be_empty)
{
    cr_assert(multipart(""));
    pairs_add(&pairs, "a", "1");
    expect(PART("a", "1") END);
    cr_assert(multipart("--xYz--"));
    expect("--xYz--");
}

/* What somebody else could read in another way. */
Test(multipart, is_not_read_where_it_is_ambiguous)
{
    static const char *const texts[] = {
        "x",
        "--xYz",
        "--xYz\r\n",
        PART("a", "1"),
        "before\r\n" PART("a", "1") END,
        "--xYz\n\n1\n--xYz--",
        "--xYz \r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" END,
        PART("a", "1\n--xYz\nContent-Disposition: form-data; name=b\n\n2") END,
        PART("a", "1\n--xYz\r\nContent-Disposition: form-data; name=b\r\n\r\n2") END,
        PART("a", "1\r--xYz--") END,
        PART("a", "1\r\n--xYzz") END,
        PART("a", "1") END PART("b", "2") END,
        "--xYz\r\n\r\n1\r\n" END,
        "--xYz\r\nX: 1\r\n\r\n1\r\n" END,
        "--xYz\r\nContent-Disposition: form-data\r\n\r\n1\r\n" END,
        "--xYz\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n" END,
        "--xYz\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n" END,
        "--xYz\r\nContent-Disposition: form-data; name=a; name*=utf-8''b\r\n\r\n1\r\n" END,
        "--xYz\r\nContent-Disposition: form-data; name=a b\r\n\r\n1\r\n" END,
        "--xYz\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n" END,
        "--xYz\r\nContent-Disposition: form-data; filename=\"x\\\"; name=\"a\"\r\n\r\n1\r\n" END,
        "--xYz\r\nContent-Disposition: form-data; name=\"a\\b\"\r\n\r\n1\r\n" END,
        "--xYz\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n1\r\n" END,
        "--xYz\r\nContent-Disposition: form-data; name=a\r\ncontent-disposition: form-data; name=b\r\n\r\n1\r\n" END,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_expect_not(multipart(texts[i]), "%s", texts[i]);
    arena_free(&arena);
}

Test(multipart, has_a_boundary)
{
    static const struct {
        const char *type, *boundary;
    } types[] = {
        { "multipart/form-data; boundary=xYz", "xYz" },
        { "Multipart/Form-Data;charset=utf-8; Boundary=\"a b'(1)\" ", "a b'(1)" },
        { "multipart/form-data", NULL },
        { "multipart/form-data; boundary=", NULL },
        { "multipart/form-data; boundary=a; boundary=b", NULL },
        { "multipart/form-data; boundary=\"a", NULL },
        { "multipart/form-data; boundary=\"a \"", NULL },
        { "multipart/form-data; boundary=\"a\\\"b\"", NULL },
        { "multipart/form-data boundary=a", NULL },
        { "multipart/form-datax; boundary=a", NULL },
        { "multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789a",
          NULL },
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char out[BOUNDARY_MAX + 1];
        bool found = multipart_boundary(types[i].type, strlen(types[i].type), out);
        cr_expect_eq(found, types[i].boundary != NULL, "%s", types[i].type);
        cr_expect(!found || strcmp(out, types[i].boundary) == 0, "%s", types[i].type);
    }
}
