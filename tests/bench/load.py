# SPDX-License-Identifier: Apache-2.0
"""Job files of the benchmark: mails of one size, so that a figure per job means the same everywhere."""

import json
import math
import random
import time

JOB_BYTES = 1214


def _job(job_id, key, to):
    return {"v": 1, "id": job_id, "idempotency_key": key, "route": "default", "from": "Little Shop <orders@shop.example>",
            "to": to, "subject": "Your receipt", "text": "", "metadata": {"order": "o-4711"}, "tags": ["receipt"]}


def _line(job, size):
    line = json.dumps(job, separators=(",", ":"))
    words = "Thank you for your order. It left our house today and should be with you within three days.\\n"
    text = (words * (size // len(words) + 1))[: size - len(line)]
    if text.endswith("\\"):
        text = text[:-1] + "."
    return line.replace('"text":""', f'"text":"{text}"')


def _template(plus, size):
    """What stands around a nine-digit number: making whole jobs one by one would take longer than sending them."""
    mark = "@@@@@@@@@"
    return _line(_job("b-" + mark, "bench/" + mark, f"user{mark}{plus}@example.com"), size).split(mark)


def lines(first, count, plus="", size=JOB_BYTES):
    """count jobs with numbers from first on; plus: what stands behind the recipient's '+' (tests/README.md)."""
    parts = _template("+" + plus if plus else "", size)
    for n in range(first, first + count):
        yield f"{n:09d}".join(parts)


def later(first, count, least_s, most_s):
    """Jobs that wait: not_before spread evenly over the logarithm, so that every belt gets its share."""
    rng, now_ms = random.Random(4), int(time.time() * 1000)
    for line in lines(first, count, size=JOB_BYTES - 28):
        wait_s = least_s * math.exp(rng.random() * math.log(most_s / least_s))
        yield line[:-1] + f',"not_before":{now_ms + int(wait_s * 1000)}' + "}"


def write(path, some_lines):
    with open(path, "w", encoding="ascii") as out:
        for line in some_lines:
            out.write(line + "\n")


def paced(pipe, some_lines, per_s, together=20):
    """Writes lines into a pipe at a steady rate, so many at once."""
    began, sent = time.monotonic(), 0
    for line in some_lines:
        pipe.write(line.encode() + b"\n")
        sent += 1
        if sent % together == 0:
            pipe.flush()
            time.sleep(max(0.0, began + sent / per_s - time.monotonic()))
    pipe.flush()
