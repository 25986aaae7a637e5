#pragma once
/* What may become of a track: one table. Anything that is not in it is 409. */
#include "track/track.h"

enum track_action {
    TRACK_EDIT,
    TRACK_UPLOAD,
    TRACK_SUBMIT,
    TRACK_WITHDRAW,
    TRACK_PUBLISH,
    TRACK_RETURN,
    TRACK_UNPUBLISH,
    TRACK_DELETE,
    TRACK_FORGET, /* its uploader's account is gone */
    TRACK_ACTIONS
};

enum track_effect {
    EFFECT_NONE,
    EFFECT_BEGIN, /* a draft beside the live version, a copy of it */
    EFFECT_SWAP,  /* the draft becomes the live version */
    EFFECT_HIDE,  /* the live version becomes the draft, where there is none */
    EFFECT_DROP,  /* the draft goes, the live version stays */
    EFFECT_REMOVE /* the track goes */
};

struct transition {
    enum track_action action;
    enum track_status from;
    bool live; /* with a live version, or without */
    enum track_status to;
    enum track_effect effect;
    bool audio;        /* there must be audio */
    const char *event; /* NULL: nobody else wants to know */
};

/* NULL: ERROR_CONFLICT. */
const struct transition *track_transition(struct ctx *ctx, const struct track *track, enum track_action action);
/* Moves `track` (in ctx->arena) along: versions, status, states, times. Not EFFECT_REMOVE. */
void track_move(struct ctx *ctx, struct track *track, const struct transition *transition);
