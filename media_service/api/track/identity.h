#pragma once
/*
 * Who an artist is and which album it is: their ids are hashes of their
 * identity (MusicBrainz's id, else the folded names), so that two files, two
 * scanners and two replicas make one of them.
 */
#include "probe/facts.h"
#include "track/track.h"

/* Fills artists, album and album artists of `audio` from a file's facts. Without an artist in the file it is
 * `uploader`. */
void identify(struct arena *arena, const struct audio_facts *facts, const char *uploader, struct audio *audio);
