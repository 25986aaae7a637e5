#include "transform/template.h"

#include <ctype.h>
#include <string.h>

struct reader {
    const char *at;
    const struct template_env *env; /* NULL: it is only checked */
    const char *value;              /* of the term that was read; NULL: none */
    char name[128];
};

static void skip_space(struct reader *reader)
{
    while (*reader->at == ' ' || *reader->at == '\t')
        reader->at++;
}

/* Up to `closer`, which is passed. */
static bool read_until(struct reader *reader, char closer)
{
    const char *end = strchr(reader->at, closer);
    size_t size = end ? (size_t)(end - reader->at) : 0;
    if (!end || size >= sizeof reader->name)
        return false;
    memcpy(reader->name, reader->at, size);
    reader->name[size] = 0;
    reader->at = end + 1;
    return true;
}

static bool read_word(struct reader *reader)
{
    size_t size = 0;
    for (; isalnum((unsigned char)reader->at[size]) || reader->at[size] == '_'; size++)
        if (size + 1 == sizeof reader->name)
            return false;
    memcpy(reader->name, reader->at, size);
    reader->name[size] = 0;
    reader->at += size;
    return size;
}

/* .NAME, ["NAME"], ['NAME'], [1] */
static bool read_key(struct reader *reader)
{
    if (*reader->at == '.') {
        reader->at++;
        return read_word(reader);
    }
    if (*reader->at++ != '[')
        return false;
    skip_space(reader);
    char quote = *reader->at;
    bool good;
    if (quote == '"' || quote == '\'') {
        reader->at++;
        good = read_until(reader, quote);
    } else {
        good = read_word(reader) && strspn(reader->name, "0123456789") == strlen(reader->name);
    }
    skip_space(reader);
    return good && *reader->at++ == ']';
}

static bool read_term(struct reader *reader)
{
    static const char *const sources[] = { "headers", "query_params", "uri_captures" };
    char quote = *reader->at;
    if (quote == '"' || quote == '\'') {
        reader->at++;
        if (!read_until(reader, quote))
            return false;
        reader->value = reader->env ? arena_strdup(reader->env->arena, reader->name) : NULL;
        return true;
    }
    if (!read_word(reader))
        return false;
    for (int source = TEMPLATE_HEADERS; source <= TEMPLATE_CAPTURES; source++) {
        if (strcmp(reader->name, sources[source]) != 0)
            continue;
        if (!read_key(reader))
            return false;
        reader->value = reader->env ? reader->env->value(reader->env->self, (enum template_source)source, reader->name)
                                    : NULL;
        return true;
    }
    return false;
}

/* After "$(", up to its ")", which is passed. *value: of the first term that has one. */
static bool read_expression(struct reader *reader, const char **value)
{
    *value = NULL;
    for (;;) {
        skip_space(reader);
        if (!read_term(reader))
            return false;
        if (!*value)
            *value = reader->value;
        skip_space(reader);
        if (*reader->at == ')') {
            reader->at++;
            return true;
        }
        if (strncmp(reader->at, "or", 2) != 0 || isalnum((unsigned char)reader->at[2]))
            return false;
        reader->at += 2;
    }
}

static bool read_template(const struct template_env *env, const char *text, struct buf *out)
{
    const char *begin = text, *open;
    while ((open = strstr(begin, "$("))) {
        struct reader reader = { .at = open + 2, .env = env };
        const char *value;
        if (!read_expression(&reader, &value))
            return false;
        if (out) {
            buf_add(out, begin, (size_t)(open - begin));
            buf_text(out, value ? value : "");
        }
        begin = reader.at;
    }
    if (out)
        buf_text(out, begin);
    return true;
}

bool template_valid(const char *text)
{
    return read_template(NULL, text, NULL);
}

const char *template_render(const struct template_env *env, const char *text)
{
    struct buf out = BUF(env->arena);
    if (!strstr(text, "$("))
        return text;
    return read_template(env, text, &out) && out.data ? out.data : "";
}
