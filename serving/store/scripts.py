"""What Redis must decide and do in one step: MULTI can't make a write depend on another."""

APPEND = """
local added = redis.pcall('XADD', KEYS[1], ARGV[1], 'd', ARGV[2])
if type(added) == 'table' then return added.err end
redis.call('SET', KEYS[2], ARGV[3])
return 'OK'
"""
"""Log, low marks; id, publish, marks. The marks of a publish that the log refuses don't count."""

ACQUIRE = """
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, string.find(held, ':', 1, true) + 1) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
"""
"""Lease; token, owner, milliseconds."""

RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

ADD_EVENTS = """
local ids = {}
for i = 1, #ARGV, 2 do
  ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', 't', ARGV[i], 'd', ARGV[i + 1])
end
return ids
"""
"""Event log; type and payload of each event. One reply for all of them, and all or none."""
