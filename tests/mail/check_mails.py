# SPDX-License-Identifier: Apache-2.0
"""Jobs with all that people and programs put into them, read back by somebody else's code.

    check_mails.py parse|dkim|refuse WRITE_MAILS [SEED]

parse   1,000 random jobs: 7-bit, CRLF, lines <= 998, the same bytes twice, and Python's email package finds the texts,
        names, headers and files that went in
dkim    1,000 random jobs signed with RSA and Ed25519: python3-dkim verifies both, and neither after a change
refuse  what would be injection or a malformed message is refused, by the parser of jobs or by the builder

A failure names the seed; the same seed makes the same jobs. Exit status 77: a module is missing.
"""
import base64
import email
import email.policy
import email.utils
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

JOBS = 1000
DOMAIN = "example.com"

WORDS = ("receipt", "for", "your", "order", "=?utf-8?q?x?=", "From ", "Größe", "žluťoučký", "受信者の", "メール", "привет",
         "مرحبا", "👩‍👩‍👧", "e\u0301", "--=_1_", ".", "..", "a" * 90, "=", "==3D", "\"quoted\"", "<b>", "&amp;", "\\", "%s", "\u2028",
         "100 €", "tab\there", "\u00a0", "{{name}}")
BREAKS = ("\n", "\r\n", "\n\n", "\r", " \n", "\t\n", "\n.\n", "\nFrom ", "\n--=_2_")
TYPES = ("application/pdf", "image/png", "text/plain", "text/html; charset=utf-8", "application/octet-stream", None,
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document; x=\"a b\"")
MARKS = "().,;:@'!#$%&*+-=?^_`{|}~[] "


def cut(text, octets):
    return text.encode()[:octets].decode(errors="ignore")


class Jobs:
    """Random jobs; everything a job may hold, and what breaks naive builders more often than not."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def line(self, words, extra=()):
        pick = [w for w in WORDS + tuple(extra) if "\t" not in w and "\u2028" not in w]
        text = " ".join(self.random.choice(pick) for _ in range(words))
        return (text * self.random.choice((1, 1, 1, 4)))[:700].strip() or "x"

    def text(self):
        parts = []
        for _ in range(self.random.choice((0, 1, 5, 40, 300))):
            parts.append(self.random.choice(WORDS))
            parts.append(self.random.choice((" ", " ", "  ", self.random.choice(BREAKS))))
        if self.random.random() < 0.1:
            parts.append("x" * self.random.choice((997, 998, 999, 5000)))
        if self.random.random() < 0.1:
            parts.append("".join(chr(self.random.choice((1, 7, 12, 28, 127, 133))) for _ in range(9)))
        return "".join(parts)

    def display(self):
        plain = "".join(self.random.choice("abcdefgh " + MARKS.replace("@", "")) for _ in range(self.random.randrange(1, 60)))
        return self.random.choice((None, "Ann Example", "Größe & Söhne", "受信者" * self.random.randrange(1, 30),
                                   " ".join(plain.split()) or "x"))

    def mailbox(self, domain):
        spec = f"{self.random.choice(('ann', 'a.b+c', 'x' * 64))}@{domain}"
        display = self.display()
        if display is None:
            return spec, "", spec
        quoted = display.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{spec}>', display, spec

    def filename(self):
        name = self.random.choice(("a.pdf", 'my "best" file.txt', "Größe.png", "受信者" * self.random.randrange(1, 25) + ".txt",
                                   "x" * 250, "a;b=c'd.txt", "100%.txt", " lead", self.line(3)))
        name = name.replace("/", "_").replace("\\", "_")
        return cut(name, 255)

    def attachment(self, number):
        content = self.random.randbytes(self.random.choice((0, 1, 2, 56, 57, 58, 3000)))
        made = {"filename": self.filename(), "content_base64": base64.b64encode(content).decode()}
        kind = self.random.choice(TYPES)
        if kind:
            made["content_type"] = kind
        if self.random.random() < 0.4:
            made["content_id"] = f"logo{number}@{DOMAIN}"
        if self.random.random() < 0.3:
            made["disposition"] = self.random.choice(("inline", "attachment"))
        return made

    def headers(self):
        made = {f"X-Random-{n}": self.line(self.random.randrange(1, 12)) for n in range(self.random.randrange(3))}
        if self.random.random() < 0.4:
            made["List-Unsubscribe"] = f"<https://{DOMAIN}/u/{'o' * self.random.choice((8, 300))}>, <mailto:u+1@{DOMAIN}>"
            made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        if self.random.random() < 0.3:
            made["References"] = " ".join(f"<{n}.abc@{DOMAIN}>" for n in range(self.random.randrange(1, 20)))
        return {name: cut(value, 900).strip() for name, value in made.items()}

    def job(self):
        sender, to = self.mailbox(self.random.choice((DOMAIN, f"mail.{DOMAIN}"))), self.mailbox("example.org")
        job = {"v": 1, "from": sender[0], "to": to[0]}
        kinds = self.random.choice((("text",), ("html",), ("text", "html")))
        job.update({kind: self.text() for kind in kinds})
        if self.random.random() < 0.9:
            job["subject"] = cut(self.line(self.random.randrange(1, 20)), 998)
        if self.random.random() < 0.3:
            job["reply_to"] = self.mailbox("help.example.com")[0]
        if self.random.random() < 0.5:
            job["headers"] = self.headers()
        if self.random.random() < 0.5:
            job["attachments"] = [self.attachment(n) for n in range(self.random.randrange(4))]
        if self.random.random() < 0.5:
            job["created_at"] = 1700000000000 + self.random.randrange(10 ** 10)
        return job, {"From": sender[1:], "To": to[1:]}


def write_mails(program, jobs, config="{}"):
    """The program's answer to each job: the message, or why it was refused as a string."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(config)
        file.flush()
        lines = "".join(json.dumps(job, ensure_ascii=False) + "\n" for job in jobs).encode()
        out = subprocess.run([program, file.name], input=lines, stdout=subprocess.PIPE, check=True).stdout
    answers = []
    while out:
        head, out = out.split(b"\n", 1)
        kind, rest = head.split(b" ", 1)
        if kind == b"mail":
            answers.append(out[:int(rest)])
            out = out[int(rest):]
        else:
            answers.append(rest.decode())
    assert len(answers) == len(jobs), f"got {len(answers)} answers to {len(jobs)} jobs"
    return answers


def same(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


# ---- parse ----------------------------------------------------------------------------------------------------------


def check_form(mail):
    assert mail.endswith(b"\r\n"), "no CRLF at the end"
    assert all(c < 0x80 for c in mail), "an octet that is not 7-bit"
    assert b"\0" not in mail, "a NUL"
    lines = mail[:-2].split(b"\r\n")
    for number, line in enumerate(lines):
        assert b"\r" not in line and b"\n" not in line, f"a bare line break in {line[:80]!r}"
        assert len(line) <= 998, f"a line of {len(line)} octets"
        assert not line.startswith(b"From "), "a line that starts with From"
    head = lines[:lines.index(b"")]
    for line in head:
        assert line.strip(), "a line of blanks in the head"
        assert len(line) <= 78 or len(line.split()) <= 2, f"a head line of {len(line)} octets that could be folded"
    for word in re.findall(rb"=\?[^?]+\?[^?]+\?[^?]*\?=", b"\n".join(head)):
        assert len(word) <= 75, f"an encoded-word of {len(word)} octets"
        base64.b64decode(word.split(b"?")[3], validate=True).decode()  # no character is split


def lines_of(text):
    return re.sub(r"\r\n|\r|\n", "\n", text).removesuffix("\n")


def texts_of(message):
    """The texts that are no file, by subtype."""
    found = {}
    for part in message.walk():
        if part.get_content_maintype() == "text" and part.get_content_disposition() is None:
            assert part.get_content_subtype() not in found, "a text twice"
            found[part.get_content_subtype()] = lines_of(part.get_payload(decode=True).decode())
    return found


def files_of(message):
    found = []
    for part in message.walk():
        if part.get_content_disposition() is not None:
            cid = part["content-id"]
            found.append((part.get_filename(), part.get_content_disposition(), part.get_content_type(),
                          cid and cid.strip("<>"), base64.b64encode(part.get_payload(decode=True)).decode()))
    return sorted(found, key=repr)


def files_in(job):
    wanted = []
    for a in job.get("attachments", ()):
        kind = a.get("disposition", "inline" if "content_id" in a else "attachment")
        of = a.get("content_type", "application/octet-stream").split(";")[0]
        wanted.append((a["filename"].strip(), kind, of, a.get("content_id"), a["content_base64"]))
    return sorted(wanted, key=repr)


def shape(message):
    """The tree in one line; only multiparts and the places of the files matter."""
    if not message.is_multipart():
        return message.get_content_disposition() or message.get_content_subtype()
    return f"{message.get_content_subtype()}({', '.join(shape(p) for p in message.get_payload())})"


def shape_of(job):
    files = [(a.get("disposition", "inline" if "content_id" in a else "attachment"), "content_id" in a)
             for a in job.get("attachments", ())]
    inner = " ".join(("plain",) * ("text" in job) + ("html",) * ("html" in job))
    if inner == "plain html":
        inner = "alternative(plain, html)"
    related = [k for k, cid in files if k == "inline" and cid and "html" in job]
    mixed = [k for k, cid in files if not (k == "inline" and cid and "html" in job)]
    if related:
        inner = f"related({', '.join([inner] + related)})"
    return f"mixed({', '.join([inner] + mixed)})" if mixed else inner


def check_headers(job, people, message):
    for name in ("From", "To", "Date", "Message-ID", "Subject", "MIME-Version"):
        same(f"number of {name}", len(message.get_all(name, [])), 1)
    same("Bcc", message["Bcc"], None)
    for name, (display, spec) in people.items():
        got = email.utils.parseaddr(message[name], strict=False) if email.utils.supports_strict_parsing else \
            email.utils.parseaddr(message[name])
        same(f"address of {name}", got[1], spec)
        decoded = str(email.header.make_header(email.header.decode_header(unfolded(got[0]))))
        same(f"name of {name}", decoded, display)
    for name, value in [("Subject", job.get("subject", ""))] + list(job.get("headers", {}).items()):
        raw = unfolded(message[name])
        got = str(email.header.make_header(email.header.decode_header(raw))) if "=?UTF-8?B?" in raw else raw
        same(name, got, value)
    same("Date", int(email.utils.parsedate_to_datetime(message["Date"]).timestamp()),
         job.get("created_at", 1700000000000) // 1000)


def unfolded(value):
    return re.sub(r"\r?\n(?=[ \t])", "", value).strip()


def parse(program, seed):
    jobs = Jobs(seed)
    made = [jobs.job() for _ in range(JOBS)]
    mails = write_mails(program, [job for job, _ in made])
    again = write_mails(program, [job for job, _ in made])
    seen = set()
    for number, ((job, people), mail) in enumerate(zip(made, mails)):
        try:
            assert isinstance(mail, bytes), f"refused: {mail}"
            same("bytes the second time", again[number], mail)
            check_form(mail)
            message = email.message_from_bytes(mail, policy=email.policy.compat32)
            for part in message.walk():
                same("defects", [str(d) for d in part.defects], [])
            check_headers(job, people, message)
            same("texts", texts_of(message), {sub: lines_of(job[key]) for sub, key in (("plain", "text"), ("html", "html"))
                                              if key in job})
            same("files", files_of(message), files_in(job))
            same("tree", shape(message), shape_of(job))
            seen.add(re.sub(r"(inline|attachment)(, \1)*", r"\1", shape(message)))
            seen.update(re.findall(rb"Transfer-Encoding: (\S+)", mail))
        except AssertionError as e:
            show(number, seed, job, mail)
            raise SystemExit(f"job {number} of seed {seed}: {e}") from None
    return f"{JOBS} messages read back, {len(seen)} shapes and encodings"


def show(number, seed, job, mail):
    print(f"--- job {number}, seed {seed}\n{json.dumps(job, ensure_ascii=False)[:3000]}")
    print(f"--- mail\n{mail[:3000].decode(errors='replace') if isinstance(mail, bytes) else mail}")


# ---- dkim -----------------------------------------------------------------------------------------------------------


def openssl(*arguments):
    return subprocess.run(("openssl",) + arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def make_keys(folder):
    """Keys and their DNS records, made with the commands of worker/README.md."""
    rsa, ed = str(folder / "rsa.pem"), str(folder / "ed.pem")
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", rsa)
    openssl("genpkey", "-algorithm", "ED25519", "-out", ed)
    p_rsa = base64.b64encode(openssl("pkey", "-in", rsa, "-pubout", "-outform", "DER"))
    p_ed = base64.b64encode(openssl("pkey", "-in", ed, "-pubout", "-outform", "DER")[-32:])
    records = {f"s1._domainkey.{DOMAIN}.".encode(): b"v=DKIM1; k=rsa; p=" + p_rsa,
               f"s2._domainkey.{DOMAIN}.".encode(): b"v=DKIM1; k=ed25519; p=" + p_ed}
    config = {"dkim": {DOMAIN: [{"selector": "s2", "key": {"file": ed}}, {"selector": "s1", "key": {"file": rsa}}]}}
    return json.dumps(config), records


def altered(mail, random_):
    """The mail with one thing changed that a reader would see."""
    kind = random_.randrange(3)
    if kind == 0:
        return mail.replace(b"\r\nSubject:", b"\r\nSubject: Re:", 1)
    if kind == 1:
        return mail.replace(b"\r\nDate:", b"\r\nSubject: Free\r\nDate:", 1)
    return mail + b"PS\r\n"


def complaint(verifier, mail, index, records):
    """What is wrong with the signature; None when it verifies."""
    check = verifier.DKIM(mail)
    try:
        good = check.verify(idx=index, dnsfunc=lambda name, timeout=5: records.get(name))
    except verifier.DKIMException as e:
        return str(e)
    same("domain", check.domain, DOMAIN.encode())
    return None if good else "it does not verify"


def dkim(program, seed):
    try:
        import dkim as verifier
        import nacl  # noqa: F401, for Ed25519
    except ImportError as e:
        print(f"skipped: {e}; Debian: python3-dkim python3-nacl")
        raise SystemExit(77) from None
    with tempfile.TemporaryDirectory() as folder:
        config, records = make_keys(pathlib.Path(folder))
        jobs = Jobs(seed)
        made = [jobs.job()[0] for _ in range(JOBS)]
        mails = write_mails(program, made, config)
        again = write_mails(program, made, config)
    for number, mail in enumerate(mails):
        try:
            assert isinstance(mail, bytes), f"refused: {mail}"
            same("bytes the second time", again[number], mail)
            same("signatures", mail.count(b"DKIM-Signature:"), 2)
            check_form(mail)
            for index in (0, 1):
                same(f"complaint about signature {index}", complaint(verifier, mail, index, records), None)
            if number % 20 == 0:
                other = altered(mail, jobs.random)
                assert complaint(verifier, other, number // 20 % 2, records), f"verified after a change:\n{other[:3000]}"
        except AssertionError as e:
            show(number, seed, made[number], mail)
            raise SystemExit(f"job {number} of seed {seed}: {e!r}") from None
    return f"{JOBS} messages, both signatures verified"


# ---- refuse ---------------------------------------------------------------------------------------------------------

BASE = {"v": 1, "from": f"shop@{DOMAIN}", "to": "ann@example.org", "text": "x"}
FILE = {"filename": "a.txt", "content_type": "text/plain", "content_base64": "AAEC"}
BREAK = "x\r\nBcc: eve@example.net"

REFUSED = (
    ("a line break in the subject", {"subject": BREAK}),
    ("a NUL in the subject", {"subject": "x\0y"}),
    ("a line break in the sender", {"from": f'"{BREAK}" <shop@{DOMAIN}>'}),
    ("a line break in the recipient", {"to": f"{BREAK}@example.org"}),
    ("two recipients", {"to": "ann@example.org, bob@example.org"}),
    ("a line break in a header", {"headers": {"X-A": BREAK}}),
    ("a bare CR in a header", {"headers": {"X-A": "a\rb"}}),
    ("a bare LF in a header", {"headers": {"X-A": "a\nb"}}),
    ("a line break in a header's name", {"headers": {"X-A: b\r\nBcc": "c"}}),
    ("a second From", {"headers": {"from": "eve@example.net"}}),
    ("a Bcc", {"headers": {"bcc": "eve@example.net"}}),
    ("a Content-Type", {"headers": {"Content-Type": "text/html"}}),
    ("a signature", {"headers": {"DKIM-Signature": "v=1"}}),
    ("a header nobody knows", {"headers": {"Foo": "x"}}),
    ("a header twice", {"headers": {"X-A": "1", "x-a": "2"}}),
    ("a line break in a file name", {"attachments": [{**FILE, "filename": BREAK}]}),
    ("a line break in a content type", {"attachments": [{**FILE, "content_type": "text/plain\r\nX-A: b"}]}),
    ("a content type that is none", {"attachments": [{**FILE, "content_type": "text plain"}]}),
    ("a multipart", {"attachments": [{**FILE, "content_type": "multipart/mixed; boundary=x"}]}),
    ("a message in base64", {"attachments": [{**FILE, "content_type": "message/rfc822"}]}),
    ("a line break in a content id", {"attachments": [{**FILE, "content_id": "a\r\nX-A: b"}]}),
    ("brackets in a content id", {"attachments": [{**FILE, "content_id": "<a@b>"}]}),
    ("a disposition that is none", {"attachments": [{**FILE, "disposition": "inline; x=y"}]}),
    ("half of one-click unsubscribing", {"headers": {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}}),
    ("one-click by mail only", {"headers": {"List-Unsubscribe": "<mailto:u@example.com>",
                                            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}}),
    ("one-click with another value", {"headers": {"List-Unsubscribe": "<https://example.com/u>",
                                                  "List-Unsubscribe-Post": "yes"}}),
    ("an unsubscribe link without brackets", {"headers": {"List-Unsubscribe": "https://example.com/u"}}),
    ("a link that is not ASCII", {"headers": {"List-Archive": "<https://example.com/ü>"}}),
)


def refuse(program, _seed):
    answers = write_mails(program, [BASE] + [{**BASE, **change} for _, change in REFUSED])
    assert isinstance(answers[0], bytes), f"a plain job: got {answers[0]}, want a message"
    for (name, _), answer in zip(REFUSED, answers[1:]):
        if isinstance(answer, bytes):
            raise SystemExit(f"{name}: got a message, want a refusal:\n{answer.decode(errors='replace')}")
    return f"{len(REFUSED)} refused"


if __name__ == "__main__":
    email.utils.supports_strict_parsing = getattr(email.utils, "supports_strict_parsing", False)
    check = {"parse": parse, "dkim": dkim, "refuse": refuse}[sys.argv[1]]
    print(check(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1))
