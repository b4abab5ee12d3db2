-- A POST whose body is new each time: in BENCH_BODY, %TIME% becomes the Unix second and %ID% a text never used before.
wrk.method = "POST"
wrk.headers["Content-Type"] = os.getenv("BENCH_TYPE")
wrk.headers["Authorization"] = os.getenv("BENCH_AUTHORIZATION")

local template = string.gsub(string.gsub(os.getenv("BENCH_BODY"), "%%TIME%%", "%%d"), "%%ID%%", "%%s")
local run = os.getenv("BENCH_RUN")
local threads = 0
local count = 0

function setup(thread)
   threads = threads + 1
   thread:set("name", run .. "." .. threads .. ".")
end

function request()
   count = count + 1
   return wrk.format(nil, nil, nil, string.format(template, os.time(), name .. count))
end

function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, e.status,
      e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
