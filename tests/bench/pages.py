"""`python -m tests.bench.pages URL --email … [--requests 20]`: how long each page of a running installation takes.

It signs in, follows every link from the public and the staff's first page, tries every choice of the filters, all of it
again as of moments of the past, and asks for each kind of page so many times, one request at a time. The password is
SPOTLIGHT_DEMO_ADMIN_PASSWORD. Exit status 1 when the 95th percentile of a
kind is above the limit, or a page fails. `spotlight demo --orders 1000000` gives it something to read.
"""

import argparse
import os
import re
import statistics
import sys
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

LIMIT_MS = 300.0
_PER_KIND = 3
_PUBLIC = ("/", "/c/star", "/c/star/07", "/c/star/result", "/api/contests", "/api/contests/star/leaderboard?limit=100")
_STAFF = (
    "/admin",
    "/admin/contests/star/orders?amountFrom=5000",
    "/admin/contests/star/orders?candidate=12&channel=api",
)
_API = "/api/admin/contests/star"
# An evening's peak, a quiet morning, and the beginning of the orders.
_PAST = ((7, 21), (12, 8), (29, 12))
_HREF = re.compile(r'href="([^"#]+)')
_FORM = re.compile(r'<form[^>]* method="get"(?: action="([^"]+)")?.*?</form>', re.DOTALL)
_TYPED = re.compile(r'<input[^>]* name="(\w+)"[^>]* value="([^"]+)"')
_SELECT = re.compile(r'<select[^>]* name="(\w+)".*?</select>', re.DOTALL)
_OPTION = re.compile(r'<option value="([^"]+)"')
# Files, streams, and the same page in another language.
_NO_PAGE = re.compile(
    r"\.(css|js|png|jpe?g|webp|svg|csv|xlsx|pdf|ico|json|txt|zip)(\?|$)|/(static|media|pictures)/|/events$|[?&]lang=|asOf="
)
_VARIABLE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}"), "…"),
    (re.compile(r"(?<=/verify/)\w+|(?<=/receipts/)\w+"), "…"),
    (re.compile(r"(?<=/)\d+(?=/|$|\?)"), "…"),
    (re.compile(r"(?<!state)=[^&]*"), "="),
    (re.compile(r"(?<=/contests/)[\w-]+|(?<=/c/)[\w-]+|(?<=/organisers/)[\w-]+"), "…"),
)


def kind_of(path: str) -> str:
    """The address without what differs between pages of one kind."""
    for pattern, stands in _VARIABLE:
        path = pattern.sub(stands, path)
    return path


def _links(page: str) -> Iterator[str]:
    """Addresses that a page leads to, with one for each choice of its filters, and its forms sent as they are."""
    for link in _HREF.findall(page):
        yield link.replace("&amp;", "&")
    for form in _FORM.finditer(page):
        if typed := urlencode(_TYPED.findall(form[0])):
            yield f"{form[1] or ''}?{typed}"
        for select in _SELECT.finditer(form[0]):
            for value in _OPTION.findall(select[0]):
                yield f"{form[1] or ''}?{select[1]}={value}"


def _typed(client: httpx.Client) -> Iterator[str]:
    """Addresses that no page leads to: what is on air, receipts, orders, and what programs of staff read."""
    yield urlsplit(client.get(f"{_API}/overlay").json()["link"])._replace(scheme="", netloc="").geturl()
    for order in client.get(f"{_API}/orders", params={"limit": _PER_KIND}).json()["orders"]:
        yield from (f"/verify/{order['receipt']}", f"/votes/{order['voteId']}", f"/api/votes/{order['voteId']}")
    yield from (f"{_API}/orders", f"{_API}/summary", f"{_API}/tally")


def walked(client: httpx.Client, starts: tuple[str, ...]) -> dict[str, list[str]]:
    """Addresses by kind, some of each."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    waiting = deque(starts)
    seen = set(starts)
    while waiting:
        path = waiting.popleft()
        kind = found[kind_of(path)]
        if len(kind) == _PER_KIND:
            continue
        answer = client.get(path, follow_redirects=True)
        if answer.status_code >= 500:
            raise SystemExit(f"{path}: {answer.status_code}")
        if not answer.is_success:
            continue
        kind.append(path)
        if "html" not in answer.headers.get("content-type", ""):
            continue
        for link in _links(answer.text):
            target = urlsplit(urljoin(str(answer.url), link))
            address = target.path + (f"?{target.query}" if target.query else "")
            ours = target.netloc == client.base_url.netloc.decode()
            if ours and address not in seen and not _NO_PAGE.search(address):
                seen.add(address)
                waiting.append(address)
    return {kind: paths for kind, paths in found.items() if paths}


def timed(client: httpx.Client, path: str) -> float:
    """Milliseconds until the whole page is here."""
    began = time.perf_counter()
    client.get(path, follow_redirects=True).raise_for_status()
    return (time.perf_counter() - began) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description="How long each page takes.")
    parser.add_argument("url", help="where the gateway listens")
    parser.add_argument("--email", default="admin@demo.local")
    parser.add_argument("--requests", type=int, default=20, help="of each kind of page (20)")
    options = parser.parse_args()
    moments: list[datetime | None] = [None]
    today = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    moments += [today.replace(hour=hour) - timedelta(days=days) for days, hour in _PAST]
    with httpx.Client(base_url=options.url, timeout=60) as client:
        password = os.environ["SPOTLIGHT_DEMO_ADMIN_PASSWORD"]
        client.post("/api/auth/login", json={"email": options.email, "password": password}).raise_for_status()
        lines = [line for moment in moments for line in _measured(client, moment, options.requests)]
    lines.sort(reverse=True)
    for p95, median, kind in lines:
        print(f"{p95:9.1f} {median:9.1f}  {kind}{'  SLOW' if p95 > LIMIT_MS else ''}")
    return 1 if lines[0][0] > LIMIT_MS else 0


def _measured(client: httpx.Client, moment: datetime | None, requests: int) -> Iterator[tuple[float, float, str]]:
    """The 95th percentile and the median of each kind of page; as of a moment, of the back office alone."""
    if moment is not None:
        client.get("/admin", params={"asOf": moment.isoformat()}).raise_for_status()
    for kind, paths in walked(client, _STAFF if moment else (*_PUBLIC, *_STAFF, *_typed(client))).items():
        took = sorted(timed(client, paths[n % len(paths)]) for n in range(requests))
        p95 = statistics.quantiles(took, n=20, method="inclusive")[-1]
        print(".", end="", file=sys.stderr, flush=True)
        yield p95, statistics.median(took), f"{kind} as of {moment:%d %H:%M}" if moment else kind


if __name__ == "__main__":
    sys.exit(main())
