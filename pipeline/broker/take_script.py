"""The scripts that take messages from Redis and acknowledge them, each in one step for all other clients.

Hundreds at once go to and fro as one string: what redis-py does for each string costs more than to cut one into pieces.
"""

TAKE = """
-- KEYS: the hash and the index of unacknowledged messages, then the lists to take from, the most urgent first.
-- ARGV: how many to take, how many to look at, the time, how many of what cannot be read are kept; then for each list
-- the number of its group (lists of one group are taken from in turn) and the list for what cannot be read.
-- Returns the number of what could not be read; for each that was taken its list's place, the length of its tag and its
-- own length, all with commas between; and all tags and messages, with nothing between.
local find, sub = string.find, string.sub
local wanted, looks, unreadable, numbers, taken = tonumber(ARGV[1]), tonumber(ARGV[2]), 0, {}, {}
local index, hash, forms = {}, {}, {}
local function group(place) return ARGV[2 * place - 1] end

-- Most messages differ in a few texts alone; to compare what is between these takes a third of what it takes to read
-- one. Without a backslash each quotation mark begins or ends a text, so what has the form of a message is a message.
local VARYING = {'body', 'id', 'root_id', 'argsrepr', 'correlation_id', 'delivery_tag'}
local function remember(raw, tail)
    if #forms == 4 or find(raw, '\\\\', 1, true) then return end
    local places = {}
    for _, name in ipairs(VARYING) do
        local begin = '"' .. name .. '": "'
        local _, last = find(raw, begin, 1, true)
        if not last or find(raw, begin, last, true) then return end
        places[#places + 1] = {last, name == 'delivery_tag'}
    end
    table.sort(places, function(one, other) return one[1] < other[1] end)
    local form, at = {tail = tail}, 1
    for number, place in ipairs(places) do
        form[number] = sub(raw, at, place[1])
        if place[2] then form.tag = number end
        at = find(raw, '"', place[1] + 1, true)
    end
    form[#form + 1] = sub(raw, at)
    forms[#forms + 1] = form
end
local function tag_by(form, raw)
    local at, tag = 1, nil
    for number = 1, #form do
        local stop = at + #form[number] - 1
        if sub(raw, at, stop) ~= form[number] then return nil end
        if number == #form then return stop == #raw and tag end
        at = find(raw, '"', stop + 1, true)
        if not at then return nil end
        if number == form.tag then tag = sub(raw, stop + 1, at - 1) end
    end
end
local function read(raw)
    if #forms > 0 and not find(raw, '\\\\', 1, true) then
        for _, form in ipairs(forms) do
            local tag = tag_by(form, raw)
            if tag and not find(tag, '[%c\\128-\\255]') then return tag, form.tail end
        end
    end
    local readable, message = pcall(cjson.decode, raw)
    local properties = readable and type(message) == 'table' and message.properties
    local info = type(properties) == 'table' and properties.delivery_info
    local tag = info and properties.delivery_tag
    if type(info) ~= 'table' or type(tag) ~= 'string' or type(message.headers) ~= 'table'
        or find(tag, '[\\128-\\255]') or type(info.exchange) ~= 'string' or type(info.routing_key) ~= 'string' then
        return nil
    end
    local tail = ', ' .. cjson.encode(info.exchange) .. ', ' .. cjson.encode(info.routing_key) .. ']'
    remember(raw, tail)
    return tag, tail
end
local function take(place, raw)
    looks = looks - 1
    local tag, tail = read(raw)
    if not tag then
        local aside = ARGV[2 * place]
        redis.call('LPUSH', aside, raw)
        redis.call('LTRIM', aside, 0, tonumber(ARGV[4]) - 1)
        unreadable = unreadable + 1
        return
    end
    index[#index + 1], index[#index + 2] = ARGV[3], tag
    hash[#hash + 1], hash[#hash + 2] = tag, '[' .. raw .. tail
    numbers[#numbers + 1] = (place - 3) .. ',' .. #tag .. ',' .. #raw
    taken[#taken + 1], taken[#taken + 2] = tag, raw
    wanted = wanted - 1
end
local function take_in_turn(first, last)
    local lists, used, longest = {}, {}, 0
    for place = first, last do
        -- Read from the end, and cut off at once: a command for each message would cost as much as to read it.
        lists[place], used[place] = redis.call('LRANGE', KEYS[place], -math.min(wanted, looks), -1), 0
        longest = math.max(longest, #lists[place])
    end
    for turn = 0, longest - 1 do
        for place = first, last do
            local raw = lists[place][#lists[place] - turn]
            if raw and wanted > 0 and looks > 0 then
                take(place, raw)
                used[place] = used[place] + 1
            end
        end
    end
    for place = first, last do
        if used[place] > 0 then redis.call('LTRIM', KEYS[place], 0, -used[place] - 1) end
    end
    return longest > 0
end
local first = 3
while first <= #KEYS do
    local last = first
    while last < #KEYS and group(last + 1) == group(first) do last = last + 1 end
    while wanted > 0 and looks > 0 and take_in_turn(first, last) do end
    first = last + 1
end
-- A call takes no more than some thousand arguments: so many messages are never taken at once.
if #index > 0 then
    redis.call('ZADD', KEYS[2], unpack(index))
    redis.call('HSET', KEYS[1], unpack(hash))
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
