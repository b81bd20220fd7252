# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: real processes, looked at from outside only.

`stack` is the local Kafka and Redis (tests/run starts one for itself; run by hand, pytest starts it and leaves it
running for the next time). `simulator` and `smtpd` are the two next hops. A process's output goes to a file in the
test's tmp_path, and what a failed test's processes said is shown with the failure.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SENDFLEET_BIN", ROOT / ".build/Release/bin"))


def until(condition, seconds, what):
    """Polls until condition() is true and returns what it gave; fails naming `what` (or what() gives) otherwise."""
    limit = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > limit:
            pytest.fail(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)


class Process:
    """A started program with its output in a file."""

    def __init__(self, arguments, log, env=None):
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen([str(one) for one in arguments], stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.running():
            self.popen.send_signal(number)

    def stop(self, seconds=40):
        """SIGTERM, then the exit status; KILL (and a failure) when it does not end."""
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"{self.popen.args[0]} did not end within {seconds} s of SIGTERM")

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.popen.wait()

    def output(self):
        return pathlib.Path(self.log).read_text(errors="replace")


class Simulator:
    def __init__(self, process, port):
        self.process, self.url = process, f"http://127.0.0.1:{port}"

    def request(self, path, data=None, headers=None):
        """(status, body); data makes it a POST. Raises OSError when there is no answer."""
        body = json.dumps(data).encode() if data is not None else None
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, body, headers or {}), timeout=30) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def control(self, **wanted):
        status, text = self.request("/control", wanted)
        assert status == 200, text

    def stats(self):
        return json.loads(self.request("/stats")[1])

    def ledger(self, query=""):
        return [json.loads(line) for line in self.request("/ledger" + query)[1].splitlines()]


class Smtpd:
    def __init__(self, process, port, maildir, ledger):
        self.process, self.port, self.maildir, self.ledger_file = process, port, maildir, ledger

    def ledger(self):
        return [json.loads(line) for line in self.ledger_file.read_text().splitlines()]


@pytest.fixture(scope="session")
def stack():
    """How to reach Kafka and Redis, as deploy/local/up --json says it, with `environment` for the programs."""
    folder = os.environ.get("SENDFLEET_TEST_STACK", str(ROOT / ".build/e2e"))
    reach = json.loads(subprocess.run([ROOT / "deploy/local/up", "--dir", folder, "--json"], check=True,
                                      stdout=subprocess.PIPE).stdout)
    lines = pathlib.Path(reach["env"]).read_text().splitlines()
    reach["environment"] = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    return reach


def new_prefix():
    return "t" + uuid.uuid4().hex[:10]


@pytest.fixture
def prefix():
    """A prefix for topics and Redis keys that no other test has."""
    return new_prefix()


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes 15 s and more")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call" and outcome.get_result().failed:
        for process in [one for node in item.listchain() for one in getattr(node, "processes", [])]:
            lines = process.output().splitlines()[-40:]
            outcome.get_result().sections.append((f"{process.log}", "\n".join(lines)))


@contextlib.contextmanager
def starting(node, folder):
    """The processes of a test or module: killed at its end when they still run."""
    node.processes = []

    def run(name, *arguments, env=None):
        log = folder / f"{name}-{len(node.processes)}.log"
        process = Process(arguments, log, env)
        node.processes.append(process)
        return process

    try:
        yield run
    finally:
        for process in node.processes:
            process.kill()


@pytest.fixture
def start(request, tmp_path):
    """start(name, argument…, env={}) -> Process, killed at the end of the test when it still runs."""
    with starting(request.node, tmp_path) as run:
        yield run


def port_from(file, process):
    def read():
        assert process.running(), process.output()
        return file.exists() and file.read_text()

    return int(until(read, 20, f"a port in {file}"))


def start_simulator(start, folder):
    process = start("simulator", BIN / "simulator", "--port-file", folder / "simulator.port", "--ledger",
                    folder / "simulator.jsonl")
    return Simulator(process, port_from(folder / "simulator.port", process))


@pytest.fixture
def simulator(start, tmp_path):
    return start_simulator(start, tmp_path)


@pytest.fixture
def fleet(stack, prefix, start, tmp_path, simulator):
    """Sendfleet's programs with topics of their own; nothing runs before fleet.up()."""
    import fleets
    made = fleets.Fleet(stack, prefix, start, tmp_path, simulator)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_fleet(stack, request, tmp_path_factory):
    """The same for all tests of a module, whose jobs must not disturb each other."""
    import fleets
    folder = tmp_path_factory.mktemp("fleet")
    with starting(request.node, folder) as start:
        made = fleets.Fleet(stack, new_prefix(), start, folder, start_simulator(start, folder))
        yield made
        made.close()


def start_smtpd(start, folder):
    process = start("smtpd", ROOT / "tests/maildir/smtpd", "--maildir", folder / "maildir", "--port-file",
                    folder / "smtpd.port", "--ledger", folder / "smtpd.jsonl")
    return Smtpd(process, port_from(folder / "smtpd.port", process), folder / "maildir", folder / "smtpd.jsonl")


@pytest.fixture
def smtpd(start, tmp_path):
    return start_smtpd(start, tmp_path)
