# SPDX-License-Identifier: Apache-2.0
"""sendfleet-producer from outside, on a mock broker: what goes in, what comes out, how it ends.

usage: cli_test.py PRODUCER MOCKBROKER [unittest arguments]
"""
import hashlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PRODUCER, MOCKBROKER = sys.argv[1:3]
TOPICS = "sendfleet.main:2,sendfleet.main.critical:1,sendfleet.main.bulk:1"
CONTENT = "attachments body from headers html reply_to route subject template text to url".split()
JOB = '{"v":1,"to":"ann@example.com","id":"%s"}'


def default_key(job):  # as producer/README.md tells other clients
    content = {name: job[name] for name in CONTENT if name in job}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Broker:
    def __init__(self, topics=TOPICS):
        self.process = subprocess.Popen([MOCKBROKER, "--topics", topics], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def tell(self, command):
        print(command, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline().strip() == "ok", command

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def environment(address):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SENDFLEET_")}
    return dict(clean, SENDFLEET_KAFKA__BOOTSTRAP_SERVERS=address)


class Test(unittest.TestCase):
    def setUp(self):
        self.broker = Broker()
        self.addCleanup(self.broker.close)
        self.environment = environment(self.broker.address)

    def run_producer(self, *arguments, input="", **more):
        if isinstance(input, str):
            input = input.encode()
        done = subprocess.run([PRODUCER, *arguments], input=input, env=self.environment, timeout=60, capture_output=True, **more)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    def start(self, *arguments, **more):
        process = subprocess.Popen([PRODUCER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.environment, **more)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        return process

    def next_result(self, process, seconds=10):
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        self.assertTrue(ready, f"no result within {seconds} s")
        return json.loads(process.stdout.readline())

    def results(self, done):
        return [json.loads(line) for line in done.stdout.splitlines()]


class Publish(Test):
    def test_every_line_has_one_result_whatever_it_holds(self):
        lines = [JOB % "one", "", "not json", '{"v":1,"to":"nobody","id":"three"}', "\r", "[]", JOB % "last"]
        done = self.run_producer("publish", input="\ufeff" + "\r\n".join(lines))
        results = sorted(self.results(done), key=lambda r: r["line"])
        self.assertEqual([(r["line"], r["status"], r["id"]) for r in results],
                         [(1, "published", "one"), (3, "refused", None), (4, "refused", "three"), (6, "refused", None),
                          (7, "published", "last")], done.stderr)
        self.assertEqual(done.returncode, 65)
        for r in results:
            self.assertEqual(list(r), ["line", "status", "id", "idempotency_key", "topic", "partition", "offset", "error"])
            self.assertEqual(r["error"] is None, r["status"] == "published")

    def test_the_default_key_is_what_the_readme_says(self):
        job = {"v": 1, "to": "ann@example.com", "from": "Ö <shop@example.com>", "subject": "Grüße", "priority": "bulk",
               "text": 'a\n\t"b"\\ \u007f\u2028 €\U0001f600/', "headers": {"Z": "1", "A": "2"}, "body": {"é": 1, "z": [2.5, None, True]},
               "metadata": {"not": "content"}, "html": None}
        done = self.run_producer("publish", input="".join(json.dumps(job, ensure_ascii=e) + "\n" for e in (True, False)))
        self.assertEqual([r["idempotency_key"] for r in self.results(done)], [default_key(job)] * 2, done.stdout)

    def test_many_lines_from_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
            f.writelines(JOB % i + "\n" for i in range(70000))
            f.flush()
            done = self.run_producer("publish", f.name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        results = self.results(done)
        self.assertEqual(sorted(r["line"] for r in results), list(range(1, 70001)))
        self.assertEqual({r["status"] for r in results}, {"published"})
        self.assertEqual(len({(r["partition"], r["offset"]) for r in results}), 70000)

    def test_nothing_in_is_nothing_out(self):
        done = self.run_producer("publish", "-")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_a_line_longer_than_a_job_may_be(self):
        done = self.run_producer("publish", "--set", "max_job_bytes=1KiB", input="x" * 2000 + "\n" + JOB % "next")
        results = {r["line"]: r for r in self.results(done)}
        self.assertEqual(results[1]["status"], "refused")
        self.assertIn("max_job_bytes", results[1]["error"])
        self.assertEqual(results[2]["status"], "published")
        self.assertEqual(done.returncode, 65)

    def test_a_result_does_not_wait_for_more_input(self):
        process = self.start("publish")
        for i in range(3):
            print(JOB % i, file=process.stdin, flush=True)
            self.assertEqual(self.next_result(process)["id"], str(i))
        process.stdin.close()
        self.assertEqual(process.wait(10), 0)

    def test_an_interrupt_ends_it_while_input_is_silent(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("publish")
            print(JOB % "one", file=process.stdin, flush=True)
            self.assertEqual(self.next_result(process)["status"], "published")
            process.send_signal(number)
            self.assertEqual(process.wait(10), 75)
            self.assertIn("interrupted; lines after 1 were not published", process.stderr.read())
            process.stdin.close()

    def test_an_interrupt_waits_and_a_second_one_gives_up(self):
        process = self.start("publish")
        print(JOB % "one", file=process.stdin, flush=True)
        self.assertEqual(self.next_result(process)["status"], "published")
        self.broker.tell("down")
        print(JOB % "two", file=process.stdin, flush=True)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        time.sleep(1)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(10), 75)
        self.assertEqual(self.next_result(process)["status"], "failed")
        self.assertIn("waiting for 1 job", process.stderr.read())
        process.stdin.close()

    def test_a_broker_that_goes_away_fails_what_is_under_way(self):
        process = self.start("publish", "--set", "kafka.delivery.timeout.ms=1500")
        print(JOB % "one", file=process.stdin, flush=True)
        self.assertEqual(self.next_result(process)["status"], "published")
        self.broker.tell("down")
        out, err = process.communicate("".join(JOB % i + "\n" for i in range(500)), timeout=30)
        results = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(process.returncode, 75, err)
        self.assertEqual(sorted(r["line"] for r in results), list(range(2, 502)))
        self.assertEqual({r["status"] for r in results}, {"failed"})
        self.assertEqual(results[0]["topic"], "sendfleet.main")

    def test_what_cannot_be_read_is_a_usage_error(self):
        for path, reason in (("/nowhere.jsonl", "No such file"), ("/tmp", "it is a directory")):
            done = self.run_producer("publish", path)
            self.assertEqual(done.returncode, 64)
            self.assertIn(path, done.stderr)
            self.assertIn(reason, done.stderr)
        self.assertEqual(self.run_producer("publish", "a", "b").returncode, 64)

    def test_no_broker_and_no_topic_each_have_their_status(self):
        self.environment = environment("127.0.0.1:1")
        done = self.run_producer("publish")
        self.assertEqual(done.returncode, 69)
        self.assertIn("127.0.0.1:1", done.stderr)
        bare = Broker("other:1")
        self.addCleanup(bare.close)
        self.environment = environment(bare.address)
        done = self.run_producer("publish")
        self.assertEqual(done.returncode, 78)
        self.assertIn("topic sendfleet.main does not exist: create it with", done.stderr)

    def test_a_reader_that_goes_away_stops_it(self):
        process = self.start("publish")
        process.stdout.close()  # its only reader
        try:
            for i in range(100000):
                print(JOB % i, file=process.stdin, flush=i % 1000 == 0)
            process.stdin.close()
        except BrokenPipeError:
            pass
        self.assertEqual(process.wait(20), 75)
        self.assertIn("results cannot be written: Broken pipe", process.stderr.read())

    def test_a_full_disk_is_told(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([PRODUCER, "publish"], input=JOB % "one", stdout=full, stderr=subprocess.PIPE, text=True,
                                  env=self.environment, timeout=30)
        self.assertEqual(done.returncode, 75)
        self.assertIn("No space left", done.stderr)

    def test_a_closed_standard_output_is_not_taken_for_the_broker(self):
        done = subprocess.run(["sh", "-c", 'exec "$0" publish >&-', PRODUCER], input=JOB % "one", text=True,
                              stderr=subprocess.PIPE, env=self.environment, timeout=30)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_summary_prints_only_what_went_wrong(self):
        done = self.run_producer("publish", "--summary", input=JOB % "one" + "\nbad\n")
        refused, summary = self.results(done)
        self.assertEqual((refused["line"], refused["status"]), (2, "refused"))
        self.assertEqual((summary["published"], summary["refused"], summary["failed"]), (1, 1, 0))

    def test_progress_is_a_bar_on_a_terminal_only(self):
        with tempfile.NamedTemporaryFile("w") as f:
            f.writelines(JOB % i + "\n" for i in range(5000))
            f.flush()
            try:
                master, terminal = pty.openpty()
            except OSError as error:
                self.skipTest(f"no terminal to be had here: {error}")
            done = subprocess.run([PRODUCER, "publish", f.name], stdout=subprocess.DEVNULL, stderr=terminal,
                                  env=self.environment, timeout=30)
            os.close(terminal)
            shown = os.read(master, 65536).decode()
            os.close(master)
            self.assertEqual(done.returncode, 0)
            self.assertIn("[########################] 100 %  5000 published", shown)
            master, terminal = pty.openpty()  # results on the terminal: the two would share lines
            subprocess.run([PRODUCER, "publish"], input=(JOB % "one").encode(), stdout=terminal, stderr=terminal,
                           env=self.environment, timeout=30)
            os.close(terminal)
            shown = os.read(master, 65536).decode()
            os.close(master)
            self.assertNotIn("\033", shown)


class Send(Test):
    def send(self, *arguments):
        return self.run_producer("send", *arguments)

    def test_flags_become_a_job(self):
        done = self.send("--to", "ann@example.com", "--from", "Shop <shop@example.com>", "--subject", "Grüße", "--text", "Thanks",
                         "--header", "X-Order: 7", "--header", "X-Shop:1", "--id", "one", "--key", "k", "--priority", "bulk")
        result = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((result["status"], result["id"], result["idempotency_key"], result["topic"]),
                         ("published", "one", "k", "sendfleet.main.bulk"))
        self.assertNotIn("line", result)
        read = subprocess.run(["kcat", "-b", self.broker.address, "-C", "-t", "sendfleet.main.bulk", "-o", "beginning", "-e", "-q"],
                              capture_output=True, timeout=30)
        self.assertEqual(json.loads(read.stdout), {
            "v": 1, "id": "one", "idempotency_key": "k", "priority": "bulk", "from": "Shop <shop@example.com>",
            "to": "ann@example.com", "subject": "Grüße", "text": "Thanks", "headers": {"X-Order": "7", "X-Shop": "1"}})

    def test_a_webhook(self):
        done = self.send("--url", "https://example.com/hook", "--body", '{"order":7}')
        self.assertEqual((done.returncode, json.loads(done.stdout)["status"]), (0, "published"), done.stderr)

    def test_an_invalid_job_is_refused(self):
        done = self.send("--to", "ann@example.com, bob@example.com")
        self.assertEqual(done.returncode, 65)
        self.assertIn("to: contains a second address", json.loads(done.stdout)["error"])

    def test_wrong_flags(self):
        to = ("--to", "ann@example.com")
        for arguments, reason in (((), "--to or --url"), (to + ("extra",), "takes no arguments"), (to + ("--header", "X"), "NAME:VALUE"),
                                  (to + ("--header", "X:1", "--header", "X:2"), "twice"), (to + ("--body", "{"), "--body"),
                                  (to + ("--subject", b"\xff"), "not UTF-8"), (to + ("--sbject", "x"), "--subject")):
            done = self.send(*arguments)
            self.assertEqual((done.returncode, done.stdout), (64, ""), arguments)
            self.assertIn(reason, done.stderr)


class Topics(Test):
    def test_what_cannot_be_read_is_not_called_fine(self):
        done = self.run_producer("topics", "--check", "--json")
        rows = {r["topic"]: r for r in self.results(done)}
        self.assertEqual(rows["sendfleet.main"]["finding"], "differs")  # 2 partitions
        self.assertEqual(rows["sendfleet.retry.2h"]["finding"], "missing")
        self.assertEqual(done.returncode, 78)
        done = self.run_producer("topics", "--check", "--json", "--set", "topics.partitions_main=2")
        self.assertEqual(self.results(done)[0]["finding"], "unread")

    def test_no_broker(self):
        self.environment = environment("127.0.0.1:1")
        done = self.run_producer("topics")
        self.assertEqual((done.returncode, done.stdout), (69, ""))
        self.assertIn("127.0.0.1:1", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
