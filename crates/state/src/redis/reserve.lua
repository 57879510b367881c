-- Reserves from every limit, or from none. The first key tells that it has been settled; then each limit has two: a hash of
-- what was used, by the beginning of its bucket, with what is held; and a sorted set of reservations by the end of their
-- leases. Answers 0 and how each limit stands; or the number of the limit without room, what is held of it, and its buckets.
local now, ticket, lease = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local limits = (#KEYS - 1) / 2
-- It was settled while nobody knew whether this would be heard.
if redis.call('EXISTS', KEYS[1]) == 1 then
    return { 0 }
end

-- Both keys of a limit are kept together, for longer than any lease in them: never for less than they already are.
local function keep(key, life)
    if redis.call('PTTL', key) < tonumber(life) then
        redis.call('PEXPIRE', key, life)
    end
end

local function look(hash, leases, oldest, begin, seed)
    local sum, held, buckets, seeded = 0, 0, {}, false
    local fields = redis.call('HGETALL', hash)
    for at = 1, #fields, 2 do
        local name, value = fields[at], tonumber(fields[at + 1])
        if name == 'held' then
            held = value
        elseif name == 'seeded' then
            seeded = true
        elseif tonumber(name) < oldest then
            redis.call('HDEL', hash, name)
        else
            sum = sum + value
            if value > 0 then
                buckets[#buckets + 1] = tonumber(name)
                buckets[#buckets + 1] = value
            end
        end
    end
    -- Where nobody has a lease, nothing is held: one of the keys was lost.
    if held < 0 or (held > 0 and redis.call('EXISTS', leases) == 0) then
        redis.call('HDEL', hash, 'held')
        held = 0
    end
    if not seeded then
        redis.call('HSET', hash, 'seeded', 1)
        if tonumber(seed) > sum then
            local missing = tonumber(seed) - sum
            redis.call('HINCRBY', hash, begin, string.format('%.0f', missing))
            return look(hash, leases, oldest, begin, '0')
        end
    end
    return sum, held, buckets
end

local answer = { 0 }
for i = 1, limits do
    local hash, leases, a = KEYS[2 * i], KEYS[2 * i + 1], 3 + (i - 1) * 7
    local most, amount = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2])
    -- Who died gives back what it held when its lease ends.
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
        redis.call('ZREM', leases, member)
        local held = string.match(member, '|(%d+)$')
        if held ~= '0' then
            redis.call('HINCRBY', hash, 'held', '-' .. held)
        end
    end
    local sum, held, buckets = look(hash, leases, tonumber(ARGV[a + 4]), ARGV[a + 3], ARGV[a + 6])
    keep(hash, ARGV[a + 7])
    keep(leases, ARGV[a + 7])
    -- Without a number it does not hold this request back.
    if most and sum + held + amount > most then
        return { i, held, unpack(buckets) }
    end
    local at_once = ARGV[a + 5] == '1'
    answer[2 * i] = at_once and sum + amount or sum
    answer[2 * i + 1] = at_once and held or held + amount
end
for i = 1, limits do
    local hash, leases, a = KEYS[2 * i], KEYS[2 * i + 1], 3 + (i - 1) * 7
    local amount = ARGV[a + 2]
    if ARGV[a + 5] == '1' then
        redis.call('HINCRBY', hash, ARGV[a + 3], amount)
        -- Holds nothing; tells that it was heard.
        amount = '0'
    else
        redis.call('HINCRBY', hash, 'held', amount)
    end
    redis.call('ZADD', leases, lease, ticket .. '|' .. amount)
    keep(leases, ARGV[a + 7])
end
return answer
