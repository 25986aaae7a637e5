-- POSTs of auth whose bodies differ, by wrk (one thread). BENCH_KIND says what a body is:
--   line     the lines of BENCH_FILE, one after the other
--   refresh  a refresh token, a line of BENCH_FILE each; what an answer brings is sent in its turn
--   signup   somebody who was not there before: BENCH_RUN tells this run from others
-- Headers and the last line are wrk.lua's.
dofile((debug.getinfo(1, "S").source:match("^@(.*)wrk_auth%.lua$") or "") .. "wrk.lua")

local kind, run = os.getenv("BENCH_KIND"), os.getenv("BENCH_RUN") or ""
local waiting, first, last, count = {}, 1, 0, 0

local function push(text)
  last = last + 1
  waiting[last] = text
end

local function shift()
  local text = waiting[first]
  waiting[first] = nil
  first = first + 1
  return text
end

if (os.getenv("BENCH_FILE") or "") ~= "" then
  for line in io.lines(os.getenv("BENCH_FILE")) do push(line) end
end

local body = {}

function body.line()
  local text = shift()
  push(text)
  return text
end

function body.refresh()
  return '{"refreshToken":"' .. (shift() or "none is left") .. '"}'
end

function body.signup()
  count = count + 1
  return string.format('{"email":"new%d.%s@example.com","password":"a bench of oak %d","name":"Newcomer %d"}', count, run, count, count)
end

function request()
  return wrk.format("POST", nil, nil, body[kind]())
end

-- wrk is slower where it hands bodies over: only who needs them asks.
if kind == "refresh" then
  function response(status, headers, text)
    local token = status == 200 and text:match('"refreshToken":"([^"]+)"')
    if token then push(token) end
  end
end
