"""Signed callbacks of pawaPay: what is believed, against signatures made by hand after RFC 9421."""

import base64
import hashlib
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.http.raw_exchange import RawRequest
from payments.providers.pawapay.signatures import REST_SECONDS, KeyRing, Origin, origin, read_keys

URL = "https://vote.example/api/webhooks/pawapay"
BODY = b'{"depositId": "5d0c1b7e-6a0f-4c0e-9a55-0f3c1a2b7d10", "status": "COMPLETED"}'
KEY = ec.generate_private_key(ec.SECP256R1())
KEY_ID = "HTTP_EC_P256_KEY:1"
ALL = ("@method", "@authority", "@path", "signature-date", "content-digest", "content-type")


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


KEYS = read_keys([{"id": KEY_ID, "key": pem(KEY)}])


def signed(
    covered: tuple[str, ...] = ALL,
    *,
    key: ec.EllipticCurvePrivateKey = KEY,
    key_id: str = KEY_ID,
    method: str = "POST",
    authority: str = "vote.example",
    digest: str = "sha-512",
    alg: str = "ecdsa-p256-sha256",
    der: bool = False,
    expires: int = 1_796_000_060,
) -> RawRequest:
    made = base64.b64encode(hashlib.new(digest.replace("-", ""), BODY).digest()).decode()
    values = {
        "@method": method,
        "@authority": authority,
        "@path": "/api/webhooks/pawapay",
        "signature-date": "2026-11-30T00:00:00Z",
        "content-digest": f"{digest}=:{made}:",
        "content-type": "application/json; charset=UTF-8",
    }
    named = " ".join(f'"{name}"' for name in covered)
    how = f'({named});alg="{alg}";keyid="{key_id}";created=1796000000;expires={expires}'
    base = "\n".join([*(f'"{name}": {values[name]}' for name in covered), f'"@signature-params": {how}'])
    signature = key.sign(base.encode(), ec.ECDSA(SHA256()))
    if not der:
        r, s = decode_dss_signature(signature)
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    headers = {name: value for name, value in values.items() if not name.startswith("@")}
    headers |= {"signature-input": f"sig-pp={how}", "signature": f"sig-pp=:{base64.b64encode(signature).decode()}:"}
    return RawRequest(method, "", headers, BODY)


def without(request: RawRequest, *names: str, **changed: str) -> RawRequest:
    headers: Mapping[str, str] = {n: v for n, v in request.headers.items() if n not in names}
    return RawRequest(request.method, "", {**headers, **changed}, request.body)


@pytest.mark.parametrize(
    "request_",
    [
        signed(),
        signed(digest="sha-256"),
        signed(method="PUT"),
        signed(der=True),
        signed(("@method", "@authority", "@path", "content-digest")),
        signed(expires=1_600_000_000),
    ],
    ids=["as documented", "sha-256", "PUT", "DER", "less covered", "long ago"],
)
def test_what_pawapay_signed_is_believed(request_: RawRequest) -> None:
    assert origin(request_, URL, KEYS) is Origin.PAWAPAY


@pytest.mark.parametrize(
    "request_",
    [
        RawRequest("POST", "", signed().headers, BODY.replace(b"COMPLETED", b"FAILED")),
        RawRequest("PUT", "", signed().headers, BODY),
        signed(authority="elsewhere.example"),
        signed(key=ec.generate_private_key(ec.SECP256R1())),
        signed(key_id="HTTP_EC_P256_KEY:2"),
        signed(alg="rsa-pss-sha512"),
        signed(("@method", "@authority", "@path")),
        signed(("content-digest",)),
        without(signed(), "content-digest"),
        without(signed(), **{"content-digest": "sha-512=:AAAA:"}),
        without(signed(), **{"content-type": "text/plain"}),
        without(signed(), signature="sig-pp=:AAAA:"),
        without(signed(), signature="nonsense \ud800"),
        without(signed(), **{"signature-input": "sig-pp=(((("}),
        without(signed(), **{"signature-input": ""}),
    ],
    ids=[
        "another body",
        "another method",
        "another host",
        "another key",
        "a key that is not published",
        "another algorithm",
        "the body is not covered",
        "the address is not covered",
        "no digest",
        "a digest of nothing",
        "another content type",
        "a signature too short",
        "a signature that is none",
        "an input that is none",
        "an empty input",
    ],
)
def test_anything_else_is_invalid(request_: RawRequest) -> None:
    assert origin(request_, URL, KEYS) is Origin.INVALID


def test_an_unsigned_callback_and_an_unverifiable_one() -> None:
    assert origin(without(signed(), "signature"), URL, KEYS) is Origin.UNSIGNED
    assert origin(without(signed(), "signature-input"), URL, KEYS) is Origin.UNSIGNED
    assert origin(signed(), URL, {}) is Origin.KEYS_UNKNOWN


def test_keys_are_read_as_published() -> None:
    bare = "".join(pem(KEY).splitlines()[1:-1])
    listed = [{"id": "1", "key": pem(KEY)}, {"id": "2", "key": bare}]
    odd = [None, {}, {"id": "3", "key": "AAAA"}, {"id": 4, "key": bare}, {"id": "5", "key": pem(ed_key())}]
    assert set(read_keys([*listed, *odd])) == {"1", "2"}
    assert read_keys(None) == read_keys({}) == read_keys("") == read_keys([[]]) == {}


def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def test_keys_are_fetched_when_a_callback_needs_them_and_not_at_every_forged_one() -> None:
    now = [1000.0]
    ring = KeyRing(lambda: now[0])
    assert not ring.wants_keys()
    assert ring.origin(signed(), URL) is Origin.KEYS_UNKNOWN
    assert ring.wants_keys()
    assert not ring.wants_keys()
    ring.learn({})
    now[0] += REST_SECONDS
    assert ring.wants_keys()
    ring.learn(KEYS)
    assert ring.origin(signed(), URL) is Origin.PAWAPAY
    now[0] += REST_SECONDS
    assert not ring.wants_keys()
    assert ring.origin(signed(key_id="HTTP_EC_P256_KEY:2"), URL) is Origin.INVALID
    assert ring.wants_keys()
