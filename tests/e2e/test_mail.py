# SPDX-License-Identifier: Apache-2.0
"""Mails through a real SMTP server, read as a person would find them in a Maildir."""
import base64
import email.policy
import json
import mailbox

import pytest

from conftest import start_smtpd
from fleets import mail

PNG = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def running(shared_fleet):
    shared_fleet.smtpd = start_smtpd(shared_fleet.start, shared_fleet.folder)
    return shared_fleet.up(routes={"relay": {"transport": "smtp", "host": "127.0.0.1", "port": shared_fleet.smtpd.port,
                                             "helo": "fleet.example"}})


def letter_mail(to, key, **more):
    return mail(to, key, route="relay", **more)


def delivered(fleet, job):
    """The mails of a job that lie in the Maildir."""
    box = mailbox.Maildir(fleet.smtpd.maildir, factory=lambda f: email.message_from_binary_file(f, policy=email.policy.default))
    return [one for one in box if one["X-Sendfleet-Id"] == job]


def replies(fleet, event, to):
    return [line["reply"] for line in fleet.smtpd.ledger() if line["event"] == event and to in line["to"]]


def test_a_mail_can_be_read(running):
    [job] = running.publish(letter_mail(
        "Zoë Müller <zoe@example.com>", "readable", **{"from": "Bücherstube „Zum Öhr“ <laden@example.com>"},
        reply_to="hilfe@example.com", subject="Ihre Bestellung – März ✓ " + "sehr lang " * 12,
        text="Grüße aus Köln.\n.ein Punkt am Anfang\n" + "ein sehr langer Absatz " * 60 + "\n",
        html="<p>Grüße aus <b>Köln</b></p>", headers={"List-Unsubscribe": "<https://example.com/u/7>", "X-Note": "häkchen ✓"},
        attachments=[{"filename": "Rechnung März.png", "content_type": "image/png",
                      "content_base64": base64.b64encode(PNG).decode()}]))
    accepted = running.await_event(job, "accepted")
    assert (accepted["transport"], accepted["code"]) == ("smtp", 250)
    [got] = delivered(running, job)
    assert got["From"].addresses[0].addr_spec == "laden@example.com"
    assert got["From"].addresses[0].display_name == "Bücherstube „Zum Öhr“"
    assert (got["To"].addresses[0].display_name, got["To"].addresses[0].addr_spec) == ("Zoë Müller", "zoe@example.com")
    assert got["Reply-To"] == "hilfe@example.com"
    assert got["Subject"].strip() == ("Ihre Bestellung – März ✓ " + "sehr lang " * 12).strip()
    assert (got["List-Unsubscribe"], got["X-Note"]) == ("<https://example.com/u/7>", "häkchen ✓")
    assert got["Return-Path"] == "<laden@example.com>" and got["Delivered-To"] == "zoe@example.com"
    text = got.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert text.rstrip() == ("Grüße aus Köln.\n.ein Punkt am Anfang\n" + "ein sehr langer Absatz " * 60).rstrip()
    assert got.get_body(("html",)).get_content().strip() == "<p>Grüße aus <b>Köln</b></p>"
    [attached] = got.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type(), attached.get_content()) == \
        ("Rechnung März.png", "image/png", PNG)
    assert got["Message-ID"].endswith("@example.com>") and got["Date"].datetime


def test_a_busy_mailbox_is_tried_again_with_the_same_mail(running):
    [job] = running.publish(letter_mail("ann+busy@example.com", "busy"))
    running.await_event(job, "accepted")
    steps = running.events.of(job)
    assert [s["event"] for s in steps] == ["waiting", "accepted"]
    assert (steps[0]["class"], steps[0]["code"], steps[0]["enhanced"], steps[0]["phase"]) == ("mailbox_busy", 450, "4.2.1", "rcpt")
    assert len(delivered(running, job)) == 1


def test_a_mail_refused_after_its_data_keeps_its_message_id(running):
    [job] = running.publish(letter_mail("ann+busy-data@example.com", "busy-data"))
    assert running.await_event(job, "accepted")["attempt"] == 2
    ids = [line["message_id"] for line in running.smtpd.ledger() if line["event"] == "data" and line["id"] == job]
    assert len(ids) == 2 and ids[0] == ids[1] is not None
    assert len(delivered(running, job)) == 1


def test_greylisting_is_waited_for_and_not_charged(running):
    [job] = running.publish(letter_mail("ann+greylist@example.com", "greylist"))
    waiting = running.await_event(job, "waiting")
    assert (waiting["class"], waiting["wait"], waiting.get("attempt", 0)) == ("throttled", "throttled", 0)


@pytest.mark.parametrize("script, word, code, enhanced", [
    ("unknown-user", "permanent", 550, "5.1.1"), ("spam", "reputation", 550, "5.7.1")])
def test_a_refused_recipient_is_dead_at_once(running, script, word, code, enhanced):
    [job] = running.publish(letter_mail(f"ann+{script}@example.com", script))
    letter = running.await_letter(job)
    assert letter.headers["sf-reason"].startswith(word + ": ")
    [attempt] = json.loads(letter.headers["sf-trail"])
    assert (attempt["code"], attempt["enhanced"], attempt["transport"]) == (code, enhanced, "smtp")
    assert delivered(running, job) == []
    assert len(replies(running, "rcpt", f"ann+{script}@example.com")) == 1


def test_a_connection_lost_after_the_final_dot_is_unknown_and_sent_once(running):
    [job] = running.publish(letter_mail("ann+dotdrop@example.com", "dotdrop"))
    letter = running.await_letter(job)
    reason = letter.headers["sf-reason"]
    assert reason.startswith("unknown: worker w1 ") and "phase response" in reason
    assert running.events.one(job, "dead")["phase"] == "response"
    assert len(delivered(running, job)) == 1, "the server had taken it"
    assert [line["accepted"] for line in running.smtpd.ledger() if line["event"] == "data" and line["id"] == job] == [True]


def test_a_server_that_goes_down_is_tried_again(running):
    [job] = running.publish(letter_mail("ann+shutdown@example.com", "shutdown"))
    running.await_event(job, "accepted")
    assert running.events.one(job, "waiting")["class"] == "transient"
    assert len(delivered(running, job)) == 1


def test_a_crowd_arrives_complete_and_once(running):
    ids = running.publish(*[letter_mail(f"user{n}@example.com", f"crowd-{n}") for n in range(300)])
    ends = running.await_ended(ids)
    assert {end["event"] for end in ends.values()} == {"accepted"}
    taken = [line["id"] for line in running.smtpd.ledger() if line["event"] == "data" and line["accepted"]]
    assert sorted(i for i in taken if i.startswith("crowd-")) == sorted(ids)
