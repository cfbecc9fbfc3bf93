"""What a witness answers, case by case."""

from dataclasses import replace

import pytest

from leaderboard.log.merkle import EMPTY_ROOT
from leaderboard.log.notes import Checkpoint, KeyKind, Note, NoteWrong, Signature
from leaderboard.witness.rules import (
    Refused,
    Submission,
    WitnessAddress,
    cosignature_in,
    read_logs,
    read_witnesses,
    refusal,
    size_in,
)
from tests.leaderboard.witness.logs import ORIGIN, Log, key_of

LOG = Log()
FORKED = Log(differs=10)
EMPTY = Submission(0, (), LOG.note(0), LOG.checkpoint(0))
OTHER_ROOT = Checkpoint(ORIGIN, 0, bytes(32))
HASH = "A" * 43 + "="


@pytest.mark.parametrize(
    ("has", "asked", "status", "size"),
    [
        (None, LOG.asks(0, 1), None, None),
        (None, LOG.asks(0, 12), None, None),
        (None, EMPTY, None, None),
        (0, LOG.asks(0, 7), None, None),
        (7, LOG.asks(7, 12), None, None),
        (8, LOG.asks(8, 64), None, None),
        (12, LOG.asks(12, 12), None, None),  # again: the witness says that it is still so
        (7, LOG.asks(13, 12), 400, None),
        (None, LOG.asks(7, 12), 409, 0),
        (7, LOG.asks(0, 12), 409, 7),
        (12, LOG.asks(7, 9), 409, 12),  # it would go back
        (12, LOG.asks(7, 12), 409, 12),
        (12, FORKED.asks(12, 20), 422, None),
        (12, FORKED.asks(12, 12), 422, None),  # same size, another root
        (7, replace(LOG.asks(7, 12), proof=()), 422, None),
        (7, replace(LOG.asks(7, 12), proof=LOG.asks(8, 12).proof), 422, None),
        (12, replace(LOG.asks(12, 12), proof=(bytes(32),)), 422, None),
        (None, replace(LOG.asks(0, 12), proof=(bytes(32),)), 422, None),
        (None, Submission(0, (), Note(OTHER_ROOT.text, ()), OTHER_ROOT), 422, None),
    ],
)
def test_a_checkpoint_is_cosigned_only_where_it_goes_on(
    has: int | None, asked: Submission, status: int | None, size: int | None
) -> None:
    found = refusal(asked, None if has is None else LOG.checkpoint(has))
    assert (found and (found.status, found.size)) == (status and (status, size))
    assert found is None or found.body == (f"{found}\n" if size is None else f"{size}\n")


@pytest.mark.parametrize("asked", [LOG.asks(0, 5), LOG.asks(7, 12), EMPTY])
def test_a_request_is_read_as_it_is_written(asked: Submission) -> None:
    assert Submission.read(asked.body.encode()) == asked
    assert EMPTY.checkpoint.root == EMPTY_ROOT


NOTE = LOG.note(12).written
AS_WRITTEN = f"old 0\n\n{NOTE}"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n",
        "old 0",
        "old 0\n",
        "old 0\n\n",
        f"old 0\n{NOTE}",
        f"\n\n{NOTE}",
        f"old\n\n{NOTE}",
        f"old 00\n\n{NOTE}",
        f"old -1\n\n{NOTE}",
        f"old ١\n\n{NOTE}",  # a digit, of another script
        f"old 12345678901234567890\n\n{NOTE}",
        f"old  0\n\n{NOTE}",
        f"old 0\r\n\r\n{NOTE}",
        f"size 0\n\n{NOTE}",
        f"old 0\nAAAA\n\n{NOTE}",
        f"old 0\n{HASH[:-1]}\n\n{NOTE}",
        "\n".join(["old 0", *[HASH] * 64, "", NOTE]),
        AS_WRITTEN[:-1],
        AS_WRITTEN.partition("—")[0],
        AS_WRITTEN.replace("\n12\n", "\n012\n"),
        AS_WRITTEN.replace("\n12\n", "\n"),
        AS_WRITTEN.replace(ORIGIN, "", 1),
        AS_WRITTEN + "\0",
    ],
)
def test_what_is_no_request_is_refused(body: str) -> None:
    with pytest.raises(Refused) as refused:
        Submission.read(body.encode())
    assert refused.value.status == 400
    with pytest.raises(Refused):
        Submission.read(AS_WRITTEN.encode() + b"\xff")


def test_only_trusted_keys_count() -> None:
    newer, stranger = key_of(2), key_of(3)
    logs = read_logs([LOG.keys[0].key.text, newer.key.text])
    foreign = Signature("pq.example", b"abcd", bytes(2_420))
    for keys, kept in (((LOG.keys[0],), 1), ((newer, stranger), 1), ((*LOG.keys, newer), 2)):
        asked = Log(keys=keys).asks(0, 12)
        crowded = replace(asked, note=Note(asked.note.text, (foreign, *asked.note.signatures)))
        trusted = crowded.trusted(logs)
        assert len(trusted.note.signatures) == kept
        assert trusted.checkpoint == asked.checkpoint
    for asked, status in (
        (Log(keys=(stranger,)).asks(0, 12), 403),
        (replace(LOG.asks(0, 12), note=Note(LOG.note(12).text, LOG.note(13).signatures)), 403),
        (Log(keys=(newer, replace(stranger, name="other"))).asks(0, 12), None),
        (Log(origin="vote.example/c/other/log").asks(0, 12), 404),
    ):
        if status is None:
            asked.trusted(logs)
            continue
        with pytest.raises(Refused) as refused:
            asked.trusted(logs)
        assert refused.value.status == status


def test_a_list_of_logs_is_what_logs_publish_as_their_keys() -> None:
    log, newer = LOG.keys[0].key, key_of(2).key
    other = key_of(3, name="vote.example/c/other/log").key
    clock = key_of(4, KeyKind.COSIGNATURE, "vote.example/time").key
    lines = ["# Miss", "", newer.text, f" {log.text} ", clock.text, other.text, log.text]
    assert read_logs(lines) == {ORIGIN: (newer, log), other.name: (other,)}
    assert read_logs([]) == {}
    with pytest.raises(NoteWrong):
        read_logs([log.text, "vote.example"])


COSIGNER = key_of(9, KeyKind.COSIGNATURE, "news.example/witness")
SECOND = key_of(8, KeyKind.COSIGNATURE, "radio.example/witness")


def test_witnesses_are_set_by_key_and_address() -> None:
    news, radio = COSIGNER.key.text, SECOND.key.text
    given = f"{news} https://witness.news.example/, {radio}  http://127.0.0.1:8082,"
    assert read_witnesses(given) == (
        WitnessAddress(COSIGNER.key, "https://witness.news.example"),
        WitnessAddress(SECOND.key, "http://127.0.0.1:8082"),
    )
    assert read_witnesses("") == ()
    for wrong, why in (
        ("https://witness.news.example", "not a verifier key"),
        (news, "after the key comes"),
        (f"{news} witness.news.example", "after the key comes"),
        (f"{news} ftp://witness.news.example", "after the key comes"),
        (f"{LOG.keys[0].key.text} https://vote.example", "state no time"),
        (f"{news} https://one.example, {news} https://two.example", "twice"),
    ):
        with pytest.raises(ValueError, match=why):
            read_witnesses(wrong)


def test_of_an_answer_only_the_witness_s_own_line_counts() -> None:
    text = LOG.note(12).text
    line = COSIGNER.sign(text, 1_790_000_000).line
    other = SECOND.sign(text, 1_790_000_000).line
    for answer in (f"{line}\n", f"{other}\n{line}\n", f"nonsense\n{line}", f"{line}\n{line}\n"):
        found = cosignature_in(answer, COSIGNER.key, text)
        assert found
        assert found.line == line
    wrong = COSIGNER.sign(LOG.note(13).text, 1_790_000_000).line
    for answer in ("", "\n", "200 OK", f"{other}\n", f"{wrong}\n", line[:-9], LOG.note(12).written):
        assert cosignature_in(answer, COSIGNER.key, text) is None
    sizes = {"12\n": 12, "0": 0, "": None, "-1": None, "012": None, "1e3": None, "9" * 5_000: None, "١": None}
    assert {answer: size_in(answer) for answer in sizes} == sizes
