# SPDX-License-Identifier: Apache-2.0
"""The admin port, and that neither it nor any log tells who got what."""
import re

import pytest

from fleets import mail

SECRETS = {"recipient": "zaphod.beeblebrox", "content": "heartofgold", "subject": "improbability"}
# the contract; names of other programs (dlq_oldest_seconds) are not the worker's
NAMES = {
    "jobs_total": ("counter", {"outcome", "route", "class"}), "attempts_total": ("counter", {"provider", "class"}),
    "attempt_seconds": ("histogram", {"provider"}), "end_to_end_seconds": ("histogram", {"route"}),
    "first_attempt_wait_seconds": ("histogram", {"lane"}), "retry_waiting": ("gauge", {"tier"}),
    "retry_lateness_seconds": ("histogram", set()), "belt_hops_total": ("counter", {"tier"}),
    "inflight": ("gauge", {"budget"}), "duplicates_total": ("counter", set()), "redelivered_total": ("counter", set()),
    "busy_parked_total": ("counter", set()), "double_accept_total": ("counter", set()),
    "unknown_total": ("counter", {"phase"}), "dlq_total": ("counter", {"reason", "priority"}),
    "store_up": ("gauge", set()), "clock_offset_seconds": ("gauge", set()),
    "offset_lag": ("gauge", {"topic", "partition"}), "frontier_age_seconds": ("gauge", set()),
    "build_info": ("gauge", {"version"}),
}
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')


@pytest.fixture(scope="module")
def running(shared_fleet):
    fleet = shared_fleet
    fleet.up(workers=0, max_attempts=2)
    fleet.worker("w1", log_level="debug")
    who = SECRETS["recipient"]
    what = {"subject": SECRETS["subject"], "text": SECRETS["content"], "html": SECRETS["content"]}
    endings = {"accepted": "accept", "retried": "flaky-1", "exhausted": "fail-503", "dead": "fail-404", "unknown": "drop",
               "throttled": "throttle-0"}
    for name, script in endings.items():
        fleet.publish(mail(f"{who}+{script}@example.com", name, **what))
    fleet.publish(mail(f"{who}+accept@example.com", "accepted", id="copy", **what))
    fleet.publish(mail(f"{who}@example.com", "accepted", id="conflict", **{**what, "text": "other"}))
    bad = [mail(f"{who}@example.com, {who}@example.org", "two", **what), mail(f"{who} at example.com", "no-at", **what),
           mail(f"{who}@example.com\r\nRCPT TO:<eve@example.com>", "injected", **what),
           mail(f"{who}@example.com", "header", headers={"X-A": SECRETS["content"] + "\r\nX"}, **what)]
    poison = fleet.publisher.publish(fleet.topic("main"), [*bad, (SECRETS["content"] + who).encode()])
    fleet.await_ended([*endings, "copy", "conflict", poison[-1].place])
    fleet.await_all_read()
    return fleet


@pytest.fixture(scope="module")
def families(running):
    """{name: (type, {series: value})} of /metrics, checked the way promtool does."""
    text = running.workers[0].get("/metrics")[1]
    found, helped, name = {}, set(), None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, words = line[7:].partition(" ")
            assert name not in helped and words, line
            helped.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name not in found and name in helped, f"{line}: each family stands together, after its help"
            found[name] = (kind, {})
        elif line:
            match = SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line}"
            base = match[1]
            if found[name][0] == "histogram":
                base = re.sub("_(bucket|sum|count)$", "", base)
            assert base == name, f"{line} stands among {name}"
            labels = tuple(sorted(LABEL.findall(match[2] or "")))
            assert (match[1], labels) not in found[name][1], f"twice: {line}"
            found[name][1][match[1], labels] = float(match[3])
    return found


def test_the_port_answers(running):
    [worker] = running.workers
    assert worker.get("/healthz")[0] == 200 and worker.get("/readyz")[0] == 200
    assert worker.get("/nothing")[0] == 404


def test_all_names_of_the_contract_are_there(families):
    for name, (kind, labels) in NAMES.items():
        got = families.get("sendfleet_" + name)
        assert got is not None, f"sendfleet_{name} is missing"
        assert got[0] == kind, name
        for _, series in got[1]:
            assert {label for label, _ in series} - {"le"} == labels, name


def test_counters_and_histograms_keep_the_rules(families):
    for name, (kind, series) in families.items():
        assert name.startswith("sendfleet_")
        assert name.endswith("_total") == (kind == "counter"), name
        if kind != "histogram":
            continue
        for (sample, labels), count in series.items():
            if not sample.endswith("_count"):
                continue
            buckets = [(float(dict(more)["le"]), value) for (one, more), value in series.items() if one.endswith("_bucket")
                       and tuple(pair for pair in more if pair[0] != "le") == labels]
            buckets.sort()
            assert buckets[-1] == (float("inf"), count), f"{name}: +Inf is the count"
            assert [value for _, value in buckets] == sorted(value for _, value in buckets), f"{name}: cumulative"


def test_the_numbers_are_those_of_the_jobs(running):
    [worker] = running.workers
    assert worker.metric("jobs_total", outcome="accepted") == 3
    assert worker.metric("jobs_total", outcome="duplicate") == 1 == worker.metric("duplicates_total")
    assert worker.metric("dlq_total", reason="exhausted") == worker.metric("dlq_total", reason="unknown") == 1
    assert worker.metric("dlq_total", reason="invalid") == 5 and worker.metric("dlq_total", reason="conflict") == 1
    assert worker.metric("attempts_total", **{"class": "transient"}) == 3
    assert worker.metric("unknown_total", phase="response") == 1
    assert worker.metric("retry_lateness_seconds_count") == 3
    assert (worker.metric("store_up"), worker.metric("double_accept_total")) == (1, 0)
    assert abs(worker.metric("clock_offset_seconds")) < 1


def test_labels_are_few_and_name_nobody(families):
    assert sum(len(series) for _, series in families.values()) < 1500
    for name, (_, series) in families.items():
        for _, labels in series:
            for label, value in labels:
                assert "@" not in value and not set(SECRETS.values()) & {value.lower()}, f"{name} {label}={value}"


@pytest.mark.parametrize("secret", SECRETS)
def test_no_log_event_or_tool_tells_who_got_what(running, secret):
    word = SECRETS[secret]
    told = {"the worker's log": running.workers[0].process.output(), "metrics": running.workers[0].get("/metrics")[1],
            "events": b"\n".join(m.value for m in running.events.kept).decode(),
            **{" ".join(command): running.run("sendfleet-dlq", *command).stdout for command in
               [("ls",), ("ls", "--json"), ("stats",), ("show", "exhausted"), ("show", "exhausted", "--json"),
                ("timeline", "retried"), ("status", "--exact")]}}
    assert len(told["the worker's log"]) > 1000
    for where, text in told.items():
        lines = [line for line in text.splitlines() if word in line.lower()]
        assert not lines, f"{where} has the {secret}: {lines[0][:300]}"
