// SPDX-License-Identifier: Apache-2.0
// dedup_scripts: see dedup_scripts.h.
//
// A script sees one key and answers with what it found and what it wrote, so that the worker can write the
// same value again if Redis forgets it. Nothing here reads a clock: a claim carries the life and the lease it
// was made with, and elapsed = life - PTTL, so workers with different settings judge it alike. A value that
// cannot be read is an error, never "nothing there".
#include "worker/dedup_scripts.h"

// state|generation.try|token|fingerprint|version|length of job id|job id|detail
#define READ                                                                                                 \
    "local function read(value)\n"                                                                           \
    "  if not value then return nil end\n"                                                                   \
    "  local state, generation, try, token, print, version, len, rest =\n"                                   \
    "    string.match(value, '^(%a)|(%d+)%.(%d+)|(%x*)|(%x*)|(%d+)|(%d+)|(.*)$')\n"                          \
    "  if not state then error('sendfleet: unreadable dedup record') end\n"                                  \
    "  return {state = state, generation = tonumber(generation), try = tonumber(try), token = token,\n"      \
    "          print = print, version = tonumber(version), job = string.sub(rest, 1, len),\n"                \
    "          detail = string.sub(rest, len + 2)}\n"                                                        \
    "end\n"

#define WRITE                                                                                                \
    "local life, lease, generation, try = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])\n"          \
    "local token, print, job = ARGV[5], ARGV[6], ARGV[7]\n"                                                  \
    "local function write(old, state, generation, try, token, detail)\n"                                     \
    "  local version = old and old.version + 1 or 1\n"                                                       \
    "  local value = state .. '|' .. generation .. '.' .. try .. '|' .. token .. '|' .. print .. '|' .. "    \
    "version ..\n"                                                                                           \
    "                '|' .. #job .. '|' .. job .. '|' .. detail\n"                                           \
    "  redis.call('SET', KEYS[1], value, 'PX', life)\n"                                                      \
    "  return value\n"                                                                                       \
    "end\n"                                                                                                  \
    "local function compare(old, generation, try)\n"                                                         \
    "  if old.generation ~= generation then return old.generation - generation end\n"                        \
    "  return old.try - try\n"                                                                               \
    "end\n"                                                                                                  \
    "local value = redis.call('GET', KEYS[1])\n"                                                             \
    "local old = read(value)\n"

const char DEDUP_SCRIPT_FIND[] = READ WRITE
    "local mode, worker = ARGV[8], ARGV[9]\n"
    "local function say(finding, wait, detail, written)\n"
    "  return {finding, wait or 0, detail or '', old and old.generation or 0, old and old.try or 0, written "
    "or ''}\n"
    "end\n"
    "local function go()\n"
    "  if mode == 'look' then return say('go') end\n"
    "  return say('go', 0, '', write(old, 'c', generation, try, token, life .. ',' .. lease .. ',' .. "
    "worker))\n"
    "end\n"
    "local function claim_of()\n" // {milliseconds of lease left, worker}
    "  local its_life, its_lease, its_worker = string.match(old.detail, '^(%d+),(%d+),(.*)$')\n"
    "  local left = redis.call('PTTL', KEYS[1])\n"
    "  return its_lease - (its_life - left), its_worker\n"
    "end\n"
    "if not old then return go() end\n"
    "if old.state == 'c' and old.token == token then return go() end\n" // the reply was lost
    "if old.print ~= print then return say('conflict', 0, old.job) end\n"
    "if old.job ~= job then return say('duplicate', 0, old.job) end\n"
    "if old.state == 's' then return say('sent', 0, old.detail) end\n"
    "local order = compare(old, generation, try)\n"
    "if order > 0 then return say('stale') end\n"
    "if old.state == 'c' and old.generation < generation then\n"
    "  local left = claim_of()\n"
    "  if left > 0 then return say('park', left) end\n"
    "end\n"
    "if order < 0 or old.state == 'q' then return go() end\n"
    "if old.state == 'c' then\n"
    "  local left, its_worker = claim_of()\n"
    "  if left > 0 then return say('park', left) end\n"
    "  return say('now unknown', 0, its_worker, write(old, 'u', generation, try, old.token, its_worker))\n"
    "end\n"
    "local names = {f = 'failed', u = 'unknown', d = 'dead'}\n"
    "return say(names[old.state], 0, old.detail)\n";

const char DEDUP_SCRIPT_MARK[] = READ WRITE
    "local state, detail = ARGV[8], ARGV[9]\n"
    "local function allowed()\n"
    "  if not old then return true end\n"
    "  if old.state == 's' or old.job ~= job or old.print ~= print then return false end\n"
    "  local order = compare(old, generation, try)\n"
    "  if order ~= 0 then return order < 0 end\n"
    "  return old.state == 'q' or (old.state == 'c' and old.token == token)\n"
    "end\n"
    "if old and old.state == state and old.token == token and compare(old, generation, try) == 0 then\n"
    "  return {1, value}\n" // the reply was lost
    "end\n"
    "if not allowed() then return {0, ''} end\n"
    "return {1, write(old, state, generation, try, token, detail)}\n";

const char DEDUP_SCRIPT_QUEUED[] =
    READ WRITE "local next_generation, next_try = tonumber(ARGV[8]), tonumber(ARGV[9])\n"
               "local function allowed()\n"
               "  if not old then return true end\n"
               "  if old.state == 's' or old.job ~= job or old.print ~= print then return false end\n"
               "  if old.state == 'c' and old.token ~= token then return false end\n"
               "  return compare(old, next_generation, next_try) < 0\n"
               "end\n"
               "if old and old.state == 'q' and old.token == token and compare(old, next_generation, "
               "next_try) == 0 then\n"
               "  return {1, value}\n"
               "end\n"
               "if not allowed() then return {0, ''} end\n"
               "return {1, write(old, 'q', next_generation, next_try, token, '')}\n";

const char DEDUP_SCRIPT_RELEASE[] = READ WRITE
    "if not old or old.token ~= token or compare(old, generation, try) ~= 0 then return {0, ''} end\n"
    "if old.state == 'q' then return {1, value} end\n"
    "if old.state ~= 'c' then return {0, ''} end\n"
    "return {1, write(old, 'q', generation, try, token, '')}\n";

const char DEDUP_SCRIPT_RENEW[] =
    READ WRITE "if not old or old.state ~= 'c' or old.token ~= token then return {0} end\n"
               "redis.call('PEXPIRE', KEYS[1], life)\n"
               "return {1}\n";

const char DEDUP_SCRIPT_REPAIR[] = READ "local old, mine = read(redis.call('GET', KEYS[1])), read(ARGV[2])\n"
                                        "if old and (old.state == 's' or (mine.state ~= 's' and mine.version "
                                        "<= old.version)) then return {0} end\n"
                                        "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[1])\n"
                                        "return {1}\n";
