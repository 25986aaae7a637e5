# Real music (Debian's wesnoth-1.16-music) through the public API, as an artist's uploads would come.

demo_folder() {
    dpkg -L wesnoth-1.16-music 2>/dev/null | grep '\.ogg$' | sort
}

# api METHOD PATH TOKEN [curl arguments]: prints the answer's data, or the whole answer on stderr.
api() {
    local method=$1 path=$2 token=$3 out
    shift 3
    out=$(curl -sS -m 60 -X "$method" -H "X-API-Key: $TONEARM_API_KEY" ${token:+-H "Authorization: Bearer $token"} "$@" \
        "$TONEARM_URL$path")
    if ! jq -e '.code == "10000"' >/dev/null 2>&1 <<<"$out"; then
        echo "$method $path: $out" >&2
        return 1
    fi
    jq -c .data <<<"$out"
}

demo_load() {
    set -a
    . "$RUN/tonearm.env"
    set +a
    local count=${DEMO_TRACKS:-12} files
    mapfile -t files < <(demo_folder | head -n "$count")
    [ ${#files[@]} -gt 0 ] || fail "the package wesnoth-1.16-music has no music"
    if [ -f "$RUN/demo" ]; then
        echo "  the demo's music is there already"
        return
    fi
    step "putting ${#files[@]} pieces of music in"
    local admin artist password email=artist@tonearm.local answer
    password=$(cat "$(secret artist)")
    admin=$(api POST /auth/signin/basic "" -d "{\"email\":\"$TONEARM_ADMIN_EMAIL\",\"password\":\"$TONEARM_ADMIN_PASSWORD\"}" |
        jq -r .tokens.accessToken)
    answer=$(api POST /auth/signup/basic "" -d "{\"email\":\"$email\",\"password\":\"$password\",\"name\":\"Demo Artist\"}" 2>/dev/null ||
        api POST /auth/signin/basic "" -d "{\"email\":\"$email\",\"password\":\"$password\"}")
    artist=$(jq -r .tokens.accessToken <<<"$answer")
    api PUT "/auth/users/$(jq -r .user.id <<<"$answer")/roles" "$admin" -d '{"roles":["ARTIST"]}' >/dev/null
    local file title id
    for file in "${files[@]}"; do
        title=$(basename "$file" .ogg | tr '_-' '  ')
        id=$(api POST /media/studio/tracks "$artist" -d "$(jq -nc --arg t "$title" '{title:$t,tags:["wesnoth","demo"]}')" | jq -r .id)
        api PUT "/media/studio/tracks/$id/audio" "$artist" -H 'Content-Type: application/octet-stream' -T "$file" >/dev/null
        api PUT "/media/studio/tracks/$id/submit" "$artist" >/dev/null
        api PUT "/media/editor/tracks/$id/publish" "$admin" >/dev/null
    done
    touch "$RUN/demo"
    done_step
}
