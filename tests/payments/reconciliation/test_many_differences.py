"""A hundred thousand differences of one wrong file: grouped, decided by two persons at once, or undone.

The server ends statements of the service as it does in production, after five seconds.
"""

from typing import Final

import pytest

from payments.reconciliation.rules import read_group
from payments.requests import Act, RequestStatus
from tests.payments.reconciliation.reconciling import AWA, YAO, Reconciling
from tests.payments.reconciliation.reconciling import service as service

MANY: Final = 100_000
OTHERS: Final = 1_000
STEP: Final = 5_000
FILL: Final = (
    f"""
    insert into statement_files (id, provider, name, sha256, lines, first_at, last_at, imported_by)
    select gen_random_uuid(), 'mtn_momo', 'day.csv', '\\x01', {MANY + OTHERS}, now(), now(), 'awa'
    """,
    f"""
    insert into statement_lines (file_id, provider, line_no, line_key, kind, our_reference, amount_minor,
      currency, at, raw)
    select f.id, 'mtn_momo', n, 'l' || n, 'collection', 'SP' || n, 500, 'XOF', now(), '{{}}'
    from statement_files f, generate_series(1, {MANY + OTHERS}) n
    """,
    f"""
    insert into differences (provider, kind, line_id, amount_minor, currency, detail)
    select provider, case when line_no > {MANY} then 'double' else 'missing_here' end, id, 500, 'XOF', ''
    from statement_lines
    """,
    "analyze statement_lines, differences",
)


async def test_a_hundred_thousand_are_decided_at_once(service: Reconciling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payments.reconciliation.difference_acts.BATCH", STEP)
    for statement in FILL:
        await service.superuser(statement)
    written = "select xmin from differences group by 1"
    one, other = sorted(await service.differences.groups(), key=lambda line: -line.count)
    assert (one.count, one.amount, other.count) == (MANY, 500 * MANY, OTHERS)
    before = await service.rig.rows(written)
    asked = await service.acts.ask(Act.RECONCILE, one.key, {"repair": "unexplained"}, "not ours", AWA)
    assert await service.rig.rows(written) == before, "asking wrote every difference"
    assert {line.count: line.asked for line in await service.differences.groups()} == {MANY: MANY, OTHERS: 0}
    assert {d.request for d in await service.differences.differences(group=read_group(one.key))} == {asked}
    outcome = await service.acts.decide(asked, YAO, approve=True)
    # The person who agrees waits for the first step only.
    assert outcome.text == f"{STEP} of {MANY} differences decided: unexplained"
    # What is explained meanwhile is passed over, however much it is.
    await service.superuser(
        "update differences set status = 'resolved', resolution = 'came_in', resolved_by = 'spotlight'"
        f" where kind = 'missing_here' and id between {3 * STEP} and {MANY - STEP}"
    )
    while await service.acts.requests.approved(1):
        await service.acts.run_approved()
    request = await service.acts.requests.read(asked, None)
    assert request is not None
    done = 4 * STEP - 1
    sentence = f"{done} of {MANY} differences decided: unexplained; the others are explained or have changed since"
    assert (request.status, request.outcome) == (RequestStatus.DONE, sentence)
    assert await service.account("unexplained") == -500 * done
    assert [line.count for line in await service.differences.groups()] == [OTHERS]


async def test_an_import_of_a_hundred_thousand_lines_is_undone(service: Reconciling) -> None:
    for statement in FILL:
        await service.superuser(statement)
    done = await service.undone()
    assert (done.status, await service.kinds()) == (RequestStatus.DONE, [])
    assert done.text == f"day.csv is undone: {MANY + OTHERS} lines, {MANY + OTHERS} open differences"
