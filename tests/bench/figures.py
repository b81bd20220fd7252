# SPDX-License-Identifier: Apache-2.0
"""The figures. Each function measures one load and returns rows (name, value, unit, beside, ratio); what it finds wrong
with the result itself (a job lost, sent twice, early) is an error, because a fast wrong answer is worth nothing."""

import json
import os
import statistics
import subprocess
import time

import load
from rig import BIN, CONNECTIONS, HOME, fleet, memory_mb, observer, pin, say

REPETITIONS = 3


def row(name, value, unit, beside=None, ratio=None):
    digits = lambda n: None if n is None else round(n, 3 if abs(n) < 10 else 1)  # noqa: E731
    return {"name": name, "value": digits(value), "unit": unit, "beside": digits(beside), "ratio": digits(ratio)}


def jobs_file(lines):
    path = os.path.join(HOME, "jobs.jsonl")
    load.write(path, lines)
    return path


def expect(what, got, want):
    if got != want:
        raise RuntimeError(f"{what}: got {got}, want {want}")


# ---- the worker on a backlog, beside a bare libcurl loop ---------------------------------------------------------

def settle(rig, accepted, events):
    """Waits until the sink has accepted and Kafka has the events; returns when that was."""
    fleet.wait_for(f"{accepted} accepted", lambda: rig.sink_stats()["accepted"] >= accepted, patience_s=120)
    fleet.wait_for(f"{events} events", lambda: rig.written("events") >= events, patience_s=30)
    return time.monotonic()


def worker_once(rig, jobs):
    """(CPU microseconds a job, jobs a second) of one worker on a backlog."""
    rig.publish(jobs_file(load.lines(rig.numbers(jobs), jobs)))
    rig.sink_post("/reset", {})
    events = rig.written("events")
    worker = rig.worker().ready()
    began, cpu, early = time.monotonic(), worker.cpu_s(), rig.sink_stats()["accepted"]
    ended = settle(rig, jobs, events + 1 + jobs)  # one more: the worker's own start
    cpu = worker.cpu_s() - cpu
    stats = rig.sink_stats()
    worker.stop()
    expect("accepted", (stats["accepted"], stats["accepted_keys"], stats["accepted_twice"]), (jobs, jobs, 0))
    expect("events", rig.written("events") - events, jobs + 1)
    return cpu * 1e6 / (jobs - early), (jobs - early) / (ended - began)


def bare_once(rig, jobs):
    """(CPU microseconds a request, requests a second) of the bare loop with the same body and connections."""
    body = os.path.join(HOME, "body.json")
    with open(body, "w", encoding="ascii") as f:
        f.write(next(load.lines(0, 1)))
    rig.sink_post("/reset", {})
    command = pin(0) + [os.path.join(BIN, "bare_curl"), rig.sink("/send"), str(jobs), str(CONNECTIONS), body]
    done = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()[-1])
    expect("requests of bare_curl", rig.sink_stats()["requests"], jobs)
    return done["cpu_us"] / jobs, done["per_s"]


def worker_http(rig, quick):
    jobs = 20000 if quick else 100000
    rig.use("http")
    worker_once(rig, jobs // 10)  # the broker's JVM compiles what it is going to do
    pairs = []
    for n in range(REPETITIONS):
        worker, bare = worker_once(rig, jobs), bare_once(rig, jobs)
        pairs.append((worker, bare))
        say(f"  {n + 1}: worker {worker[0]:.1f} us/job, {worker[1]:.0f} jobs/s; bare {bare[0]:.1f} us, {bare[1]:.0f}/s")
    cpu, rate = (statistics.median(w[i] for w, _ in pairs) for i in (0, 1))
    bare_cpu, bare_rate = (statistics.median(b[i] for _, b in pairs) for i in (0, 1))
    ratio = statistics.median(w[0] / b[0] for w, b in pairs)
    return [row("worker_http_jobs_per_s", rate, "jobs/s", bare_rate, rate / bare_rate),
            row("worker_http_cpu_us", cpu, "us/job", bare_cpu, cpu / bare_cpu),
            row("worker_http_cpu_ratio", ratio, "", 1, ratio)]


# ---- publishing --------------------------------------------------------------------------------------------------

def publish_bare(rig, path):
    """kcat with the same file and the same guarantees: jobs a second."""
    command = pin(1) + ["kcat", "-P", "-b", rig.stack["bootstrap_servers"], "-t", rig.prefix + ".main.bulk", "-l", path]
    for setting in ("enable.idempotence=true", "acks=all", "compression.type=lz4", "linger.ms=5"):
        command += ["-X", setting]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def publish(rig, quick):
    jobs = 20000 if quick else 100000
    rig.use("publish")
    rates = []
    for _ in range(REPETITIONS):
        path = jobs_file(load.lines(rig.numbers(jobs), jobs))
        rates.append((jobs / rig.publish(path), jobs / publish_bare(rig, path)))
    expect("records on main", rig.written("main", "main"), jobs * REPETITIONS)
    ours, bare = (statistics.median(r[i] for r in rates) for i in (0, 1))
    return [row("publish_jobs_per_s", ours, "jobs/s", bare, ours / bare)]


# ---- belts -------------------------------------------------------------------------------------------------------

def publish_paced(rig, lines, per_s, together=20):
    command = pin(1) + [os.path.join(BIN, "sendfleet-producer"), "publish", "-", "--quiet", "--config", rig.config]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        load.paced(child.stdin, lines, per_s, together)
        child.stdin.close()
        expect("exit status of publish", child.wait(), 0)


def waiting(worker):
    return sum(worker.metrics("retry_waiting").values())


def hops(worker):
    return sum(worker.metrics("belt_hops_total").values())


def belt_hops(rig, quick):
    """Rides a retry takes: jobs whose provider fails twice, on empty belts."""
    jobs = 500 if quick else 2000
    rig.use("hops")
    worker = rig.worker().ready()
    rig.sink_post("/reset", {})
    publish_paced(rig, load.lines(rig.numbers(jobs), jobs, "flaky-2"), 1000)
    fleet.wait_for("two retries each", lambda: rig.sink_stats()["accepted"] >= jobs, patience_s=90)
    expect("requests", rig.sink_stats()["requests"], 3 * jobs)
    per_retry = hops(worker) / (2 * jobs)
    worker.stop()
    return [row("belt_hops_per_retry", per_retry, "rides")]


def lateness_by_ledger(rig, dues):
    """Second request minus due, in the simulator's time: what the provider saw."""
    late = []
    for entry in observer.sink_ledger(rig.sink_port).values():
        if entry["id"] in dues:
            expect(f"requests of {entry['id']}", entry["requests"], 2)
            late.append(entry["times"][1] - dues[entry["id"]])
    return late


def lateness_rows(rig, first, jobs):
    ids = {f"b-{n:09d}" for n in range(first, first + jobs)}
    dues, said = {}, []
    for event in rig.records("events"):
        if event["job"] not in ids:
            continue
        if event["event"] == "waiting":
            dues[event["job"]] = event["due"]
        elif event["event"] == "accepted":
            said.append(event["lateness_ms"])
    expect("retries by events", (len(dues), len(said)), (jobs, jobs))
    seen = lateness_by_ledger(rig, dues)
    expect("retries by the ledger", len(seen), jobs)
    early = sum(1 for ms in seen + said if ms < 0)
    rows = [row(f"retry_lateness_p{name}_ms", observer.percentile(seen, share), "ms", observer.percentile(said, share))
            for name, share in (("50", 0.5), ("99", 0.99), ("999", 0.999))]
    return rows + [row("early", early, "retries")]


def belts(rig, quick):
    """Memory with all belts full, and how punctual retries are meanwhile. "beside" is what the events say."""
    many, retries = (40000, 2000) if quick else (230000, 10000)
    rig.use("belts")
    rig.sink_post("/reset", {})
    worker = rig.worker().ready()
    rig.publish(jobs_file(load.later(rig.numbers(many), many, 60, 4 * 3600)))
    began = time.monotonic()
    fleet.wait_for("all on belts", lambda: rig.written("events") > many, patience_s=180)
    say(f"  {many} jobs on belts {time.monotonic() - began:.1f} s after they were published, peak {memory_mb(worker.pid, 'VmHWM'):.0f} MB")
    first = rig.numbers(retries)
    publish_paced(rig, load.lines(first, retries, "flaky-1"), 1000)
    fleet.wait_for("all retries", lambda: rig.sink_stats()["by_status"].get("503", 0) >= retries, patience_s=30)
    resident = []
    until = time.monotonic() + 9  # 5 s backoff, its jitter, and a margin
    while time.monotonic() < until:
        resident.append(memory_mb(worker.pid))
        time.sleep(0.5)
    left = waiting(worker)
    worker.stop()
    say(f"  {left:.0f} still wait, {rig.sink_stats()['accepted'] - retries} of them have been sent on time meanwhile")
    rows = [row("waiting_rss_mb", max(resident), "MB"), row("waiting_jobs", left, "jobs")]
    return rows + lateness_rows(rig, first, retries)


# ---- a worker with little to do ----------------------------------------------------------------------------------

def first_attempt(rig, quick):
    """How long one job on an idle worker takes from the publisher's hand to the provider."""
    jobs = 100 if quick else 400
    rig.use("first")
    rig.sink_post("/reset", {})
    worker = rig.worker().ready()
    publish_paced(rig, load.lines(rig.numbers(jobs), jobs), 40, together=1)
    fleet.wait_for("all accepted", lambda: rig.sink_stats()["accepted"] >= jobs, patience_s=10)
    worker.stop()
    published = {event["job"]: event["source_at"] for event in rig.records("events") if event["event"] == "accepted"}
    took = [entry["times"][0] - published[entry["id"]] for entry in observer.sink_ledger(rig.sink_port).values()]
    return [row(f"first_attempt_p{name}_ms", observer.percentile(took, share), "ms") for name, share in (("50", 0.5), ("99", 0.99))]


# ---- dead letters ------------------------------------------------------------------------------------------------

def dlq_scan(rig, quick):
    letters = 20000 if quick else 100000
    rig.use("dlq")
    rig.publish(jobs_file(load.lines(rig.numbers(letters), letters, "fail-404")))
    worker = rig.worker().ready()
    fleet.wait_for("all dead", lambda: rig.written("dlq") >= letters, patience_s=120)
    worker.stop()
    took = []
    for _ in range(REPETITIONS):
        began = time.monotonic()
        rig.tool("sendfleet-dlq", "stats", "--json")
        took.append(time.monotonic() - began)
    return [row("dlq_scan_per_s", letters / statistics.median(took), "letters/s")]


LOADS = {
    "publish": (publish, ("publish_jobs_per_s",)),
    "worker_http": (worker_http, ("worker_http_jobs_per_s", "worker_http_cpu_us", "worker_http_cpu_ratio")),
    "first_attempt": (first_attempt, ("first_attempt_p50_ms", "first_attempt_p99_ms")),
    "belt_hops": (belt_hops, ("belt_hops_per_retry",)),
    "belts": (belts, ("waiting_rss_mb", "waiting_jobs", "retry_lateness_p50_ms", "retry_lateness_p99_ms",
                      "retry_lateness_p999_ms", "early")),
    "dlq_scan": (dlq_scan, ("dlq_scan_per_s",)),
}
