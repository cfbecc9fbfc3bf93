"""Browsers as their owners know them."""

import pytest

from admin.access.browsers import browser_of

ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (f"{ANDROID} Chrome/126.0.0.0 Mobile Safari/537.36", "Chrome, Android"),
        (f"{ANDROID} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36", "Samsung Internet, Android"),
        (f"{ANDROID} Chrome/126.0.0.0 Mobile Safari/537.36 OPR/83.0.0.0", "Opera, Android"),
        (f"{MAC} Version/17.5 Safari/605.1.15", "Safari, Mac"),
        (f"{PHONE} Version/17.5 Mobile/15E148 Safari/604.1", "Safari, iPhone"),
        (f"{PHONE} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1", "Chrome, iPhone"),
        (
            f"{WINDOWS} AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
            "Edge, Windows",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox, Linux"),
        ("Python/3.11 aiohttp/3.12", ""),
        ("", ""),
    ],
)
def test_a_browser_in_a_few_words(agent: str, words: str) -> None:
    assert browser_of(agent) == words
