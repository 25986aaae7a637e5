#include "subject/nats_subject.h"

#include "base/percent.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

struct part {
    const char *text; /* of a parameter: its name */
    bool param;
};

struct nats_subject {
    const char *text;
    size_t count;
    struct part parts[2 * PARAMS_MAX + 1];
};

/* A group's name, or its number. */
static bool is_param_name(const char *text, size_t size)
{
    bool digits = true;
    for (size_t i = 0; i < size; i++) {
        digits &= isdigit((unsigned char)text[i]) != 0;
        if (!isalnum((unsigned char)text[i]) && text[i] != '_')
            return false;
    }
    return size && size <= PARAM_NAME_MAX && (digits ? size <= 2 : !isdigit((unsigned char)*text));
}

/* Plain text of a subject: no wildcard, and nothing that NATS or an address reads otherwise. */
static const char *plain_fault(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '*' || c == '>')
            return "a wildcard is nobody's subject";
        if (!isalnum(c) && !strchr("._-$", c))
            return "a subject has letters, digits and _-$ between its dots, and {NAME} for what the path says";
    }
    return NULL;
}

static const char *add_part(struct nats_subject *subject, struct arena *arena, const char *text, size_t size,
                            bool param)
{
    if (!size && !param)
        return NULL;
    if (subject->count == sizeof subject->parts / sizeof *subject->parts)
        return "there are too many {NAME}";
    subject->parts[subject->count++] = (struct part){ arena_memdup(arena, text, size), param };
    return param ? (is_param_name(text, size)
                        ? NULL
                        : "{NAME} has letters, digits and _, and begins with no digit; {1} is a group by its number")
                 : plain_fault(text, size);
}

/* What could be the system's: $JS, $SYS, an inbox. */
static const char *whole_fault(const char *text)
{
    size_t size = strlen(text);
    if (!size || size > SUBJECT_SIZE_MAX)
        return "a subject has 1 to 255 characters";
    if (*text == '.' || text[size - 1] == '.' || strstr(text, ".."))
        return "a token is empty";
    if (*text == '{')
        return "it must begin with a name: what a client sends could be any subject otherwise";
    if (*text == '$' || text_starts(text, "_INBOX"))
        return "it is NATS' own";
    return NULL;
}

static const char *parse(struct nats_subject *subject, struct arena *arena)
{
    const char *why = whole_fault(subject->text);
    for (const char *at = subject->text; !why && *at;) {
        size_t plain = strcspn(at, "{");
        why = add_part(subject, arena, at, plain, false);
        at += plain;
        if (why || !*at)
            break;
        const char *end = strchr(at, '}');
        if (!end)
            return "a { has no }";
        why = add_part(subject, arena, at + 1, (size_t)(end - at - 1), true);
        at = end + 1;
    }
    return why;
}

const struct nats_subject *nats_subject_parse(struct arena *arena, const char *text, const char **why)
{
    struct nats_subject *subject = arena_new(arena, struct nats_subject);
    subject->text = text;
    *why = parse(subject, arena);
    return *why ? NULL : subject;
}

const char *nats_subject_text(const struct nats_subject *subject)
{
    return subject->text;
}

const char *nats_subject_param(const struct nats_subject *subject, size_t index)
{
    for (size_t i = 0; i < subject->count; i++)
        if (subject->parts[i].param && index-- == 0)
            return subject->parts[i].text;
    return NULL;
}

char *nats_field_text(struct arena *arena, const char *text, size_t size, bool query)
{
    size_t length;
    char *out = percent_decode(arena, text, size, query ? PERCENT_PLUS : 0, &length);
    for (size_t i = out ? text_plain(out, length) : 0; out && i < length; i++)
        if ((unsigned char)out[i] < ' ' || out[i] == 0x7f)
            return NULL;
    return out && utf8_valid(out, length) ? out : NULL;
}

/* One token's worth: a dot would begin another. */
static bool is_token_part(const char *text)
{
    return *text && !strpbrk(text, " .*>");
}

static const char *value_of(const struct params *params, const char *name, struct arena *arena)
{
    for (size_t i = 0; i < params->count; i++)
        if (strcmp(params->items[i].name, name) == 0)
            return nats_field_text(arena, params->items[i].value, params->items[i].size, false);
    return NULL;
}

bool nats_subject_write(const struct nats_subject *subject, const struct params *params, struct buf *out)
{
    for (size_t i = 0; i < subject->count; i++) {
        const struct part *part = &subject->parts[i];
        const char *text = part->param ? value_of(params, part->text, out->arena) : part->text;
        if (!text || (part->param && !is_token_part(text)))
            return false;
        buf_text(out, text);
    }
    return out->size <= SUBJECT_SIZE_MAX;
}
