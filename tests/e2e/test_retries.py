# SPDX-License-Identifier: Apache-2.0
"""Failed jobs wait on the belts: never early, hardly late, and each attempt on record."""
import json
import time

import pytest

import outside
from conftest import until
from fleets import mail

LATE_MS = 1500  # a test machine may be busy; the 250 ms of the promise are measured by tests/bench


@pytest.fixture(scope="module")
def running(shared_fleet):
    url = shared_fleet.simulator.url + "/send"
    return shared_fleet.up(routes={"locked": {"transport": "http", "url": url, "reply_timeout": "2s"}})


def assert_on_time(waits, sent):
    """Each of the last attempts came when the wait before it was over, by two independent records."""
    for wait, at in zip(waits, sent["times"][-len(waits):], strict=True):
        assert wait["due"] <= at <= wait["due"] + LATE_MS, f"due {wait['due']}, sent {at}"


def on_belts(fleet, job):
    """The job's records on all belts, oldest first."""
    found = []
    for belt in fleet.config["tiers"]:
        view = fleet.open(outside.Topic, "retry." + belt)
        found += [m for m in view.refresh() if m.headers["sf-id"] == job]
    return sorted(found, key=lambda m: m.at_ms)


def test_a_recipient_that_fails_twice_is_accepted_on_the_third_attempt(running):
    [job] = running.publish(mail("ann+flaky-2@example.com", "flaky"))
    accepted = running.await_event(job, "accepted")
    steps = running.events.of(job)
    assert [(s["event"], s["try"], s["attempt"]) for s in steps] == [("waiting", 0, 1), ("waiting", 1, 2), ("accepted", 2, 3)]
    assert [(s["class"], s["code"], s["wait"]) for s in steps[:2]] == [("transient", 503, "retry")] * 2
    assert all(s["tier"] in running.config["tiers"] and s["due"] > s["at"] for s in steps[:2])
    assert accepted["lateness_ms"] >= 0
    sent = running.sent(job)
    assert sent["statuses"] == [503, 503, 200]
    assert_on_time(steps[:2], sent)
    # the backoff grew
    assert steps[1]["due"] - steps[1]["at"] > steps[0]["due"] - steps[0]["at"]


def test_every_record_of_a_job_carries_the_same_bytes_and_a_growing_trail(running):
    job = mail("ann+flaky-3@example.com", "trail")
    running.publisher.publish(running.topic("main"), [job], key=b"customer-7", headers={"traceparent": b"00-abc-def-01"})
    running.await_event("trail", "accepted")
    records = on_belts(running, "trail")
    assert all(json.loads(m.value) == job and m.key == b"customer-7" for m in records)
    heads = [m.headers for m in records]
    assert all(h["traceparent"] == "00-abc-def-01" for h in heads)
    tries = [len(json.loads(h["sf-trail"])) for h in heads]
    assert sorted(set(tries)) == [1, 2, 3] and tries == sorted(tries)
    last = json.loads(heads[-1]["sf-trail"])
    assert [(a["try"], a["code"], a["worker"]) for a in last] == [(0, 503, "w1"), (1, 503, "w1"), (2, 503, "w1")]
    assert [a["at"] for a in last] == sorted(a["at"] for a in last)


def test_retry_after_is_waited_in_full_and_not_charged(running):
    [job] = running.publish(mail("ann+throttle-2@example.com", "throttled"))
    accepted = running.await_event(job, "accepted")
    waiting = running.events.one(job, "waiting")
    assert (waiting["wait"], waiting["class"], waiting["code"]) == ("throttled", "throttled", 429)
    assert accepted["attempt"] == 1, "being throttled is not an attempt of the job's own"
    sent = running.sent(job)
    assert sent["times"][1] - sent["times"][0] >= 2000
    assert_on_time([waiting], sent)


def test_many_throttles_never_exhaust_a_job(running):
    [job] = running.publish(mail("ann+throttle-0-8@example.com", "patient"))
    assert running.await_event(job, "accepted", 30)["attempt"] == 1
    assert len(running.sent(job)["statuses"]) == 9, "more than max_attempts"


def test_not_before_is_kept(running):
    when = int(time.time() * 1000) + 3000
    [job] = running.publish(mail("ann@example.com", "scheduled", not_before=when))
    waiting = running.await_event(job, "waiting")
    assert (waiting["wait"], waiting["due"]) == ("scheduled", when)
    assert running.sent(job)["requests"] == 0
    running.await_event(job, "accepted")
    assert_on_time([waiting], running.sent(job))


def test_a_route_that_refuses_our_credential_pauses_and_loses_nothing(running):
    running.simulator.control(mode="fail-401")
    ids = running.publish(*[mail("ann@example.com", f"locked-{n}", route="locked") for n in range(5)])
    waits = [until(lambda: running.events.of(job), 20, f"a step of {job}")[0] for job in ids]
    assert {(wait["event"], wait["wait"]) for wait in waits} == {("waiting", "limited")}
    assert "route" in {wait.get("class") for wait in waits}
    running.simulator.control(mode="normal")
    ends = running.await_ended(ids)
    assert {(end["event"], end["attempt"]) for end in ends.values()} == {("accepted", 1)}, "not charged, none dead"
    assert all(running.sent(job)["accepted"] == 1 for job in ids)


def test_hundreds_of_retries_are_never_early(running):
    jobs = [mail(f"ann{n}+flaky-{1 + n % 3}@example.com", f"crowd-{n}") for n in range(300)]
    ends = running.await_ended(running.publish(*jobs))
    assert {end["event"] for end in ends.values()} == {"accepted"}
    ledger = {line["key"]: line for line in running.simulator.ledger()}
    for n, job in enumerate(jobs):
        waits = [s for s in running.events.known(job["id"]) if s["event"] == "waiting"]
        assert len(waits) == 1 + n % 3 and ledger[job["id"]]["accepted"] == 1
        for wait, at in zip(waits, ledger[job["id"]]["times"][1:]):
            assert at >= wait["due"], f"{job['id']}: {wait['due'] - at} ms early"
