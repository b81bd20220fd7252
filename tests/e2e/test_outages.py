# SPDX-License-Identifier: Apache-2.0
"""Redis, Kafka or the provider is away for a while: jobs wait, nothing is lost, nothing is sent twice, nothing dies."""
import os
import pathlib
import signal
import subprocess
import threading

import pytest

from conftest import ROOT, until
from fleets import mail

JOBS = 1500


class Part:
    """A process of the local stack that can be taken away and brought back with its data."""

    def __init__(self, stack, folder):
        self.stack, self.folder = stack, folder

    def kill(self):
        [file] = pathlib.Path(self.stack["dir"]).glob(self.folder + "/pid")
        pid = int(file.read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        until(lambda: not pathlib.Path(f"/proc/{pid}").exists() or "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3],
              10, f"{self.folder} has ended")

    def back(self):
        subprocess.run([ROOT / "deploy/local/up", "--dir", self.stack["dir"]], check=True, stderr=subprocess.DEVNULL)

    def back_after(self, seconds):
        """Comes back by itself; the test meanwhile looks at what happens without it."""
        timer = threading.Timer(seconds, self.back)
        timer.start()
        return timer


@pytest.fixture
def part(stack):
    """part("redis") or part("kafka"); whatever happened, the stack is whole again afterwards."""
    yield lambda name: Part(stack, {"redis": "redis", "kafka": "kafka-*/node-1"}[name])
    Part(stack, "").back()


def flow(fleet):
    """Jobs under way, some of them about to be retried."""
    fleet.simulator.control(latency_ms=50)
    jobs = [mail(f"ann{n}+{'flaky-1' if n % 10 == 0 else 'accept'}@example.com", f"job-{n}") for n in range(JOBS)]
    ids = fleet.publish(*jobs)
    until(lambda: fleet.simulator.stats()["accepted"] >= JOBS / 10, 30, "jobs flow")
    return ids


def assert_all_accepted_once(fleet, ids, seconds=90):
    ends = fleet.await_ended(ids, seconds)
    stats = fleet.simulator.stats()
    assert {end["event"] for end in ends.values()} == {"accepted"}
    assert (stats["accepted"], stats["accepted_keys"], stats["accepted_twice"]) == (len(ids), len(ids), 0)
    assert fleet.letters.refresh() == []


def test_redis_restarts_under_load(fleet, part):
    fleet.up(workers=2, worker={"max_inflight": 100})
    ids = flow(fleet)
    part("redis").kill()
    part("redis").back()
    assert_all_accepted_once(fleet, ids)
    for worker in fleet.workers:
        until(worker.ready, 20, f"{worker.name} is ready again")
        assert worker.metric("store_up") == 1


@pytest.mark.slow
def test_redis_is_away_for_five_seconds(fleet, part):
    fleet.up(workers=2, worker={"max_inflight": 100})
    ids = flow(fleet)
    part("redis").kill()
    back = part("redis").back_after(5)
    for worker in fleet.workers:
        until(lambda: worker.get("/readyz")[0] == 503, 4, f"{worker.name} is not ready")
        assert worker.get("/healthz")[0] == 200, "an outage of Redis is no reason to restart a worker"
        assert worker.metric("store_up") == 0
    seen = fleet.simulator.stats()["requests"]
    back.join()
    assert fleet.simulator.stats()["accepted"] < JOBS, "some were still to do"
    assert seen < JOBS
    for worker in fleet.workers:
        until(worker.ready, 20, f"{worker.name} is ready again")
    assert_all_accepted_once(fleet, ids)


def test_partitions_move_while_redis_is_away(fleet, part):
    """The newcomer reads jobs whose attempts ended at the other worker, which could not say so yet. Their leases are
    long over when Redis is back, and still nobody may call them unknown."""
    [first] = fleet.up(topics={"partitions_main": 4}, worker={"max_inflight": 200, "lease": "2s", "renew": "500ms",
                                                                  "carry_after": "1s"}).workers
    fleet.simulator.control(latency_ms=300)
    ids = fleet.publish(*[mail(f"ann{n}@example.com", f"job-{n}") for n in range(600)])
    until(lambda: fleet.simulator.stats()["accepted"] >= 150, 20, "many are under way")
    part("redis").kill()
    fleet.worker("w2", wait=False)
    fleet.await_shared()
    part("redis").back_after(3).join()
    until(first.ready, 20, "w1 is ready again")
    assert_all_accepted_once(fleet, ids)


@pytest.mark.slow
def test_kafka_restarts_under_load(fleet, part):
    fleet.up(workers=2, worker={"max_inflight": 100})
    ids = flow(fleet)
    part("kafka").kill()
    part("kafka").back()
    assert_all_accepted_once(fleet, ids)
    fleet.await_all_read(60)
    for worker in fleet.workers:
        assert worker.process.running() and worker.ready()


def test_a_worker_started_without_redis_waits_for_it(fleet, part):
    fleet.up(workers=0)
    part("redis").kill()
    worker = fleet.worker("w1", wait=False)
    [job] = fleet.publish(mail("ann@example.com", "early"))
    until(lambda: worker.get("/readyz")[0] == 503, 20, "it runs, and is not ready")
    assert fleet.sent(job)["requests"] == 0
    part("redis").back()
    fleet.await_event(job, "accepted")
    assert worker.ready()


@pytest.mark.slow
def test_a_worker_started_without_kafka_waits_for_it(fleet, part):
    fleet.up(workers=0)
    [job] = fleet.publish(mail("ann@example.com", "early"))
    part("kafka").kill()
    worker = fleet.worker("w1", wait=False)
    until(lambda: "waiting for the broker" in worker.process.output(), 20, "it says what it waits for")
    part("kafka").back()
    fleet.await_event(job, "accepted", 40)


def test_the_provider_is_away_for_a_while(fleet):
    """Connections refused: jobs are tried again later, and none of them uses up its attempts at once."""
    fleet.up(backoff={"base": "1s", "cap": "2s"}, max_attempts=12)
    fleet.simulator.control(mode="refuse", for_ms=3000)
    ids = fleet.publish(*[mail(f"ann{n}@example.com", f"job-{n}") for n in range(200)])
    ends = fleet.await_ended(ids, 40)
    assert {end["event"] for end in ends.values()} == {"accepted"}
    assert fleet.simulator.stats()["accepted_twice"] == 0
    assert all(fleet.events.of(job)[0]["class"] == "transient" for job in ids[:20])
