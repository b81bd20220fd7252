# SPDX-License-Identifier: Apache-2.0
"""A fleet of Sendfleet's programs with topics and Redis keys of its own, small and impatient enough for tests."""
import copy
import json
import subprocess
import time
import urllib.error
import urllib.request

import pytest
import redis

import outside
from conftest import BIN, until

TIERS = ["200ms", "1s", "3s"]
LANES = {"critical": "main.critical", "normal": "main", "bulk": "main.bulk"}
DEFAULTS = {
    "tiers": TIERS,
    "topics": {"partitions_main": 2, "partitions_retry": 1, "partitions_other": 1},
    "worker": {"admin": "127.0.0.1:0", "lease": "3s", "renew": "1s", "carry_after": "2s", "events_linger": "5ms",
               "destination_share": 1},
    "backoff": {"base": "300ms", "cap": "2s"},
    "backoff_busy": {"base": "500ms", "cap": "2s"},
    "throttle_wait": "500ms",
    "route_wait": "1s",
    "max_attempts": 5,
}


def merge(into, more):
    for name, value in more.items():
        if isinstance(value, dict):
            merge(into.setdefault(name, {}), value)
        else:
            into[name] = value


def mail(to, key, **more):
    """A job; key is also its id unless `id` says otherwise."""
    return {"v": 1, "id": key, "idempotency_key": key, "route": "api", "from": "Shop <shop@example.com>", "to": to,
            "subject": "Receipt", "text": "Thank you.", **more}


class Worker:
    def __init__(self, fleet, name, process, port_file):
        self.fleet, self.name, self.process, self.port_file = fleet, name, process, port_file

    def get(self, path):
        """(status, body) of its admin port; 0 while it has none."""
        if not self.process.running():
            pytest.fail(f"worker {self.name} ended with {self.process.popen.returncode}\n{self.process.output()[-3000:]}")
        text = self.port_file.read_text() if self.port_file.exists() else ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{text.strip() or 1}{path}", timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self):
        return self.get("/readyz")[0] == 200

    def metric(self, name, **labels):
        """The sum over the series that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(line.rpartition(" ")[2]) for line in self.get("/metrics")[1].splitlines()
                   if line.startswith(f"sendfleet_{name}") and line[10 + len(name)] in " {"
                   and all(one in line for one in wanted))


class Fleet:
    def __init__(self, stack, prefix, start, folder, simulator):
        self.stack, self.prefix, self.start, self.folder, self.simulator = stack, prefix, start, folder, simulator
        self.servers = stack["bootstrap_servers"]
        self.workers, self.opened = [], []
        self.publisher = outside.Publisher(self.servers)
        self.config = copy.deepcopy(DEFAULTS)
        merge(self.config, {
            "prefix": prefix, "kafka": {"bootstrap.servers": self.servers},
            "redis": {"host": stack["redis_host"], "port": stack["redis_port"]},
            "routes": {"api": {"transport": "http", "url": simulator.url + "/send", "reply_timeout": "2s"},
                       "keyed": {"transport": "http", "url": simulator.url + "/dedup/send", "idempotent": True,
                                 "reply_timeout": "2s"}}})
        self.ready = False

    # ---- set-up

    def up(self, workers=1, **more):
        """Writes the configuration (`more` over the defaults), creates the topics and starts workers w1…"""
        merge(self.config, more)
        self.config_file = self.folder / "sendfleet.json"
        self.config_file.write_text(json.dumps(self.config, indent=1))
        done = self.run("sendfleet-producer", "topics")
        assert done.returncode == 0, done.stdout + done.stderr
        self.events = self.open(outside.Events, "events")
        self.letters = self.open(outside.Topic, "dlq")
        for number in range(workers):
            self.worker(f"w{number + 1}", wait=False)
        for worker in self.workers:
            until(worker.ready, 30, f"{worker.name} is ready")
        if workers > 1:
            self.await_shared()
        return self

    def worker(self, name="w1", *arguments, wait=True, log_level="info"):
        """Starts a worker; one of the same name is replaced in the list."""
        port_file = self.folder / f"{name}.port"
        port_file.unlink(missing_ok=True)
        process = self.start(name, BIN / "sendfleet-worker", "--config", self.config_file, "--set", f"worker.id={name}",
                             "--set", f"worker.admin_port_file={port_file}", "--set", f"log_level={log_level}", *arguments)
        worker = Worker(self, name, process, port_file)
        self.workers = [one for one in self.workers if one.name != name] + [worker]
        if wait:
            until(worker.ready, 30, f"{name} is ready")
        return worker

    def await_shared(self):
        """Every worker has work to do: main partitions are spread over all of them."""
        def spread():
            held = outside.partitions_held(self.servers, self.prefix + ".main")
            return len(held) == len(self.workers) and min(held) > 0

        until(spread, 30, "all workers have partitions")

    def open(self, kind, role):
        view = kind(self.servers, self.topic(role))
        self.opened.append(view)
        return view

    def close(self):
        for view in self.opened:
            view.close()
        outside.delete(outside.admin(self.servers), self.prefix)

    # ---- names and programs

    def topic(self, role):
        return f"{self.prefix}.{role}"

    @property
    def mains(self):
        return [self.topic(lane) for lane in LANES.values()]

    @property
    def belts(self):
        return [self.topic("retry." + tier) for tier in self.config["tiers"]]

    @property
    def redis(self):
        return redis.Redis(self.stack["redis_host"], self.stack["redis_port"])

    def run(self, program, *arguments, text=None, seconds=60):
        """Runs one of the tools to its end. text is its standard input."""
        return subprocess.run([BIN / program, *map(str, arguments), "--config", self.config_file], input=text or "",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds, check=False)

    def dlq(self, *arguments, status=0):
        """sendfleet-dlq --json: what it printed, parsed."""
        done = self.run("sendfleet-dlq", *arguments, "--json")
        assert done.returncode == status, f"exit {done.returncode}, want {status}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout) if done.stdout else None

    # ---- publishing and what became of it

    def publish(self, *jobs, partition=None):
        """Through an ordinary Kafka client, each into the lane of its priority; returns their ids."""
        how = {} if partition is None else {"partition": partition}
        ids = [None] * len(jobs)
        for lane, role in LANES.items():
            chosen = [n for n, job in enumerate(jobs) if job.get("priority", "normal") == lane]
            for n, record in zip(chosen, self.publisher.publish(self.topic(role), [jobs[n] for n in chosen], **how)):
                ids[n] = jobs[n].get("id") or record.place
        return ids

    def await_event(self, job, kind, seconds=20):
        return until(lambda: self.events.one(job, kind), seconds, lambda: f"event {kind} of {job}; it has {self.events.of(job)}")

    def ended(self, job):
        """Its last known step when it is over, else None. Acceptance is final."""
        steps = self.events.known(job)
        for step in reversed(steps):
            if step["event"] == "accepted":
                return step
        return steps[-1] if steps and steps[-1]["event"] in ("dead", "duplicate", "review") else None

    def await_ended(self, jobs, seconds=60):
        """{job: last step} once all are over."""
        left = list(jobs)

        def all_ended():
            self.events.refresh()
            left[:] = [job for job in left if self.ended(job) is None]
            return not left

        limit = time.monotonic() + seconds
        while not all_ended():
            if time.monotonic() > limit:
                pytest.fail(f"{len(left)} of {len(jobs)} jobs not over within {seconds} s: "
                            + "; ".join(f"{job}: {self.events.of(job)}" for job in left[:3]))
            time.sleep(0.05)
        return {job: self.ended(job) for job in jobs}

    def letter(self, job):
        """The only letter of a job, None when there is none."""
        found = [one for one in self.letters.refresh() if one.headers.get("sf-id") == job]
        assert len(found) <= 1, f"{job} has {len(found)} letters"
        return found[0] if found else None

    def await_letter(self, job, seconds=20):
        return until(lambda: self.letter(job), seconds, lambda: f"a letter of {job}; it has {self.events.of(job)}")

    def sent(self, key):
        """The provider's account of a key: {"requests", "accepted", "times", "statuses", …}; zeros when never seen."""
        found = self.simulator.ledger(f"?key={key}")
        return found[0] if found else {"requests": 0, "accepted": 0, "times": [], "statuses": []}

    def all_read(self):
        """Every record of the main topics and belts is finished and committed."""
        at = {**outside.group_offsets(self.servers, self.prefix + ".main", self.mains),
              **outside.group_offsets(self.servers, self.prefix + ".retry", self.belts)}
        return all(committed == end for committed, end in at.values())

    def await_all_read(self, seconds=30):
        until(self.all_read, seconds, "all offsets are committed")
