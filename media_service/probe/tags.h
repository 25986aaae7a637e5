#pragma once
/* TagLib behind a C face: libavformat drops second values of ID3v2.4 and MP4 tags and joins FLAC's with ";". */
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Keys are TagLib's property names ("ALBUMARTIST"); a key comes once for each of its values. UTF-8. */
typedef void tags_each_fn(void *self, const char *key, const char *value);

/* `demuxer` and `codec` are libav's names. Takes over `fd`. false: TagLib does not know this kind of file, or could not
 * read it. */
bool tags_read(int fd, const char *demuxer, const char *codec, tags_each_fn *each, void *self);

#ifdef __cplusplus
}
#endif
