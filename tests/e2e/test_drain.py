# SPDX-License-Identifier: Apache-2.0
"""Workers that are asked to stop: nothing is begun that cannot be finished, nothing finished is done again."""
from conftest import until
from fleets import mail


def accepted_requests(fleet):
    return fleet.simulator.stats()["accepted"]


def test_a_stopped_worker_has_finished_and_committed_what_it_began(fleet):
    [worker] = fleet.up().workers
    ids = fleet.publish(*[mail(f"ann{n}+slow-700@example.com", f"job-{n}") for n in range(200)])
    until(lambda: accepted_requests(fleet) >= 100, 20, "many are under way")
    assert worker.process.stop() == 0
    fleet.await_ended(ids, 5)
    assert fleet.all_read(), "all offsets are committed"
    stats = fleet.simulator.stats()
    assert (stats["accepted"], stats["accepted_twice"]) == (200, 0)
    fleet.worker("w2")
    [job] = fleet.publish(mail("ann@example.com", "after"))
    fleet.await_event(job, "accepted")
    assert accepted_requests(fleet) == 201, "nothing was sent again"
    assert fleet.workers[-1].metric("redelivered_total") == 0, "nothing was even read again"


def test_what_was_not_begun_is_left_to_the_next_worker(fleet):
    [worker] = fleet.up(worker={"max_inflight": 20}).workers
    ids = fleet.publish(*[mail(f"ann{n}+slow-300@example.com", f"job-{n}") for n in range(400)])
    until(lambda: accepted_requests(fleet) >= 40, 20, "some went out")
    assert worker.process.stop() == 0
    went_out = accepted_requests(fleet)
    assert went_out < 400
    fleet.worker("w2")
    ends = fleet.await_ended(ids)
    assert {end["event"] for end in ends.values()} == {"accepted"}
    stats = fleet.simulator.stats()
    assert (stats["accepted"], stats["accepted_twice"]) == (400, 0)


def test_an_attempt_cut_at_the_drain_deadline_is_unknown_not_lost(fleet):
    [worker] = fleet.up(worker={"drain": "1s"}, routes={"api": {"reply_timeout": "60s"}}).workers
    [job] = fleet.publish(mail("ann+hang@example.com", "hanging"))
    until(lambda: fleet.sent(job)["requests"] == 1, 20, "it is under way")
    assert worker.process.stop(15) == 0
    letter = fleet.await_letter(job, 5)
    assert letter.headers["sf-reason"].startswith("unknown: worker w1 ")
    assert fleet.all_read()
    fleet.worker("w2")
    [other] = fleet.publish(mail("ann@example.com", "after"))
    fleet.await_event(other, "accepted")
    assert fleet.sent(job)["requests"] == 1


def test_readiness_ends_before_the_worker_does(fleet):
    [worker] = fleet.up(routes={"api": {"reply_timeout": "60s"}}).workers
    [job] = fleet.publish(mail("ann+slow-2500@example.com", "slow"))
    until(lambda: fleet.sent(job)["requests"] == 1, 20, "it is under way")
    worker.process.signal(15)
    until(lambda: worker.get("/readyz")[0] == 503, 2, "draining is not ready")
    assert worker.get("/healthz")[0] == 200
    assert worker.process.popen.wait(10) == 0
    fleet.await_event(job, "accepted", 2)


def test_a_rolling_restart_neither_loses_nor_repeats(fleet):
    fleet.up(workers=3, topics={"partitions_main": 6}, worker={"max_inflight": 100})
    fleet.simulator.control(latency_ms=50)
    jobs = [mail(f"ann{n}@example.com" if n % 10 else f"ann{n}+flaky-1@example.com", f"job-{n}") for n in range(2000)]
    ids = fleet.publish(*jobs[:700])
    for number, worker in enumerate(list(fleet.workers)):
        assert worker.process.stop() == 0
        ids += fleet.publish(*jobs[700 + 400 * number:1100 + 400 * number])
        fleet.worker(worker.name)
    ids += fleet.publish(*jobs[1900:])
    ends = fleet.await_ended(ids, 60)
    assert len(ends) == 2000 and {end["event"] for end in ends.values()} == {"accepted"}
    stats = fleet.simulator.stats()
    assert (stats["accepted"], stats["accepted_keys"], stats["accepted_twice"]) == (2000, 2000, 0)
    assert fleet.letters.refresh() == []
    fleet.await_all_read()
