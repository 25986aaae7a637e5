#include "projection/query.h"

#include "base/buf.h"
#include "base/text.h"

#include <string.h>

enum { TEXT_WORDS = 256 };

/* A run of Han must stand as it is, found by its pairs; one character alone begins a pair, or is a last one. */
static void add_han(struct buf *out, const char *text)
{
    size_t one = utf8_length(text);
    buf_char(out, '"');
    if (!text[one])
        buf_text(out, text);
    for (const char *at = text; at[one]; at += one, one = utf8_length(at)) {
        if (at != text)
            buf_char(out, ' ');
        buf_add(out, at, one + utf8_length(at + one));
    }
    buf_char(out, '"');
    if (!text[utf8_length(text)])
        buf_text(out, " *");
}

const struct query_words *query_parse(struct arena *arena, const char *text)
{
    struct query_words *query = arena_new(arena, struct query_words);
    struct buf match = BUF(arena);
    query->words = fold_words(arena, text, QUERY_WORDS);
    for (size_t i = 0; i < query->words.count; i++) {
        const struct word *word = &query->words.items[i];
        if (i)
            buf_text(&match, " AND ");
        if (word->han)
            add_han(&match, word->text);
        else
            buf_printf(&match, "\"%s\" *", word->text);
    }
    query->match = match.data;
    return match.data ? query : NULL;
}

static void add_html(struct buf *out, const char *from, const char *end)
{
    for (; from < end; from++) {
        switch (*from) {
        case '&':
            buf_text(out, "&amp;");
            break;
        case '<':
            buf_text(out, "&lt;");
            break;
        case '>':
            buf_text(out, "&gt;");
            break;
        case '"':
            buf_text(out, "&quot;");
            break;
        case '\'':
            buf_text(out, "&#39;");
            break;
        default:
            buf_char(out, *from);
        }
    }
}

/* The byte of the original behind as many folded bytes from the word's beginning. */
static size_t behind(const char *text, const struct word *word, size_t folded)
{
    const char *at = text + word->start;
    char room[FOLDED_ROOM];
    for (size_t got = 0; got < folded && at < text + word->end;)
        got += fold_character(utf8_next(&at), room);
    /* Accents that stand alone belong to the letter before them. */
    for (const char *next = at; next < text + word->end; at = next)
        if (fold_character(utf8_next(&next), room) > 0)
            break;
    return (size_t)(at - text);
}

struct mark {
    size_t start, end;
};

/* The longest part of the word that a word of the query finds. */
static bool mark_of(const struct query_words *query, const char *text, const struct word *word, struct mark *out)
{
    *out = (struct mark){ 0 };
    for (size_t i = 0; i < query->words.count; i++) {
        const struct word *wanted = &query->words.items[i];
        const char *found = strstr(word->text, wanted->text);
        if (!found || wanted->han != word->han || (!word->han && found != word->text))
            continue;
        size_t before = (size_t)(found - word->text);
        struct mark mark = { before ? behind(text, word, before) : word->start,
                             behind(text, word, before + strlen(wanted->text)) };
        if (mark.end - mark.start > out->end - out->start)
            *out = mark;
    }
    return out->end > out->start;
}

const char *query_highlight(struct arena *arena, const struct query_words *query, const char *text)
{
    if (!text)
        return NULL;
    struct words words = fold_words(arena, text, TEXT_WORDS);
    struct buf out = BUF(arena);
    struct mark mark;
    size_t done = 0;
    for (size_t i = 0; i < words.count; i++) {
        if (!mark_of(query, text, &words.items[i], &mark))
            continue;
        add_html(&out, text + done, text + mark.start);
        buf_text(&out, "<em>");
        add_html(&out, text + mark.start, text + mark.end);
        buf_text(&out, "</em>");
        done = mark.end;
    }
    if (done > 0)
        add_html(&out, text + done, text + strlen(text));
    return out.data;
}
