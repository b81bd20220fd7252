# SPDX-License-Identifier: Apache-2.0
"""job.schema.json and job_parse must agree: a table of jobs goes through both.

usage: schema_test.py SCHEMA PRODUCER MOCKBROKER
"""
import json
import os
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: no jsonschema module (python3-jsonschema)")
    sys.exit(77)

FILE = {"filename": "a.txt", "content_base64": "YQ=="}

# What is added to (None: taken from) {"v":1,"to":"ann@example.com"}.
GOOD = [
    {}, {"to": None, "url": "https://example.com/hook"}, {"to": "Ann <ann@example.com>"}, {"to": '"Ann, Lee" <ann@example.com>'},
    {"to": "<ann@example.com>"}, {"to": " ann@example.com "}, {"to": "ann+tag@exämple.com"}, {"to": "ann@localhost"},
    {"id": "order-7:x"}, {"id": "x" * 128}, {"id": None, "from": "shop@example.com"}, {"idempotency_key": "a key with spaces ä"},
    {"idempotency_key": "k" * 256}, {"route": "ses_eu-1.a"}, {"priority": "critical"}, {"priority": "normal"},
    {"reply_to": "Shop <s@example.com>"}, {"recipient_id": "u 7"}, {"subject": ""}, {"subject": "x" * 998},
    {"text": "a\nb\tc"}, {"html": "<p>ä</p>"}, {"headers": {}}, {"headers": {"X-A": "", "List-Id": "<a.b>"}},
    {"attachments": []}, {"attachments": [FILE, dict(FILE, content_type="text/plain; charset=utf-8")]},
    {"attachments": [dict(FILE, content_base64="")]}, {"attachments": [dict(FILE, extra=1)]},
    {"attachments": [dict(FILE, content_id="logo.1@example.com", disposition="inline")]},
    {"attachments": [dict(FILE, content_id=None, disposition=None)]}, {"attachments": [dict(FILE, disposition="attachment")]},
    {"template": {"id": "welcome"}}, {"template": {"id": "welcome", "vars": {"a": [1]}}}, {"body": [1, "x", None]},
    {"url": "http://127.0.0.1:8080/x?y=1"}, {"created_at": 1763719200000}, {"created_at": "2026-11-21T10:00:00Z"},
    {"expires_at": "2026-11-21T10:00:00.25+01:00"}, {"not_before": 1}, {"max_age_s": 1}, {"max_age_s": 316224000},
    {"on_unknown": "hold"}, {"on_unknown": "resend"}, {"on_unknown": "default"}, {"replay": "approval"}, {"replay": "never"},
    {"approval": {}}, {"approval": {"required": True, "state": "approved", "by": "Ada", "at": 1, "audit_ref": "A-1"}},
    {"agent_task_id": "t"}, {"draft_id": "d"}, {"tags": []}, {"tags": ["a", "b c"] * 32}, {"metadata": {"a": {"b": 1}}},
    {"unknown_field": {"is": "kept"}},
]
BAD = [
    {"v": None}, {"v": 2}, {"v": "1"}, {"to": None}, {"to": "ann"}, {"to": ""}, {"to": "a@b.c, d@e.f"}, {"to": "a@b.c;d@e.f"},
    {"to": ["a@b.c"]}, {"to": "a b@c.d"}, {"to": "a@b@c.d"}, {"to": "Ann <a@b.c"}, {"to": "A, B <a@b.c>"}, {"to": 7},
    {"to": "a@b.c\r\nBcc: d@e.f"}, {"to": '"quoted"@b.c'}, {"from": "shop"}, {"reply_to": "x"}, {"id": ""}, {"id": "a b"},
    {"id": 7}, {"id": "x" * 129}, {"id": "ä"}, {"idempotency_key": ""}, {"idempotency_key": "a\tb"},
    {"idempotency_key": "k" * 257}, {"route": "a b"}, {"route": "r" * 65}, {"route": ""}, {"priority": "high"}, {"priority": 1},
    {"recipient_id": ""}, {"subject": "a\r\nBcc: x"}, {"subject": "x" * 999}, {"subject": 7}, {"text": {}}, {"html": 1},
    {"headers": []}, {"headers": {"X Y": "a"}}, {"headers": {"": "a"}}, {"headers": {"X:": "a"}}, {"headers": {"X": "a\nb"}},
    {"headers": {"X": 1}}, {"headers": {"X": None}}, {"headers": {"X" * 77: "a"}}, {"headers": {f"X-{i}": "" for i in range(101)}},
    {"attachments": {}}, {"attachments": ["a"]}, {"attachments": [{"filename": "a"}]}, {"attachments": [{"content_base64": ""}]},
    {"attachments": [dict(FILE, filename="../a")]}, {"attachments": [dict(FILE, filename="")]},
    {"attachments": [dict(FILE, content_base64="YQ=")]}, {"attachments": [dict(FILE, content_base64="Y*==")]},
    {"attachments": [dict(FILE, content_type="text")]}, {"attachments": [dict(FILE, content_type="/x")]},
    {"attachments": [dict(FILE, content_id="<a@b>")]}, {"attachments": [dict(FILE, content_id="a b")]},
    {"attachments": [dict(FILE, content_id="")]}, {"attachments": [dict(FILE, content_id="x" * 201)]},
    {"attachments": [dict(FILE, disposition="form-data")]}, {"attachments": [dict(FILE, disposition=1)]},
    {"attachments": [FILE] * 101}, {"template": {}}, {"template": "x"}, {"template": {"id": "a", "vars": []}},
    {"template": {"id": ""}}, {"url": "ftp://x"}, {"url": "https://"}, {"url": "https://a b"}, {"created_at": "yesterday"},
    {"created_at": 0}, {"created_at": -1}, {"created_at": 253402300800000}, {"not_before": 1.5}, {"expires_at": True},
    {"max_age_s": 0}, {"max_age_s": "1"}, {"max_age_s": 316224001}, {"on_unknown": "retry"}, {"replay": True},
    {"approval": True}, {"approval": {"required": "yes"}}, {"approval": {"state": ""}}, {"approval": {"state": "x" * 33}},
    {"agent_task_id": ""}, {"draft_id": 7}, {"tags": "a"}, {"tags": [1]}, {"tags": [""]}, {"tags": ["a"] * 65}, {"metadata": []},
    {"metadata": "x"},
]


def job(change):
    whole = {"v": 1, "to": "ann@example.com", **change}
    return {name: value for name, value in whole.items() if value is not None or name not in ("v", "to")}


def verdicts(jobs, producer, mockbroker):
    topics = "sendfleet.main:1,sendfleet.main.critical:1,sendfleet.main.bulk:1"
    broker = subprocess.Popen([mockbroker, "--topics", topics], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SENDFLEET_")}
    address = broker.stdout.readline().strip()
    done = subprocess.run([producer, "publish"], input="".join(json.dumps(j) + "\n" for j in jobs), capture_output=True, text=True,
                          env=dict(clean, SENDFLEET_KAFKA__BOOTSTRAP_SERVERS=address), timeout=50)
    broker.stdin.close()
    broker.wait(10)
    results = {r["line"]: r for r in map(json.loads, done.stdout.splitlines())}
    return [results[i + 1] for i in range(len(jobs))]


def main(schema_file, producer, mockbroker):
    with open(schema_file) as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    cases = [(job(change), True) for change in GOOD] + [(job(change), False) for change in BAD]
    failures = 0
    for (value, good), result in zip(cases, verdicts([value for value, _ in cases], producer, mockbroker)):
        shown = json.dumps(value)[:150]
        if validator.is_valid(value) != good:
            failures += 1
            print(f"schema {'refuses' if good else 'accepts'} {shown}: {[e.message[:120] for e in validator.iter_errors(value)][:2]}")
        if (result["status"] == "published") != good:
            failures += 1
            print(f"program {'refuses' if good else 'accepts'} {shown}: {result['error']}")
    print(f"{len(cases)} jobs, {failures} surprises")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
