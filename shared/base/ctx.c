#include "base/ctx.h"

#include "base/catalogue.h"
#include "base/clock.h"

#include <stdarg.h>
#include <string.h>

static const int statuses[] = {
#define X(name, value) [ERROR_##name] = value,
    ERROR_CODES(X)
#undef X
};

/* `english` is what the format and its arguments say. */
static const char *in_words(struct ctx *ctx, const char *english, const char *format, va_list args)
{
    if (strcmp(format, "%s") == 0)
        return catalogue_find(ctx->locale, english);
    const char *told = catalogue_find(ctx->locale, format);
    return told == format ? english : arena_vprintf(&ctx->arena, told, args);
}

void *ctx_fail_at(struct ctx *ctx, const char *file, int line, const char *func, enum error_code code,
                  const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    struct error *error = arena_new(&ctx->arena, struct error);
    error->code = code;
    error->message = arena_vprintf(&ctx->arena, format, args);
    error->told = in_words(ctx, error->message, format, again);
    va_end(again);
    va_end(args);
    const char *slash = strrchr(file, '/');
    error->where = arena_printf(&ctx->arena, "%s:%d %s", slash ? slash + 1 : file, line, func);
    error->cause = ctx->error;
    ctx->error = error;
    return NULL;
}

void ctx_vviolation(struct ctx *ctx, const char *field, const char *rule, const char *format, va_list args)
{
    if (!ctx->error || ctx->error->code != ERROR_INVALID)
        ctx_fail(ctx, ERROR_INVALID, "the request has invalid fields");
    struct violation *violation = arena_new(&ctx->arena, struct violation);
    violation->field = field;
    violation->rule = rule;
    violation->message = arena_vprintf(&ctx->arena, catalogue_find(ctx->locale, format), args);
    struct violation **end = &ctx->error->violations;
    while (*end)
        end = &(*end)->next;
    *end = violation;
}

void ctx_violation(struct ctx *ctx, const char *field, const char *rule, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ctx_vviolation(ctx, field, rule, format, args);
    va_end(args);
}

bool ctx_forgive(struct ctx *ctx, enum error_code code)
{
    if (!ctx->error || ctx->error->code != code)
        return false;
    ctx->error = NULL;
    return true;
}

int64_t ctx_left_ms(const struct ctx *ctx, int64_t max_ms)
{
    if (!ctx->deadline_ms)
        return max_ms;
    int64_t left = ctx->deadline_ms - clock_ms();
    return left < 0 ? 0 : left < max_ms ? left : max_ms;
}

int64_t ctx_shorten(struct ctx *ctx, int64_t max_ms)
{
    int64_t deadline_ms = ctx->deadline_ms;
    ctx->deadline_ms = clock_ms() + ctx_left_ms(ctx, max_ms);
    return deadline_ms;
}

void ctx_finish(struct ctx *ctx)
{
    arena_free(&ctx->arena);
    ctx->error = NULL;
}

int error_http_status(enum error_code code)
{
    return statuses[code];
}

enum error_code error_of_status(int status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i] == status)
            return (enum error_code)i;
    return ERROR_INTERNAL;
}
