# SPDX-License-Identifier: Apache-2.0
"""Attempts whose outcome cannot be known: never sent again by guesswork, never silent."""
import json

import pytest

from fleets import mail


@pytest.fixture(scope="module")
def running(shared_fleet):
    return shared_fleet.up(routes={"slow-proof": {"transport": "http", "url": shared_fleet.simulator.url + "/send",
                                                  "reply_timeout": "2s", "unknown_window": "2s"}})


@pytest.mark.parametrize("script, says", [("drop", ""), ("hang", "")])
def test_no_verdict_without_an_idempotent_route_is_one_request_and_a_letter(running, script, says):
    [job] = running.publish(mail(f"ann+{script}@example.com", "held-" + script))
    letter = running.await_letter(job)
    head = letter.headers
    assert head["sf-reason"].startswith("unknown: worker w1 ") and "phase response" in head["sf-reason"]
    [attempt] = json.loads(head["sf-trail"])
    assert (attempt["worker"], attempt["phase"], attempt["class"]) == ("w1", "response", "unknown")
    dead = running.await_event(job, "dead")
    assert (dead["class"], dead["phase"], dead["worker"]) == ("unknown", "response", "w1")
    running.await_all_read()
    assert running.sent(job)["requests"] == 1


def test_a_provider_that_failed_after_reading_it_may_have_accepted_it(running):
    [job] = running.publish(mail("ann+fail-500@example.com", "failed-500"))
    assert running.await_letter(job).headers["sf-reason"].startswith("unknown: ")
    assert running.sent(job)["requests"] == 1


def test_an_idempotent_route_asks_again_with_the_same_key(running):
    [job] = running.publish(mail("ann+drop-once@example.com", "keyed", route="keyed"))
    running.await_event(job, "accepted")
    assert [s["event"] for s in running.events.of(job)] == ["unknown", "accepted"]
    sent = running.sent(job)
    assert (sent["requests"], sent["accepted"], sent["replayed"]) == (2, 1, 1)
    assert running.letter(job) is None


def test_resend_is_the_publishers_own_word(running):
    [job] = running.publish(mail("ann+drop-once@example.com", "resend", on_unknown="resend"))
    running.await_event(job, "accepted")
    sent = running.sent(job)
    assert (sent["requests"], sent["accepted"]) == (2, 2), "two mails went out, as it was asked for"
    assert [s["event"] for s in running.events.of(job)] == ["unknown", "accepted"]


def test_where_proof_may_come_it_is_waited_for_and_then_held(running):
    [job] = running.publish(mail("ann+drop@example.com", "window", route="slow-proof"))
    waiting = running.await_event(job, "unknown")
    assert (waiting["wait"], waiting["due"] - waiting["at"] >= 1900) == ("unknown", True)
    assert running.letter(job) is None
    assert running.await_letter(job).headers["sf-reason"].startswith("unknown: ")
    assert running.sent(job)["requests"] == 1


def test_nothing_was_counted_as_accepted_twice(running):
    assert running.workers[0].metric("double_accept_total") == 0
    assert running.workers[0].metric("unknown_total", phase="response") >= 4
