# SPDX-License-Identifier: Apache-2.0
"""Jobs reach the fleet: from an ordinary Kafka client, from sendfleet-producer, and what its exit status says."""
import concurrent.futures
import hashlib
import json
import socket

import pytest

import outside
from fleets import mail


@pytest.fixture(scope="module")
def running(shared_fleet):
    return shared_fleet.up()


def closed_port():
    """A port of this machine nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- an ordinary Kafka client

def test_a_job_without_id_or_headers_is_sent_once_and_named_after_its_place(running):
    job = {"v": 1, "route": "api", "from": "shop@example.com", "to": "ann@example.com", "subject": "Über uns", "text": "é"}
    [record] = running.publisher.publish(running.topic("main"), [job], key=b"anything", headers={"app": b"billing"})
    accepted = running.await_event(record.place, "accepted")
    assert accepted["source"] == record.place and accepted["attempt"] == 1
    # the key that any language can compute: SHA-256 over the content as canonical JSON
    content = {name: job[name] for name in ("route", "from", "to", "subject", "text")}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    sent = running.sent(hashlib.sha256(canonical.encode()).hexdigest())
    assert (sent["requests"], sent["accepted"], sent["id"]) == (1, 1, record.place)


def test_a_job_keeps_the_id_and_key_it_came_with(running):
    running.publish(mail("ann@example.com", "order/4711", id="job-4711"))
    accepted = running.await_event("job-4711", "accepted")
    assert accepted["provider_id"].startswith("sim-") and accepted["route"] == "api"
    sent = running.sent("order/4711")
    assert (sent["requests"], sent["accepted"], sent["id"]) == (1, 1, "job-4711")


@pytest.mark.parametrize("priority", ["critical", "normal", "bulk"])
def test_every_lane_is_consumed(running, priority):
    [job] = running.publish(mail("ann@example.com", "lane-" + priority, priority=priority))
    assert running.await_event(job, "accepted")["source"].startswith(running.topic(
        {"critical": "main.critical-", "normal": "main-", "bulk": "main.bulk-"}[priority]))


def test_the_provider_gets_the_jobs_own_bytes(running):
    text = b'{ "v":1, "id":"bytes", "route":"api",  "to":"ann@example.com", "from":"a@b.example", "text":"\\u00e9" , "x":{"y":[1.50]} }'
    [record] = running.publisher.publish(running.topic("main"), [text])
    running.await_event("bytes", "accepted")
    assert record.value == text


# ---- sendfleet-producer

def test_publish_reports_each_line_and_goes_on_after_a_bad_one(running, tmp_path):
    lines = [json.dumps(mail("ann@example.com", "p1")),
             json.dumps(mail("ann@example.com, bob@example.com", "p2")),
             "",
             '{"v":1,"to":',
             json.dumps({"v": 1, "route": "api", "to": "cleo@example.com", "from": "a@b.example", "text": "no id"})]
    file = tmp_path / "jobs.jsonl"
    file.write_text("\n".join(lines) + "\n")
    done = running.run("sendfleet-producer", "publish", file)
    assert done.returncode == 65, done.stderr
    results = {result["line"]: result for result in map(json.loads, done.stdout.splitlines())}
    assert {n: r["status"] for n, r in results.items()} == {1: "published", 2: "refused", 4: "refused", 5: "published"}
    assert "to" in results[2]["error"] and results[2]["offset"] is None
    assert "JSON" in results[4]["error"] and results[4]["id"] is None
    assert (results[1]["id"], results[1]["idempotency_key"], results[1]["error"]) == ("p1", "p1", None)
    assert results[5]["id"] == f"{results[5]['topic']}-{results[5]['partition']}-{results[5]['offset']}"
    for line in (1, 5):
        accepted = running.await_event(results[line]["id"], "accepted")
        assert accepted["source"] == "{topic}-{partition}-{offset}".format(**results[line])
        assert running.sent(results[line]["idempotency_key"])["accepted"] == 1
    assert running.sent("p2")["requests"] == 0


def test_publish_reads_standard_input(running):
    done = running.run("sendfleet-producer", "publish", "-", text=json.dumps(mail("ann@example.com", "stdin")) + "\n")
    assert (done.returncode, json.loads(done.stdout)["status"], done.stderr) == (0, "published", "")
    running.await_event("stdin", "accepted")


def test_send_publishes_one_job_from_flags(running):
    done = running.run("sendfleet-producer", "send", "--to", "ann@example.com", "--from", "shop@example.com", "--route", "api",
                       "--subject", "Grüße", "--text", "hi", "--header", "X-Order: 7", "--priority", "critical", "--key", "send-1")
    result = json.loads(done.stdout)
    assert (done.returncode, result["status"], result["topic"]) == (0, "published", running.topic("main.critical")), done.stderr
    running.await_event(result["id"], "accepted")
    assert running.sent("send-1")["accepted"] == 1


def test_send_refuses_two_addresses(running):
    done = running.run("sendfleet-producer", "send", "--to", "a@example.com,b@example.com", "--from", "a@b.example")
    assert done.returncode == 65 and "to" in json.loads(done.stdout)["error"]


# ---- exit status

def test_a_broker_that_is_away_is_69_and_named(running):
    address = f"127.0.0.1:{closed_port()}"
    commands = ["sendfleet-producer send --to ann@example.com", "sendfleet-producer publish -", "sendfleet-producer topics",
                "sendfleet-dlq ls", "sendfleet-dlq status", "sendfleet-dlq replay --reason test"]

    def run(command):
        return command, running.run(*command.split(), "--set", f"kafka.bootstrap.servers={address}", text="{}\n")

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for command, done in pool.map(run, commands):
            assert done.returncode == 69, f"{command}: {done.stderr}"
            assert address in done.stderr, f"{command}: the message names the broker"


@pytest.mark.parametrize("command", [
    ("sendfleet-producer", "send", "--to", "ann@example.com"),
    ("sendfleet-producer", "publish", "-"),
    ("sendfleet-producer", "topics", "--check"),
    ("sendfleet-worker", "run"),
    ("sendfleet-dlq", "ls"),
], ids=lambda command: " ".join(command[:2]))
def test_missing_topics_are_78_and_named(running, command):
    done = running.run(*command, "--set", "prefix=nowhere", text="{}\n")
    said = done.stdout + done.stderr
    assert done.returncode == 78, said
    assert "nowhere." in said, "a topic is named"
    assert "topics" in done.stderr or "missing" in done.stdout, "what to do is said"


@pytest.mark.parametrize("program", ["sendfleet-producer topics", "sendfleet-worker check-config", "sendfleet-dlq status"])
def test_an_unknown_key_is_78_with_the_nearest_one(running, program):
    done = running.run(*program.split(), "--set", "worker.max_inflght=3")
    assert done.returncode == 78
    assert "worker.max_inflght" in done.stderr and "worker.max_inflight" in done.stderr


def test_a_broken_promise_is_78_and_names_both_keys(running):
    done = running.run("sendfleet-worker", "check-config", "--set", "dedup.life=1h")
    assert done.returncode == 78 and "dedup.life" in done.stderr and "max_age" in done.stderr and "9d" in done.stderr


def test_topics_refuses_a_belt_that_would_forget(running, prefix, stack):
    admin = outside.admin(stack["bootstrap_servers"])
    outside.create(admin, f"{prefix}.retry.3s", **{"retention.ms": "2000", "message.timestamp.type": "LogAppendTime"})
    done = running.run("sendfleet-producer", "topics", "--set", f"prefix={prefix}")
    outside.delete(admin, prefix)
    assert done.returncode == 78
    [line] = [line for line in done.stdout.splitlines() if f"{prefix}.retry.3s" in line]
    assert "unsafe" in line and "retention.ms" in line


@pytest.mark.parametrize("command", [
    "sendfleet-producer", "sendfleet-producer send", "sendfleet-producer publisch", "sendfleet-producer send --too x",
    "sendfleet-producer topics extra", "sendfleet-dlq", "sendfleet-dlq show", "sendfleet-dlq replay",
    "sendfleet-dlq timeline", "sendfleet-worker runn",
])
def test_wrong_usage_is_64_and_says_what_is_right(running, command):
    done = running.run(*command.split())
    assert done.returncode == 64, done.stderr
    assert done.stdout == "" and done.stderr != ""


def test_a_broker_that_speaks_another_protocol_is_no_silence(running):
    done = running.run("sendfleet-producer", "send", "--to", "ann@example.com", "--set", "kafka.security.protocol=ssl")
    assert done.returncode in (69, 78) and running.servers in done.stderr
