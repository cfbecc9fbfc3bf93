"""Where carriers call: keep the text or the report, answer 200, deal with it afterwards.

A carrier repeats a text until it sees 200, so nothing is answered before it is durable.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

import structlog
from aiohttp import hdrs, web

from channels.sms.carrier import Malformed, SmsCarrier
from channels.sms.inbound import to_keep
from channels.voting_service import VOTING_SERVICE
from gateway.http.endpoint import read_body
from gateway.http.problems import Problem
from gateway.http.raw_exchange import RawRequest
from gateway.storage.engine import DatabaseUnavailable

FIELDS_MAX: Final = 40
RETRY_AFTER_SECONDS: Final = "30"
_FORM: Final = "application/x-www-form-urlencoded"
_log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.Response]]
Keep = Callable[[web.Request, RawRequest], Awaitable[Malformed | None]]


def setup(app: web.Application, carriers: Mapping[str, SmsCarrier], shared_secrets: Mapping[str, str | None]) -> None:
    """Serve `/sms/{code}` and `/sms/{code}/delivery` of each carrier, by the method that it calls with."""
    for code, carrier in carriers.items():
        secret = shared_secrets.get(code)
        for path, keep in ((f"/sms/{code}", _keep_text(carrier)), (f"/sms/{code}/delivery", _keep_report(carrier))):
            app.router.add_route(carrier.method, path, _handler(carrier, secret, keep))


def _keep_text(carrier: SmsCarrier) -> Keep:
    async def keep(request: web.Request, raw: RawRequest) -> Malformed | None:
        text = carrier.read_message(raw)
        if isinstance(text, Malformed):
            return text
        service = request.config_dict[VOTING_SERVICE]
        new = await service.store_text(to_keep(text, service))
        _log.info("text_received", carrier=carrier.code, repeated=not new)
        return None

    return keep


def _keep_report(carrier: SmsCarrier) -> Keep:
    async def keep(request: web.Request, raw: RawRequest) -> Malformed | None:
        report = carrier.read_delivery_report(raw)
        if isinstance(report, Malformed):
            return report
        await request.config_dict[VOTING_SERVICE].store_delivery_report(
            carrier.code, report.carrier_message_id, report.status, report.phone, report.failure
        )
        return None

    return keep


def _handler(carrier: SmsCarrier, secret: str | None, keep: Keep) -> Handler:
    received = _received_by_query if carrier.method == hdrs.METH_GET else _received_by_form

    async def receive(request: web.Request) -> web.Response:
        """Keep what a carrier sends."""
        given = request.query.get("key", "")
        if secret is not None and not hmac.compare_digest(given.encode(errors="replace"), secret.encode()):
            return web.Response(status=403, text="forbidden")
        try:
            fault = await received(request, keep)
        except DatabaseUnavailable:
            # Not stored, so not 200: the carrier comes again.
            return web.Response(status=503, headers={hdrs.RETRY_AFTER: RETRY_AFTER_SECONDS})
        if fault is not None:
            _log.warning("text_unreadable", carrier=carrier.code, fault=fault.fault)
            return web.Response(status=400, text=f"not a message: {fault.fault}")
        return web.Response(text=carrier.thanks)

    return receive


async def _received_by_query(request: web.Request, keep: Keep) -> Malformed | None:
    try:
        # Bytes that are no UTF-8 stay recognisable, as surrogates: only the carrier knows what they are.
        fields = parse_qsl(
            request.rel_url.raw_query_string,
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError:
        return Malformed("too many fields")
    return await keep(request, RawRequest("GET", request.path, {}, b"", query=dict(fields)))


async def _received_by_form(request: web.Request, keep: Keep) -> Malformed | None:
    try:
        body = await read_body(request, _FORM)
        charset = request.charset or "utf-8"
        fields = parse_qsl(body.decode(charset), keep_blank_values=True, encoding=charset, max_num_fields=FIELDS_MAX)
    except (Problem, web.HTTPBadRequest, ValueError, LookupError) as error:
        # Too large, too late; undecodable bytes, a charset that does not exist, too many fields.
        return Malformed(error.title if isinstance(error, Problem) else type(error).__name__)
    return await keep(request, RawRequest("POST", request.path, {}, b"", dict(fields)))
