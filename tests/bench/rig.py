# SPDX-License-Identifier: Apache-2.0
"""What the benchmark runs on: a real Kafka and Redis, the provider simulator, one worker, and who runs on which core.

Core 0 belongs to what is measured (a worker, or the bare loop it is compared with), core 1 to everything else. CPU is
the process's own, all threads, from /proc; so other load on the machine shows in rates, hardly in CPU per job."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))
import fleet  # noqa: E402
import observer  # noqa: E402

HOME = os.path.join(ROOT, ".build", "bench")
BUILD = os.path.join(ROOT, ".build", "Release")
BIN = os.path.join(BUILD, "bin")
CONNECTIONS = 256
PARTITIONS = {"main": 6, "retry": 6, "other": 3}  # the defaults, by kind of topic


def say(text):
    print(text, file=sys.stderr, flush=True)


def build():
    say("building (Release)")
    launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    subprocess.run(["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", *launcher],
                   check=True, stdout=subprocess.DEVNULL)
    targets = ["sendfleet-producer", "sendfleet-worker", "sendfleet-dlq", "simulator", "bare_curl"]
    subprocess.run(["cmake", "--build", BUILD, "--target", *targets], check=True, stdout=subprocess.DEVNULL)


def pin(core):
    """The words before a command that keep it on a core; none where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core])] if len(cores) > 1 and shutil.which("taskset") else []


def cpu_s(pid):
    """CPU seconds of a process so far: user and system, all threads."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid, name="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(rf"^{name}:\s+(\d+) kB", f.read(), re.M).group(1)) / 1024


class Worker:
    """One sendfleet-worker on core 0. Starting it returns at once; ready() waits."""

    def __init__(self, rig, settings):
        port_file = os.path.join(HOME, "worker.port")
        if os.path.exists(port_file):
            os.unlink(port_file)
        sets = [word for setting in settings for word in ("--set", setting)]
        command = pin(0) + [os.path.join(BIN, "sendfleet-worker"), "--config", rig.config, "--set",
                            "worker.admin_port_file=" + port_file, *sets]
        self.process = fleet.Process("worker", command, os.path.join(HOME, "worker.log"))
        self.port_file = port_file

    def ready(self):
        def answers():
            port = fleet.read_port(self.port_file)
            try:
                return port and observer.get(f"http://127.0.0.1:{port}/readyz").startswith("ready")
            except OSError:
                return False
        fleet.wait_for("the worker", answers, patience_s=60, process=self.process)
        return self

    def metrics(self, name):
        """Samples of a family: label values (as printed) -> number."""
        text = observer.get(f"http://127.0.0.1:{fleet.read_port(self.port_file)}/metrics")
        return {m[1] or "": float(m[2]) for m in re.finditer(rf"^sendfleet_{name}(\{{.*\}})? (\S+)$", text, re.M)}

    @property
    def pid(self):
        return self.process.pid

    def cpu_s(self):
        return cpu_s(self.pid)

    def stop(self):
        status = self.process.stop()
        if status != 0:
            raise RuntimeError(f"the worker ended with status {status}; see {self.process.log}")


class Rig:
    def __init__(self, keep=False):
        self.keep = keep
        self.next_job = int(time.time()) % 500000 * 1000  # another run on a kept stack uses other keys
        self.processes = []
        self.prefixes = set()

    # ---- up and down ----

    def start(self):
        os.makedirs(HOME, exist_ok=True)
        command = pin(1) + [os.path.join(ROOT, "deploy", "local", "up"), "--dir", os.path.join(HOME, "stack"), "--json"]
        up = subprocess.run(command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, check=False)
        if up.returncode != 0:
            raise RuntimeError("the local stack did not start (see above)")
        self.stack = json.loads(up.stdout)
        port_file = os.path.join(HOME, "simulator.port")
        if os.path.exists(port_file):
            os.unlink(port_file)
        simulator = fleet.Process("simulator", pin(1) + [os.path.join(BIN, "simulator"), "--port-file", port_file],
                                  os.path.join(HOME, "simulator.log"))
        self.processes.append(simulator)
        self.sink_port = fleet.wait_for("the simulator", lambda: fleet.read_port(port_file), process=simulator)

    def stop(self):
        for process in self.processes:
            process.stop()
        if not self.keep and hasattr(self, "stack"):
            subprocess.run([os.path.join(ROOT, "deploy", "local", "down"), "--wipe", "--dir", os.path.join(HOME, "stack")],
                           stderr=subprocess.DEVNULL, check=False)

    def use(self, name):
        """A configuration with topics and keys of its own; everything but addresses is the default."""
        self.prefix = f"{name}{int(time.time())}"
        self.config = os.path.join(HOME, f"{name}.json")
        with open(self.config, "w", encoding="ascii") as f:
            json.dump({
                "prefix": self.prefix,
                "kafka": {"bootstrap.servers": self.stack["bootstrap_servers"]},
                "redis": {"host": self.stack["redis_host"], "port": self.stack["redis_port"]},
                "worker": {"admin": "127.0.0.1:0", "id": "bench"},
                "routes": {"default": {"transport": "http", "url": self.sink("/send"), "max_connections": CONNECTIONS}},
            }, f)
        self.tool("sendfleet-producer", "topics")

    def worker(self, *settings):
        worker = Worker(self, settings)
        self.processes.append(worker.process)
        return worker

    # ---- tools ----

    def tool(self, program, *arguments, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL):
        command = pin(1) + [os.path.join(BIN, program), *arguments, "--config", self.config]
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, stdin=stdin, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program} {' '.join(arguments)}: exit status {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def publish(self, path):
        """Publishes a file of jobs; returns how long that took in seconds."""
        began = time.monotonic()
        with open(os.path.join(HOME, "published.jsonl"), "w", encoding="utf-8") as out:
            self.tool("sendfleet-producer", "publish", path, "--quiet", stdout=out)
        return time.monotonic() - began

    def numbers(self, count):
        """The first of count job numbers that nobody used before."""
        first = self.next_job
        self.next_job += count
        return first

    # ---- looking ----

    def sink(self, path):
        return f"http://127.0.0.1:{self.sink_port}{path}"

    def sink_stats(self):
        return json.loads(observer.get(self.sink("/stats")))

    def sink_post(self, path, data):
        request = urllib.request.Request(self.sink(path), json.dumps(data).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.read()

    def written(self, topic, kind="other"):
        """How many records a topic has seen: the sum of its end offsets."""
        wanted = [word for p in range(PARTITIONS[kind]) for word in ("-t", f"{self.prefix}.{topic}:{p}:-1")]
        done = subprocess.run(pin(1) + ["kcat", "-Q", "-b", self.stack["bootstrap_servers"], *wanted], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=True)
        return sum(int(n) for n in re.findall(r"offset (\d+)", done.stdout))

    def records(self, topic):
        """All records of a topic, as parsed JSON."""
        command = pin(1) + ["kcat", "-C", "-b", self.stack["bootstrap_servers"], "-t", f"{self.prefix}.{topic}", "-o", "beginning",
                            "-e", "-q", "-u", "-f", "%s\n"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            for line in child.stdout:
                yield json.loads(line)
