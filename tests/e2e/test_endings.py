# SPDX-License-Identifier: Apache-2.0
"""Where jobs end that are not simply accepted, and that none of them stops the jobs behind it.

One worker and one partition for everything here, so that each bad record has good ones behind it.
"""
import json
import time

import pytest

import outside
from fleets import mail

LIMIT = 64 * 1024
GOOD = {"v": 1, "route": "api", "from": "shop@example.com", "to": "ann@example.com", "subject": "s", "text": "t"}


@pytest.fixture(scope="module")
def running(shared_fleet):
    return shared_fleet.up(topics={"partitions_main": 1}, max_attempts=3, max_job_bytes=LIMIT)


def reason(letter):
    """(word, detail) of a letter."""
    word, _, detail = letter.headers["sf-reason"].partition(": ")
    return word, detail


def assert_the_partition_goes_on(fleet, name):
    [job] = fleet.publish(mail("ann@example.com", "behind-" + name))
    fleet.await_event(job, "accepted")


# ---- what the provider says

@pytest.mark.parametrize("status, word", [(400, "permanent"), (404, "permanent"), (422, "permanent"), (403, "reputation")])
def test_a_final_refusal_is_dead_at_once(running, status, word):
    job = mail(f"ann+fail-{status}@example.com", f"refused-{status}")
    running.publish(job)
    letter = running.await_letter(job["id"])
    assert reason(letter) == (word, f"simulated {status}")
    assert json.loads(letter.value) == job, "the letter carries the job as it was published"
    head = letter.headers
    assert (head["sf-code"], head["sf-class"], head["sf-attempt"]) == (str(status), word, "1")
    assert head["sf-response"] == f'{{"error":"simulated {status}"}}'
    [attempt] = json.loads(head["sf-trail"])
    assert (attempt["worker"], attempt["transport"], attempt["code"], attempt["class"]) == ("w1", "http", status, word)
    dead = running.await_event(job["id"], "dead")
    assert (dead["class"], dead["code"], dead["reason"]) == (word, status, f"{word}: simulated {status}")
    assert running.sent(job["id"])["requests"] == 1, "a final refusal is never tried again"
    assert_the_partition_goes_on(running, f"refused-{status}")


def test_a_temporary_failure_that_never_ends_is_exhausted(running):
    [job] = running.publish(mail("ann+fail-503@example.com", "exhausted"))
    letter = running.await_letter(job)
    word, detail = reason(letter)
    assert word == "exhausted" and "3 attempts" in detail and "simulated 503" in detail
    trail = json.loads(letter.headers["sf-trail"])
    assert [(a["gen"], a["try"], a["code"], a["class"]) for a in trail] == [(0, n, 503, "transient") for n in range(3)]
    assert running.sent(job)["statuses"] == [503] * 3
    assert [e["event"] for e in running.events.of(job)] == ["waiting", "waiting", "dead"]


def test_a_job_past_its_deadline_is_not_sent(running):
    [job] = running.publish(mail("ann@example.com", "expired", expires_at=int(time.time() * 1000) - 1000))
    word, detail = reason(running.await_letter(job))
    assert word == "expired" and "deadline" in detail
    assert running.sent(job)["requests"] == 0


def test_a_wait_beyond_the_deadline_is_not_waited_for(running):
    began = time.monotonic()
    [job] = running.publish(mail("ann+throttle-60@example.com", "expires-waiting", max_age_s=20))
    word, detail = reason(running.await_letter(job, 10))
    assert word == "expired" and "simulated 429" in detail, detail
    assert time.monotonic() - began < 10 and running.sent(job)["requests"] == 1


# ---- keys

def test_a_key_published_twice_is_sent_once_and_the_copy_names_the_first(running):
    first = mail("ann@example.com", "twice")
    running.publish(first)
    running.await_event("twice", "accepted")
    # another id, other times and tags, other order of members: the same content all the same
    copy = dict(reversed(list({**first, "id": "twice-copy", "tags": ["x"], "created_at": int(time.time() * 1000)}.items())))
    running.publish(copy)
    duplicate = running.await_event("twice-copy", "duplicate")
    assert duplicate["duplicate_of"] == "twice"
    assert running.sent("twice")["requests"] == 1
    assert running.letter("twice-copy") is None and running.letter("twice") is None


def test_copies_published_together_are_sent_once(running):
    ids = running.publish(*[mail("ann+slow-300@example.com", "burst", id=f"burst-{n}") for n in range(20)])
    ends = [end["event"] for end in running.await_ended(ids).values()]
    assert sorted(ends) == ["accepted"] + ["duplicate"] * 19
    assert running.sent("burst")["requests"] == 1


def test_a_job_published_twice_with_the_same_id_is_sent_once(running):
    running.publish(mail("ann@example.com", "again"), mail("ann@example.com", "again"), mail("ann@example.com", "again"))
    running.await_event("again", "accepted")
    assert_the_partition_goes_on(running, "again")
    running.await_all_read()
    assert running.sent("again")["requests"] == 1
    assert running.letter("again") is None


def test_a_key_with_other_content_is_a_conflict(running):
    running.publish(mail("ann@example.com", "key"))
    running.await_event("key", "accepted")
    running.publish(mail("bob@example.com", "key", id="key-2"))
    letter = running.await_letter("key-2")
    assert reason(letter)[0] == "conflict" and json.loads(letter.value)["to"] == "bob@example.com"
    assert running.await_event("key-2", "dead")["class"] == "conflict"
    sent = running.sent("key")
    assert (sent["requests"], sent["to"]) == (1, "ann@example.com")


# ---- records that are no jobs

def injected(**members):
    return json.dumps({**GOOD, **members}).encode()


POISON = {
    "not JSON": (b"this is not JSON", "JSON"),
    "JSON cut off": (json.dumps(GOOD).encode()[:-1], "JSON"),
    "no bytes": (b"", "JSON"),
    "no value": (None, "no value"),
    "not UTF-8": (b'{"v":1,"to":"ann@example.com","text":"\xff\xfe"}', "UTF-8"),
    "a NUL": (b'{"v":1,"to":"ann@example.com","text":"a\\u0000b"}', ""),
    "a list": (b"[1,2,3]", "object"),
    "an unknown version": (injected(v=7), "v"),
    "no version": (b'{"to":"ann@example.com"}', "v"),
    "a wrong type": (injected(subject=17), "subject"),
    "two addresses": (injected(to="ann@example.com, bob@example.com"), "to"),
    "a list of addresses": (injected(to=["ann@example.com", "bob@example.com"]), "to"),
    "no recipient": (b'{"v":1,"subject":"x"}', "to"),
    "a recipient with an SMTP command": (injected(to="ann@example.com>\r\nRCPT TO:<eve@example.com"), "to"),
    "a subject with a header": (injected(subject="hi\r\nBcc: eve@example.com"), "subject"),
    "a header with a header": (injected(headers={"X-Order": "1\r\nBcc: eve@example.com"}), "headers"),
    "a header name with a header": (injected(headers={"X-Order: 1\r\nBcc": "eve@example.com"}), "headers"),
    "a display name with a header": (injected(**{"from": "Shop\r\nBcc: eve@example.com <shop@example.com>"}), "from"),
    "a key twice": (json.dumps(GOOD).encode()[:-1] + b',"to":"eve@example.com"}', "duplicate key"),
    "deep nesting": (b'{"v":1,"to":"ann@example.com","metadata":' + b'{"a":' * 40 + b"1" + b"}" * 41, ""),
    "a job too large": (injected(text="x" * LIMIT), str(LIMIT)),
}


@pytest.mark.parametrize("name", POISON)
def test_poison_is_dead_with_its_bytes_and_the_next_job_is_sent(running, name):
    value, named = POISON[name]
    [record] = running.publisher.publish(running.topic("main"), [value], key=b"k", headers={"app": b"billing"})
    job = record.place
    letter = running.await_letter(job)
    word, detail = reason(letter)
    assert word == "invalid" and named in detail, detail
    assert (letter.value, letter.key) == (value, b"k"), "the bytes are kept as they were"
    head = letter.headers
    assert (head["app"], head["sf-origin"]) == ("billing", job)
    assert running.await_event(job, "dead")["class"] == "invalid"
    assert_the_partition_goes_on(running, name.replace(" ", "-"))


def test_nothing_was_sent_to_an_injected_recipient(running):
    assert not [line for line in running.simulator.ledger() if "eve" in line["to"]]


@pytest.mark.parametrize("name, header", [
    ("sf-try", b"many"), ("sf-due", b"-1"), ("sf-generation", b"99999999999999999999"), ("sf-wait", b"forever")])
def test_a_broken_header_of_ours_is_poison_too(running, name, header):
    [record] = running.publisher.publish(running.topic("main"), [injected()], headers={name: header})
    letter = running.await_letter(record.place)
    assert reason(letter)[0] == "invalid" and name in reason(letter)[1]
    assert_the_partition_goes_on(running, name)


@pytest.mark.parametrize("name, value, headers", [
    ("junk", b"junk", {}), ("no-value", None, {}), ("no-due", b"junk", {"sf-due": b"soon"}),
    ("far-due", b"{}", {"sf-due": b"1", "sf-try": b"x"})])
def test_poison_on_a_belt_is_dead_and_the_belt_goes_on(running, name, value, headers):
    [record] = running.publisher.publish(running.topic("retry.200ms"), [value], headers=headers)
    letter = running.await_letter(record.place)
    assert reason(letter)[0] == "invalid" and letter.value == value
    [job] = running.publish(mail("ann+flaky-1@example.com", "belt-behind-" + name))
    assert running.await_event(job, "accepted")["try"] == 1


def test_a_job_that_needs_approval_waits_for_a_person(running):
    review = running.open(outside.Topic, "review")
    [job] = running.publish(mail("ann@example.com", "approve-me", approval={"required": True, "state": "pending"}))
    assert running.await_event(job, "review")["reason"].startswith("approval")
    [record] = review.refresh()
    assert record.headers["sf-id"] == job and running.sent(job)["requests"] == 0
