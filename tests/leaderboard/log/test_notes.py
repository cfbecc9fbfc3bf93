"""Notes and checkpoints by the examples of the specifications, and what is refused."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from leaderboard.log.merkle import EMPTY_ROOT
from leaderboard.log.notes import Checkpoint, KeyKind, Note, NoteWrong, Signature, Signer, Verified, VerifierKey
from leaderboard.log.proof_file import ProofFile

# Go's golang.org/x/mod/sumdb/note publishes this key and the note that it signed.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# The key of Go's module database.
SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

SIGNER = Signer("vote.example/c/miss/log", KeyKind.NOTE, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
COSIGNER = Signer("vote.example/time", KeyKind.COSIGNATURE, Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
CHECKPOINT = Checkpoint(SIGNER.name, 70_000, EMPTY_ROOT)
SIGNED = SIGNER.sign(CHECKPOINT.text)
COSIGNED = COSIGNER.sign(CHECKPOINT.text, 1_790_000_000)
NOTE = Note(CHECKPOINT.text, (SIGNED, COSIGNED))
KEYS = (SIGNER.key, COSIGNER.key)
FOREIGN = Signature("pq.example", b"abcd", bytes(2_420))


def test_a_published_note() -> None:
    key = VerifierKey.read(GO_KEY)
    assert key.text == GO_KEY
    assert (key.name, key.kind, key.key_id.hex()) == ("PeterNeumann", KeyKind.NOTE, "c74f20a3")
    note = Note.read(GO_NOTE)
    assert note.written == GO_NOTE
    assert note.verified([key]) == (Verified(key, None),)
    with pytest.raises(NoteWrong, match="the signature of 'PeterNeumann' is wrong"):
        replace(note, text=note.text.replace("problem is", "problem was")).verified([key])
    assert VerifierKey.read(SUMDB_KEY).text == SUMDB_KEY


def test_a_checkpoint_is_written_as_specified() -> None:
    root = EMPTY_ROOT
    assert CHECKPOINT.text == "vote.example/c/miss/log\n70000\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert Checkpoint.read(CHECKPOINT.text) == Checkpoint("vote.example/c/miss/log", 70_000, root)
    assert Checkpoint.read(f"{CHECKPOINT.text}a line more\n") == CHECKPOINT
    lines = NOTE.written.split("\n")
    assert lines[3] == ""
    assert lines[4].startswith("— vote.example/c/miss/log ")
    assert lines[5].startswith("— vote.example/time ")
    assert lines[6:] == [""]
    assert (len(SIGNED.made), len(COSIGNED.made)) == (64, 72)


def test_known_keys_are_verified_and_others_ignored() -> None:
    by_log, by_time = Verified(SIGNER.key, None), Verified(COSIGNER.key, 1_790_000_000)
    crowded = Note(NOTE.text, (FOREIGN, COSIGNED, SIGNED, SIGNED))
    for note in (NOTE, crowded):
        assert Note.read(note.written) == note
    assert NOTE.verified(KEYS) == (by_log, by_time)
    assert crowded.verified(KEYS) == (by_time, by_log)
    assert crowded.verified([SIGNER.key]) == (by_log,)
    same_name = Signer(SIGNER.name, KeyKind.NOTE, COSIGNER.private)
    assert Note(NOTE.text, (SIGNED, same_name.sign("another text\n"))).verified([SIGNER.key]) == (by_log,)
    for keys in ([], [same_name.key], [replace(SIGNER.key, name="else.example")]):
        with pytest.raises(NoteWrong, match="no signature of a known key"):
            NOTE.verified(keys)


@pytest.mark.parametrize("signature", [SIGNED, COSIGNED], ids=["note", "cosignature"])
def test_every_changed_bit_is_found(signature: Signature) -> None:
    key = next(key for key in KEYS if key.name == signature.name)
    for byte in range(len(signature.made)):
        made = bytearray(signature.made)
        made[byte] ^= 1
        with pytest.raises(NoteWrong, match=f"signature of '{key.name}' is"):
            Note(NOTE.text, (SIGNED, COSIGNED, replace(signature, made=bytes(made)))).verified(KEYS)
    for made_wrong in (signature.made[:-1], signature.made + b"\x00", b"\x00", b"\xff" * 72):
        with pytest.raises(NoteWrong, match=f"signature of '{key.name}' is"):
            Note(NOTE.text, (replace(signature, made=made_wrong),)).verified(KEYS)
    for text in (
        NOTE.text.replace("70000", "70001"),
        NOTE.text.replace("miss", "mist"),
        NOTE.text.replace("47D", "57D"),
    ):
        with pytest.raises(NoteWrong, match=f"signature of '{key.name}' is wrong"):
            Note(text, (signature,)).verified(KEYS)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "no signatures"),
        ("text\n", "no signatures"),
        (f"text\n{SIGNED.line}\n", "no signatures"),
        ("text\n\n", "no signatures"),
        (f"\n\n{SIGNED.line}\n", "no signatures"),
        (f"text\n\n{SIGNED.line}", "no signatures"),
        (f"text\r\n\n{SIGNED.line}\n", "control character"),
        (f"te\x00xt\n\n{SIGNED.line}\n", "control character"),
        (f"te\txt\n\n{SIGNED.line}\n", "control character"),
        (f"text\n\n{SIGNED.line.replace('—', '-')}\n", "not a line of a signature"),
        (f"text\n\n{SIGNED.line.replace('— ', '—')}\n", "not a line of a signature"),
        (f"text\n\n{SIGNED.line}\nmore\n", "not a line of a signature"),
        ("text\n\n— name\n", "not a line of a signature"),
        ("text\n\n— two names YWJjZGVmZw==\n", "not a line of a signature"),
        ("text\n\n— a+b YWJjZGVmZw==\n", "not a line of a signature"),
        ("text\n\n—  YWJjZGVmZw==\n", "not a line of a signature"),
        ("text\n\n— name YWJjZGVmZw\n", "not base64"),
        ("text\n\n— name YWJjZGVmZx==\n", "not base64"),
        ("text\n\n— name YWJjZGVm_w==\n", "not base64"),
        ("text\n\n— name é===\n", "not base64"),
        ("text\n\n— name YWJjZA==\n", "too short"),
        ("text\n\n" + "— name YWJjZGU=\n" * 101, "too many signatures"),
        ("x" * 1_000_001, "too long"),
    ],
)
def test_what_is_no_note(written: str, says: str) -> None:
    with pytest.raises(NoteWrong, match=says):
        Note.read(written)


def test_a_note_has_up_to_a_hundred_signatures() -> None:
    assert len(Note.read("text\n\n" + "— name YWJjZGU=\n" * 100).signatures) == 100
    assert (
        Note.read(f"an empty line\n\nbelongs to the text\n\n{SIGNED.line}\n").text
        == "an empty line\n\nbelongs to the text\n"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "three lines"),
        ("a\n1\n", "three lines"),
        (CHECKPOINT.text.removesuffix("\n"), "three lines"),
        (CHECKPOINT.text + "\n", "three lines"),
        ("\n" + CHECKPOINT.text, "three lines"),
        (CHECKPOINT.text.replace("70000", "070000"), "not the size"),
        (CHECKPOINT.text.replace("70000", "-1"), "not the size"),
        (CHECKPOINT.text.replace("70000", "+1"), "not the size"),
        (CHECKPOINT.text.replace("70000", "٣"), "not the size"),
        (CHECKPOINT.text.replace("70000", str(2**63)), "not the size"),
        (CHECKPOINT.text.replace("SuFU=", "SuFV="), "not base64"),
        ("a\n1\nYWJj\n", "32 bytes"),
    ],
)
def test_what_is_no_checkpoint(text: str, says: str) -> None:
    with pytest.raises(NoteWrong, match=says):
        Checkpoint.read(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a verifier key"),
        ("name+c74f20a3", "not a verifier key"),
        (GO_KEY.replace("Peter", "Peter "), "not a verifier key"),
        (GO_KEY.replace("Peter", "Piotr"), "id of the verifier key"),
        (GO_KEY.replace("c74f20a3", "C74F20A3"), "id of the verifier key"),
        (GO_KEY.replace("ARpc", "Bhpc"), "kind that is not known"),
        ("name+00000000+", "kind that is not known"),
        ("name+00000000+AQ==", "no Ed25519 key"),
        (GO_KEY + "=", "not base64"),
    ],
)
def test_what_is_no_key(text: str, says: str) -> None:
    with pytest.raises(NoteWrong, match=says):
        VerifierKey.read(text)


def test_a_time_is_a_cosignatures_alone() -> None:
    with pytest.raises(ValueError, match="a cosignature has a time"):
        SIGNER.sign("text\n", 1)
    with pytest.raises(ValueError, match="a cosignature has a time"):
        COSIGNER.sign("text\n")


@pytest.mark.parametrize("extra", [None, b"", b"more"])
@pytest.mark.parametrize("path", [(), (bytes(32),), (bytes(32), EMPTY_ROOT)])
def test_a_proof_file_is_read_as_it_was_written(path: tuple[bytes, ...], extra: bytes | None) -> None:
    proof = ProofFile(69_999, path, NOTE.written, extra)
    assert ProofFile.read(proof.written) == proof


def test_a_proof_file_as_specified() -> None:
    assert ProofFile(0, (EMPTY_ROOT,), NOTE.written, b"more").written == (
        "c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"
        + NOTE.written
    )


HASH_LINE = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "not a proof file"),
        ("c2sp.org/tlog-proof@v1\nindex 0\n", "not a proof file"),
        ("c2sp.org/tlog-proof@v2\nindex 0\n\n", "not a proof file"),
        ("c2sp.org/tlog-proof@v1\n\n", "no index"),
        ("c2sp.org/tlog-proof@v1\nextra bW9yZQ==\n\n", "no index"),
        ("c2sp.org/tlog-proof@v1\nindex 01\n\n", "no index"),
        ("c2sp.org/tlog-proof@v1\nindex -1\n\n", "no index"),
        (f"c2sp.org/tlog-proof@v1\n{HASH_LINE}index 1\n\n", "no index"),
        ("c2sp.org/tlog-proof@v1\nindex 1\nextra bW9yZQ==\n\n", "not base64"),
        ("c2sp.org/tlog-proof@v1\nextra bW9yZQ\nindex 1\n\n", "not base64"),
        ("c2sp.org/tlog-proof@v1\nindex 1\nbW9yZQ==\n\n", "63 hashes of 32 bytes"),
        (f"c2sp.org/tlog-proof@v1\nindex 1\n{HASH_LINE * 64}\n", "63 hashes of 32 bytes"),
    ],
)
def test_what_is_no_proof_file(written: str, says: str) -> None:
    with pytest.raises(NoteWrong, match=says):
        ProofFile.read(written)
