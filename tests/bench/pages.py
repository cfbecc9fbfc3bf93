"""`python -m tests.bench.pages URL --email … [--requests 20]`: how long each page of a running installation takes.

It signs in, follows every link from the public and the staff's first page, and asks for each kind of page so many
times, one request at a time. The password is SPOTLIGHT_DEMO_ADMIN_PASSWORD. Exit status 1 when the 95th percentile of a
kind is above the limit, or a page fails. `spotlight demo --orders 1000000` gives it something to read.
"""

import argparse
import os
import re
import statistics
import sys
import time
from collections import defaultdict, deque
from urllib.parse import urljoin, urlsplit

import httpx

LIMIT_MS = 300.0
_PER_KIND = 3
_STARTS = ("/", "/c/star", "/c/star/07", "/api/contests", "/api/contests/star/leaderboard?limit=100", "/admin")
_HREF = re.compile(r'href="([^"#]+)')
_NO_PAGE = re.compile(r"\.(css|js|png|jpe?g|webp|svg|csv|xlsx|pdf|ico|json|txt)$|/(static|media|pictures)/|/events$")
_VARIABLE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}"), "…"),
    (re.compile(r"(?<=/verify/)\w+|(?<=/receipts/)\w+"), "…"),
    (re.compile(r"(?<=/)\d+(?=/|$|\?)"), "…"),
    (re.compile(r"=[^&]*"), "="),
    (re.compile(r"(?<=/contests/)[\w-]+|(?<=/c/)[\w-]+|(?<=/organisers/)[\w-]+"), "…"),
)


def kind_of(path: str) -> str:
    """The address without what differs between pages of one kind."""
    for pattern, stands in _VARIABLE:
        path = pattern.sub(stands, path)
    return path


def walked(client: httpx.Client) -> dict[str, list[str]]:
    """Addresses by kind, some of each."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    waiting = deque(_STARTS)
    seen = set(_STARTS)
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
        for link in _HREF.findall(answer.text):
            target = urlsplit(urljoin(str(answer.url), link.replace("&amp;", "&")))
            address = target.path + (f"?{target.query}" if target.query else "")
            ours = target.netloc == client.base_url.netloc.decode()
            if ours and address not in seen and not _NO_PAGE.search(target.path):
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
    slow = 0
    with httpx.Client(base_url=options.url, timeout=60) as client:
        password = os.environ["SPOTLIGHT_DEMO_ADMIN_PASSWORD"]
        client.post("/api/auth/login", json={"email": options.email, "password": password}).raise_for_status()
        lines = []
        for kind, paths in walked(client).items():
            took = sorted(timed(client, paths[n % len(paths)]) for n in range(options.requests))
            p95 = statistics.quantiles(took, n=20, method="inclusive")[-1]
            slow += p95 > LIMIT_MS
            lines.append((p95, statistics.median(took), kind))
            print(".", end="", file=sys.stderr, flush=True)
    for p95, median, kind in sorted(lines, reverse=True):
        print(f"{p95:9.1f} {median:9.1f}  {kind}{'  SLOW' if p95 > LIMIT_MS else ''}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
