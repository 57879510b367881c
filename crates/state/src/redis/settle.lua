-- Puts what was used in place of what was reserved, for each limit by the same two keys; once for each ticket, also where
-- the answer was lost and it is told again: that is what the first key is for.
local ticket = ARGV[1]
if not redis.call('SET', KEYS[1], 1, 'NX', 'PX', 60000) then
    return 0
end
for i = 1, (#KEYS - 1) / 2 do
    local hash, leases, a = KEYS[2 * i], KEYS[2 * i + 1], 1 + (i - 1) * 4
    redis.call('ZREM', leases, ticket .. '|' .. ARGV[a + 1])
    if ARGV[a + 2] ~= '0' then
        redis.call('HINCRBY', hash, ARGV[a + 3], ARGV[a + 2])
        redis.call('PEXPIRE', hash, ARGV[a + 4])
    end
end
return 1
