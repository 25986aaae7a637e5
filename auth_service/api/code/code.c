#include "code/code.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "code/code_store.h"
#include "contract/messages.h"
#include "contract/subjects.h"
#include "crypto/digest.h"

#include <string.h>

enum { WRITE_TRIES = 32, SWEEP_PAGES = 50, MILLION = 1000000 };

static const char *const purposes[] = { "verify", "reset" };
static const char *const subjects[] = { SUBJECT_OTP_VERIFY, SUBJECT_OTP_RESET };

/* Whose sheet it is. Those without an account share some: addresses that nobody has must not fill the store. */
static const char *sheet_id(struct ctx *ctx, const struct user *user, const char *email)
{
    if (user)
        return user->doc.id;
    const char *key = email_key(&ctx->arena, email);
    unsigned char hash[SHA256_SIZE];
    sha256(key, strlen(key), hash);
    return arena_printf(&ctx->arena, "nobody-%03x", (hash[0] << 8 | hash[1]) % CODE_NOBODIES);
}

static const char *new_code(struct ctx *ctx)
{
    uint32_t number;
    do
        random_bytes(&number, sizeof number);
    while (number >= UINT32_MAX / MILLION * MILLION); /* each code as likely as any other */
    return arena_printf(&ctx->arena, "%06u", number % MILLION);
}

/* Six digits are found at once where only a hash hides them: this needs the master secret. Another address of the same
 * account is another code. */
static char *hash_of(struct ctx *ctx, const struct codes *codes, const char *id, const char *email,
                     enum code_purpose purpose, const char *code)
{
    static const char use[] = "one-time-code";
    const char *master = secret_value(ctx, codes->master);
    if (!master)
        return NULL;
    unsigned char key[SHA256_SIZE], mac[SHA256_SIZE];
    hmac_sha256(master, strlen(master), use, strlen(use), key);
    const char *bound = arena_printf(&ctx->arena, "%s|%s|%s|%s", purposes[purpose], id, email_key(&ctx->arena, email),
                                     code);
    hmac_sha256(key, sizeof key, bound, strlen(bound), mac);
    return base64url(&ctx->arena, mac, sizeof mac);
}

static struct one_code **slot_of(struct code_sheet *sheet, enum code_purpose purpose)
{
    return purpose == CODE_VERIFY ? &sheet->verify : &sheet->reset;
}

/* Without what is older than the window, and with room for one more. */
static struct list recent(struct ctx *ctx, const struct list *times, int64_t now)
{
    const int64_t *from = times->items;
    int64_t *to = arena_array(&ctx->arena, int64_t, times->count + 1);
    size_t count = 0;
    for (size_t i = 0; i < times->count; i++)
        if (from[i] > now - CODE_WINDOW_MS)
            to[count++] = from[i];
    return (struct list){ to, count };
}

static void append(struct list *times, int64_t now)
{
    ((int64_t *)times->items)[times->count++] = now;
}

/* As it stands now. */
static struct code_sheet *open_sheet(struct ctx *ctx, const struct codes *codes, const char *id, int64_t now)
{
    struct code_sheet *sheet = code_store_get(ctx, codes->store, id);
    if (!sheet)
        return NULL;
    sheet->sent = recent(ctx, &sheet->sent, now);
    sheet->tried = recent(ctx, &sheet->tried, now);
    sheet->touched_at = now;
    sheet->expires_at = now + CODE_WINDOW_MS;
    return sheet;
}

static bool write_code(struct ctx *ctx, const struct codes *codes, struct code_sheet *sheet, const struct user *user,
                       enum code_purpose purpose, const char *code)
{
    struct otp_message message = {
        .user_id = sheet->doc.id,
        .email = user ? user->email : NULL,
        .name = user ? user->name : NULL,
        .locale = user && user->locale ? user->locale : "en",
        .code = code,
        .expires_at = sheet->touched_at + CODE_LIVES_MS,
    };
    /* For nobody the same is written and settled: the time of an answer tells no one whether there is an account. */
    struct events told = EVENTS(
        { user ? subjects[purpose] : SUBJECT_OTP_NOBODY, .fields = otp_message_fields, .data = &message });
    return code_store_put(ctx, codes->store, sheet, code ? told : NO_EVENTS);
}

static bool put_code(struct ctx *ctx, const struct codes *codes, struct code_sheet *sheet, const struct user *user,
                     const char *email, enum code_purpose purpose)
{
    if (sheet->sent.count >= CODES_MAX)
        return write_code(ctx, codes, sheet, user, purpose, NULL);
    const char *code = new_code(ctx);
    struct one_code *slot = arena_new(&ctx->arena, struct one_code);
    slot->hash = hash_of(ctx, codes, sheet->doc.id, email, purpose, code);
    slot->until = sheet->touched_at + CODE_LIVES_MS;
    *slot_of(sheet, purpose) = slot;
    append(&sheet->sent, sheet->touched_at);
    return slot->hash && write_code(ctx, codes, sheet, user, purpose, code);
}

bool code_send(struct ctx *ctx, const struct codes *codes, const struct user *user, const char *email,
               enum code_purpose purpose)
{
    const char *id = sheet_id(ctx, user, email);
    for (int i = 0; i < WRITE_TRIES; i++) {
        struct code_sheet *sheet = open_sheet(ctx, codes, id, clock_now_ms());
        if (!sheet)
            return false;
        size_t before = sheet->sent.count;
        if (put_code(ctx, codes, sheet, user, email, purpose)) {
            if (sheet->sent.count > before)
                return true;
            ctx_fail(ctx, ERROR_LIMITED, "too many codes within an hour");
            const int64_t oldest = *(const int64_t *)sheet->sent.items;
            ctx->error->retry_after_s = (int)((oldest + CODE_WINDOW_MS - sheet->touched_at + 999) / 1000);
            return false;
        }
        if (!ctx_forgive(ctx, ERROR_CONFLICT))
            return false;
    }
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "too many changes at once");
}

/* Whether it is the one; what the try does to the sheet. Where no code is out there is nothing to guess. */
static bool judge(struct code_sheet *sheet, enum code_purpose purpose, const char *hash)
{
    struct one_code **slot = slot_of(sheet, purpose);
    bool live = *slot && (*slot)->hash && (*slot)->until > sheet->touched_at;
    if (!live || sheet->tried.count >= CODE_TRIES_MAX)
        return false;
    if (!text_secret_equal(hash, (*slot)->hash)) {
        append(&sheet->tried, sheet->touched_at);
        return false;
    }
    *slot = NULL;
    sheet->tried.count = 0;
    return true;
}

bool code_redeem(struct ctx *ctx, const struct codes *codes, const struct user *user, const char *email,
                 enum code_purpose purpose, const char *code)
{
    const char *id = sheet_id(ctx, user, email);
    const char *hash = hash_of(ctx, codes, id, email, purpose, code);
    for (int i = 0; hash && i < WRITE_TRIES; i++) {
        struct code_sheet *sheet = open_sheet(ctx, codes, id, clock_now_ms());
        if (!sheet)
            return false;
        bool right = judge(sheet, purpose, hash) && user;
        /* Only what is written has happened: of many tries at once each is counted, of two right ones one is. */
        if (code_store_put(ctx, codes->store, sheet, NO_EVENTS))
            return right || ctx_fail(ctx, ERROR_UNAUTHORIZED, "the code is wrong or too old");
        if (!ctx_forgive(ctx, ERROR_CONFLICT))
            return false;
    }
    return hash && ctx_fail(ctx, ERROR_UNAVAILABLE, "too many changes at once");
}

bool code_sweep(struct ctx *ctx, void *self)
{
    const struct codes *codes = self;
    for (int pages = 0; pages < SWEEP_PAGES; pages++) {
        struct page page;
        ctx->deadline_ms = clock_ms() + 5000;
        if (!code_store_expired(ctx, codes->store, clock_now_ms(), &page))
            return false;
        if (page.count == 0)
            return true;
        if (!code_store_remove_many(ctx, codes->store, page.items, page.count))
            return false;
    }
    return true;
}
