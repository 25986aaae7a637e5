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
/*
 * Takes the name of an uploader who is gone out of `audio`: where it stood for the artist there is "Anonymous", one for
 * each `owner`, so that their works stay together. What the file itself names stays. false: there was nothing to take.
 */
bool identify_nobody(struct arena *arena, const char *owner, struct audio *audio);
