#pragma once
/* Which of the languages we speak a request asks for. */

/* `asked` is ?locale=, `accept` is Accept-Language; both may be NULL. "en" where nothing fits. Static. */
const char *locale_choose(const char *asked, const char *accept);
