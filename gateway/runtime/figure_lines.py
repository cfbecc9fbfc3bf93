"""The business side of `/metrics`: votes, money, backlogs. No figure names a person."""

from gateway.http.health import Figure
from gateway.runtime.figures_port import AccountFigures, Figures, StorageFigures, TextFigures


def exposed(figures: Figures) -> list[Figure]:
    """What Prometheus is shown."""
    shown: list[Figure] = []
    for contest in figures.contests:
        labels = {"contest": contest.slug}
        shown.append(Figure("spotlight_votes_counted", "Votes counted.", contest.votes, labels, "counter"))
        shown.append(
            Figure(
                "spotlight_money_counted_minor",
                "Money behind counted votes, in minor units.",
                contest.collected_minor,
                {**labels, "currency": contest.currency},
                "counter",
            )
        )
    for (provider, state), many in figures.payments.items():
        labels = {"provider": provider, "state": state}
        shown.append(Figure("spotlight_payments_unfinished", "Payments under way, by state.", many, labels))
    for slug, many in figures.being_counted.items():
        shown.append(
            Figure("spotlight_payments_being_counted", "Payments decided and not counted yet.", many, {"contest": slug})
        )
    for (provider, outcome), many in figures.callbacks.items():
        labels = {"provider": provider, "outcome": outcome}
        shown.append(Figure("spotlight_callbacks", "Operators' callbacks, by outcome.", many, labels, "counter"))
    shown += _accounts(figures.accounts)
    shown.append(Figure("spotlight_workers", "Workers that lately said that they work.", figures.workers))
    for work, age in figures.owed_seconds.items():
        shown.append(Figure("spotlight_owed_work_age_seconds", "Age of the oldest due work.", age, {"work": work}))
    for kind, many in figures.set_aside.items():
        name, what = "spotlight_set_aside", "What fails by itself and is kept out of the way, by kind."
        shown.append(Figure(name, what, many, {"kind": kind}))
    for status, many in figures.texts.items():
        shown.append(Figure("spotlight_texts_waiting", "Texts that wait to be sent.", many, {"status": status}))
    return [*shown, *_sent_texts(figures.sent_texts), *_storage(figures.storage)]


def _storage(storage: StorageFigures) -> list[Figure]:
    """How tables grow, and whether their upkeep is done."""
    by_table = (
        ("spotlight_table_bytes", "Size of a table with its indexes.", storage.bytes),
        ("spotlight_table_rows", "Rows of a table, as PostgreSQL estimates.", storage.rows),
        (
            "spotlight_partition_months_ahead",
            "Coming months with a partition; -1: today has none.",
            storage.months_ahead,
        ),
    )
    shown = [
        Figure(name, what, value, {"table": table}) for name, what, held in by_table for table, value in held.items()
    ]
    name, what = "spotlight_upkeep_age_seconds", "Since a task of upkeep came to its end."
    return [*shown, *(Figure(name, what, age, {"task": task}) for task, age in storage.upkeep_seconds.items())]


def _accounts(accounts: AccountFigures) -> list[Figure]:
    """Operators that fail, and questions that wait for their rate."""
    shown = [
        Figure("spotlight_account_closed", "Whether an account is set aside.", int(closed), {"account": account})
        for account, closed in accounts.closed.items()
    ]
    for account, seconds in accounts.backlog_seconds.items():
        name, what = "spotlight_verification_backlog_seconds", "How long the due questions take at the allowed rate."
        shown.append(Figure(name, what, seconds, {"account": account}))
    for account, many in accounts.provisional.items():
        name, what = "spotlight_payments_provisional", "Payments counted on a callback, still to be asked about."
        shown.append(Figure(name, what, many, {"account": account}))
    return shown


def _sent_texts(texts: TextFigures) -> list[Figure]:
    """What became of texts of the last 24 hours. A refusal of us wants somebody to act."""
    shown = []
    for (carrier, outcome), many in texts.outcomes.items():
        labels = {"carrier": carrier, "outcome": outcome}
        shown.append(Figure("spotlight_texts_tried", "Texts of the last 24 hours, by outcome.", many, labels))
    for carrier, parts in texts.parts.items():
        shown.append(Figure("spotlight_text_parts", "Parts sent in the last 24 hours.", parts, {"carrier": carrier}))
    for (carrier, reason), many in texts.refusals.items():
        labels = {"carrier": carrier, "reason": reason}
        shown.append(
            Figure("spotlight_carrier_refuses_us", "Texts refused for our account's sake in 24 hours.", many, labels)
        )
    return shown
