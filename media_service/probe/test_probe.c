/* The helper on real files of every kind, and on hostile ones. */
#include "base/clock.h"
#include "base/random.h"
#include "probe/probe.h"
#include "test/audio_files.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ctx ctx;
static struct probe *probe;
static struct cover cover;
static char *helper;

static void start(size_t helpers, int64_t limit_ms)
{
    cr_assert(asprintf(&helper, "%s/media_service/tonearm-probe", getenv("BUILD")) > 0);
    probe = probe_create(&ctx, &(struct probe_options){ .path = helper, .helpers = helpers, .limit_ms = limit_ms });
    cr_assert(probe);
}

static void setup(void)
{
    start(1, 30000);
}

static void teardown(void)
{
    probe_destroy(probe);
    ctx_finish(&ctx);
    free(helper);
}

static void forget_error(void)
{
    ctx.error = NULL;
}

static struct audio_facts *read_audio(int fd)
{
    forget_error();
    struct audio_facts *facts = probe_audio(&ctx, probe, fd, &cover);
    close(fd);
    return facts;
}

static bool refused(int fd)
{
    return !read_audio(fd) && ctx.error->code == ERROR_UNPROCESSABLE;
}

#define TAGS                                                                                                           \
    "-metadata title='Ein Titel' -metadata artist='Łukasz Straße' -metadata album='Das Album' "                      \
    "-metadata album_artist='Die Band' -metadata genre=Folk -metadata date=1999-05-01 -metadata track=3/12 "           \
    "-metadata disc=1/2 "

TestSuite(probe, .init = setup, .fini = teardown, .timeout = 120);

Test(probe, reads_every_kind_of_file)
{
    static const struct {
        const char *extension, *arguments, *codec, *media_type;
        int64_t depth;
        bool tagged;
    } cases[] = {
        { "mp3", TAGS, "mp3", "audio/mpeg", 0, true },
        { "mp3", TAGS "-id3v2_version 3 -write_xing 0", "mp3", "audio/mpeg", 0, true },
        { "flac", TAGS "-sample_fmt s32", "flac", "audio/flac", 24, true },
        { "ogg", TAGS "-c:a libvorbis", "vorbis", "audio/ogg", 0, true },
        { "opus", TAGS "-c:a libopus", "opus", "audio/ogg", 0, true },
        { "oga", TAGS "-c:a flac", "flac", "audio/ogg", 16, true },
        { "m4a", TAGS, "aac", "audio/mp4", 0, true },
        { "m4a", TAGS "-c:a alac", "alac", "audio/mp4", 16, true },
        { "wav", "", "pcm_s16le", "audio/wav", 16, false },
        { "wav", "-c:a pcm_f32le", "pcm_f32le", "audio/wav", 32, false },
        { "aiff", TAGS "-write_id3v2 1", "pcm_s16be", "audio/aiff", 16, true },
        { "mka", TAGS "-c:a flac", "flac", "audio/x-matroska", 16, true },
        { "webm", TAGS "-c:a libopus", "opus", "audio/x-matroska", 0, true },
        { "wma", TAGS, "wmav2", "audio/x-ms-wma", 0, true },
        { "wv", TAGS, "wavpack", "audio/x-wavpack", 16, true },
        { "aac", "", "aac", "audio/aac", 0, false },
        { "tta", "", "tta", "audio/x-tta", 16, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct audio_facts *facts = read_audio(audio_file(cases[i].extension, cases[i].arguments));
        const char *what = cases[i].extension;
        cr_assert(facts, "%s: %s", what, ctx.error ? ctx.error->message : "");
        cr_expect_str_eq(facts->codec, cases[i].codec);
        cr_expect_str_eq(facts->media_type, cases[i].media_type);
        cr_expect(fabs(facts->duration - 2) < 0.1, "%s %s: %f", what, cases[i].arguments, facts->duration);
        cr_expect(facts->sample_rate == 44100 || facts->sample_rate == 48000, "%s: %ld", what, facts->sample_rate);
        cr_expect_eq(facts->channels, 1);
        cr_expect_gt(facts->bit_rate, 10000);
        cr_expect_eq(facts->bit_depth, cases[i].depth, "%s: %ld", what, facts->bit_depth);
        if (!cases[i].tagged)
            continue;
        cr_assert(facts->title && facts->album && facts->artists.count == 1 && facts->genres.count == 1, "%s", what);
        cr_expect_str_eq(facts->title, "Ein Titel");
        cr_expect_str_eq(facts->album, "Das Album");
        cr_expect_str_eq(((const char **)facts->artists.items)[0], "Łukasz Straße");
        cr_expect_str_eq(((const char **)facts->genres.items)[0], "Folk");
        cr_expect_eq(facts->year, 1999, "%s: %ld", what, facts->year);
        cr_expect_eq(facts->track_number, 3, "%s: %ld", what, facts->track_number);
        cr_expect_eq(facts->disc_number, 1, "%s: %ld", what, facts->disc_number);
        cr_expect_eq(facts->album_artists.count, 1, "%s", what);
    }
}

/* Encoder delay and padding are no part of the music. */
Test(probe, tells_the_length_to_the_sample_where_the_file_does)
{
    static const struct {
        const char *extension, *arguments;
    } cases[] = { { "flac", "" }, { "wav", "" }, { "ogg", "-c:a libvorbis" }, { "opus", "-c:a libopus" },
                  { "mp3", "" },  { "m4a", "" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct audio_facts *facts = read_audio(audio_file(cases[i].extension, cases[i].arguments));
        cr_assert(facts);
        cr_expect(fabs(facts->duration - 2) < 0.001, "%s: %f", cases[i].extension, facts->duration);
    }
}

/* As many bytes for as many: what ffmpeg cannot write is patched into what it wrote. */
static int patched(int fd, const char *from, const char *to)
{
    size_t size, length = strlen(from);
    char *bytes = file_bytes(fd, &size);
    char *at = memmem(bytes, size, from, length);
    cr_assert(at);
    memcpy(at, to, length);
    cr_assert(pwrite(fd, bytes, size, 0) == (ssize_t)size);
    free(bytes);
    return fd;
}

Test(probe, keeps_every_value_of_a_tag)
{
    int fd = audio_file("flac",
                        "-metadata artist='A; B' -metadata ARTISX=Second -metadata genre=Folk -metadata GENRX=Jazz");
    struct audio_facts *facts = read_audio(patched(patched(fd, "ARTISX=", "ARTIST="), "GENRX=", "GENRE="));
    cr_assert(facts);
    cr_assert_eq(facts->artists.count, 2);
    cr_expect_str_eq(((const char **)facts->artists.items)[0], "A; B");
    cr_expect_str_eq(((const char **)facts->artists.items)[1], "Second");
    cr_expect_eq(facts->genres.count, 2);
}

Test(probe, cleans_and_cuts_what_tags_say)
{
    char arguments[4096] = "-metadata artist='  a\x01\tb  ' -metadata title='", *end = arguments + strlen(arguments);
    memset(end, 'x', 2000);
    strcpy(end + 2000, "'");
    struct audio_facts *facts = read_audio(audio_file("flac", arguments));
    cr_assert(facts);
    cr_expect_str_eq(((const char **)facts->artists.items)[0], "a b");
    cr_expect_eq(strlen(facts->title), FACTS_NAME_MAX);
}

static struct audio_facts *with_cover(const char *extension, const char *kind, const char *source)
{
    char *path = picture_file(kind, source), inputs[512];
    snprintf(inputs, sizeof inputs, "-i %s", path);
    struct audio_facts *facts = read_audio(
        audio_file_with(extension, inputs, "-map 0:a -map 1:v -c:v copy -disposition:v:0 attached_pic"));
    unlink(path);
    free(path);
    return facts;
}

Test(probe, brings_the_cover_made_to_fit)
{
    static const struct {
        const char *extension, *kind, *source, *type;
        int width, height;
    } cases[] = {
        { "mp3", "jpg", "color=red:s=300x300", "image/jpeg", 300, 300 },
        { "flac", "png", "color=red:s=300x200", "image/png", 300, 200 },
        { "m4a", "png", "testsrc=s=2000x1000", "image/jpeg", 1000, 500 },
        { "flac", "jpg", "testsrc=s=500x2500", "image/jpeg", 200, 1000 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert(with_cover(cases[i].extension, cases[i].kind, cases[i].source));
        cr_assert(cover.size > 0, "%zu", i);
        cr_expect_str_eq(cover.type, cases[i].type);
        cr_expect_eq(cover.width, cases[i].width);
        cr_expect_eq(cover.height, cases[i].height);
        int fd = bytes_file(cover.data, cover.size);
        struct cover small;
        cr_assert(probe_picture(&ctx, probe, fd, 64, &small), "%zu", i);
        cr_expect(small.width == 64 || small.height == 64);
        close(fd);
    }
}

Test(probe, a_picture_that_would_fill_the_memory_costs_only_the_cover)
{
    struct audio_facts *facts = with_cover("flac", "png", "color=black:s=9000x9000");
    cr_assert(facts);
    cr_expect_eq(cover.size, 0);
    cr_expect_str_eq(facts->codec, "flac");
}

Test(probe, random_bytes_are_no_audio_whatever_they_begin_with)
{
    static const char *const heads[] = {
        "",     "fLaC", "ID3\x04",     "OggS", "RIFF....WAVEfmt ", "\xff\xfb\x90", "....ftypM4A ",
        "MAC ", "wvpk", "FORM....AIFF"
    };
    unsigned char bytes[50000];
    for (size_t i = 0; i < 120; i++) {
        const char *head = heads[i % (sizeof heads / sizeof *heads)];
        random_bytes(bytes, sizeof bytes);
        memcpy(bytes, head, strlen(head));
        cr_expect(refused(bytes_file(bytes, i % 3 ? sizeof bytes : 3000)), "%s, round %zu", head, i);
    }
}

Test(probe, what_names_other_files_is_no_audio)
{
    static const char *const texts[] = {
        "#EXTM3U\nfile:///etc/passwd\n",
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '/etc/passwd'\n",
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        "hello",
        "",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_expect(refused(bytes_file(texts[i], strlen(texts[i]))), "%s", texts[i]);
}

Test(probe, a_file_that_was_cut_is_as_long_as_what_is_left)
{
    size_t size;
    char *bytes = file_bytes(audio_file("flac", ""), &size);
    struct audio_facts *facts = read_audio(bytes_file(bytes, size / 2));
    cr_assert(facts);
    cr_expect(facts->duration > 0.5 && facts->duration < 1.6, "%f", facts->duration);
    cr_expect(refused(bytes_file(bytes, 200)));
    free(bytes);
}

Test(probe, tags_of_many_megabytes_do_no_harm)
{
    size_t size, room = 30 << 20;
    char *bytes = file_bytes(audio_file("mp3", "-id3v2_version 0"), &size);
    char *all = calloc(1, room + size);
    size_t body = room - 10;
    memcpy(all, "ID3\x03\0\0", 6);
    for (int i = 0; i < 4; i++)
        all[6 + i] = (char)(body >> (21 - 7 * i) & 0x7f);
    /* One frame that says it is all of it. */
    memcpy(all + 10, "TIT2", 4);
    for (int i = 0; i < 4; i++)
        all[14 + i] = (char)((body - 10) >> (24 - 8 * i));
    memset(all + 20, 'A', body - 10);
    all[20] = 0;
    memcpy(all + room, bytes, size);
    struct audio_facts *facts = read_audio(bytes_file(all, room + size));
    cr_assert(facts);
    cr_expect_eq(strlen(facts->title), FACTS_NAME_MAX);
    cr_expect(fabs(facts->duration - 2) < 0.1, "%f", facts->duration);
    free(all);
    free(bytes);
}

/* The children of this process. */
static size_t helpers(pid_t *pids, size_t room)
{
    size_t count = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(proc)) && count < room;) {
        char path[300], line[512] = "";
        snprintf(path, sizeof path, "/proc/%.20s/stat", entry->d_name);
        FILE *stat = atoi(entry->d_name) > 0 ? fopen(path, "re") : NULL;
        int parent = 0;
        if (stat && fgets(line, sizeof line, stat) && strstr(line, "(tonearm-probe)"))
            sscanf(strrchr(line, ')'), ") %*c %d", &parent);
        if (stat)
            fclose(stat);
        if (parent == getpid())
            pids[count++] = atoi(entry->d_name);
    }
    closedir(proc);
    return count;
}

static pid_t only_helper(void)
{
    pid_t pids[4];
    cr_assert_eq(helpers(pids, 4), 1);
    return pids[0];
}

Test(probe, a_helper_that_died_between_two_files_is_replaced)
{
    pid_t before = only_helper();
    kill(before, SIGKILL);
    cr_assert(read_audio(audio_file("flac", "")));
    cr_expect_neq(only_helper(), before);
}

static void *kill_later(void *pid)
{
    usleep(300000);
    kill(*(pid_t *)pid, SIGKILL);
    return NULL;
}

Test(probe, a_helper_that_dies_at_work_is_replaced_and_the_file_read)
{
    pid_t before = only_helper();
    int fd = audio_file("flac", "");
    pthread_t thread;
    kill(before, SIGSTOP);
    pthread_create(&thread, NULL, kill_later, &before);
    cr_assert(read_audio(fd), "%s", ctx.error ? ctx.error->message : "");
    pthread_join(thread, NULL);
    cr_expect_neq(only_helper(), before);
}

Test(probe, a_hundred_files_later_it_is_a_new_helper)
{
    pid_t before = only_helper();
    for (int i = 0; i < 101; i++)
        cr_assert(refused(bytes_file("no audio", 8)));
    cr_expect_neq(only_helper(), before);
}

Test(probe_limits, what_takes_too_long_is_refused_and_the_next_file_is_read, .timeout = 60)
{
    start(1, 3000);
    int first = audio_file("flac", ""), second = audio_file("flac", "");
    kill(only_helper(), SIGSTOP);
    int64_t began = clock_ms();
    cr_expect(refused(first));
    cr_expect(clock_ms() - began < 30000);
    cr_expect(read_audio(second));
    teardown();
}

Test(probe_limits, the_requests_own_deadline_is_an_outage_not_a_fault_of_the_file, .timeout = 60)
{
    start(1, 10000);
    int fd = audio_file("flac", "");
    kill(only_helper(), SIGSTOP);
    ctx.deadline_ms = clock_ms() + 300;
    cr_expect(!read_audio(fd));
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
    ctx.deadline_ms = 0;
    teardown();
}

static void *read_one(void *self)
{
    struct ctx own = { 0 };
    struct cover picture;
    bool read = probe_audio(&own, probe, *(int *)self, &picture) != NULL;
    ctx_finish(&own);
    return read ? self : NULL;
}

Test(probe_limits, more_readers_than_helpers_wait_their_turn, .timeout = 60)
{
    start(2, 10000);
    pthread_t threads[8];
    int files[8], fd = audio_file("flac", "");
    for (size_t i = 0; i < 8; i++) {
        files[i] = dup(fd);
        pthread_create(&threads[i], NULL, read_one, &files[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        void *read;
        pthread_join(threads[i], &read);
        cr_expect(read != NULL);
        close(files[i]);
    }
    pid_t pids[4];
    cr_expect_eq(helpers(pids, 4), 2);
    close(fd);
    teardown();
}

Test(probe_limits, a_helper_that_is_not_there_is_said_at_start)
{
    cr_expect_null(
        probe_create(&ctx, &(struct probe_options){ .path = "/nonexistent", .helpers = 1, .limit_ms = 1000 }));
    cr_expect_eq(ctx.error->code, ERROR_UNAVAILABLE);
    ctx_finish(&ctx);
}

/* A helper that ends like this, whatever it is asked. */
static void expect_after_death(const char *signal_name, enum error_code code)
{
    char script[] = "/tmp/tonearm-probe-XXXXXX";
    int fd = mkstemp(script);
    dprintf(fd, "#!/bin/sh\nkill -%s $$\n", signal_name);
    fchmod(fd, 0700);
    close(fd);
    probe = probe_create(&ctx, &(struct probe_options){ .path = script, .helpers = 1, .limit_ms = 10000 });
    cr_assert(probe);
    cr_expect_not(read_audio(bytes_file("good or not", 11)));
    cr_expect(ctx.error && ctx.error->code == code, "%s: %s", signal_name, ctx.error ? ctx.error->message : "");
    unlink(script);
    probe_destroy(probe);
    ctx_finish(&ctx);
}

Test(probe_limits, a_helper_that_breaks_twice_is_the_files_fault)
{
    expect_after_death("SEGV", ERROR_UNPROCESSABLE);
}

/* By the operator, or by a kernel without memory: the file may be as good as any. */
Test(probe_limits, a_helper_that_is_killed_twice_is_no_word_about_the_file)
{
    expect_after_death("KILL", ERROR_UNAVAILABLE);
}

static int shell(const char *format)
{
    char command[1024];
    snprintf(command, sizeof command, format, getenv("BUILD"));
    return system(command);
}

Test(probe_limits, the_sandbox_refuses_all_that_is_forbidden)
{
    cr_expect_eq(shell("%s/media_service/tonearm-probe --check | (! grep POSSIBLE) >&2"), 0);
    cr_expect_eq(shell("test $(%s/media_service/tonearm-probe --check | grep -c refused) -ge 9"), 0);
}

Test(probe_limits, the_helper_links_neither_nats_nor_mongodb)
{
    cr_expect_eq(shell("ldd %s/media_service/tonearm-probe | (! grep -E 'nats|mongoc')"), 0);
}
