#pragma once
/* All that an audio file tells of itself, inside the helper: what libav finds, and the tags as TagLib reads them. */
#include "probe/decode.h"

/* `out` with its arena. false: as decode_audio(), or what it says of itself cannot be. decoded_finish() in any case. */
bool audio_describe(int fd, struct decoded *out);
