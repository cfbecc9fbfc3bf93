"""Passkeys as a second factor (W3C WebAuthn, level 2): what a browser is asked, and whether its answer is right.

The key's own question of the person (finger, PIN) is wished for and not required: the password was right already.
webauthn takes a tenth of a second to import, so only the process that needs it does so, and only then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

NAME_LENGTH_MAX: Final = 60
_SERVICE: Final = "Spotlight"
_Words = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=1_600)]


@dataclass(frozen=True, slots=True)
class Site:
    """To whom keys belong: the host of our pages, and where answers come from. Numbers have no keys; a demo that
    listens on one has those of localhost."""

    host: str
    origin: str


def site_of(base_url: str) -> Site:
    """The site of pages at this address."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return Site(host, f"{parts.scheme}://{parts.netloc}")
    port = f":{parts.port}" if parts.port else ""
    return Site("localhost", f"{parts.scheme}://localhost{port}")


@dataclass(frozen=True, slots=True)
class Passkey:
    """A key of a person. `sign_count`: as its device counts, 0 where it does not."""

    id: UUID
    credential_id: bytes
    public_key: bytes = field(repr=False)
    sign_count: int
    name: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a browser has made."""

    credential_id: bytes
    public_key: bytes = field(repr=False)
    sign_count: int


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: _Words
    client_data: _Words


class _Made(_Answer):
    attestation: _Words


class _Signed(_Answer):
    authenticator: _Words
    signature: _Words


def creation(site: Site, person: UUID, email: str, challenge: bytes, held: Sequence[Passkey]) -> str:
    """What a browser needs to make a key, as JSON. `held`: keys that this person has."""
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import AuthenticatorSelectionCriteria, ResidentKeyRequirement

    options = generate_registration_options(
        rp_id=site.host,
        rp_name=_SERVICE,
        user_id=person.bytes,
        user_name=email,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(resident_key=ResidentKeyRequirement.DISCOURAGED),
        exclude_credentials=_named(held),
    )
    return options_to_json(options)


def made(site: Site, answer: str, challenge: bytes) -> NewKey | None:
    """The key that a browser made; None for an answer that is not right."""
    from webauthn import verify_registration_response
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        given = _Made.model_validate_json(answer)
        checked = verify_registration_response(
            credential=_credential(given, attestationObject=given.attestation),
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
        )
    except (WebAuthnException, ValidationError, ValueError):
        return None
    return NewKey(checked.credential_id, checked.credential_public_key, checked.sign_count)


def question(site: Site, challenge: bytes, held: Sequence[Passkey]) -> str:
    """What a browser needs to answer with one of these keys, as JSON."""
    from webauthn import generate_authentication_options, options_to_json

    return options_to_json(
        generate_authentication_options(rp_id=site.host, challenge=challenge, allow_credentials=_named(held))
    )


def signed(site: Site, answer: str, challenge: bytes, held: Sequence[Passkey]) -> tuple[Passkey, int] | None:
    """The key that has signed, and its new count; None for an answer that is not right."""
    from webauthn import base64url_to_bytes, verify_authentication_response
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        given = _Signed.model_validate_json(answer)
        named = base64url_to_bytes(given.id)
        key = next((key for key in held if key.credential_id == named), None)
        if key is None:
            return None
        checked = verify_authentication_response(
            credential=_credential(given, authenticatorData=given.authenticator, signature=given.signature),
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count,
        )
    except (WebAuthnException, ValidationError, ValueError):
        return None
    return key, checked.new_sign_count


def _credential(given: _Answer, **response: str) -> dict[str, object]:
    """The answer in the form that WebAuthn gives it."""
    inner = {"clientDataJSON": given.client_data, **response}
    return {"id": given.id, "rawId": given.id, "type": "public-key", "response": inner}


def _named(held: Sequence[Passkey]) -> "list[PublicKeyCredentialDescriptor]":
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    return [PublicKeyCredentialDescriptor(id=key.credential_id) for key in held]
