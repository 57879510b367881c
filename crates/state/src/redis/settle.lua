-- Puts what was used in place of what was reserved, for a batch of reservations of one process. The first key holds the
-- number of the last batch: one that is told twice counts once. Then for each reservation the key that tells that it has
-- been settled, and for each of its limits the hash and the leases.

-- Both keys of a limit are kept together, for longer than any lease in them: never for less than they already are.
local function keep(key, life)
    if redis.call('PTTL', key) < tonumber(life) then
        redis.call('PEXPIRE', key, life)
    end
end

if tonumber(ARGV[1]) <= tonumber(redis.call('GET', KEYS[1]) or '0') then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', 86400000)
local key, at = 2, 2
while at <= #ARGV do
    local ticket, known, limits = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
    at = at + 3
    if known == 'unsure' or known == 'void' then
        redis.call('SET', KEYS[key], 1, 'PX', 900000)
    end
    key = key + 1
    for _ = 1, limits do
        local hash, leases = KEYS[key], KEYS[key + 1]
        local held, used, begin, life, at_once = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4] == '1'
        key, at = key + 2, at + 5
        local was_there = redis.call('ZREM', leases, ticket .. '|' .. held) == 1
        if was_there and held ~= '0' then
            redis.call('HINCRBY', hash, 'held', '-' .. held)
        end
        if at_once and (known == 'granted' or was_there) then
            -- It counted when it was reserved.
            used = known == 'void' and '-1' or '0'
        end
        if used ~= '0' then
            redis.call('HINCRBY', hash, begin, used)
        end
        keep(hash, life)
        keep(leases, life)
    end
end
return 1
