#include "track/identity.h"

#include "base/buf.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "text/fold.h"

#include <string.h>

enum { ID_BYTES = 12 };

/* 24 hexadecimal digits, as every other id. */
static const char *id_of(struct arena *arena, const struct buf *identity)
{
    unsigned char hash[SHA256_SIZE];
    sha256(identity->data, identity->size, hash);
    return hex_encode(arena, hash, ID_BYTES);
}

static const char *artist_id(struct arena *arena, const char *name, const char *musicbrainz)
{
    struct buf identity = BUF(arena);
    buf_printf(&identity, "artist\n%s\n%s", musicbrainz ? "musicbrainz" : "name",
               musicbrainz ? text_lower(arena, musicbrainz) : fold_name(arena, name));
    return id_of(arena, &identity);
}

static struct list artists_of(struct arena *arena, const struct list *names, const struct list *ids)
{
    struct artist_ref *artists = arena_array(arena, struct artist_ref, names->count + 1);
    for (size_t i = 0; i < names->count; i++) {
        const char *name = ((const char **)names->items)[i];
        artists[i] = (struct artist_ref){ artist_id(arena, name, ids->count ? ((const char **)ids->items)[i] : NULL),
                                          name };
    }
    return (struct list){ artists, names->count };
}

static const char *album_id_by_name(struct arena *arena, const char *name, const struct list *artists)
{
    struct buf identity = BUF(arena);
    buf_printf(&identity, "album\nname\n%s", fold_name(arena, name));
    for (size_t i = 0; i < artists->count; i++)
        buf_printf(&identity, "\n%s", ((struct artist_ref *)artists->items)[i].id);
    return id_of(arena, &identity);
}

static const char *album_id_by_release(struct arena *arena, const char *release)
{
    struct buf identity = BUF(arena);
    buf_printf(&identity, "album\nmusicbrainz\n%s", text_lower(arena, release));
    return id_of(arena, &identity);
}

/* By release where MusicBrainz names it, else by album artist and title. */
static struct album_ref *album_of(struct arena *arena, const struct audio_facts *facts, const struct list *artists)
{
    struct album_ref *album = arena_new(arena, struct album_ref);
    *album = (struct album_ref){ facts->album_id ? album_id_by_release(arena, facts->album_id)
                                                 : album_id_by_name(arena, facts->album, artists),
                                 facts->album };
    return album;
}

void identify(struct arena *arena, const struct audio_facts *facts, const char *uploader, struct audio *audio)
{
    static const struct list none;
    const char **alone = arena_array(arena, const char *, 1);
    alone[0] = uploader;
    audio->by_uploader = !facts->artists.count;
    audio->artists = facts->artists.count ? artists_of(arena, &facts->artists, &facts->artist_ids)
                                          : artists_of(arena, &(struct list){ alone, 1 }, &none);
    if (!facts->album)
        return;
    audio->album_artists = facts->album_artists.count
                               ? artists_of(arena, &facts->album_artists, &facts->album_artist_ids)
                               : audio->artists;
    audio->album = album_of(arena, facts, &audio->album_artists);
}

static struct list nobody(struct arena *arena, const char *owner)
{
    struct buf identity = BUF(arena);
    buf_printf(&identity, "artist\nnobody\n%s", owner);
    struct artist_ref *artist = arena_new(arena, struct artist_ref);
    *artist = (struct artist_ref){ id_of(arena, &identity), "Anonymous" };
    return (struct list){ artist, 1 };
}

static bool same_artists(const struct list *a, const struct list *b)
{
    const struct artist_ref *left = a->items, *right = b->items;
    for (size_t i = 0; i < a->count && a->count == b->count; i++)
        if (!text_equal(left[i].id, right[i].id))
            return false;
    return a->count == b->count;
}

bool identify_nobody(struct arena *arena, const char *owner, struct audio *audio)
{
    if (!audio->by_uploader)
        return false;
    struct list artists = nobody(arena, owner);
    if (audio->album && same_artists(&audio->album_artists, &audio->artists)) {
        if (text_equal(audio->album->id, album_id_by_name(arena, audio->album->name, &audio->album_artists)))
            audio->album->id = album_id_by_name(arena, audio->album->name, &artists);
        audio->album_artists = artists;
    }
    audio->artists = artists;
    audio->by_uploader = false;
    return true;
}
