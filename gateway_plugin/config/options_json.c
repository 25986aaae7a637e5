#include "config/options_json.h"

#include "base/text.h"

#include <string.h>

json_t *json_text(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *texts_json(const struct texts *texts)
{
    if (!texts->count)
        return json_null();
    json_t *out = json_array();
    for (size_t i = 0; i < texts->count; i++)
        json_array_append_new(out, json_text(texts->items[i]));
    return out;
}

static json_t *integers_json(const struct integers *integers)
{
    json_t *out = json_array();
    for (size_t i = 0; i < integers->count; i++)
        json_array_append_new(out, json_integer(integers->items[i]));
    return out;
}

/* A word of a table says by its look of which kind it is. */
static json_t *word_json(const char *word, size_t size)
{
    char text[128];
    int64_t number;
    snprintf(text, sizeof text, "%.*s", (int)size, word);
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return json_boolean(*text == 't');
    return text_number(text, INT64_MAX, &number) ? json_integer(number) : json_string(text);
}

static json_t *fixed_json(const struct option *option)
{
    if (strcmp(option->name, "protocols") != 0)
        return word_json(option->only, strcspn(option->only, ","));
    json_t *out = json_array();
    for (const char *at = option->only; *at; at += strcspn(at, ","), at += *at == ',')
        json_array_append_new(out, word_json(at, strcspn(at, ",")));
    return out;
}

/* -1: none was made. */
/* What may not be given says that nothing is given. */
static json_t *integer_json(const struct option *option, int64_t number)
{
    return number < option->min || number > option->max ? json_null() : json_integer(number);
}

static json_t *choice_json(const struct option *option, int index)
{
    return index < 0 ? json_null() : word_json(option->choices[index], strlen(option->choices[index]));
}

static json_t *pairs_json(const struct named_texts *pairs, bool secret)
{
    if (!pairs->names.count)
        return json_null();
    json_t *out = json_object();
    for (size_t i = 0; i < pairs->names.count; i++)
        json_object_set_new(out, pairs->names.items[i], json_text(secret ? "(secret)" : pairs->values.items[i]));
    return out;
}

static json_t *value_json(const struct option *option, const void *member)
{
    switch (option->kind) {
    case OPTION_TEXT:
        return option->secret && *(const char *const *)member ? json_string("(secret)")
                                                              : json_text(*(const char *const *)member);
    case OPTION_INTEGER:
        return integer_json(option, *(const int64_t *)member);
    case OPTION_SECONDS:
    case OPTION_PART:
        return json_real((double)*(const int64_t *)member / 1000);
    case OPTION_FLAG:
        return json_boolean(*(const bool *)member);
    case OPTION_TEXTS:
        return texts_json(member);
    case OPTION_INTEGERS:
        return integers_json(member);
    case OPTION_CHOICE:
        return choice_json(option, *(const int *)member);
    case OPTION_MAP:
        return options_json(option->fields, member);
    case OPTION_NAMED:
        return pairs_json(member, option->secret);
    case OPTION_FIXED:
        return fixed_json(option);
    case OPTION_NOTE:
    case OPTION_CHILD:
    case OPTION_REFUSED:
        break;
    }
    return json_null();
}

json_t *options_json(const struct option *options, const void *in)
{
    json_t *out = json_object();
    for (const struct option *option = options; option->name; option++)
        if (option->kind != OPTION_CHILD && option->kind != OPTION_NOTE)
            json_object_set_new(out, option->name, value_json(option, (const char *)in + option->offset));
    return out;
}
