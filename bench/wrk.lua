-- One load by wrk. Headers come from the environment, a line each ("name: value"), and so does a body, which makes it
-- a POST: keys, tokens and passwords are in no argv.
-- The last line is for bench/load.sh: requests, microseconds, bytes, failures, 50th and 99th percentile in microseconds.
for line in (os.getenv("BENCH_HEADERS") or ""):gmatch("[^\n]+") do
  local name, value = line:match("^([^:]+):%s*(.*)$")
  wrk.headers[name] = value
end

if os.getenv("BENCH_BODY") then
  wrk.method, wrk.body = "POST", os.getenv("BENCH_BODY")
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
