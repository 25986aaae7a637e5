#include "record/record.h"

#include "base/text.h"
#include "record/unicode.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

enum {
    EMAIL_MAX = 254, /* RFC 5321 4.5.3.1.3, less the angle brackets */
    LOCAL_MAX = 64,
    DOMAIN_MAX = 253,
    LABEL_MAX = 63,
    URL_MAX = 2048
};

/* RFC 5322 atext, RFC 6532 beyond ASCII. */
static bool is_atom_character(uint32_t character)
{
    if (character < 0x80)
        return character && (isalnum((int)character) || strchr("!#$%&'*+-/=?^_`{|}~", (int)character));
    return unicode_visible(character);
}

/* A dot-atom: quoted local parts are legal and used by nobody. */
static bool is_local(const char *text, const char *end)
{
    if (end - text < 1 || end - text > LOCAL_MAX)
        return false;
    bool dot = true; /* no atom since the last one */
    while (text < end) {
        uint32_t character = utf8_next(&text);
        if (character == '.' ? dot : !is_atom_character(character))
            return false;
        dot = character == '.';
    }
    return !dot;
}

static bool is_label(const char *text, const char *end)
{
    if (end - text < 1 || end - text > LABEL_MAX || *text == '-' || end[-1] == '-')
        return false;
    while (text < end) {
        uint32_t character = utf8_next(&text);
        if (character < 0x80 ? character != '-' && !isalnum((int)character) : !unicode_word(character))
            return false;
    }
    return true;
}

static bool all_digits(const char *text, const char *end)
{
    while (text < end && isdigit((unsigned char)*text))
        text++;
    return text == end;
}

/* A host name of at least `least` labels whose last is no number. */
static bool is_domain(const char *text, const char *end, int least)
{
    if (end - text > DOMAIN_MAX)
        return false;
    for (int labels = 1;; labels++) {
        const char *dot = memchr(text, '.', (size_t)(end - text));
        const char *stop = dot ? dot : end;
        if (!is_label(text, stop))
            return false;
        if (!dot)
            return labels >= least && !all_digits(text, end);
        text = dot + 1;
    }
}

bool is_email(const char *text)
{
    size_t size = strlen(text);
    const char *at = strrchr(text, '@');
    return at && size <= EMAIL_MAX && utf8_valid(text, size) && is_local(text, at) && is_domain(at + 1, text + size, 2);
}

char *email_key(struct arena *arena, const char *email)
{
    const char *at = strrchr(email, '@');
    if (!at)
        return unicode_fold(arena, email);
    const char *local = unicode_fold(arena, arena_memdup(arena, email, (size_t)(at - email)));
    return arena_printf(arena, "%s@%s", local, unicode_domain(arena, at + 1));
}

static bool is_literal(int family, const char *text, const char *end)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char parsed[sizeof(struct in6_addr)];
    size_t size = (size_t)(end - text);
    if (size >= sizeof address)
        return false;
    memcpy(address, text, size);
    address[size] = 0;
    return inet_pton(family, address, parsed) == 1;
}

static bool is_port(const char *text, const char *end)
{
    long port = 0;
    if (text == end || end - text > 5 || !all_digits(text, end))
        return false;
    for (; text < end; text++)
        port = port * 10 + (*text - '0');
    return port >= 1 && port <= 65535;
}

/* host, IPv4 or [IPv6], and a port; names and passwords (user@host) are how people are fooled, so none. */
static bool is_authority(const char *text, const char *end)
{
    const char *bracket = *text == '[' ? memchr(text, ']', (size_t)(end - text)) : NULL;
    const char *colon = memchr(bracket ? bracket : text, ':', (size_t)(end - (bracket ? bracket : text)));
    const char *stop = colon ? colon : end;
    if (colon && !is_port(colon + 1, end))
        return false;
    if (bracket)
        return stop == bracket + 1 && is_literal(AF_INET6, text + 1, bracket);
    return is_domain(text, stop, 1) || is_literal(AF_INET, text, stop);
}

/* What RFC 3987 allows after the authority. */
static bool is_rest(const char *text)
{
    while (*text) {
        if (*text == '%' && !(isxdigit((unsigned char)text[1]) && isxdigit((unsigned char)text[2])))
            return false;
        uint32_t character = utf8_next(&text);
        if (character < 0x80 ? character <= ' ' || character == 0x7f || strchr("\"<>\\^`{|}", (int)character)
                             : !unicode_visible(character))
            return false;
    }
    return true;
}

bool is_http_url(const char *text)
{
    size_t size = strlen(text), scheme = strncasecmp(text, "https://", 8) == 0 ? 8 : 7;
    if (size > URL_MAX || (scheme == 7 && strncasecmp(text, "http://", 7) != 0) || !utf8_valid(text, size))
        return false;
    const char *authority = text + scheme, *end = authority + strcspn(authority, "/?#");
    return is_authority(authority, end) && is_rest(end);
}
