"""What must happen in one step inside Redis, or although its memory is full, as scripts (Redis 7, "Scripting with Lua").

Loaded when a session begins and called by their digest, because a Redis that was started anew has lost the sessions as well;
`BEGIN` and `FORGET`, which are rare, are sent whole.
`flags=allow-oom` lets a script write past `maxmemory` ("Eval scripts with shebang").
"""

from __future__ import annotations

import hashlib

# KEYS: the command's key. ARGV: one command. Runs it, however full the memory is.
ANYWAY = """#!lua flags=allow-oom
return redis.call(unpack(ARGV))
"""
ANYWAY_DIGEST = hashlib.sha1(ANYWAY.encode(), usedforsecurity=False).hexdigest()  # Redis names a script so

# KEYS: a stream. ARGV: its life in ms. Begins it with an entry, whose id it gives; it never lives without an end.
BEGIN = """#!lua flags=allow-oom
local entry = redis.call('XADD', KEYS[1], '*', 'begin', '')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return entry
"""

# KEYS: route streams. ARGV: group, consumer, room, prefix of the gateways' answer streams, life of a stream in ms, the
# consumer's HELLO. Nil where that has expired: the gateways have looked through what the consumer holds, or will.
# Takes up to `room` entries, each time the oldest head of all streams (entry ids are the time in ms and a number, so
# they compare across streams). Entries of gateways that are gone are dropped. Gives {{stream's index, id, fields} ...}
# and the last delivered id of each stream, from which a wait can go on without missing anything.
TAKE = """#!lua flags=allow-oom
local group, consumer, room, answers = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
if redis.call('EXISTS', ARGV[6]) == 0 then return false end

local function last_delivered(key)
    local groups = redis.pcall('XINFO', 'GROUPS', key)
    for _, info in ipairs(groups.err and {} or groups) do
        local fields = {}
        for at = 1, #info, 2 do fields[info[at]] = info[at + 1] end
        if fields['name'] == group then return fields['last-delivered-id'] end
    end
    redis.call('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM')
    redis.call('PEXPIRE', key, ARGV[5])
    return '0-0'
end

local function look(key)
    local last = last_delivered(key)
    local head = redis.call('XRANGE', key, '(' .. last, '+', 'COUNT', 1)[1]
    if not head then return {last = last} end
    local ms, number = string.match(head[1], '(%d+)-(%d+)')
    return {last = last, ms = tonumber(ms), number = tonumber(number)}
end

local function is_older(one, other)
    return not other or one.ms < other.ms or (one.ms == other.ms and one.number < other.number)
end

local heads, taken = {}, {}
for index, key in ipairs(KEYS) do heads[index] = look(key) end
while #taken < room do
    local oldest
    for index, head in ipairs(heads) do
        if head.ms and is_older(head, heads[oldest]) then oldest = index end
    end
    if not oldest then break end
    local key = KEYS[oldest]
    local read = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', key, '>')
    local entry = read[1][2][1]
    local fields = {}
    for at = 1, #entry[2], 2 do fields[entry[2][at]] = entry[2][at + 1] end
    if redis.call('EXISTS', answers .. (fields['gateway'] or '')) == 1 then
        taken[#taken + 1] = {oldest - 1, entry[1], entry[2]}
    else
        redis.call('XACK', key, group, entry[1])
        redis.call('XDEL', key, entry[1])
    end
    heads[oldest] = look(key)
end
local seen = {}
for index, head in ipairs(heads) do seen[index] = head.last end
return {taken, seen}
"""

# KEYS: a route's stream. ARGV: group, entry id. Who holds the entry; '' if nobody had taken it, and then it is deleted;
# nil if it is not there: it was answered already, or Redis has lost it.
WITHDRAW = """
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)
if not pending.err and pending[1] then return pending[1][2] end
return redis.call('XDEL', KEYS[1], ARGV[2]) == 1 and '' or false
"""

# KEYS: a route's stream. ARGV: group, consumer, limit. The consumer is forgotten, and what it had taken with it.
FORGET = """
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[3], ARGV[2])
for _, entry in ipairs(pending.err and {} or pending) do redis.call('XDEL', KEYS[1], entry[1]) end
redis.pcall('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
"""

# KEYS: route streams. ARGV: group, limit, prefix of the HELLOs. Who holds what in all streams, as {id, consumer, 1 if it
# lives, id, consumer ...}.
HOLDERS = """
local holders, lives = {}, {}
for _, key in ipairs(KEYS) do
    local pending = redis.pcall('XPENDING', key, ARGV[1], '-', '+', ARGV[2])
    for _, entry in ipairs(pending.err and {} or pending) do
        local consumer = entry[2]
        lives[consumer] = lives[consumer] or redis.call('EXISTS', ARGV[3] .. consumer)
        holders[#holders + 1] = entry[1]
        holders[#holders + 1] = consumer
        holders[#holders + 1] = lives[consumer]
    end
end
return holders
"""
