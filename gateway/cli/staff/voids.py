"""`spotlight void` and `spotlight callbacks`: windows that are taken back, callbacks judged once more."""

from typing import Annotated, Final

import typer

from gateway.cli.commands import AsJson, command, group
from gateway.cli.failures import ApiRefused
from gateway.cli.formats import Reason, instant, print_json, shown
from gateway.cli.staff.api import StaffApi
from gateway.cli.staff.requests import (
    Public,
    Request,
    add_decisions,
    ask,
    preview_lines,
    print_requests,
    read_id,
    waiting,
)

void_app = group("Void a window of a contest: every vote in it leaves the count and its money goes back.")
callbacks_app = group("What operators sent us.")

_VOIDS: Final = ("void_window",)

Contest = Annotated[str, typer.Argument(help="The contest, by its slug.")]
From = Annotated[str, typer.Option("--from", help="First instant of the window, UTC where no zone is given.")]
To = Annotated[str, typer.Option("--to", help="End of the window; what was ordered at this instant is not in it.")]
Channel = Annotated[
    str | None, typer.Option("--channel", help="Only votes of this channel: ussd, sms, telegram, web, api.")
]
Operator = Annotated[str | None, typer.Option("--operator", help="Only payments by this operator: mtn_momo …")]

_WINDOW_EXAMPLE: Final = "star --from 2026-11-21T20:00 --to 2026-11-21T20:30 --channel ussd"


@command(void_app, "preview", f"spotlight void preview {_WINDOW_EXAMPLE}")
def preview(
    contest: Contest,
    first: From,
    last: To,
    channel: Channel = None,
    operator: Operator = None,
    as_json: AsJson = False,
) -> None:
    """Print what voiding a window would take back: votes and money by candidate, channel and operator.

    Nothing is changed. Counted and held payments are in the window by when they were ordered.
    """
    body = {"contest": contest, **_window(first, last), "channel": channel, "operator": operator}
    found = StaffApi().post("voids/preview", body)["preview"]
    if as_json:
        print_json(found)
    else:
        print("\n".join(preview_lines(found)))


@command(void_app, "ask", f"spotlight void ask {_WINDOW_EXAMPLE} --reason 'the jury stopped the round'")
def ask_void(
    contest: Contest,
    first: From,
    last: To,
    reason: Reason,
    channel: Channel = None,
    operator: Operator = None,
    public: Public = None,
) -> None:
    """Ask to void a window. Its payments are listed now; exactly these are given back once a second person agrees."""
    window = {**_window(first, last), "channel": channel, "operator": operator}
    ask("void", "void_window", contest, reason, **window, public_reason=public)


@command(void_app, "list", "spotlight void list")
def list_voids(as_json: AsJson = False) -> None:
    """Print windows that wait for a second person or are being voided."""
    requests = waiting(StaffApi(), _VOIDS)
    if as_json:
        print_json(requests)
    else:
        print_requests(requests, nothing="no window is asked for or being voided")


add_decisions(
    void_app,
    "void",
    _VOIDS,
    agree="Agree to a voided window, as the second person. The workers go through its list, also after a restart.",
    turn_down="Turn down a window that was asked to be voided. Nothing is changed.",
)


@command(void_app, "progress", "spotlight void progress REQUEST")
def progress(request: Request, as_json: AsJson = False) -> None:
    """Print how far a voided window is: payments looked at, votes and money taken back, money arrived."""
    number = read_id(request)
    try:
        found = StaffApi().get(f"voids/{number}")
    except ApiRefused as refused:
        if refused.kind not in ("unknown_request", "unknown_window"):
            raise
        raise ApiRefused(f"{number} is no voided window; `spotlight void list` shows them") from None
    if as_json:
        print_json(found)
        return
    print(f"status: {found['status']}")
    for line in found["lines"]:
        done, whole = shown(line["moneyDoneMinor"], line["currency"]), shown(line["moneyMinor"], line["currency"])
        looked = f"{line['done']} of {line['payments']}"
        print(f"payments looked at: {looked}, {line['skipped']} had left the count before")
        print(f"taken back: {line['votesDone']} of {line['votes']} votes, {done} of {whole}")
        waiting_for = f"refunds that wait for a person: {line['manual']}"
        print(f"payers who have their money: {line['refunded']}; {waiting_for}")


@command(callbacks_app, "replay", "spotlight callbacks replay 4711 --reason 'read wrongly before the fix'")
def replay(
    callback: Annotated[str, typer.Argument(help="The callback's number, as the back office shows it.")],
    reason: Reason,
) -> None:
    """Have a stored callback judged once more. It is a hint: the operator is asked before anything counts."""
    ask("callbacks", "replay_callback", callback, reason)


def _window(first: str, last: str) -> dict[str, str]:
    return {name: at.isoformat() for name, typed in (("from", first), ("to", last)) if (at := instant(typed))}
