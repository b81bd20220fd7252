# SPDX-License-Identifier: Apache-2.0
"""sendfleet-dlq on real letters: reading them, replaying them once, closing them; and that reading old records again
never turns an accepted job into a dead one."""
import json
import time

import pytest

import outside
from conftest import until
from fleets import mail


@pytest.fixture
def letters(fleet):
    """A fleet with one letter of each kind, and jobs that went well."""
    fleet.up(max_attempts=2)
    fleet.publish(mail("ann+fail-503@example.com", "exhausted", html="<b>kept</b>"), mail("bob+fail-404@example.org", "gone"),
                  mail("cleo+fail-403@example.com", "blocked"), mail("dan+drop@example.net", "unclear"),
                  mail("eva@example.com", "fine"), mail("fay+flaky-1@example.com", "retried"))
    fleet.publisher.publish(fleet.topic("main"), [b"junk"], key=b"k")
    for job in ("exhausted", "gone", "blocked", "unclear"):
        fleet.await_letter(job)
    for job in ("fine", "retried"):
        fleet.await_event(job, "accepted")
    until(lambda: len(fleet.letters.refresh()) == 5, 20, "five letters")
    return fleet


def test_letters_can_be_listed_filtered_counted_and_explained(letters):
    listed = letters.dlq("ls")
    assert listed["matched"] == 5
    found = {one["id"]: one for one in listed["letters"]}
    assert {one["reason"] for one in listed["letters"]} == {"exhausted", "permanent", "reputation", "unknown", "invalid"}
    assert (found["gone"]["code"], found["gone"]["attempts"], found["gone"]["domain"], found["gone"]["route"]) == \
        (404, 1, "example.org", "api")
    assert found["gone"]["to"] != "bob+fail-404@example.org", "recipients are masked"
    assert letters.dlq("ls", "--reveal")["letters"]
    filters = {("--reason", "permanent"): {"gone"}, ("--reason", "permanent,reputation"): {"gone", "blocked"},
               ("--domain", "example.com"): {"exhausted", "blocked"}, ("--text", "simulated 403"): {"blocked"},
               ("--id", "gone"): {"gone"}, ("--since", "1h"): set(found), ("--until", "1h"): set(),
               ("--provider", "http", "--domain", "example.net"): {"unclear"}}
    for options, wanted in filters.items():
        assert {one["id"] for one in letters.dlq("ls", *options)["letters"]} == wanted, options
    stats = letters.dlq("stats")
    assert stats["letters"] == 5 and {g["reason"]: g["count"] for g in stats["by_reason"]}["permanent"] == 1


def test_show_tells_why_and_what_to_do(letters):
    shown = letters.dlq("show", "exhausted")
    assert (shown["id"], shown["generation"], shown["reason"], shown["state"]) == ("exhausted", 0, "exhausted", "open")
    assert [(a["try"], a["code"], a["class"]) for a in shown["attempts"]] == [(0, 503, "transient"), (1, 503, "transient")]
    assert shown["why"] and shown["remedy"] and "value" not in shown
    assert "ann+fail-503@example.com" not in json.dumps(shown) and "kept" not in json.dumps(shown)
    revealed = letters.dlq("show", "exhausted", "--reveal")
    assert revealed["value"]["html"] == "<b>kept</b>"
    assert "dead claim" not in letters.dlq("show", "unclear")["why"] and "w1" in letters.dlq("show", "unclear")["detail"]
    letters.dlq("show", "nobody", status=65)


def test_timeline_shows_every_step(letters):
    told = letters.dlq("timeline", "retried")
    assert [step["step"] for step in told["steps"]] == ["waiting", "accepted"] and told["state"] == "accepted"
    assert told["published"]["topic"] == letters.topic("main")
    assert letters.dlq("timeline", "gone")["state"] == "dead"
    letters.dlq("timeline", "nobody", status=65)


def test_a_replayed_letter_is_accepted_with_everything_it_had(letters):
    mains = letters.open(outside.Topic, "main")
    [before] = [m for m in mains.refresh() if b"exhausted" in m.value]
    letters.simulator.control(heal=True)
    done = letters.dlq("replay", "exhausted", "--reason", "the provider is repaired")
    assert (done["replayed"], done["refused"], done["failed"]) == (1, 0, 0)
    accepted = letters.await_event("exhausted", "accepted")
    assert (accepted["gen"], accepted["attempt"]) == (1, 1)
    # the record: same bytes and key, next generation, the whole trail, who and why
    [after] = [m for m in mains.refresh() if b"exhausted" in m.value and m.offset != before.offset]
    head = after.headers
    assert (after.value, after.key) == (before.value, before.key)
    assert (head["sf-id"], head["sf-generation"], head.get("sf-attempt", "0")) == ("exhausted", "1", "0")
    assert [a["try"] for a in json.loads(head["sf-trail"])] == [0, 1]
    assert json.loads(head["sf-replay"])["reason"] == "the provider is repaired"
    # the provider: one key, accepted once
    sent = letters.sent("exhausted")
    assert (sent["statuses"], sent["accepted"]) == ([503, 503, 200], 1)
    # the log and the timeline
    log = letters.open(outside.Topic, "dlq.log")
    [mark] = [json.loads(m.value) for m in log.refresh() if m.key == b"exhausted/0"]
    assert (mark["action"], mark["reason"]) == ("replayed", "the provider is repaired")
    told = letters.dlq("timeline", "exhausted")
    assert [s["step"] for s in told["steps"]][:2] == ["waiting", "dead"]
    assert {s["step"] for s in told["steps"][2:]} == {"replayed", "accepted"} and told["state"] == "accepted"
    # and not once more
    again = letters.dlq("replay", "exhausted", "--reason", "once more", status=65)
    assert (again["replayed"], again["refused_by"]) == (0, {"already_closed": 1})
    by_filter = letters.dlq("replay", "--dead-reason", "exhausted", "--reason", "once more")
    assert (by_filter["replayed"], by_filter["closed_before"]) == (0, 1)
    letters.await_all_read()
    assert letters.sent("exhausted")["requests"] == 3


def test_a_replay_that_fails_again_is_a_letter_of_the_next_generation(letters):
    letters.dlq("replay", "gone", "--reason", "try again")
    until(lambda: len(letters.letters.refresh()) == 6, 20, "a second letter")
    second = letters.dlq("show", "gone/1")
    assert (second["generation"], second["reason"], len(second["attempts"])) == (1, "permanent", 2)
    assert [one["state"] for one in letters.dlq("show", "gone")["generations"]] == ["replayed", "open"]
    assert letters.dlq("replay", "gone/1", "--reason", "and again")["replayed"] == 1


def test_a_dry_run_changes_nothing(letters):
    ends = outside.group_offsets(letters.servers, letters.prefix + ".main", letters.mains)
    done = letters.dlq("replay", "--dry-run", "--domain", "example.com")
    assert (done["dry_run"], done["replayed"]) == (True, 2)
    assert {k: v[1] for k, v in outside.group_offsets(letters.servers, letters.prefix + ".main", letters.mains).items()} == \
        {k: v[1] for k, v in ends.items()}
    assert letters.dlq("ls")["matched"] == 5


def test_limit_and_rate_are_kept(letters):
    letters.simulator.control(heal=True)
    some = ("replay", "--dead-reason", "exhausted,permanent,reputation")
    assert letters.dlq(*some, "--limit", "1", "--reason", "one first")["replayed"] == 1
    began = time.monotonic()
    assert letters.dlq(*some, "--rate", "1", "--reason", "slowly")["replayed"] == 2
    assert time.monotonic() - began >= 0.9


def test_what_may_have_been_sent_is_only_replayed_on_request(letters):
    refused = letters.dlq("replay", "--domain", "example.net", "--reason", "try", status=65)
    assert (refused["replayed"], refused["refused_by"]) == (0, {"unknown": 1})
    assert letters.sent("unclear")["requests"] == 1
    letters.simulator.control(heal=True)
    done = letters.dlq("replay", "--domain", "example.net", "--include-unknown", "--reason", "asked the provider: lost")
    assert (done["replayed"], done["may_repeat"]) == (1, 1)
    assert letters.await_event("unclear", "accepted")["gen"] == 1
    assert letters.sent("unclear")["requests"] == 2


def test_what_cannot_succeed_is_refused(letters):
    done = letters.dlq("replay", "--dead-reason", "invalid", "--reason", "hope", status=65)
    assert done["refused_by"] == {"invalid": 1}


def test_a_discarded_letter_is_closed(letters):
    assert letters.dlq("discard", "blocked", "--reason", "the customer left")["discarded"] == 1
    assert "blocked" not in {one["id"] for one in letters.dlq("ls")["letters"]}
    assert letters.dlq("show", "blocked")["state"] == "discarded"
    assert letters.dlq("replay", "blocked", "--reason", "sorry", status=65)["refused_by"] == {"already_closed": 1}
    assert letters.dlq("timeline", "blocked")["state"] == "discarded"


def test_reading_survives_anything_on_its_topics(letters):
    for role in ("dlq", "dlq.log", "events"):
        letters.publisher.publish(letters.topic(role), [b"junk", b"{}", b"", b'{"v":1}'], key=b"gone/0")
    letters.publisher.publish(letters.topic("dlq"), [None], headers={"sf-generation": b"x", "sf-reason": b"\xff"})
    assert letters.dlq("ls")["matched"] >= 5
    assert letters.dlq("stats")["letters"] >= 5
    assert letters.dlq("timeline", "retried")["state"] == "accepted"
    assert letters.dlq("replay", "exhausted", "--reason", "still possible")["replayed"] == 1


def test_status_says_what_waits_where_and_until_when(fleet):
    fleet.up(tiers=["200ms", "1s", "3s", "1m"], backoff={"base": "70s", "cap": "70s"})
    later = int(time.time() * 1000) + 200000
    fleet.publish(*[mail(f"ann{n}+fail-503@example.com", f"waiting-{n}") for n in range(7)],
                  mail("bob@example.com", "later", not_before=later))
    until(lambda: fleet.dlq("status")["waiting"] == 8, 20, "eight jobs are waiting")
    status = fleet.dlq("status", "--exact")
    assert {tier["tier"]: tier["waiting"] for tier in status["tiers"]} == {"200ms": 0, "1s": 0, "3s": 0, "1m": 8}
    [belt] = [tier for tier in status["tiers"] if tier["waiting"]]
    now = time.time() * 1000
    assert now - 30e3 < belt["oldest_at"] <= now
    due = {g["wait"]: g["next_due"] for g in status["exact"]}
    assert now + 10e3 < due["retry"] < now + 90e3 and due["scheduled"] == later
    assert {(g["tier"], g["wait"], g["class"], g["domain"], g["count"]) for g in status["exact"]} == \
        {("1m", "retry", "transient", "example.com", 7), ("1m", "scheduled", "none", "example.com", 1)}
    until(lambda: sum(fleet.dlq("status")["main_lag"].values()) == 0, 15, "nothing is left on main")
    until(lambda: fleet.workers[0].metric("retry_waiting", tier="1m") == 8, 10, "the metric says the same")


def test_old_records_read_again_change_nothing(letters):
    """The offsets of both groups are lost, after every deadline has passed."""
    soon = int(time.time() * 1000) + 2000
    more = [mail("gus@example.com", "short-lived", expires_at=soon), mail("gus+flaky-1@example.com", "short-retried", max_age_s=2),
            mail("eva@example.com", "fine", id="copy-of-fine")]
    letters.publish(*more)
    for job in ("short-lived", "short-retried"):
        letters.await_event(job, "accepted")
    letters.await_event("copy-of-fine", "duplicate")
    letters.simulator.control(heal=True)
    letters.dlq("replay", "exhausted", "--reason", "the provider is repaired")
    letters.await_event("exhausted", "accepted")
    letters.await_all_read()
    stats, open_before = letters.simulator.stats(), {one["id"] for one in letters.dlq("ls")["letters"]}
    steps = {job: len(letters.events.of(job)) for job in letters.events.refresh() if job != "w1"}
    assert letters.workers[0].process.stop() == 0
    until(lambda: time.time() * 1000 > soon + 2000, 20, "deadlines have passed")
    outside.rewind(letters.servers, letters.prefix + ".main", letters.mains)
    outside.rewind(letters.servers, letters.prefix + ".retry", letters.belts)
    assert not letters.all_read()
    letters.worker("w2")
    letters.await_all_read()
    assert letters.simulator.stats() == stats, "nothing was sent again"
    assert {one["id"] for one in letters.dlq("ls")["letters"]} == open_before, "nothing accepted is dead, nothing dead is gone"
    assert {job: len(letters.events.of(job)) for job in steps} == steps, "no new steps, only copies of old ones"
    assert letters.dlq("timeline", "short-lived")["state"] == "accepted"
