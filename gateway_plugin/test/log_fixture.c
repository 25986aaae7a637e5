#include "log_fixture.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char config[] =
    "_format_version: '3.0'\n"
    "upstreams: [{name: u, targets: [{target: '127.0.0.1:%d'}]}]\n"
    "services:\n"
    "  - name: a\n"
    "    host: u\n"
    "    routes:\n"
    "      - {name: open, paths: [/a]}\n"
    "      - name: keyed\n"
    "        paths: [/k]\n"
    "        plugins: [{name: key-auth, config: {key_names: [door]}}, {name: file-log, config: {path: routed.log}}]\n"
    "      - name: followed\n"
    "        paths: [/f]\n"
    "        plugins: [{name: file-log, config: {path: followed.log, reopen: true}}]\n"
    "consumers:\n"
    "  - username: jane\n"
    "    keyauth_credentials: [{key: sesame-open}]\n"
    "  - username: joe\n"
    "    keyauth_credentials: [{key: sesame-joe}]\n"
    "    plugins: [{name: file-log, config: {path: joe.log}}]\n";

void log_start(const char *const *environment)
{
    one_start(environment, config);
}

char *log_read(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", edge.dir, name);
    FILE *file = fopen(path, "r");
    char *out = calloc(1, 1 << 20);
    if (file) {
        out[fread(out, 1, (1 << 20) - 1, file)] = 0;
        fclose(file);
    }
    return out;
}

int count_lines(const char *text)
{
    int count = 0;
    for (; (text = strchr(text, '\n')); text++)
        count++;
    return count;
}

char *log_wait(const char *name, int lines)
{
    char *text = NULL;
    for (int64_t until = clock_ms() + 30000; clock_ms() < until; usleep(5000)) {
        free(text);
        text = log_read(name);
        if (count_lines(text) >= lines)
            break;
    }
    cr_assert_geq(count_lines(text), lines, "%s: %s", name, text);
    return text;
}

json_t *log_line_of(const char *text, int index)
{
    while (index-- > 0)
        text = strchr(text, '\n') + 1;
    size_t size = strcspn(text, "\n");
    json_error_t error;
    json_t *line = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(line, "%s: %.*s", error.text, (int)size, text);
    cr_expect_leq(size + 1, 4096);
    return line;
}

const char *log_text(json_t *line, const char *object, const char *name)
{
    const char *out = json_string_value(json_object_get(json_object_get(line, object), name));
    return out ? out : "";
}

int64_t log_number(json_t *line, const char *object, const char *name)
{
    json_t *out = json_object_get(json_object_get(line, object), name);
    return json_is_integer(out) ? json_integer_value(out) : -999;
}
