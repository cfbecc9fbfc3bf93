"""The kit every page is made with: templates, languages, static files and protective headers.

A package brings its own `templates/`, `phrases/` and `static/` folders and registers them once at
start-up. A handler then calls `render(request, "name.html", …)`. In a template, `t(key, …)` says a
phrase, `static(name)` is the address of a file, `public_url` our
public address without a last `/`, `number(votes)`, `day(date)` and `moment(instant, zone)`
write in the page's language, `money` is a filter for amounts, `contact_link` for contacts, and `lang` is
the code of the language.
"""

import gzip
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Final

import jinja2
from aiohttp import hdrs, web
from markupsafe import Markup, escape
from yarl import URL

from gateway.http.amount import Amount
from gateway.http.callers import PUBLIC_URL, is_https
from gateway.http.phrases import DEFAULT_LANGUAGE, Catalogue, day_of, load, merge, moment_of
from gateway.http.problems import Problem
from gateway.http.static_files import StaticFiles, accepts_gzip
from gateway.http.tables import labelled
from gateway.values.money import SHORT_UNITS, Money
from gateway.values.time_zones import FALLBACK

_PICTURES: Final = "img-src 'self' data: https://res.cloudinary.com"
_VIDEOS: Final = "media-src 'self' https://res.cloudinary.com"
_CALLS: Final = "connect-src 'self' https://api.cloudinary.com"
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        _PICTURES,
        _VIDEOS,
        _CALLS,
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

SECURITY_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }
)
STRICT_TRANSPORT: Final = "max-age=31536000; includeSubDomains"

LANGUAGE_COOKIE: Final = "lang"
LANGUAGE_COOKIE_SECONDS: Final = 365 * 24 * 3600

NO_ADDRESS: Final = URL()
_THIN_SPACE: Final = "\u202f"
_HARD_SPACE: Final = "\u00a0"


def policy_with(pictures: Iterable[str] = (), videos: Iterable[str] = (), calls: Iterable[str] = ()) -> str:
    """The policy of a page that also shows pictures and videos of these origins, each like `https://img.example`, and
    whose script calls these."""
    policy = CONTENT_SECURITY_POLICY
    for known, origins in ((_PICTURES, pictures), (_VIDEOS, videos), (_CALLS, calls)):
        more = sorted({origin for origin in origins if origin not in known.split()})
        policy = policy.replace(known, " ".join((known, *more)))
    return policy


def preferred(header: str, spoken: Collection[str]) -> str | None:
    """The language of ours that an Accept-Language header likes best; None when it likes none.

    A malformed part of the header is worth nothing; among equals the first one wins.
    """
    best, best_weight = None, 0.0
    for part in header.split(","):
        tag, _, parameter = part.partition(";")
        language = tag.strip().lower().partition("-")[0]
        name, _, value = parameter.strip().partition("=")
        try:
            weight = float(value) if name == "q" else 1.0
        except ValueError:
            weight = 0.0
        if language in spoken and weight > best_weight:
            best, best_weight = language, weight
    return best


def number(value: int, language: str) -> str:
    """An integer with its thousands set apart as the language does it."""
    grouped = f"{value:,}"
    return grouped.replace(",", _THIN_SPACE) if language == "fr" else grouped


def kept_together(text: str, language: str) -> str:
    """A text in which no line begins with a sign that French sets apart from its word, or ends with its opening
    quotation mark. Source: Lexique des règles typographiques en usage à l'Imprimerie nationale."""
    return re.sub(r" (?=[:;?!»%])|(?<=«) ", _HARD_SPACE, text) if language == "fr" else text


def money(amount: Money | Amount, language: str) -> str:
    """An amount as pages of a language write it, without a place to break: `1 500 FCFA`, `1,500 FCFA`."""
    whole, point, part = Money(abs(amount.amount_minor), amount.currency).plain().partition(".")
    sign = "-" if amount.amount_minor < 0 else ""
    point = point and ("," if language == "fr" else ".")
    unit = SHORT_UNITS.get(amount.currency, amount.currency)
    return f"{sign}{number(int(whole), language)}{point}{part}{_HARD_SPACE}{unit}"


@jinja2.pass_context
def _money(context: jinja2.runtime.Context, amount: Money | Amount) -> str:
    return money(amount, context["lang"])


def unbroken(text: str) -> str:
    """A text in which no line breaks within a phone number, masked or whole: `+225 05 •• •• 03 04`."""
    return re.sub(r"\+\d[\d• ]*[\d•]", lambda found: found[0].replace(" ", _HARD_SPACE), text)


def marked(text: str) -> Markup:
    """A text of a docstring with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - was escaped


def contact_link(contact: str) -> str | None:
    """Where a contest's contact leads when it is one address or number; None for any other text."""
    if re.fullmatch(r"https://\S+", contact):
        return contact
    if re.fullmatch(r"[^\s@:]+@[^\s@:]+\.[^\s@:]+", contact):
        return f"mailto:{contact}"
    digits = re.sub(r"[ .\u00a0\u202f-]", "", contact)
    return f"tel:{digits}" if re.fullmatch(r"\+?[0-9]{3,15}", digits) else None


@dataclass(frozen=True, slots=True)
class Composed:
    """A finished page in one language: may be kept and sent to many. `policy`: see `policy_with`."""

    language: str
    body: bytes
    packed: bytes
    policy: str = CONTENT_SECURITY_POLICY


class Pages:
    """Templates, phrases and static files of all packages. Filled at start-up, then only read."""

    # A process that makes several of these may keep what was compiled.
    bytecode_cache: ClassVar[jinja2.BytecodeCache | None] = None

    def __init__(self) -> None:
        self._loaders: list[jinja2.BaseLoader] = []
        self._static = StaticFiles()
        self._phrases: Catalogue = {}
        self._keys: dict[str, tuple[str, ...]] = {}
        self._neighbours: dict[str, str] = {}
        self._pictures: frozenset[str] = frozenset()
        self.environment = jinja2.Environment(
            loader=jinja2.ChoiceLoader(self._loaders),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
            bytecode_cache=self.bytecode_cache,
        )
        self.environment.filters["money"] = _money
        self.environment.filters["contact_link"] = contact_link
        self.environment.filters["labelled"] = labelled
        self.environment.filters["marked"] = marked
        self.environment.filters["unbroken"] = unbroken
        self.environment.globals["static"] = self._static.address
        self.add("gateway.http", "page_phrases")

    def add(self, package: str, phrases: str = "phrases") -> None:
        """Offer the `static` files, phrases and `templates` of a package. ValueError for a static file whose name is
        taken, PhraseError when its phrases do not agree with each other or with those of other packages. Templates are
        compiled when they are first shown: all of them together are a sixth of a start."""
        self._static.add(package)
        known = load(f"{package}.{phrases}")
        spoken = {
            language: {key: kept_together(text, language) for key, text in phrases.items()}
            for language, phrases in known.items()
        }
        self._phrases = merge(self._phrases, spoken)
        self._keys.clear()
        self._loaders.append(jinja2.PackageLoader(package))

    def add_neighbours(self, neighbours: Mapping[str, str]) -> None:
        """Languages without pages, each with the one that its readers get instead."""
        self._neighbours.update(neighbours)

    def add_pictures(self, address: str) -> None:
        """Pages may show pictures of the host of this address, where it is not their own."""
        url = URL(address)
        self._pictures |= {str(url.origin())} if url.absolute else set()

    def mount(self, app: web.Application) -> None:
        """Serve the static files of an application and let its handlers render. Its PUBLIC_URL is known before."""
        app[PAGES] = self
        self.environment.globals["public_url"] = app.get(PUBLIC_URL, "")
        app.router.add_get("/static/{name}", self._static.serve)

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages we speak, the default one first."""
        return tuple(sorted(self._phrases, key=lambda code: (code != DEFAULT_LANGUAGE, code)))

    def keys(self, section: str) -> tuple[str, ...]:
        """The keys of a section of phrases."""
        if section not in self._keys:
            prefix, known = f"{section}.", self._phrases[DEFAULT_LANGUAGE]
            self._keys[section] = tuple(key.removeprefix(prefix) for key in known if key.startswith(prefix))
        return self._keys[section]

    def say(self, language: str, key: str, **values: object) -> str:
        """The phrase in one of our languages, filled in. KeyError for an unknown key."""
        phrase = self._phrases[language][key]
        return phrase.format(**values) if values else phrase

    def day(self, day: date, *, year: bool = True, language: str) -> str:
        """A date, in words; with its year or without."""
        return day_of(self._phrases[language], day, year=year)

    def moment(self, instant: datetime, zone: str = FALLBACK, *, language: str) -> str:
        """A date and a minute, in words, as the clocks of a zone show them, with their distance from Greenwich."""
        return moment_of(self._phrases[language], instant, zone)

    def language_of(self, request: web.Request, default: str = DEFAULT_LANGUAGE) -> str:
        """`?lang=`, the cookie, Accept-Language, then `default`: the first that we speak, or whose
        neighbour we speak."""
        for wanted in (request.query.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
            if spoken := self._spoken(wanted):
                return spoken
        known = self._phrases.keys() | self._neighbours.keys()
        liked = preferred(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""), known)
        return self._spoken(liked) or self.language_for(default)

    def language_for(self, language: str) -> str:
        """The language of ours in which those who read this one get a page."""
        return self._spoken(language) or DEFAULT_LANGUAGE

    def shared_language(self, request: web.Request | None, default: str) -> str:
        """`?lang=`, then `default`: the first that we speak, or whose neighbour we speak. The same for every reader of
        an address, so that caches may keep the page. None for the request: what `default` is."""
        wanted = None if request is None else self._spoken(request.query.get("lang"))
        return wanted or self._spoken(default) or DEFAULT_LANGUAGE

    def _spoken(self, language: str | None) -> str | None:
        if language is None or language in self._phrases:
            return language
        neighbour = self._neighbours.get(language)
        return neighbour if neighbour in self._phrases else None

    def compose(
        self,
        template: str,
        language: str,
        values: Mapping[str, object],
        address: URL = NO_ADDRESS,
        *,
        pictures: Iterable[str] = (),
        **origins: Iterable[str],
    ) -> Composed:
        """The page, finished and packed, about 0.5 ms. The language links keep `address`'s query.
        `origins`: of pictures and the like that are not ours, see `policy_with`.

        Raises jinja2.TemplateNotFound, jinja2.UndefinedError or KeyError for a programming error.
        """
        # A link of a query alone stays on its page, whatever path the reader came by.
        others = [
            (code, f"?{address.update_query(lang=code).raw_query_string}")
            for code in self.languages
            if code != language
        ]
        text = self._fill(template, language, {**values, "other_languages": others})
        body = text.encode()
        return Composed(
            language, body, gzip.compress(body, 6, mtime=0), policy_with({*pictures, *self._pictures}, **origins)
        )

    def fragment(self, template: str, language: str, values: Mapping[str, object]) -> Markup:
        """A part of a page, safe to put into a template. Raises what `compose` raises."""
        return Markup(self._fill(template, language, values))  # noqa: S704 - made by a template that escapes

    def _fill(self, template: str, language: str, values: Mapping[str, Any]) -> str:
        return self.environment.get_template(template).render(
            t=partial(self.say, language),
            lang=language,
            number=partial(number, language=language),
            day=partial(self.day, language=language),
            moment=partial(self.moment, language=language),
            say=self.say,
            **values,
        )

    def answer(
        self, request: web.Request, page: Composed, *, status: int = 200, cache: str = "no-store"
    ) -> web.Response:
        """The answer that carries a finished page. `cache` is its Cache-Control."""
        response = web.Response(status=status, headers=SECURITY_HEADERS)
        response.headers["Content-Security-Policy"] = page.policy
        response.headers[hdrs.CONTENT_TYPE] = "text/html; charset=utf-8"
        response.headers[hdrs.CONTENT_LANGUAGE] = page.language
        response.headers[hdrs.CACHE_CONTROL] = cache
        response.headers[hdrs.VARY] = "Accept-Language, Cookie, Accept-Encoding"
        response.body = page.body
        if accepts_gzip(request):
            response.body = page.packed
            response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        if request.query.get("lang") == page.language:
            response.set_cookie(
                LANGUAGE_COOKIE,
                page.language,
                max_age=LANGUAGE_COOKIE_SECONDS,
                samesite="Lax",
                secure=is_https(request),
                httponly=True,
            )
        return response


PAGES: web.AppKey[Pages] = web.AppKey("pages", Pages)


def render(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    cache: str = "no-store",
    default_language: str = DEFAULT_LANGUAGE,
    pictures: Iterable[str] = (),
    videos: Iterable[str] = (),
    calls: Iterable[str] = (),
    **values: object,
) -> web.Response:
    """Answer with a page in the reader's language.

    `cache`: Cache-Control; the default keeps nothing. `default_language`: the contest's, for a
    reader who names none. `pictures`, `videos`, `calls`: see `policy_with`. Raises what `Pages.compose` raises.
    """
    pages = request.config_dict[PAGES]
    language = pages.language_of(request, default_language)
    page = pages.compose(template, language, values, request.rel_url, pictures=pictures, videos=videos, calls=calls)
    return pages.answer(request, page, status=status, cache=cache)


def is_staff(request: web.Request) -> bool:
    """Whether a page is for staff: they go back to the back office."""
    return request.path == "/admin" or request.path.startswith("/admin/")


def not_found(request: web.Request) -> web.Response:
    """The page for an address that leads nowhere, status 404."""
    return render(request, "message.html", status=404, about="not_found", staff=is_staff(request))


def busy(request: web.Request) -> web.Response:
    """The page for a service that cannot answer now, status 503: no voter was charged."""
    response = render(request, "message.html", status=503, about="busy", staff=is_staff(request))
    response.headers[hdrs.RETRY_AFTER] = "5"
    return response


def unknown(request: web.Request, what: str) -> Problem:
    """What the API answers about something that does not exist, 404. `what`: `contest` or `vote`."""
    pages = request.config_dict[PAGES]
    language = pages.language_of(request)
    title, detail = (pages.say(language, f"problem.unknown_{what}_{part}") for part in ("title", "text"))
    return Problem(404, title, detail, kind=f"/problems/unknown_{what}", headers={hdrs.CONTENT_LANGUAGE: language})
