#include "credential/verifier.h"

#include "base/clock.h"
#include "base/lru.h"
#include "must.h"

#include <curl/curl.h>
#include <stdatomic.h>

enum {
    ANSWERS_MAX = 10000,
    ANSWERS_BYTES = 8 << 20,
    ASKS_MAX = 1024,
    WAITERS_MAX = 8192,
    CONNECTIONS_MAX = 32, /* to all together */
    HOLDS_MS = 1000,
    CONNECT_MS = 500,
    ANSWER_MS = 1500,
};

/* Counted: the memory and each loop that is told of it. */
struct answer {
    atomic_size_t references;
    int status;
    size_t size;
    char body[];
};

struct verdict_waiter {
    struct message message; /* first */
    struct verdict_waiter *next;
    struct loop *loop;
    verifier_fn *answer; /* the loop's: NULL when cancelled */
    void *self;
    struct answer *given;
};

struct ask {
    struct verifier *verifier;
    struct ask *next;
    struct verdict_waiter *waiters;
    char *name, *url, *spare_url;
    struct curl_slist *headers;
    CURL *curl;
    int64_t begun_ms;
    char *body;
    size_t size;
    bool sent;
};

struct verifier {
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    CURLM *multi;         /* the thread's; others may wake it. NULL: not there yet */
    struct lru *answers;
    struct ask *asks;
    size_t ask_count, waiting;
    bool started, stopping;
};

static struct answer *answer_new(int status, const char *body, size_t size)
{
    struct answer *answer = must(calloc(1, sizeof *answer + size + 1));
    atomic_init(&answer->references, 1);
    answer->status = status;
    answer->size = size;
    if (size)
        memcpy(answer->body, body, size);
    return answer;
}

static struct answer *answer_ref(struct answer *answer)
{
    atomic_fetch_add(&answer->references, 1);
    return answer;
}

static void answer_unref(void *self)
{
    struct answer *answer = self;
    if (atomic_fetch_sub(&answer->references, 1) == 1)
        free(answer);
}

struct verifier *verifier_create(void)
{
    struct verifier *verifier = must(calloc(1, sizeof *verifier));
    pthread_mutex_init(&verifier->lock, NULL);
    verifier->answers = lru_create(ANSWERS_MAX, answer_unref);
    return verifier;
}

/* Telling */

static void deliver(struct loop *loop, struct message *message)
{
    struct verdict_waiter *waiter = (struct verdict_waiter *)message;
    (void)loop;
    if (waiter->answer)
        waiter->answer(waiter->self, waiter->given->status, waiter->given->body, waiter->given->size);
    answer_unref(waiter->given);
    free(waiter);
}

void verdict_waiter_cancel(void *self)
{
    struct verdict_waiter *waiter = self;
    waiter->answer = NULL;
}

static void tell(struct verdict_waiter *waiter, struct answer *answer)
{
    for (struct verdict_waiter *next; waiter; waiter = next) {
        next = waiter->next;
        waiter->given = answer_ref(answer);
        loop_send(waiter->loop, &waiter->message);
    }
}

static void ask_free(struct ask *ask)
{
    curl_slist_free_all(ask->headers);
    free(ask->name);
    free(ask->url);
    free(ask->spare_url);
    free(ask->body);
    free(ask);
}

static size_t count(const struct verdict_waiter *waiter)
{
    size_t out = 0;
    for (; waiter; waiter = waiter->next)
        out++;
    return out;
}

/* Takes the ask: its answer is remembered if somebody gave one about the credential, and told. */
static void settle(struct verifier *verifier, struct ask *ask, int status)
{
    struct answer *answer = answer_new(status, ask->body, status ? ask->size : 0);
    pthread_mutex_lock(&verifier->lock);
    struct ask **place = &verifier->asks;
    while (*place != ask)
        place = &(*place)->next;
    *place = ask->next;
    verifier->ask_count--;
    verifier->waiting -= count(ask->waiters);
    if (status && status < 500 && answer->size <= ANSWERS_BYTES / ANSWERS_MAX)
        lru_put(verifier->answers, ask->name, answer_ref(answer), ask->begun_ms + HOLDS_MS);
    pthread_mutex_unlock(&verifier->lock);
    tell(ask->waiters, answer);
    answer_unref(answer);
    ask_free(ask);
}

/* The thread */

static size_t take_body(char *data, size_t size, size_t number, void *self)
{
    struct ask *ask = self;
    size *= number;
    if (ask->size + size > VERIFIER_BODY_MAX)
        return 0;
    ask->body = must(realloc(ask->body, ask->size + size));
    memcpy(ask->body + ask->size, data, size);
    ask->size += size;
    return size;
}

static void send_ask(struct verifier *verifier, struct ask *ask)
{
    CURL *curl = ask->curl = must(curl_easy_init());
    int64_t left_ms = ask->begun_ms + ANSWER_MS - clock_ms();
    ask->sent = true;
    curl_easy_setopt(curl, CURLOPT_URL, ask->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(left_ms > 1 ? left_ms : 1));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, ask->headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, ask);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, ask);
    if (curl_multi_add_handle(verifier->multi, curl) != CURLM_OK)
        abort();
}

static bool is_unreachable(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
}

static void finish(struct verifier *verifier, CURL *curl, CURLcode code)
{
    struct ask *ask;
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **)&ask);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(verifier->multi, curl);
    curl_easy_cleanup(curl);
    ask->curl = NULL;
    if (is_unreachable(code) && ask->spare_url) {
        free(ask->url);
        ask->url = ask->spare_url;
        ask->spare_url = NULL;
        send_ask(verifier, ask);
        return;
    }
    settle(verifier, ask, code == CURLE_OK ? (int)status : 0);
}

/* false: it ends. */
static bool send_new(struct verifier *verifier)
{
    pthread_mutex_lock(&verifier->lock);
    for (struct ask *ask = verifier->asks; ask; ask = ask->next)
        if (!ask->sent)
            send_ask(verifier, ask);
    bool on = !verifier->stopping || verifier->asks;
    pthread_mutex_unlock(&verifier->lock);
    return on;
}

/* OpenSSL is set up with it, which takes milliseconds: not on a loop. */
static CURLM *open_multi(struct verifier *verifier)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = must(curl_multi_init());
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
    pthread_mutex_lock(&verifier->lock);
    verifier->multi = multi;
    pthread_mutex_unlock(&verifier->lock);
    return multi;
}

static void *run(void *self)
{
    struct verifier *verifier = self;
    CURLM *multi = open_multi(verifier);
    while (send_new(verifier)) {
        int running, left;
        curl_multi_perform(multi, &running);
        for (CURLMsg *message; (message = curl_multi_info_read(multi, &left));)
            if (message->msg == CURLMSG_DONE)
                finish(verifier, message->easy_handle, message->data.result);
        curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    return NULL;
}

/* With the lock held. A thread that has not begun looks by itself. */
static void wake(struct verifier *verifier)
{
    if (verifier->multi)
        curl_multi_wakeup(verifier->multi);
}

void verifier_stop(struct verifier *verifier)
{
    if (!verifier)
        return;
    pthread_mutex_lock(&verifier->lock);
    bool started = verifier->started;
    verifier->stopping = true;
    wake(verifier);
    pthread_mutex_unlock(&verifier->lock);
    if (started)
        pthread_join(verifier->thread, NULL);
}

void verifier_destroy(struct verifier *verifier)
{
    if (!verifier)
        return;
    curl_multi_cleanup(verifier->multi);
    lru_destroy(verifier->answers);
    pthread_mutex_destroy(&verifier->lock);
    free(verifier);
}

/* Asking */

static char *copy(const char *text)
{
    return text ? must(strdup(text)) : NULL;
}

static char *join(const char *a, const char *between, const char *b)
{
    char *out = must(malloc(strlen(a) + strlen(between) + strlen(b) + 1));
    strcpy(out, a);
    strcat(out, between);
    strcat(out, b);
    return out;
}

bool verifier_known(struct verifier *verifier, const struct verifier_question *question, verifier_fn *answer,
                    void *self)
{
    char *name = join(question->name, "\n", question->credential);
    pthread_mutex_lock(&verifier->lock);
    struct answer *known = lru_get(verifier->answers, name);
    if (known)
        answer_ref(known);
    pthread_mutex_unlock(&verifier->lock);
    free(name);
    if (!known)
        return false;
    answer(self, known->status, known->body, known->size);
    answer_unref(known);
    return true;
}

/* All below with the lock held, up to verifier_ask(). */

static struct ask *ask_of(struct verifier *verifier, char *name)
{
    struct ask *ask = verifier->asks;
    while (ask && strcmp(ask->name, name) != 0)
        ask = ask->next;
    return ask;
}

static struct ask *ask_new(struct verifier *verifier, const struct verifier_question *question, const char *name)
{
    struct ask *ask = must(calloc(1, sizeof *ask));
    char *header = join(question->header, ": ", question->credential);
    ask->verifier = verifier;
    ask->name = copy(name);
    ask->url = copy(question->url);
    ask->spare_url = copy(question->spare_url);
    ask->headers = must(curl_slist_append(NULL, header));
    ask->begun_ms = clock_ms();
    free(header);
    ask->next = verifier->asks;
    verifier->asks = ask;
    verifier->ask_count++;
    if (!verifier->started && pthread_create(&verifier->thread, NULL, run, verifier) != 0)
        abort();
    verifier->started = true;
    return ask;
}

/* false: too many wait. */
static bool enter(struct verifier *verifier, const struct verifier_question *question, char *name,
                  struct verdict_waiter *waiter)
{
    struct answer *known = lru_get(verifier->answers, name);
    struct ask *ask = known ? NULL : ask_of(verifier, name);
    if (known) {
        tell(waiter, known);
        return true;
    }
    if (verifier->stopping || verifier->waiting >= WAITERS_MAX || (!ask && verifier->ask_count >= ASKS_MAX))
        return false;
    ask = ask ? ask : ask_new(verifier, question, name);
    waiter->next = ask->waiters;
    ask->waiters = waiter;
    verifier->waiting++;
    return true;
}

struct verdict_waiter *verifier_ask(struct verifier *verifier, struct loop *loop,
                                    const struct verifier_question *question, verifier_fn *answer, void *self)
{
    struct verdict_waiter *waiter = must(calloc(1, sizeof *waiter));
    *waiter = (struct verdict_waiter){ .message = { .run = deliver }, .loop = loop, .answer = answer, .self = self };
    char *name = join(question->name, "\n", question->credential);
    pthread_mutex_lock(&verifier->lock);
    bool entered = enter(verifier, question, name, waiter);
    wake(verifier);
    pthread_mutex_unlock(&verifier->lock);
    free(name);
    if (entered)
        return waiter;
    free(waiter);
    return NULL;
}
