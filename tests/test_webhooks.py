"""Signing and verifying, held against the specification's vectors and its reference library."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app import webhooks
from app.webhooks import (
    InvalidSecret,
    MissingHeader,
    UnreadableBody,
    WebhookError,
    WrongSignature,
    WrongTimestamp,
    new_secret,
    sign,
    verify,
)

# The vector that all libraries of standard-webhooks/standard-webhooks are tested with.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
VECTOR_TIME = 1614265330
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

SECRET = new_secret()


def headers(body=VECTOR_BODY, secrets=SECRET, *, at=None, message_id="msg_1"):
    at = int(time.time()) if at is None else at
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": sign(message_id, at, body, secrets),
    }


def test_the_vector_of_the_specification_is_signed_as_it_says():
    assert sign(VECTOR_ID, VECTOR_TIME, VECTOR_BODY, VECTOR_SECRET) == VECTOR_SIGNATURE


def test_the_vector_of_the_specification_is_verified(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: VECTOR_TIME + 10)
    given = {
        "webhook-id": VECTOR_ID,
        "webhook-timestamp": str(VECTOR_TIME),
        "webhook-signature": VECTOR_SIGNATURE,
    }

    assert verify(VECTOR_BODY, given, VECTOR_SECRET) == {"test": 2432232314}
    assert verify(VECTOR_BODY, given, VECTOR_SECRET.removeprefix("whsec_")) == {"test": 2432232314}


@pytest.mark.parametrize("body", [b"{}", '{"a":"ü"}'.encode(), b"[" + b"1," * 9999 + b"1]"])
def test_what_we_sign_the_reference_library_verifies(body):
    assert Webhook(SECRET).verify(body, headers(body)) == json.loads(body)


def test_what_the_reference_library_signs_we_verify():
    now = datetime.now(UTC)
    given = {
        "Webhook-Id": "msg_2",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(SECRET).sign("msg_2", now, '{"a":"ü"}'),
    }

    assert verify('{"a":"ü"}', given, SECRET) == {"a": "ü"}
    assert verify('{"a":"ü"}'.encode(), given, [new_secret(), SECRET]) == {"a": "ü"}


@pytest.mark.parametrize("change", ["body", "webhook-id", "webhook-timestamp", "secret"])
def test_both_refuse_what_was_changed(change):
    given, body, secret = headers(), VECTOR_BODY, SECRET
    match change:
        case "body":
            body += b" "
        case "secret":
            secret = new_secret()
        case "webhook-timestamp":
            given[change] = str(int(given[change]) - 1)
        case name:
            given[name] += "x"

    with pytest.raises(WrongSignature):
        verify(body, given, secret)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, given)


def test_each_of_several_secrets_signs_and_one_that_fits_is_enough():
    new, old = new_secret(), new_secret()
    given = headers(secrets=[new, old])

    assert len(given["webhook-signature"].split(" ")) == 2
    for secret in (new, old):
        assert verify(VECTOR_BODY, given, secret)
        assert Webhook(secret).verify(VECTOR_BODY, given)


def test_signatures_of_other_versions_are_passed_over():
    given = headers()
    given["webhook-signature"] = f"v1a,AAAA v2 {given['webhook-signature']} v1,"

    assert verify(VECTOR_BODY, given, SECRET)


@pytest.mark.parametrize("signature", ["", "v1", "v1,", "v1,ü", "v1a,AAAA", ",", "v1,AA== v1,AAA"])
def test_nonsense_for_a_signature_is_refused(signature):
    with pytest.raises(WrongSignature):
        verify(VECTOR_BODY, headers() | {"webhook-signature": signature}, SECRET)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name):
    given = headers()
    del given[name]

    with pytest.raises(MissingHeader, match=name):
        verify(VECTOR_BODY, given, SECRET)


@pytest.mark.parametrize(("off", "word"), [(-310, "old"), (310, "new")])
def test_a_message_that_is_too_old_or_too_new_is_refused(off, word):
    given = headers(at=int(time.time()) + off)

    with pytest.raises(WrongTimestamp, match=word):
        verify(VECTOR_BODY, given, SECRET)
    assert verify(VECTOR_BODY, given, SECRET, tolerance=600)


@pytest.mark.parametrize("timestamp", ["", "soon", "1.5", "-1", "1e9", "9" * 20, "١٢"])
def test_a_timestamp_that_is_no_number_is_refused(timestamp):
    with pytest.raises(WrongTimestamp):
        verify(VECTOR_BODY, headers() | {"webhook-timestamp": timestamp}, SECRET)


def test_a_body_that_is_signed_rightly_and_no_json_is_refused():
    with pytest.raises(UnreadableBody):
        verify(b"<xml/>", headers(b"<xml/>"), SECRET)


def test_every_refusal_is_a_webhook_error():
    for kind in (MissingHeader, WrongTimestamp, WrongSignature, UnreadableBody):
        assert issubclass(kind, WebhookError)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "whsec_" + "A" * 100, "whsec_ü"])
def test_a_secret_of_the_wrong_length_or_form_is_refused_and_not_told(secret):
    with pytest.raises(InvalidSecret) as refused:
        verify(VECTOR_BODY, headers(), secret)

    assert "AAAA" not in str(refused.value)


def test_a_new_secret_is_one_and_another_each_time():
    made = {new_secret() for _ in range(20)}

    assert len(made) == 20
    assert all(len(webhooks.key_of(secret)) == 32 for secret in made)


def test_signatures_are_compared_in_constant_time(monkeypatch):
    compared = []
    compare = webhooks.hmac.compare_digest
    monkeypatch.setattr(
        webhooks.hmac,
        "compare_digest",
        lambda left, right: compared.append(1) or compare(left, right),
    )

    verify(VECTOR_BODY, headers(secrets=[SECRET, new_secret()]), [SECRET, new_secret()])

    assert len(compared) == 4  # each with each, although the first one fits


def test_the_file_alone_is_enough_for_a_receiver(tmp_path):
    (tmp_path / "webhooks.py").write_text(Path(webhooks.__file__).read_text())
    program = "import sys, webhooks; print([m for m in sys.modules if m in {'app', 'pydantic'}])"

    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
