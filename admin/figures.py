"""The business side of `/metrics`: votes, money, backlogs. No figure names a person."""

from gateway.http.health import Figure
from gateway.ports.figures import Figures


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
    for work, age in figures.owed_seconds.items():
        shown.append(Figure("spotlight_owed_work_age_seconds", "Age of the oldest due work.", age, {"work": work}))
    for status, many in figures.texts.items():
        shown.append(Figure("spotlight_texts_waiting", "Texts that wait to be sent.", many, {"status": status}))
    return shown
