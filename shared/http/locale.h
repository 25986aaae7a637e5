#pragma once
/* Which of the languages we speak a request asks for. */
#include <stddef.h>

/*
 * `asked` is ?locale=, `accept` is Accept-Language (RFC 9110, 12.5.4); both may be NULL. Of the ranges the one of the
 * highest q that we speak, the first among equals, by lookup (RFC 4647, 3.4): zh-Hant-TW and zh-CN are zh. A range
 * whose q is malformed or 0 is none. "en" where nothing fits. One of languages[] (base/catalogue.h).
 */
const char *locale_choose(const char *asked, const char *accept);
/* "de", "de-AT", "DE_ch": the code of the language where we speak it, else NULL. */
const char *locale_named(const char *tag, size_t size);
