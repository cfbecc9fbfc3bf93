"""Text as Telegram counts and marks it: UTF-16 units, entities, and the HTML parse mode.

Source: Bot API, "Formatting options"; refusals in the words of Telegram's own server.
"""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

Entity = dict[str, object]

_KINDS: Final = MappingProxyType(
    {
        "b": "bold",
        "strong": "bold",
        "i": "italic",
        "em": "italic",
        "u": "underline",
        "ins": "underline",
        "s": "strikethrough",
        "strike": "strikethrough",
        "del": "strikethrough",
        "tg-spoiler": "spoiler",
        "span": "spoiler",
        "code": "code",
        "pre": "pre",
        "blockquote": "blockquote",
        "a": "text_link",
    }
)
_SIGNS: Final = MappingProxyType({"lt": "<", "gt": ">", "amp": "&", "quot": '"'})
_SIGN: Final = re.compile(r"&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]+));", re.ASCII)
_PIECE: Final = re.compile(r"<[^>]*>?|&[^&<\s]{1,9};|[^<&]+|&", re.ASCII)
_TAG: Final = re.compile(r"<(/?)([^\s>/=]*)([^>]*)>", re.ASCII)
_ATTRIBUTE: Final = re.compile(r"""([a-zA-Z][\w-]*)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""", re.ASCII)
_COMMAND: Final = re.compile(r"(?<!\S)/[A-Za-z0-9_]{1,32}(?:@[A-Za-z0-9_]{3,32})?(?!\S)", re.ASCII)
_SURROGATES: Final = range(0xD800, 0xE000)


class BadMarkup(ValueError):
    """The text cannot be read; the message says why, in Telegram's words."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A text and its entities, whose offsets and lengths count UTF-16 units."""

    text: str
    entities: tuple[Entity, ...] = ()


def units(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text) + sum(ord(letter) > 0xFFFF for letter in text)


def commands(text: str) -> tuple[Entity, ...]:
    """`/commands` of a text, as entities."""
    return tuple(
        {"type": "bot_command", "offset": units(text[: found.start()]), "length": units(found[0])}
        for found in _COMMAND.finditer(text)
    )


def trimmed(marked: Marked) -> Marked:
    """Without the white space around it, which Telegram drops; entities move along."""
    text = marked.text.strip()
    before = units(marked.text[: len(marked.text) - len(marked.text.lstrip())])
    whole, kept = units(text), []
    for entity in marked.entities:
        start = max(int(str(entity["offset"])) - before, 0)
        end = min(int(str(entity["offset"])) + int(str(entity["length"])) - before, whole)
        if end > start:
            kept.append({**entity, "offset": start, "length": end - start})
    return Marked(text, tuple(kept))


def read_html(source: str) -> Marked:
    """Take the marks out of a text. Raises BadMarkup for tags that are unknown or wrongly nested."""
    reader = _Reader()
    for found in _PIECE.finditer(source):
        piece, at = found[0], len(source[: found.start()].encode("utf-8", "replace"))
        if piece.startswith("<"):
            reader.tag(piece, at)
        else:
            reader.add(_sign(piece) if piece.startswith("&") else piece)
    return reader.finish()


def _sign(piece: str) -> str:
    """What a `&…;` stands for; itself when it stands for nothing."""
    found = _SIGN.fullmatch(piece)
    if found is None:
        return piece
    if found[3]:
        return _SIGNS.get(found[3], piece)
    number = int(found[1]) if found[1] else int(found[2], 16)
    return chr(number) if 0 < number < 0x110000 and number not in _SURROGATES else piece


class _Reader:
    """Text so far, and the tags that are open: name, entity."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._open: list[tuple[str, Entity]] = []
        self._done: list[Entity] = []

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self._length += units(text)

    def tag(self, piece: str, at: int) -> None:
        found = _TAG.fullmatch(piece)
        if found is None:
            raise BadMarkup(f"Unclosed start tag at byte offset {at}")
        closes, name, rest = bool(found[1]), found[2].lower(), found[3]
        if closes:
            self._close(name, at)
            return
        attributes = {key.lower(): value.strip("\"'") for key, value in _ATTRIBUTE.findall(rest)}
        if name not in _KINDS:
            raise BadMarkup(f'Unsupported start tag "{name}" at byte offset {at}')
        if name == "span" and attributes.get("class") != "tg-spoiler":
            raise BadMarkup(f'Tag "span" must have class "tg-spoiler" at byte offset {at}')
        entity: Entity = {"type": _KINDS[name], "offset": self._length}
        if name == "a":
            entity["url"] = "".join(_sign(p) for p in re.split(r"(&[^&\s]{1,9};)", attributes.get("href", "")))
        if name == "blockquote" and "expandable" in rest.lower():
            entity["type"] = "expandable_blockquote"
        self._open.append((name, entity))

    def _close(self, name: str, at: int) -> None:
        if not self._open:
            raise BadMarkup(f"Unexpected end tag at byte offset {at}")
        opened, entity = self._open.pop()
        if name not in ("", opened):
            raise BadMarkup(f'Unmatched end tag at byte offset {at}, expected "</{opened}>", found "</{name}>"')
        entity["length"] = self._length - int(str(entity["offset"]))
        # A link without an address, and a mark around nothing, are dropped without a word.
        if entity["length"] and entity.get("url") != "":
            self._done.append(entity)

    def finish(self) -> Marked:
        if self._open:
            raise BadMarkup(f'Can\'t find end tag corresponding to start tag "{self._open[-1][0]}"')
        ordered = sorted(self._done, key=lambda e: (int(str(e["offset"])), -int(str(e["length"]))))
        return Marked("".join(self._pieces), tuple(ordered))
