# Debian's nginx in three parts: the backend that both gateways stand before, the gateway that checks keys in Lua with
# one worker, and the same with a worker for each core before the services. Unprivileged, on loopback, under $B/nginx.

# The key stands in a shared dictionary, as the edge's answers do in its table once auth has been asked. What the
# edge does for each request beside that is done here too: the consumer's headers, X-Forwarded-*, a request id both
# ways, and the client's own X-Consumer-* dropped.
nginx_lua() {
    cat <<'TEXT'
    lua_shared_dict keys 1m;
    init_by_lua_block {
        local file = assert(io.open(ngx.config.prefix() .. "key"))
        ngx.shared.keys:set(file:read("*l"), "bench-key bench")
        file:close()
    }
TEXT
}

nginx_check() {
    cat <<'TEXT'
        access_by_lua_block {
            local key = ngx.var.http_x_api_key
            local known = key and ngx.shared.keys:get(key)
            if not known then
                ngx.status = 401
                ngx.header["Content-Type"] = "application/json"
                ngx.print('{"code":"10001","status":401,"message":"an API key is needed"}')
                return ngx.exit(401)
            end
            local id, name = known:match("^(%S+) (%S+)$")
            ngx.req.set_header("X-Consumer-ID", id)
            ngx.req.set_header("X-Consumer-Username", name)
            ngx.req.set_header("X-Credential-Identifier", id)
        }
        add_header X-Request-Id $request_id;
        proxy_http_version 1.1;
        proxy_max_temp_file_size 0;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Request-Id $request_id;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Forwarded-Port $server_port;
TEXT
}

# nginx_head NAME WORKERS
nginx_head() {
    local dir=$B/nginx
    [ "$(id -u)" -ne 0 ] || echo "user $(id -un) $(id -gn);"
    cat <<TEXT
daemon off;
worker_processes $2;
pid $dir/$1.pid;
error_log $dir/$1.log warn;
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
events { worker_connections ${nginx_connections:-4096}; } # all that both gateways keep at a time
http {
    access_log off;
    sendfile on;
    types { application/json json; }
    keepalive_requests 1000000000;
    client_body_temp_path $dir/$1.tmp/body;
    proxy_temp_path $dir/$1.tmp/proxy;
    fastcgi_temp_path $dir/$1.tmp/fastcgi;
    uwsgi_temp_path $dir/$1.tmp/uwsgi;
    scgi_temp_path $dir/$1.tmp/scgi;
TEXT
}

nginx_backend() {
    nginx_head backend 1
    cat <<TEXT
    open_file_cache max=16 inactive=1h;
    tcp_nopush on; # head and body in one segment, as the services answer
    server {
        listen 127.0.0.1:$backend_port;
        root $B/nginx/www;
    }
}
TEXT
}

# upstream NAME ADDRESS. It keeps more connections than there are requests at a time (512 over HTTP/2): with fewer it
# would connect anew for every eighth request, and cost a quarter more.
nginx_upstream() {
    echo "    upstream $1 { server $2; keepalive 1024; keepalive_requests 1000000000; }"
}

nginx_gate() {
    nginx_head gate 1
    nginx_lua
    nginx_upstream backend "127.0.0.1:$backend_port"
    cat <<TEXT
    server {
        listen 127.0.0.1:$gate_port;
        listen 127.0.0.1:$gate_tls_port ssl http2;
        http2_max_requests 1000000000;
        ssl_certificate $B/tls/cert.pem;
        ssl_certificate_key $B/tls/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {
$(nginx_check)
            proxy_pass http://backend;
        }
    }
}
TEXT
}

# Before the services: it proves itself to them with the edge's secret, so that they believe its key check.
nginx_front() {
    nginx_head front auto
    nginx_lua
    nginx_upstream auth "$(bench_address auth)"
    nginx_upstream media "$(bench_address media)"
    echo "    server {"
    echo "        listen 127.0.0.1:$front_port;"
    local service
    for service in auth media; do
        cat <<TEXT
        location /$service/ {
$(nginx_check)
            proxy_set_header X-Forwarded-Prefix /$service;
            proxy_set_header x-tonearm-edge "$(cat "$B/secrets/edge")";
            proxy_pass http://$service/;
        }
TEXT
    done
    echo "    }"
    echo "}"
}

nginx_files() {
    mkdir -p "$B/nginx/www"
    cp "$ROOT/bench/answer.json" "$B/nginx/www/answer.json"
    [ "$(stat -c %s "$B/nginx/www/answer.json")" = 206 ] || fail "bench/answer.json is not 206 bytes"
    [ -f "$B/nginx/www/50m.bin" ] || head -c 50000000 /dev/urandom >"$B/nginx/www/50m.bin"
}

nginx_key() {
    (umask 077 && echo "$key" >"$B/nginx/key")
}

# nginx_start NAME PORT: from the configuration that nginx_NAME writes; $NAME_pid is its master.
nginx_start() {
    local name=$1 port=$2
    (umask 077 && mkdir -p "$B/nginx/$name.tmp" && "nginx_$name" >"$B/nginx/$name.conf")
    nginx -p "$B/nginx/" -e "$B/nginx/$name.log" -c "$B/nginx/$name.conf" </dev/null >>"$B/nginx/$name.log" 2>&1 8>&- &
    started+=($!)
    printf -v "${name}_pid" '%s' $!
    wait_port "$port" || {
        tail -n 5 "$B/nginx/$name.log" >&2
        fail "nginx ($name) does not answer on port $port"
    }
}
