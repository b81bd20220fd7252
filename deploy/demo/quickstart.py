#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The quickstart: see deploy/quickstart and deploy/README.md.

Everything runs below .build/quickstart and is stopped at the end (unless --keep). What became of the jobs is counted
from outside: events and letters read by an ordinary Kafka client, the simulator's ledger of raw requests, the
Maildir. Exit status 0 only if every job is accounted for and no key was accepted twice."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time

import fleet
import mails
import observer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOME = os.path.join(ROOT, ".build", "quickstart")
WORKERS = 3
LONG_WAIT_S = 45  # a job that is due later than this counts as waiting in the report
TAKEOVER_S = 12   # Kafka gives a dead worker's partitions to others within this


def parse_arguments():
    p = argparse.ArgumentParser(prog="deploy/quickstart", description="A whole fleet on this machine, with real mail and a report.",
                                epilog="examples:\n  deploy/quickstart\n  deploy/quickstart --jobs 20000 --json > report.json\n"
                                         "  deploy/quickstart --keep", formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--jobs", type=int, default=5000, metavar="N", help="how many mails (default 5000)")
    p.add_argument("--json", action="store_true", help="print the report as one JSON object on standard output")
    p.add_argument("--keep", action="store_true", help="leave everything running and say how to reach it")
    p.add_argument("--kafka", choices=("3.9", "4.1"), help="which Kafka (default: deploy/local/up's)")
    p.add_argument("--mock", action="store_true", help="use librdkafka's mock broker instead of Kafka")
    p.add_argument("--build", default=os.path.join(ROOT, ".build", "release"), help=argparse.SUPPRESS)
    return p.parse_args()


class Quickstart:
    def __init__(self, args):
        self.args = args
        self.bin = os.path.join(args.build, "bin")
        self.out = sys.stderr if args.json else sys.stdout
        self.live = self.out.isatty()
        self.processes = []
        self.run_id = time.strftime("q%H%M%S")
        self.events = None
        self.killed_at = 0

    # ---- saying ----

    def say(self, text=""):
        print(text, file=self.out, flush=True)

    def progress(self, text):
        if self.live:
            print("\r\033[K" + text, end="", file=self.out, flush=True)

    def step(self, text):
        self.say(("\r\033[K" if self.live else "") + "» " + text)

    # ---- starting ----

    def path(self, *parts):
        return os.path.join(HOME, *parts)

    def start_stack(self):
        local = os.path.join(ROOT, "deploy", "local")
        subprocess.run([os.path.join(local, "down"), "--dir", self.path("local"), "--wipe"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(HOME, ignore_errors=True)
        os.makedirs(HOME)
        command = [os.path.join(local, "up"), "--dir", self.path("local"), "--json"]
        if self.args.kafka:
            command += ["--kafka", self.args.kafka]
        have_kafka = shutil.which("java") and shutil.which("mvn")
        if self.args.mock or not have_kafka:
            if not self.args.mock:
                self.step("Java or Maven cannot be had here: using librdkafka's mock broker instead of Kafka")
            tiers = "1s 5s 30s 2m 10m 30m 2h".split()
            topics = ["main:6", "main.critical:6", "main.bulk:6", "dlq:3", "review:3", "events:3", "feedback:3", "dlq.log:3"]
            topics += [f"retry.{tier}:6" for tier in tiers]
            command += ["--mock", "--topics", ",".join("sendfleet." + t for t in topics)]
        up = subprocess.run(command, stdout=subprocess.PIPE, stderr=self.out, text=True, check=False)
        if up.returncode != 0:
            raise RuntimeError("the local stack did not start (see above)")
        self.stack = json.loads(up.stdout)

    def start_peers(self):
        sim_port, smtp_port = self.path("simulator.port"), self.path("smtp.port")
        self.maildir = self.path("Maildir")
        self.spawn("simulator", [os.path.join(self.bin, "simulator"), "--port-file", sim_port])
        self.spawn("smtpd", ["/usr/bin/python3", os.path.join(ROOT, "tests", "maildir", "smtpd"), "--port-file", smtp_port,
                             "--maildir", self.maildir])
        self.sim_port = fleet.wait_for("the provider simulator", lambda: fleet.read_port(sim_port), process=self.processes[-2])
        self.smtp_port = fleet.wait_for("the SMTP server", lambda: fleet.read_port(smtp_port), process=self.processes[-1])

    def write_config(self):
        api = f"http://127.0.0.1:{self.sim_port}"
        config = {
            "prefix": "sendfleet",
            "kafka": {"bootstrap.servers": self.stack["bootstrap_servers"]},
            "redis": {"host": self.stack["redis_host"], "port": self.stack["redis_port"]},
            "worker": {"admin": "127.0.0.1:0", "lease": "10s", "renew": "3s", "carry_after": "6s"},
            "backoff": {"base": "1s", "cap": "30s"},
            "backoff_busy": {"base": "2s", "cap": "30s"},
            "max_attempts": 4,
            "routes": {
                "api": {"transport": "http", "url": api + "/send", "reply_timeout": "4s"},
                "api-idempotent": {"transport": "http", "url": api + "/dedup/send", "idempotent": True, "reply_timeout": "4s"},
                "api-locked": {"transport": "http", "url": api + "/send"},
                "relay": {"transport": "smtp", "host": "127.0.0.1", "port": self.smtp_port},
            },
        }
        self.config = self.path("sendfleet.json")
        with open(self.config, "w", encoding="utf-8") as f:
            json.dump(config, f, indent=2)

    def spawn(self, name, command, restart=False, env=None):
        process = fleet.Process(name, command, self.path(name + ".log"), env=env, restart=restart)
        self.processes.append(process)
        return process

    def start_workers(self):
        self.workers = []
        for n in range(1, WORKERS + 1):
            command = [os.path.join(self.bin, "sendfleet-worker"), "--config", self.config, "--set", f"worker.id=w{n}",
                       "--set", "worker.admin_port_file=" + self.path(f"w{n}.port")]
            self.workers.append(self.spawn(f"w{n}", command, restart=True))
        for n, worker in enumerate(self.workers, 1):
            fleet.wait_for(f"worker w{n}", lambda n=n: self.is_ready(n), patience_s=60, process=worker)

    def is_ready(self, n):
        port = fleet.read_port(self.path(f"w{n}.port"))
        if not port:
            return False
        try:
            return observer.get(f"http://127.0.0.1:{port}/readyz").startswith("ready")
        except OSError:
            return False

    def tool(self, *arguments, check=True):
        program = os.path.join(self.bin, arguments[0])
        width = str(shutil.get_terminal_size((120, 24)).columns)
        done = subprocess.run([program, *arguments[1:], "--config", self.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False, env={**os.environ, "COLUMNS": width})
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)}: exit status {done.returncode}: {done.stderr.strip()}")
        return done

    # ---- publishing and waiting ----

    def publish(self):
        jobs = mails.make(self.args.jobs, self.run_id)
        refused_lines, poison = mails.bad_lines()
        self.jobs = {job["id"]: job for job in jobs}
        file = self.path("mails.jsonl")
        mails.write(file, jobs)
        with open(file, "a", encoding="utf-8") as f:
            f.write("\n".join(refused_lines) + "\n")
        self.published_at = time.time()
        done = self.tool("sendfleet-producer", "publish", file, check=False)
        results = [json.loads(line) for line in done.stdout.splitlines()]
        self.published = [r["id"] for r in results if r["status"] == "published"]
        refused = [r for r in results if r["status"] == "refused"]
        if done.returncode != 65 or len(self.published) != len(jobs) or len(refused) != len(refused_lines):
            raise RuntimeError(f"publish: exit status {done.returncode}, published {len(self.published)} of {len(jobs)}, "
                               f"refused {len(refused)} of {len(refused_lines)}: {done.stderr.strip()}")
        self.poison = len(poison)
        subprocess.run(["kcat", "-b", self.stack["bootstrap_servers"], "-P", "-t", "sendfleet.main", "-X", "topic.partitioner=random"],
                       input="\n".join(poison) + "\n", text=True, check=True)

    def columns(self):
        return observer.count(self.events.snapshot(), self.published)

    def pending(self):
        """Published jobs that are neither at an end nor waiting for longer than one wants to watch."""
        states = self.events.snapshot()
        late_ms = (time.time() + LONG_WAIT_S) * 1000
        open_states = [states.get(job, {}) for job in self.published]
        return sum(1 for s in open_states if not s.get("accepted") and s.get("state") not in observer.ENDED
                   and not (s.get("state") == "waiting" and (s.get("route") == "api-locked" or (s.get("due") or 0) > late_ms)))

    def follow(self, patience_s, at_share=None, then=None):
        until = time.monotonic() + patience_s
        while True:
            pending = self.pending()
            columns, _ = self.columns()
            done = len(self.published) - pending
            self.progress(f"  accepted {columns['accepted']}  dead {columns['dead']}  unknown {columns['unknown']}  "
                          f"duplicates {columns['duplicates']}  waiting {columns['waiting']}  to go {pending}")
            if then and done >= at_share * len(self.published):
                then()
                then = None
            if pending == 0 or time.monotonic() > until:
                return pending
            time.sleep(0.2)

    def kill_a_worker(self):
        victim = self.workers[1]
        pid = victim.pid
        victim.kill9()
        self.killed_at = time.time()
        self.step(f"killed worker w2 (pid {pid}) with -9 in the middle of it; the supervisor restarts it")

    # ---- after ----

    def replay(self):
        done = self.tool("sendfleet-dlq", "replay", "--dead-reason", "exhausted", "--reason", "quickstart: the provider works again",
                         "--rate", "1000", "--json", check=False)
        try:
            return json.loads(done.stdout).get("replayed", 0)
        except ValueError:
            raise RuntimeError(f"replay: exit status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}") from None

    def report(self, replayed):
        columns, by_reason = self.columns()
        states = self.events.snapshot()
        ledger = observer.sink_ledger(self.sim_port)
        in_maildir = observer.maildir_counts(self.maildir)
        twice = sum(1 for e in ledger.values() if e["accepted"] > 1) + sum(1 for n in in_maildir.values() if n > 1)
        for job in self.published:  # what the fleet calls accepted must be in somebody's ledger
            spec = self.jobs[job]
            received = job in in_maildir if spec["route"] == "relay" else ledger.get(spec["idempotency_key"], {}).get("accepted")
            if states.get(job, {}).get("accepted") and not received:
                columns["accepted"] -= 1
                columns["unaccounted"] += 1
        timed = list(self.events.latenesses)
        in_takeover = [ms for due, ms in timed if self.killed_at * 1000 <= due + ms <= (self.killed_at + TAKEOVER_S) * 1000 and ms > 250]
        lateness = [ms for due, ms in timed]
        for ms in in_takeover:
            lateness.remove(ms)
        return {
            "broker": self.stack["broker"], "kafka": self.stack.get("kafka"), "published": len(self.published), **columns,
            "retried": len(self.events.retried & set(self.published)), "replayed": replayed, "maildir": sum(in_maildir.values()),
            "accepted_twice": twice, "dead_by_reason": by_reason, "poison": self.poison,
            "poison_dead": sum(1 for j, s in states.items() if j not in self.jobs and s.get("reason") == "invalid"),
            "retries_timed": len(timed), "late_in_takeover": len(in_takeover),
            "lateness_takeover_max_ms": max(in_takeover, default=0), "lateness_p50_ms": observer.percentile(lateness, 0.5),
            "lateness_p99_ms": observer.percentile(lateness, 0.99), "early": sum(1 for _, ms in timed if ms < 0),
            "jobs_per_s": observer.busiest_second(self.events.first_accepts),
            "restarts": sum(w.starts - 1 for w in self.workers),
        }

    def verdict(self, r):
        total = sum(r[k] for k in ("accepted", "dead", "unknown", "waiting", "duplicates", "unaccounted"))
        problems = []
        if total != r["published"]:
            problems.append(f"{r['published']} published but {total} counted")
        if r["unaccounted"]:
            problems.append(f"{r['unaccounted']} jobs unaccounted for")
        if r["accepted_twice"]:
            problems.append(f"{r['accepted_twice']} keys accepted twice")
        if r["poison_dead"] != r["poison"]:
            problems.append(f"{r['poison']} poison records, {r['poison_dead']} of them dead-lettered")
        return problems

    def show(self, r):
        self.say()
        self.say(f"  published      {r['published']:>7}     with {r['broker']}{' ' + r['kafka'] if r['kafka'] else ''}")
        for key, note in (("accepted", f"{r['maildir']} of them in the Maildir"), ("dead", ", ".join(f"{k} {v}" for k, v in sorted(r["dead_by_reason"].items()) if k != "unknown")),
                          ("unknown", "completely written, no verdict: held for a person"), ("waiting", "their route is closed (wrong credential), or they were asked to come back later"),
                          ("duplicates", "same key published twice, sent once"), ("unaccounted", "")):
            self.say(f"  {key:<14} {r[key]:>7}     {note}")
        self.say(f"  accepted twice {r['accepted_twice']:>7}     by the provider's raw requests")
        self.say(f"  retried        {r['retried']:>7}     late by p50 {r['lateness_p50_ms']} ms, p99 {r['lateness_p99_ms']} ms, early {r['early']}")
        if r["late_in_takeover"]:
            self.say(f"  {'':<14} {r['late_in_takeover']:>7}     more were due on the killed worker's partitions until Kafka gave them to others "
                     f"(up to {r['lateness_takeover_max_ms']} ms late)")
        self.say(f"  replayed       {r['replayed']:>7}")
        self.say(f"  throughput     {r['jobs_per_s']:>7} jobs/s in the busiest second (all parts on this machine)")

    def show_tools(self):
        self.step("sendfleet-dlq status")
        self.say(self.tool("sendfleet-dlq", "status", check=False).stdout.rstrip())
        self.step("sendfleet-dlq ls --limit 8")
        self.say(self.tool("sendfleet-dlq", "ls", "--limit", "8", check=False).stdout.rstrip())
        story = next((j for j in self.published if "flaky-2" in self.jobs[j]["to"]), self.published[0])
        self.step(f"sendfleet-dlq timeline {story}")
        self.say(self.tool("sendfleet-dlq", "timeline", story, check=False).stdout.rstrip())

    def stop(self):
        if self.events:
            self.events.stop()
        if self.args.keep:
            return
        for process in self.processes:
            process.stopping = True
            if process.alive():
                process.child.terminate()
        for process in reversed(self.processes):
            process.stop()
        subprocess.run([os.path.join(ROOT, "deploy", "local", "down"), "--dir", self.path("local")], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)

    def say_how_to_reach(self):
        self.say("\nEverything is still running:")
        self.say(f"  configuration  {self.config}    (export SENDFLEET_CONFIG={self.config})")
        self.say(f"  programs       {self.bin}/sendfleet-producer, sendfleet-worker, sendfleet-dlq")
        self.say(f"  simulator      http://127.0.0.1:{self.sim_port}/stats    SMTP 127.0.0.1:{self.smtp_port}    Maildir {self.maildir}")
        self.say("  workers        " + ", ".join(f"http://127.0.0.1:{fleet.read_port(self.path(f'w{n}.port'))}/metrics" for n in range(1, WORKERS + 1)))
        self.say(f"  stop           kill {' '.join(str(p.pid) for p in self.processes)}; deploy/local/down --dir {self.path('local')}")

    def main(self):
        self.step("starting Redis and the broker")
        self.start_stack()
        self.step("starting a provider simulator and an SMTP server with a Maildir")
        self.start_peers()
        self.write_config()
        self.step("creating topics")
        self.tool("sendfleet-producer", "topics")
        self.events = observer.Events(self.stack["bootstrap_servers"], "sendfleet.events")
        self.step(f"starting {WORKERS} workers")
        self.start_workers()
        self.step(f"publishing {self.args.jobs} mails")
        self.publish()
        self.follow(180, 0.3, self.kill_a_worker)
        self.step("replaying what gave up: the provider works again")
        replayed = self.replay()
        time.sleep(0.5)
        self.wait_for_replayed(replayed)
        report = self.report(replayed)
        self.show(report)
        self.show_tools()
        problems = self.verdict(report)
        self.step("every job is accounted for, nothing was sent twice" if not problems else "NOT RIGHT: " + "; ".join(problems))
        if self.args.json:
            print(json.dumps(report))
        if self.args.keep:
            self.say_how_to_reach()
        return 1 if problems else 0

    def wait_for_replayed(self, replayed):
        def all_ended():
            states = [s for s in self.events.snapshot().values() if s["generation"] > 0]
            return len(states) >= replayed and all(s.get("accepted") or s.get("state") in observer.ENDED for s in states)
        if replayed:
            try:
                fleet.wait_for("the replayed jobs", all_ended, patience_s=60)
            except RuntimeError as error:
                self.say(f"  {error}")


def main():
    quickstart = Quickstart(parse_arguments())
    try:
        return quickstart.main()
    except (RuntimeError, ValueError, OSError) as error:
        print(f"\ndeploy/quickstart: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        quickstart.stop()


if __name__ == "__main__":
    sys.exit(main())
