"""What the holder of a receipt gets, on a real database, and judged by tlog-scales."""

from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from aiohttp.test_utils import TestClient, TestServer
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tlog import Checkpoint, InclusionProof

from gateway.runtime.connections import utc_now
from leaderboard.log.build import LogBuilder
from leaderboard.log.keys import LogKeys
from leaderboard.log.leaf import SealedLeaf, VoteLeaf, read_leaf, receipt_hash, voter_hash
from leaderboard.log.merkle import leaf_hash
from leaderboard.log.proof_file import ProofFile
from leaderboard.log.sealing import opened as opened_leaf
from leaderboard.scores import Rankings
from payments.requests import Act
from tests.channels.web.service import application
from tests.rigs.live_service import live_service
from tests.rigs.money_rig import MoneyRig, opened
from tests.rigs.rig import PUBLIC_URL

VOTER = "+2250501020304"
KEYS = LogKeys.of(PUBLIC_URL, ("the newest secret of the logs, 32 letters",))


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    await made.change("update contests set state = 'draft' where slug <> 'star'")
    yield made
    await made.close()


def judged(contest: UUID, note: str, index: int, leaf: bytes, path: list[bytes]) -> int:
    """The size of the tree that a checkpoint states, whose signatures and proof another implementation accepts."""
    checkpoint = Checkpoint.from_text(note)
    keys = VkeySet(*(Vkey.from_string(one.key.text) for one in (*KEYS.signers(contest, "star"), KEYS.clock)))
    assert len(keys.verify(checkpoint.signatures, checkpoint)) == 2
    InclusionProof(index, checkpoint.size, path).check(leaf_hash(leaf), checkpoint.root_hash)
    return int(checkpoint.size)


async def test_the_holder_of_a_receipt_gets_a_proof(rig: MoneyRig) -> None:
    orders = [await rig.counted(quantity=n, key=f"vote {n}") for n in range(1, 6)]
    orders.append(await rig.held(key="held"))
    orders.append(await rig.placed(key="placed"))
    receipts = {row.id: row.receipt for row in await rig.rows("select id, receipt from votes")}
    codes = [receipts[order.vote_id] for order in orders]
    builder = LogBuilder(rig.engine, rig.vault, KEYS)
    app = application(live_service(rig, Rankings(rig.directory, utc_now)))  # type: ignore[arg-type] # the real one
    async with TestClient(TestServer(app)) as site:

        async def asked(code: str, status: int = 200) -> dict[str, Any]:
            async with site.get(f"/verify/{code}", headers={"Accept": "application/json"}) as answer:
                assert answer.status == status
                return dict(await answer.json(content_type=None))

        async def filed(code: str) -> tuple[int, str]:
            async with site.get(f"/verify/{code}.tlog-proof") as answer:
                assert answer.headers["Cache-Control"] == "no-store"
                return answer.status, await answer.text()

        # Counted, and not yet in the log.
        body = await asked(codes[2])
        assert (body["quantity"], body["log"], body["salt"]) == (3, None, None)
        assert (await filed(codes[2]))[0] == 404
        await builder.build()
        for number, code in enumerate(codes[:5], start=1):
            body = await asked(code.lower())
            log, salt = body["log"], bytes.fromhex(body["salt"])
            text = b64decode(log["leaf"])
            path = [b64decode(one) for one in log["proof"]]
            assert judged(rig.contest.id, log["checkpoint"], log["index"], text, path) == log["treeSize"] == 6
            leaf = read_leaf(text)
            assert isinstance(leaf, VoteLeaf)
            assert (leaf.seq, leaf.votes, log["index"]) == (number, number, number)
            assert leaf.receipt == receipt_hash(salt, code)
            assert leaf.voter == voter_hash(salt, VOTER)
            status, written = await filed(code)
            read = ProofFile.read(written)
            assert (status, read.index, list(read.path), read.checkpoint) == (
                200,
                log["index"],
                path,
                log["checkpoint"],
            )
            assert read.extra == text
            assert body["salt"] not in written
            async with site.get(f"/verify/{code}", headers={"Accept": "text/html"}) as page:
                assert body["salt"] in await page.text()

        # What is counted later has a proof in a larger tree; what is not signed yet has none.
        await rig.agreed(Act.REFUND_PAYMENT, orders[2].payment_reference)
        await rig.settle_all()
        assert [await builder.build(), (await asked(codes[2]))["log"]["treeSize"]] == [1, 6]
        await builder.build()
        body = await asked(codes[2])
        assert (body["takenBack"]["tallyNumber"], body["log"]["treeSize"]) == (6, 7)
        earlier = (await asked(f"{codes[2]}?treeSize=6&lang=fr"))["log"]
        assert (earlier["treeSize"], earlier["checkpoint"]) == (6, log["checkpoint"])
        assert (await asked(f"{codes[2]}?treeSize=5"))["log"] is None
        for wrong in ("0", "x", "9" * 30):
            await asked(f"{codes[2]}?treeSize={wrong}", 422)

        for code, kind in (
            (codes[5], "receipt_held"),
            (codes[6], "receipt_pending"),
            ("0000000000", "unknown_receipt"),
        ):
            assert (await asked(code, 404))["type"] == f"/problems/{kind}"
            status, problem = await filed(code)
            assert (status, kind in problem) == (404, True)
            async with site.get(f"/verify/{code}", headers={"Accept": "text/html"}) as page:
                assert page.status == 404

        # Tiles that are missing are our fault, and no vote is called unlogged for it.
        await rig.change("update log_tiles set hashes = substr(hashes, 1, 32)")
        await asked(codes[0], 503)
        assert (await filed(codes[0]))[0] == 503


async def test_the_holder_of_a_receipt_opens_its_leaf_alone(rig: MoneyRig) -> None:
    await rig.counted()
    builder = LogBuilder(rig.engine, rig.vault, KEYS)
    await builder.build()
    await rig.change("update contests set hidden_from = now(), blackout_sealed = true where slug = 'star'")
    await rig.directory.refresh()
    await rig.counted(key="dark")
    assert [await builder.build(), await builder.build()] == [2, 0]
    app = application(live_service(rig, Rankings(rig.directory, utc_now)))  # type: ignore[arg-type] # the real one
    plain, dark = [row.receipt for row in await rig.rows("select receipt from tally_entries order by seq")]
    async with TestClient(TestServer(app)) as site:
        bodies = []
        for code in (plain, dark):
            async with site.get(f"/verify/{code}", headers={"Accept": "application/json"}) as answer:
                bodies.append(await answer.json(content_type=None))
        assert bodies[0]["leafKey"] is None
        sealed = read_leaf(b64decode(bodies[1]["log"]["leaf"]))
        assert isinstance(sealed, SealedLeaf)
        leaf = opened_leaf(bytes.fromhex(bodies[1]["leafKey"]), sealed)
        assert isinstance(leaf, VoteLeaf)
        assert (leaf.seq, leaf.receipt) == (2, receipt_hash(bytes.fromhex(bodies[1]["salt"]), dark))
        async with site.get(f"/verify/{dark}.tlog-proof") as answer:
            written = await answer.text()
        assert ProofFile.read(written).extra == sealed.text
        assert bodies[1]["leafKey"] not in written
        async with site.get(f"/verify/{dark}", headers={"Accept": "text/html"}) as answer:
            page = await answer.text()
        for shown in ("Votre ligne est scellée", "/c/star/log/kit.zip"):
            assert shown in page
