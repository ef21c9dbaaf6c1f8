"""The scripts that take messages from Redis and acknowledge them, each in one step for all other clients.

Hundreds at once go to and fro as one string: what redis-py does for each string costs more than to cut one into pieces.
"""

TAKE = """
-- KEYS: the hash and the index of unacknowledged messages, then the lists to take from, the most urgent first.
-- ARGV: how many to take, how many to look at, the time, how many of what cannot be read are kept; then for each list
-- the number of its group (lists of one group are taken from in turn) and the list for what cannot be read.
-- Returns the number of what could not be read; for each that was taken its list's place, the length of its tag and its
-- own length, all with commas between; and all tags and messages, with nothing between.
local wanted, looks, unreadable, numbers, taken = tonumber(ARGV[1]), tonumber(ARGV[2]), 0, {}, {}
local function group(place) return ARGV[2 * place - 1] end
local function take(place)
    local raw = redis.call('RPOP', KEYS[place])
    if not raw then return false end
    looks = looks - 1
    local readable, message = pcall(cjson.decode, raw)
    local properties = readable and type(message) == 'table' and message.properties
    local info = type(properties) == 'table' and properties.delivery_info
    local tag = info and properties.delivery_tag
    if type(info) ~= 'table' or type(tag) ~= 'string' or type(message.headers) ~= 'table'
        or tag:find('[\\128-\\255]') or type(info.exchange) ~= 'string' or type(info.routing_key) ~= 'string' then
        local aside = ARGV[2 * place]
        redis.call('LPUSH', aside, raw)
        redis.call('LTRIM', aside, 0, tonumber(ARGV[4]) - 1)
        unreadable = unreadable + 1
        return true
    end
    redis.call('ZADD', KEYS[2], ARGV[3], tag)
    redis.call('HSET', KEYS[1], tag,
        '[' .. raw .. ', ' .. cjson.encode(info.exchange) .. ', ' .. cjson.encode(info.routing_key) .. ']')
    numbers[#numbers + 1] = (place - 3) .. ',' .. #tag .. ',' .. #raw
    taken[#taken + 1] = tag .. raw
    wanted = wanted - 1
    return true
end
local first = 3
while first <= #KEYS do
    local last = first
    while last < #KEYS and group(last + 1) == group(first) do last = last + 1 end
    local found = true
    while found do
        found = false
        for place = first, last do
            if wanted > 0 and looks > 0 and take(place) then found = true end
        end
    end
    first = last + 1
end
return {unreadable, table.concat(numbers, ','), table.concat(taken)}
"""

ACKNOWLEDGE = """
-- KEYS: the hash and the index of unacknowledged messages. ARGV: the tags of those that are done, as a list in JSON.
local tags = cjson.decode(ARGV[1])
for first = 1, #tags, 1000 do
    local last = math.min(first + 999, #tags)
    redis.call('ZREM', KEYS[2], unpack(tags, first, last))
    redis.call('HDEL', KEYS[1], unpack(tags, first, last))
end
"""
