#pragma once
/* An audio file by libavformat and libavcodec, inside the helper: what it is, how long, whether it decodes. */
#include "base/arena.h"
#include "probe/facts.h"

struct AVPacket;

struct decoded {
    struct arena *arena;
    struct audio_facts facts;    /* all but what tags tell */
    const char *demuxer;         /* "mp3", "ogg", "mov" ... */
    const char **keys, **values; /* what libavformat itself read as tags: the fall-back */
    size_t tags;
    struct AVPacket *cover; /* the picture as it is in the file; NULL = none */
};

/* false: this is no audio, or none that decodes to samples. Reads by pread(2); the descriptor stays the caller's. */
bool decode_audio(int fd, struct decoded *out);
void decoded_finish(struct decoded *decoded);
