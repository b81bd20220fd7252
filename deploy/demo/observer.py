# SPDX-License-Identifier: Apache-2.0
"""What became of every job, seen from outside: the events and letters as an ordinary Kafka client (kcat) reads them,
the simulator's ledger of raw requests, and the Maildir."""

import json
import mailbox
import subprocess
import threading
import urllib.request

ENDED = {"accepted", "dead", "duplicate", "review"}


class Events:
    """Follows the events topic and folds it into one state a job."""

    def __init__(self, servers, topic):
        self.jobs = {}  # job id -> {"state", "accepted", "dead", …}
        self.latenesses = []  # (due, late by), milliseconds, of every retry
        self.first_accepts = []
        self.seen = set()
        self.retried = set()
        self.lock = threading.Lock()
        command = ["kcat", "-b", servers, "-C", "-t", topic, "-o", "beginning", "-q", "-u", "-f", "%s\n",
                   "-X", "fetch.wait.max.ms=100", "-X", "topic.metadata.refresh.interval.ms=5000"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            with self.lock:
                self._fold(event)

    def _fold(self, ev):
        kind, job = ev.get("event"), ev.get("job")
        if kind in (None, "worker") or ev.get("id") in self.seen:
            return
        self.seen.add(ev.get("id"))
        state = self.jobs.setdefault(job, {"accepted": 0, "generation": 0})
        if ev.get("lateness_ms", -1) >= 0 and not ev.get("refiled"):
            self.latenesses.append((ev["at"] - (ev.get("attempt_us") or 0) // 1000 - ev["lateness_ms"], ev["lateness_ms"]))
        if kind == "accepted":
            state["accepted"] += 1
            if ev.get("try", 0) == 0 and ev.get("gen", 0) == 0:
                self.first_accepts.append(ev["at"])
        if kind in ("waiting", "unknown") and ev.get("wait") in ("retry", "throttled", "unknown"):
            self.retried.add(job)
        if ev.get("gen", 0) < state["generation"] and kind != "accepted":
            return
        state["generation"] = max(state["generation"], ev.get("gen", 0))
        if state.get("state") == "accepted" and kind != "accepted":
            return  # acceptance is final
        state.update(state=kind, reason=(ev.get("reason") or "").split(":")[0], wait=ev.get("wait"), due=ev.get("due"),
                     detail=ev.get("reason"), route=ev.get("route"), cls=ev.get("class"), tier=ev.get("tier"))

    def snapshot(self):
        with self.lock:
            return {job: dict(state) for job, state in self.jobs.items()}

    def stop(self):
        self.child.kill()
        self.child.wait()


def count(states, published_ids):
    """Every published job in exactly one column."""
    columns = {"accepted": 0, "dead": 0, "unknown": 0, "waiting": 0, "duplicates": 0, "unaccounted": 0}
    by_reason = {}
    for job in published_ids:
        state = states.get(job, {})
        kind = state.get("state")
        if state.get("accepted"):
            columns["accepted"] += 1
        elif kind == "dead":
            reason = state.get("reason") or "?"
            by_reason[reason] = by_reason.get(reason, 0) + 1
            columns["unknown" if reason == "unknown" else "dead"] += 1
        elif kind == "duplicate":
            columns["duplicates"] += 1
        elif kind in ("waiting", "unknown", "review", "replayed"):
            columns["waiting"] += 1
        else:
            columns["unaccounted"] += 1
    return columns, by_reason


def get(url):
    with urllib.request.urlopen(url, timeout=30) as reply:
        return reply.read().decode()


def sink_ledger(port):
    """The simulator's raw requests: key -> entry."""
    entries = {}
    for line in get(f"http://127.0.0.1:{port}/ledger").splitlines():
        if line.strip():
            entry = json.loads(line)
            entries[entry["key"]] = entry
    return entries


def maildir_counts(path):
    """How often each job arrived in the Maildir, by its X-Sendfleet-Id."""
    counts = {}
    for message in mailbox.Maildir(path, create=True):
        job = message.get("X-Sendfleet-Id", "?")
        counts[job] = counts.get(job, 0) + 1
    return counts


def busiest_second(times_ms):
    """The most events within any second."""
    ordered, start, most = sorted(times_ms), 0, 0
    for end, at in enumerate(ordered):
        while ordered[start] < at - 999:
            start += 1
        most = max(most, end - start + 1)
    return most


def percentile(values, share):
    if not values:
        return 0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
