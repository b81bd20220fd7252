# SPDX-License-Identifier: Apache-2.0
"""The HTTP simulator over its socket: what sink_test.c cannot see."""
import http.client
import json
import time

import pytest


def send(simulator, to, key, path="/send"):
    return simulator.request(path, {"v": 1, "id": "job-" + key, "to": to}, {"Idempotency-Key": key})


def test_accepts_and_counts(simulator):
    assert send(simulator, "a@example.com", "k1") == (200, '{"id":"sim-1"}')
    assert send(simulator, "a@example.com", "k1") == (200, '{"id":"sim-2"}')
    assert send(simulator, "a@example.com", "k2", "/dedup/send") == (200, '{"id":"sim-3"}')
    assert send(simulator, "a@example.com", "k2", "/dedup/send") == (200, '{"id":"sim-3"}')
    stats = simulator.stats()
    assert (stats["requests"], stats["accepted"], stats["accepted_twice"], stats["replayed"]) == (4, 3, 1, 1)
    [entry] = simulator.ledger("?key=k1")
    assert (entry["id"], entry["to"], entry["accepted"]) == ("job-k1", "a@example.com", 2)
    assert entry["statuses"] == [200, 200] and entry["times"] == sorted(entry["times"])
    assert {line["key"] for line in simulator.ledger()} == {"k1", "k2"}


def test_throttles_with_retry_after(simulator):
    connection = http.client.HTTPConnection(simulator.url.removeprefix("http://"))
    body = json.dumps({"to": "a+throttle-7@example.com"})
    connection.request("POST", "/send", body, {"Idempotency-Key": "k"})
    reply = connection.getresponse()
    assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
    reply.read()
    connection.request("POST", "/send", body, {"Idempotency-Key": "k"})  # on the same connection
    assert connection.getresponse().status == 200


@pytest.mark.parametrize("script, accepted", [("drop", 1), ("reset", 0)])
def test_closes_without_an_answer(simulator, script, accepted):
    with pytest.raises(OSError):
        send(simulator, f"a+{script}@example.com", "k")
    [entry] = simulator.ledger()
    assert (entry["accepted"], entry["statuses"]) == (accepted, [0])


def test_answers_late_without_holding_up_others(simulator):
    simulator.control(latency_ms=300)
    began = time.monotonic()
    send(simulator, "a@example.com", "k1")
    assert time.monotonic() - began >= 0.3
    simulator.control(latency_ms=0)
    slow = http.client.HTTPConnection(simulator.url.removeprefix("http://"))
    slow.request("POST", "/send", '{"to":"a+slow-60000@example.com"}')
    send(simulator, "a@example.com", "k2")


def test_refuses_connections_for_a_while(simulator):
    simulator.control(mode="refuse", for_ms=400)
    with pytest.raises(OSError, match="refused"):
        simulator.stats()
    limit = time.monotonic() + 10
    while True:
        try:
            assert simulator.stats()["requests"] == 0
            break
        except OSError:
            assert time.monotonic() < limit, "it did not come back"
            time.sleep(0.05)


def test_streams_a_large_ledger(simulator):
    connection = http.client.HTTPConnection(simulator.url.removeprefix("http://"))
    for number in range(5000):
        connection.request("POST", "/send", "{}", {"Idempotency-Key": f"{number}-" + "x" * 200})
        connection.getresponse().read()
    lines = simulator.ledger()
    assert len(lines) == 5000 and lines[4999]["key"].startswith("4999-")


def test_writes_every_request_to_its_file(simulator, tmp_path):
    send(simulator, "a+flaky-1@example.com", "k")
    send(simulator, "a+flaky-1@example.com", "k")
    assert simulator.process.stop() == 0
    lines = [json.loads(line) for line in (tmp_path / "simulator.jsonl").read_text().splitlines()]
    assert [(line["key"], line["status"], line["accepted"]) for line in lines] == [("k", 503, False), ("k", 200, True)]
