-- Reserves from every limit, or from none. The first key tells whether it has been settled; then each limit has two: a hash of what was used, by the beginning of
-- its bucket, and a sorted set of what is reserved, by the end of its lease. Answers 0, or the number of the limit that has
-- no room and its oldest bucket.
local now, ticket, lease, force = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4] == '1'
local limits = (#KEYS - 1) / 2
-- It was settled while nobody knew whether this would be heard.
if redis.call('EXISTS', KEYS[1]) == 1 then
    return { 0, 0 }
end
for i = 1, limits do
    local hash, leases, a = KEYS[2 * i], KEYS[2 * i + 1], 4 + (i - 1) * 7
    local most, amount = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
    local begin, oldest_kept, seed = ARGV[a + 3], tonumber(ARGV[a + 4]), ARGV[a + 6]
    if redis.call('EXISTS', hash) == 0 then
        redis.call('HSET', hash, begin, seed)
    end
    local sum, oldest = 0, 0
    local buckets = redis.call('HGETALL', hash)
    for j = 1, #buckets, 2 do
        local at = tonumber(buckets[j])
        if at < oldest_kept then
            redis.call('HDEL', hash, buckets[j])
        else
            sum = sum + tonumber(buckets[j + 1])
            if tonumber(buckets[j + 1]) > 0 and (oldest == 0 or at < oldest) then oldest = at end
        end
    end
    redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
    for _, member in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
        sum = sum + tonumber(string.match(member, '|(%d+)$'))
    end
    if not force and sum + amount > most then
        return { i, oldest }
    end
end
for i = 1, limits do
    local hash, leases, a = KEYS[2 * i], KEYS[2 * i + 1], 4 + (i - 1) * 7
    if ARGV[a + 5] == '1' then
        redis.call('HINCRBY', hash, ARGV[a + 3], ARGV[a + 2])
    else
        redis.call('ZADD', leases, lease, ticket .. '|' .. ARGV[a + 2])
        redis.call('PEXPIRE', leases, ARGV[a + 7])
    end
    redis.call('PEXPIRE', hash, ARGV[a + 7])
end
return { 0, 0 }
