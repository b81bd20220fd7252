# SPDX-License-Identifier: Apache-2.0
"""The SMTP server of the tests: its scripts, its ledger and its Maildir."""
import mailbox
import smtplib

import pytest

MAIL = "Subject: hello\r\nX-Sendfleet-Id: job-1\r\nMessage-ID: <1@example.com>\r\n\r\nhi\r\n.a dot\r\n"


def send(smtpd, to):
    """The status code of a whole dialogue; 0 when the connection ended without one."""
    try:
        with smtplib.SMTP("127.0.0.1", smtpd.port) as client:
            client.sendmail("sender@example.com", [to], MAIL)
        return 250
    except smtplib.SMTPRecipientsRefused as refused:
        return refused.recipients[to][0]
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code
    except smtplib.SMTPServerDisconnected:
        return 0


@pytest.mark.parametrize("script, statuses, delivered", [
    ("someone", [250, 250], 2),
    ("busy", [450, 250], 1),
    ("greylist", [451, 250], 1),
    ("full", [452, 452], 0),
    ("unknown-user", [550, 550], 0),
    ("spam", [550, 550], 0),
    ("dotdrop", [0, 0], 2),
    ("dotdrop-once", [0, 250], 2),
    ("busy-data", [451, 250], 1),
])
def test_treats_a_recipient_as_its_address_says(smtpd, script, statuses, delivered):
    assert [send(smtpd, f"user+{script}@example.com") for _ in statuses] == statuses
    assert len(mailbox.Maildir(smtpd.maildir)) == delivered
    assert sum(line["event"] == "data" and line["accepted"] for line in smtpd.ledger()) == delivered


def test_a_mail_can_be_read_in_the_maildir(smtpd):
    assert send(smtpd, "someone@example.com") == 250
    [mail] = mailbox.Maildir(smtpd.maildir)
    assert (mail["Subject"], mail["Delivered-To"]) == ("hello", "someone@example.com")
    assert mail.get_payload() == "hi\n.a dot\n"
    [_, line] = smtpd.ledger()
    assert (line["id"], line["accepted"]) == ("job-1", True)
