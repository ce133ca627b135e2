"""What Redis must decide and do in one step: MULTI can't make a write depend on another.

A script's keys share a hash slot. What a script writes is in the append-only file as one
transaction: Redis comes back with all of it or with nothing.
"""

from __future__ import annotations

from hashlib import sha1


class Script:
    """A script, which Redis keeps under the hash of its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = sha1(text.encode(), usedforsecurity=False).hexdigest()


WRITE_SHARD = Script("""
local stored = redis.call('GET', KEYS[1]) or '\\128'
if ARGV[1] ~= '' then
  if stored == ARGV[2] then return 'OK' end
  if stored ~= ARGV[1] then return stored end
end
local key, arg = 5, 12
if ARGV[9] ~= '0' then
  local gone, letters = {}, redis.call('XRANGE', KEYS[2], '-', '+')
  for _ = 1, tonumber(ARGV[9]) do
    gone[ARGV[arg]], arg = true, arg + 1
  end
  redis.call('DEL', KEYS[2])
  for _, letter in ipairs(letters) do
    if not gone[letter[1]] then redis.call('XADD', KEYS[2], letter[1], unpack(letter[2])) end
  end
end
for _ = 1, tonumber(ARGV[8]) do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'at', ARGV[arg], 't', ARGV[arg + 1],
    'r', ARGV[arg + 2], 'm', ARGV[arg + 3], 'd', ARGV[arg + 4], 'u', ARGV[arg + 5])
  arg = arg + 6
end
if ARGV[10] ~= '0' then
  local oldest = string.format('%.0f', 1000 * (redis.call('TIME')[1] - ARGV[11]))
  for _ = 1, tonumber(ARGV[10]) do
    redis.call('ZADD', KEYS[3], 'GT', ARGV[arg + 2], ARGV[arg])
    redis.call('XADD', KEYS[4], 'MINID', '~', oldest, '*', 'who', ARGV[arg + 1],
      'until_ms', ARGV[arg + 2], 'topic', ARGV[arg + 3], 'partition', ARGV[arg + 4],
      'offset', ARGV[arg + 5])
    arg = arg + 6
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. oldest)
end
for n = 6, 7 do
  for _ = 1, tonumber(ARGV[n]) do
    redis.call('SETEX', KEYS[key], ARGV[n - 3], ARGV[arg])
    key, arg = key + 1, arg + 1
  end
end
for n = key, #KEYS do redis.call('DEL', KEYS[n]) end
redis.call('SET', KEYS[1], ARGV[2])
return 'OK'
""")
"""One shard.

Keys: its marks, dead letters, erased, audit; the states and slates to be set; those to be deleted,
of none of these. Arguments: the marks expected (``""``: any) and the new ones; seconds to live of
states and of slates; how many dead letters are kept; how many states, slates, dead letters, ids of
dead letters that go, and erasures follow; for how many seconds erasures are remembered; the ids
that go; for each dead letter its place, type, reason, message, payload and user; for each erasure
its digest, and the values of the audit; the states, the slates. ``\\128`` is an empty map: the
marks of a shard that has none.

Dead letters that go are left out of a stream that is written anew: what is deleted from one stays
in its memory, and in the files of Redis.
"""

APPEND = Script("""
local low = redis.call('GET', KEYS[2])
local version, wanted = low and cmsgpack.unpack(low)[1] or 0, tonumber(ARGV[1])
local id = ARGV[1] .. '-0'
if version == wanted - 1 then
  redis.call('XADD', KEYS[1], id, 'd', ARGV[2])
  redis.call('SET', KEYS[2], ARGV[3])
  for n = 4, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[n], ARGV[n + 1]) end
  return 'OK'
end
if version == wanted then
  local kept = redis.call('XRANGE', KEYS[1], id, id)[1]
  if kept and kept[2][2] == ARGV[2] then return 'OK' end
end
return version
""")
"""Log, low marks, what shards hold; version, publish, marks; shard and marks of each that moved.

Returns the version that the log ends with where the publish does not follow it.
"""

STAGE_BASE = Script("""
if ARGV[2] == '0' then
  local low = redis.call('GET', KEYS[1])
  if low ~= ARGV[1] then return low and cmsgpack.unpack(low)[1] or 0 end
  redis.call('UNLINK', KEYS[2])
  redis.call('RPUSH', KEYS[2], ARGV[1])
end
if redis.call('LINDEX', KEYS[2], 0) ~= ARGV[1] then return 'LOST' end
local held = redis.call('LLEN', KEYS[2]) - 1
if held == ARGV[2] + 0 then redis.call('RPUSH', KEYS[2], ARGV[3])
elseif held ~= ARGV[2] + 1 then return 'LOST' end
return 'OK'
""")
"""Low marks, staged base; marks as they must be, the part's number, the part.

Returns the version that the log ends with where that is not the base's, and LOST where the parts
before are not there. One whose reply was lost may be staged again.
"""

KEEP_BASE = Script("""
local base = ARGV[4] .. ARGV[2]
if redis.call('LINDEX', base, 0) == ARGV[1] then return 'OK' end
if redis.call('LINDEX', KEYS[3], 0) ~= ARGV[1] then return 'LOST' end
if redis.call('LLEN', KEYS[3]) ~= ARGV[3] + 1 then return 'LOST' end
redis.call('RENAME', KEYS[3], base)
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[2])
for _, gone in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1 - ARGV[5])) do
  redis.call('UNLINK', ARGV[4] .. gone)
  redis.call('ZREM', KEYS[1], gone)
end
redis.call('XTRIM', KEYS[2], 'MINID', (redis.call('ZRANGE', KEYS[1], 0, 0)[1] + 1) .. '-0')
return 'OK'
""")
"""Bases, log, staged base; its marks, its version, its parts, prefix of bases' keys, bases kept.

The bases' own keys are named within, in the slot of the others. Returns LOST where not all parts
are there, unless the base is kept already.
"""

TRIM_EVENTS = Script("""
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('XTRIM', KEYS[1], 'MINID', ARGV[2])
""")
"""Event log, low marks; marks as they must be, the first id that stays."""

ACQUIRE = Script("""
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, string.find(held, ':', 1, true) + 1) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
""")
"""Lease; token, owner, milliseconds."""

RENEW = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")

RELEASE = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")

ADD_EVENTS = Script("""
local ids = {}
for i = 1, #ARGV, 2 do
  ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', 't', ARGV[i], 'd', ARGV[i + 1])
end
return ids
""")
"""Event log; type and payload of each event. One reply for all of them, and all or none."""
