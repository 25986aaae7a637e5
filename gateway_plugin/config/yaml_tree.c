#include "config/yaml_tree.h"

#include "base/text.h"

#include <string.h>
#include <yaml.h>

enum { DEPTH_MAX = 32, NODES_MAX = 200000 };

struct reader {
    struct faults *faults;
    yaml_parser_t parser;
    yaml_event_t event; /* the one at hand */
    size_t nodes;
};

static int line_of(const yaml_mark_t *mark)
{
    return (int)mark->line + 1;
}

static bool advance(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    if (yaml_parser_parse(&reader->parser, &reader->event))
        return true;
    const yaml_parser_t *parser = &reader->parser;
    return fault(reader->faults, line_of(&parser->problem_mark), "yaml", "%s",
                 parser->problem ? parser->problem : "cannot be read");
}

static bool refuse_event(struct reader *reader)
{
    int line = line_of(&reader->event.start_mark);
    switch (reader->event.type) {
    case YAML_ALIAS_EVENT:
        return fault(reader->faults, line, "yaml", "aliases are not supported");
    default:
        return fault(reader->faults, line, "yaml", "a value is missing");
    }
}

static struct node *read_node(struct reader *reader, int depth);

static bool add_child(struct reader *reader, struct node *parent, struct node ***end, struct node *child)
{
    for (const struct node *other = parent->first; child->key && other; other = other->next)
        if (strcmp(other->key, child->key) == 0)
            return fault(reader->faults, child->line, child->key, "stands here a second time (first on line %d)",
                         other->line);
    **end = child;
    *end = &child->next;
    parent->count++;
    return true;
}

static bool read_key(struct reader *reader, const char **key)
{
    if (reader->event.type != YAML_SCALAR_EVENT)
        return fault(reader->faults, line_of(&reader->event.start_mark), "yaml", "a key must be text");
    *key = arena_strdup(reader->faults->arena, (const char *)reader->event.data.scalar.value);
    return advance(reader);
}

static bool read_children(struct reader *reader, struct node *parent, yaml_event_type_t end_type, int depth)
{
    struct node **end = &parent->first;
    if (!advance(reader))
        return false;
    while (reader->event.type != end_type) {
        const char *key = NULL;
        int line = line_of(&reader->event.start_mark);
        if (parent->kind == NODE_MAP && !read_key(reader, &key))
            return false;
        struct node *child = read_node(reader, depth + 1);
        if (!child)
            return false;
        if (key) {
            child->key = key;
            child->line = line;
        }
        if (!add_child(reader, parent, &end, child))
            return false;
    }
    return true;
}

static bool read_scalar(struct reader *reader, struct node *node)
{
    const char *text = (const char *)reader->event.data.scalar.value;
    size_t size = reader->event.data.scalar.length;
    if (strlen(text) != size)
        return fault(reader->faults, node->line, "yaml", "a NUL character inside text");
    node->text = arena_memdup(reader->faults->arena, text, size);
    node->quoted = reader->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return true;
}

static struct node *read_node(struct reader *reader, int depth)
{
    struct node *node = arena_new(reader->faults->arena, struct node);
    node->line = line_of(&reader->event.start_mark);
    if (depth > DEPTH_MAX || ++reader->nodes > NODES_MAX) {
        fault(reader->faults, node->line, "yaml", depth > DEPTH_MAX ? "nested too deeply" : "too large");
        return NULL;
    }
    bool read = false;
    switch (reader->event.type) {
    case YAML_SCALAR_EVENT:
        read = read_scalar(reader, node);
        break;
    case YAML_SEQUENCE_START_EVENT:
        node->kind = NODE_LIST;
        read = read_children(reader, node, YAML_SEQUENCE_END_EVENT, depth);
        break;
    case YAML_MAPPING_START_EVENT:
        node->kind = NODE_MAP;
        read = read_children(reader, node, YAML_MAPPING_END_EVENT, depth);
        break;
    default:
        refuse_event(reader);
    }
    return read && advance(reader) ? node : NULL;
}

static struct node *read_document(struct reader *reader)
{
    /* STREAM-START, DOCUMENT-START */
    if (!advance(reader) || !advance(reader))
        return NULL;
    if (reader->event.type == YAML_STREAM_END_EVENT) {
        fault(reader->faults, 1, "yaml", "the file is empty");
        return NULL;
    }
    if (!advance(reader))
        return NULL;
    struct node *root = read_node(reader, 0);
    if (!root || !advance(reader))
        return NULL;
    if (reader->event.type != YAML_STREAM_END_EVENT) {
        fault(reader->faults, line_of(&reader->event.start_mark), "yaml", "only one document is taken");
        return NULL;
    }
    return root;
}

struct node *yaml_read(struct faults *faults, const char *data, size_t size)
{
    if (size > YAML_MAX) {
        fault(faults, 1, "yaml", "larger than %d bytes", YAML_MAX);
        return NULL;
    }
    struct reader reader = { .faults = faults };
    if (!yaml_parser_initialize(&reader.parser))
        abort();
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)data, size);
    struct node *root = read_document(&reader);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    return root;
}

const struct node *node_get(const struct node *map, const char *key)
{
    if (map->kind != NODE_MAP)
        return NULL;
    for (const struct node *child = map->first; child; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

bool node_null(const struct node *node)
{
    return node->kind == NODE_SCALAR && !node->quoted &&
           (!*node->text || text_equal(node->text, "~") || text_equal(node->text, "null"));
}
