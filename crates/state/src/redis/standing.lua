-- How a limit stands.
local used, held = 0, 0
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
    if fields[at] == 'held' then
        held = tonumber(fields[at + 1])
    elseif fields[at] ~= 'seeded' and tonumber(fields[at]) >= tonumber(ARGV[1]) then
        used = used + tonumber(fields[at + 1])
    end
end
if redis.call('EXISTS', KEYS[2]) == 0 then
    held = 0
end
return { used, math.max(held, 0) }
