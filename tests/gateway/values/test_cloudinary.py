"""Cloudinary's signatures against published and measured examples."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.values.cloudinary import Algorithm, is_genuine, signature_of, text_to_sign

SAMPLE = {"public_id": "sample", "timestamp": "1315060510", "eager": "w_400,h_300,c_pad|w_260,h_200,c_crop"}
CONTEST = {
    "context": "candidate=07|contest=star-2026",
    "folder": "contest/star-2026",
    "notification_url": "https://vote.example.org/api/webhooks/cloudinary",
    "public_id": "c07-a1b2",
    "timestamp": "1796000000",
}
AT = datetime.fromtimestamp(1315060510, UTC)
BODY = b"{public_id: 'sample'}"
SIGNED = "25f7e91709c858b97d688ce8da799dedb290d9ef"


@pytest.mark.parametrize(
    ("parameters", "algorithm", "signature"),
    [
        (SAMPLE, "sha1", "7e775a49f317e77d8f0af0fb11891b6e6edf21c0"),
        (SAMPLE, "sha256", "7b36c75000ac5fd7bb429580ca06caba2242edbb362f78b27d5ac11cda1a3f4b"),
        ({"public_id": "a&b", "timestamp": "1315060510"}, "sha1", "0a9fe2d8ce2fab414604306325ec19423e4fbf2b"),
        (CONTEST, "sha1", "ed236e392d98e1f6c13f2d90af9a45d8b7f96e45"),
        ({**CONTEST, "empty": ""}, "sha1", "ed236e392d98e1f6c13f2d90af9a45d8b7f96e45"),
    ],
)
def test_an_upload_is_signed_like_the_examples(parameters: Any, algorithm: str, signature: str) -> None:
    assert signature_of(parameters, "abcd", Algorithm(algorithm)) == signature


def test_no_value_passes_for_a_further_parameter() -> None:
    assert text_to_sign({"a": "1&b=2"}) != text_to_sign({"a": "1", "b": "2"})


@pytest.mark.parametrize(
    ("change", "genuine"),
    [
        ({}, True),
        ({"now": AT + timedelta(hours=2)}, True),
        ({"now": AT - timedelta(hours=2)}, True),
        ({"now": AT + timedelta(hours=2, seconds=1)}, False),
        ({"now": AT - timedelta(hours=2, seconds=1)}, False),
        ({"body": BODY + b" "}, False),
        ({"secret": "abce"}, False),
        ({"timestamp": "1315060511"}, False),
        ({"timestamp": ""}, False),
        ({"timestamp": "1315060510.0"}, False),
        ({"timestamp": "-1315060510"}, False),
        ({"timestamp": "9" * 40}, False),
        ({"signature": ""}, False),
        ({"signature": SIGNED.upper()}, False),
        ({"signature": "é\ud800"}, False),
        ({"algorithm": Algorithm.SHA256}, False),
    ],
)
def test_a_notification_is_genuine_when_signed_lately(change: dict[str, Any], genuine: bool) -> None:
    given: dict[str, Any] = {"body": BODY, "timestamp": "1315060510", "signature": SIGNED}
    given |= {"secret": "abcd", "algorithm": Algorithm.SHA1, "now": AT}
    assert is_genuine(**{**given, **change}) is genuine
