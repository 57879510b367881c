-- Tells what this process found to be out, and hears what others did: each by name, with whose word it is and until when.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
for at = 2, #ARGV, 2 do
    local till = string.format('%.0f', now + tonumber(ARGV[at + 1]))
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[1] .. '|' .. till)
end
local told, fields = {}, redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
    local process, till = string.match(fields[at + 1], '^(.*)|(%d+)$')
    local left = tonumber(till) - now
    if left <= 0 then
        redis.call('HDEL', KEYS[1], fields[at])
    elseif process ~= ARGV[1] then
        told[#told + 1] = fields[at]
        told[#told + 1] = fields[at + 1]
        told[#told + 1] = string.format('%.0f', left)
    end
end
return told
