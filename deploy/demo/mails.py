# SPDX-License-Identifier: Apache-2.0
"""The mails of the quickstart: receipts, password resets and newsletters, as an application would publish them, with
a known number of recipients that fail in every way there is.

The simulator and the SMTP server act on what stands behind the '+' in a recipient (tests/README.md). Most mails go
through the route `api`, whose provider does not deduplicate: what arrives there twice was sent twice."""

import hashlib
import json
import random
import time

# name -> (share of all jobs, least number, route, what stands behind the '+')
TROUBLE = {
    "flaky": (0.03, 2, "api", "flaky-1"),
    "flakier": (0.01, 1, "api", "flaky-2"),
    "throttled": (0.01, 1, "api", "throttle-2"),
    "slow": (0.01, 1, "api", "slow-300"),
    "recovering": (0.004, 2, "api", "flaky-6"),  # exhausts its attempts, works when replayed
    "bad-request": (0.002, 1, "api", "fail-400"),
    "no-such-user": (0.002, 1, "api", "fail-404"),
    "unprocessable": (0.002, 1, "api", "fail-422"),
    "blocked": (0.002, 1, "api", "fail-403"),
    "server-error": (0.001, 1, "api", "fail-500"),
    "dropped": (0.001, 1, "api", "drop"),
    "hanging": (0.0006, 1, "api", "hang"),
    "keyed-drop": (0.002, 1, "api-idempotent", "drop-once"),
    "keyed-flaky": (0.004, 1, "api-idempotent", "flaky-1"),
    "bad-credential": (0.001, 1, "api-locked", "fail-401"),
    "smtp-busy": (0.002, 1, "relay", "busy"),
    "smtp-greylist": (0.002, 1, "relay", "greylist"),
    "smtp-unknown-user": (0.001, 1, "relay", "unknown-user"),
    "smtp-spam": (0.001, 1, "relay", "spam"),
    "smtp-dotdrop": (0.0004, 1, "relay", "dotdrop"),
}

FIRST = "ann bob carla deniz eva farid grace hiro ines jonas kim lena mateo nora omar paula quentin rosa sven tara".split()
DOMAINS = "example.com example.net example.org mail.example.com post.example.net".split()


def _address(rng, n, plus=""):
    tag = "+" + plus if plus else ""
    return f"{rng.choice(FIRST)}{n}{tag}@{rng.choice(DOMAINS)}"


def _receipt(rng, n):
    total = rng.randrange(500, 25000) / 100
    lines = "".join(f"  {rng.randrange(1, 5)} x item {rng.randrange(1000, 9999)}\n" for _ in range(rng.randrange(1, 8)))
    return {
        "priority": "normal",
        "from": "Little Shop <orders@shop.example>",
        "subject": f"Your receipt {n:06d}",
        "text": f"Thank you for your order.\n\n{lines}\nTotal: {total:.2f} EUR\n",
        "html": f"<p>Thank you for your order.</p><pre>{lines}</pre><p><b>Total: {total:.2f} EUR</b></p>",
        "tags": ["receipt"],
        "metadata": {"order": f"o-{n}"},
    }


def _reset(rng, n):
    code = hashlib.sha256(f"reset {n}".encode()).hexdigest()[:24]
    return {
        "priority": "critical",
        "from": "Accounts <no-reply@shop.example>",
        "subject": "Reset your password",
        "text": f"Somebody asked to reset your password.\nhttps://shop.example/reset/{code}\nThe link works for one hour.\n",
        "max_age_s": 3600,
        "tags": ["password-reset"],
    }


def _newsletter(rng, n):
    words = "new spring offer list garden lamp table quiet green bright wide small round open".split()
    body = " ".join(rng.choice(words) for _ in range(120))
    return {
        "priority": "bulk",
        "from": "Little Shop <news@shop.example>",
        "subject": "News from Little Shop – März",
        "text": body + "\n",
        "html": f"<h1>News</h1><p>{body}</p>",
        "headers": {"List-Unsubscribe": "<https://shop.example/unsubscribe>"},
        "tags": ["newsletter"],
    }


def _kind(rng):
    return rng.choices((_receipt, _reset, _newsletter), (60, 15, 25))[0]


def _job(rng, n, run, route, plus=""):
    job = {"v": 1, "id": f"{run}-{n:06d}", "idempotency_key": f"{run}/mail/{n}", "route": route, "to": _address(rng, n, plus)}
    job.update(_kind(rng)(rng, n))
    job["created_at"] = int(time.time() * 1000)
    return job


def make(count, run):
    """count jobs (dicts). Some keys appear twice: with the same content (a publisher that published twice) and, for
    two of them, with other content (a conflict). Deterministic but for run and times."""
    rng = random.Random(20)
    plan = []
    for share, least, route, plus in TROUBLE.values():
        plan += [(route, plus)] * max(least, round(share * count))
    expired, doubled, conflicts = 2, max(2, count // 100), 2
    plain = count - len(plan) - expired - doubled - conflicts
    if plain < 1:
        raise ValueError(f"--jobs {count} is too few: {count - plain + 1} is the least")
    plan += [("relay", "")] * round(plain * 0.08) + [("api-idempotent", "")] * round(plain * 0.05)
    plan += [("api", "")] * (count - expired - doubled - conflicts - len(plan))
    rng.shuffle(plan)
    jobs = [_job(rng, n, run, route, plus) for n, (route, plus) in enumerate(plan)]
    n = len(jobs)
    for _ in range(expired):
        jobs.append(dict(_job(rng, n, run, "api"), expires_at=int(time.time() * 1000) - 60000))
        n += 1
    plain_jobs = [j for j in jobs if "+" not in j["to"] and j["route"] == "api" and "expires_at" not in j]
    for twin in rng.sample(plain_jobs, doubled):
        jobs.append(dict(twin, id=f"{run}-{n:06d}"))
        n += 1
    for twin in rng.sample(plain_jobs, conflicts):
        jobs.append(dict(twin, id=f"{run}-{n:06d}", text="something else under the same key\n"))
        n += 1
    head, tail = jobs[: len(plan)], jobs[len(plan):]
    for job in tail:
        head.insert(rng.randrange(len(head) // 2, len(head) + 1), job)
    return head


def bad_lines():
    """Lines that the producer must refuse, and records that only another client can publish."""
    refused = ['{"v":1,"to":"a@example.com"', '{"v":1,"to":"a@example.com, b@example.com","subject":"two"}', '{"v":7,"to":"a@example.com"}']
    poison = ["this is not JSON", '{"v":1,"to":"x@example.com\\r\\nBcc: y@example.com"}']
    return refused, poison


def write(path, jobs):
    with open(path, "w", encoding="utf-8") as out:
        for job in jobs:
            out.write(json.dumps(job, ensure_ascii=False, separators=(",", ":")) + "\n")
