# SPDX-License-Identifier: Apache-2.0
"""A worker dies without a word, in the middle of its work, at a provider that does not deduplicate."""
import pytest

import outside
from conftest import until
from fleets import mail

JOBS, INFLIGHT = 1500, 150


def busy(worker):
    return worker.metric("inflight", budget="attempts")


def test_kill_9_of_one_of_three_workers(fleet):
    fleet.up(workers=3, topics={"partitions_main": 6}, worker={"max_inflight": INFLIGHT})
    fleet.simulator.control(latency_ms=400)
    jobs = [mail(f"ann{n}+{'flaky-1' if n % 20 == 0 else 'accept'}@example.com", f"job-{n}") for n in range(JOBS)]
    ids = fleet.publish(*jobs)
    # the assignor counts partitions of all lanes together, so not every worker need have one with jobs in it
    victim = until(lambda: max(fleet.workers, key=busy) if max(map(busy, fleet.workers)) >= INFLIGHT / 2 else None,
                   30, "a worker has its hands full")
    victim.process.kill()
    assert fleet.simulator.stats()["accepted"] < JOBS, "it died in the middle"
    fleet.worker(victim.name)
    ends = fleet.await_ended(ids, 60)

    # nothing lost, nothing twice: by the provider's raw requests
    ledger = {line["key"]: line for line in fleet.simulator.ledger()}
    assert fleet.simulator.stats()["accepted_twice"] == 0
    unknown = {job for job, end in ends.items() if end["event"] == "dead"}
    assert all(ledger[job]["accepted"] == 1 for job in ids if job not in unknown)
    assert {end["event"] for end in ends.values()} <= {"accepted", "dead"}

    # what it held is unknown, names it, and is a letter each
    assert len(unknown) <= INFLIGHT
    for job in unknown:
        assert ends[job]["class"] == "unknown" and f"worker {victim.name}" in ends[job]["reason"], ends[job]
        assert fleet.letter(job).headers["sf-reason"].startswith(f"unknown: worker {victim.name} ")
    assert unknown, "nobody died with work in its hands: the test saw nothing"
    assert len(fleet.letters.refresh()) == len(unknown)
    listed = fleet.dlq("ls", "--reason", "unknown", "--limit", "1000")
    assert {one["id"] for one in listed["letters"]} == unknown
    fleet.await_all_read()


def test_kill_9_with_an_idempotent_provider_holds_nothing(fleet):
    fleet.up(workers=2, topics={"partitions_main": 4}, worker={"max_inflight": INFLIGHT})
    fleet.simulator.control(latency_ms=400)
    ids = fleet.publish(*[mail(f"ann{n}@example.com", f"job-{n}", route="keyed") for n in range(800)])
    victim = until(lambda: max(fleet.workers, key=busy) if max(map(busy, fleet.workers)) >= INFLIGHT / 2 else None,
                   30, "a worker has its hands full")
    victim.process.kill()
    fleet.worker(victim.name)
    ends = fleet.await_ended(ids, 60)
    assert {end["event"] for end in ends.values()} == {"accepted"}
    stats = fleet.simulator.stats()
    assert (stats["accepted_keys"], stats["accepted_twice"]) == (800, 0)
    assert fleet.letters.refresh() == []


@pytest.mark.slow
def test_all_workers_killed_right_after_a_commit_lose_nothing(fleet):
    """What is committed is finished: nobody is left who could tell of jobs behind a committed offset."""
    fleet.up(workers=2, worker={"max_inflight": 50})
    fleet.simulator.control(latency_ms=1000)
    ids = fleet.publish(*[mail(f"ann{n}+{'flaky-1' if n % 9 == 0 else 'accept'}@example.com", f"job-{n}") for n in range(900)])
    until(lambda: sum(at for at, _ in outside.group_offsets(fleet.servers, fleet.prefix + ".main", fleet.mains).values()),
          30, "offsets are committed")
    for worker in fleet.workers:
        worker.process.kill()
    assert 0 < fleet.simulator.stats()["accepted"] < 900
    for worker in list(fleet.workers):
        fleet.worker(worker.name)
    ends = fleet.await_ended(ids, 60)
    dead = [job for job, end in ends.items() if end["event"] == "dead"]
    assert fleet.simulator.stats()["accepted_twice"] == 0
    assert 0 < len(dead) <= 2 * 50 and all(ends[job]["class"] == "unknown" for job in dead)
    ledger = {line["key"]: line["accepted"] for line in fleet.simulator.ledger()}
    assert all(ledger[job] == 1 for job in ids if job not in dead)
