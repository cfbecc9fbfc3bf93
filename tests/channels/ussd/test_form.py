"""Forms are read by hand, and as the library reads them."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.ussd.routes import FIELDS_MAX, fields

PIECES = st.sampled_from([*"a=&+%*#é", "text", "%2B", "%2b", "%2A", "%23", "%25", "2A", "%C3%A9"])


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("text=07*5&phone=%2B22505", {"text": "07*5", "phone": "+22505"}),
        ("text=07%2A5%2A1%23", {"text": "07*5*1#"}),
        ("text=07%2a5%2a1", {"text": "07*5*1"}),
        # What is escaped twice is unescaped once.
        ("text=%252A&other=%25", {"text": "%2A", "other": "%"}),
        ("text=a+b%2Bc", {"text": "a b+c"}),
        ("%2Aname%23=1", {"*name#": "1"}),
        ("text=%26%3D&x=1", {"text": "&=", "x": "1"}),
        ("a=1&a=2", {"a": "2"}),
        ("a", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
    ],
)
def test_a_form(body: str, found: dict[str, str]) -> None:
    assert fields(body.encode()) == found


@given(st.lists(PIECES, max_size=30).map("".join))
def test_a_form_is_read_as_the_library_reads_it(body: str) -> None:
    try:
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            fields(body.encode())
        return
    # No program asks for a field without a name.
    ours = {name: value for name, value in fields(body.encode()).items() if name}
    theirs = {name: value for name, value in dict(pairs).items() if name}
    assert ours == theirs


@pytest.mark.parametrize("body", [b"a=%FF", b"a=\xff", b"&".join([b"a=1"] * (FIELDS_MAX + 1))])
def test_what_is_no_form(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of either kind
        fields(body)
