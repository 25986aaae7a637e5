#pragma once
/* The head of a member's answer, and how its body ends (RFC 9112, 6.3). */
#include "client/head_check.h"

struct reply_field {
    const char *name;
    size_t name_size;
    const char *value;
    size_t value_size;
};

enum body_end {
    BODY_NONE, /* HEAD, 204, 304 */
    BODY_LENGTH,
    BODY_CHUNKS,
    BODY_CLOSE,   /* when the member closes */
    BODY_UPGRADE, /* 101: no HTTP from here on */
};

struct reply_head {
    int status, minor;
    size_t size;
    const char *reason;
    size_t reason_size;
    enum body_end end;
    uint64_t length; /* BODY_LENGTH; of HEAD what it says, or UINT64_MAX */
    bool keep;       /* the connection may be used again after this answer */
    bool events;     /* text/event-stream */
    size_t count;
    struct reply_field fields[HEADERS_MAX];
};

enum head_state reply_head_read(const char *data, size_t size, bool head_request, struct reply_head *head);
/* Is `word` among the items of a list by comma? Case does not count. */
bool list_has(const char *list, size_t size, const char *word);
bool list_names(const char *list, size_t size, const char *name, size_t name_size);
