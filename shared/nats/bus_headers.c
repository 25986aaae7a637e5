/* The headers of a message, read. */
#include "nats/bus_parts.h"

#include "base/text.h"

const char *msg_header(natsMsg *msg, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(msg, name, &value) == NATS_OK ? value : NULL;
}

static size_t add_values(struct arena *arena, natsMsg *msg, const char *name, struct pair *out, size_t room)
{
    const char **values = NULL;
    int count = 0;
    size_t added = 0;
    if (natsMsgHeader_Values(msg, name, &values, &count) != NATS_OK)
        return 0;
    const char *lower = text_lower(arena, name);
    for (int i = 0; i < count && added < room; i++)
        out[added++] = (struct pair){ lower, arena_strdup(arena, values[i] ? values[i] : "") };
    free(values);
    return added;
}

const struct pair *msg_headers(struct arena *arena, natsMsg *msg)
{
    struct pair *out = arena_array(arena, struct pair, MSG_HEADERS_MAX + 1);
    const char **names = NULL;
    int total = 0;
    size_t count = 0;
    if (!msg || natsMsgHeader_Keys(msg, &names, &total) != NATS_OK)
        return out;
    for (int i = 0; i < total && count < MSG_HEADERS_MAX; i++)
        count += add_values(arena, msg, names[i], out + count, MSG_HEADERS_MAX - count);
    free(names);
    return out;
}
