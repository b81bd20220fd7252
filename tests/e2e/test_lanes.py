# SPDX-License-Identifier: Apache-2.0
"""Urgent mail does not queue behind newsletters."""
from fleets import mail

BULK, CRITICAL = 5000, 60


def test_critical_jobs_overtake_a_backlog_of_bulk(fleet):
    fleet.up(worker={"max_inflight": 100})
    fleet.simulator.control(latency_ms=50)
    bulk = fleet.publish(*[mail("ann@example.com", f"bulk-{n}", priority="bulk") for n in range(BULK)])
    fleet.await_event(bulk[0], "accepted")
    critical = fleet.publish(*[mail("bob@example.com", f"reset-{n}", priority="critical") for n in range(CRITICAL)])
    ends = fleet.await_ended(critical)
    fleet.events.refresh()
    still = BULK - sum(1 for job in bulk if fleet.ended(job))
    assert {end["event"] for end in ends.values()} == {"accepted"}
    waits = sorted(end["at"] - end["source_at"] for end in ends.values())
    assert still > BULK / 4, f"only {still} bulk jobs were left when the last critical one was through"
    assert waits[-1] < 3000, f"the slowest critical job took {waits[-1]} ms"
    text = fleet.workers[0].get("/metrics")[1]
    assert 'sendfleet_first_attempt_wait_seconds_count{lane="critical"}' in text
