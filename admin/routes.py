"""The back office on an application: `/admin`, its pages, `/api/auth` and `/api/admin`."""

from aiohttp import web

from admin import home
from admin.access import auth_api
from admin.access import pages as access_pages
from admin.access.guard import ACCESS, Access
from admin.alerts import pages as alert_pages
from admin.alerts.pages import ALERTING
from admin.alerts.send import Alerting
from admin.alerts.store import ALERTS, Alerts
from admin.announcement import blackout
from admin.approvals import api as approvals_api
from admin.approvals import pages as approvals_pages
from admin.approvals.staff_acts import APPROVALS, StaffActs
from admin.audit import log, tally
from admin.audit.store import Audits
from admin.candidates import api as candidates_api
from admin.candidates import corrections
from admin.candidates import pages as candidates_pages
from admin.candidates.store import CANDIDATES, Candidates
from admin.contests import api as contests_api
from admin.contests import brand, jury, studio
from admin.contests import file as contest_file
from admin.contests import pages as contests_pages
from admin.contests import photos as candidate_photos
from admin.contests import rounds as contest_rounds
from admin.contests import rules as contest_rules
from admin.contests.juries import JURIES, Juries
from admin.contests.photos import PHOTOS
from admin.contests.store import STAFF_CONTESTS, StaffContests
from admin.exports import files as export_files
from admin.exports import months as export_months
from admin.exports import prepared as prepared_exports
from admin.exports import results as export_results
from admin.exports.month import Months
from admin.exports.months import MONTHS
from admin.exports.result import Results
from admin.exports.results import RESULTS
from admin.exports.store import EXPORTS, Exports
from admin.figures import charts, summary
from admin.figures.live import LIVE, Live
from admin.figures.store import FIGURES, Figures
from admin.fraud import neighbours as fraud_neighbours
from admin.fraud import review as fraud_review
from admin.fraud.neighbours import NEIGHBOURS, NeighboursStore
from admin.fraud.store import FRAUD, Fraud
from admin.money import beneficiaries, bookkeeping, fees, ledger, payouts, reconciliation, refunds
from admin.orders import api as orders_api
from admin.orders import contest_orders, tickets
from admin.orders import pages as orders_pages
from admin.orders.listed import LISTED, ListedOrders
from admin.orders.store import ORDERS, StaffOrders
from admin.people import invitation, links_api, lost_factor, organisers, reset
from admin.people import people as people_pages
from admin.people.factor_resets import FactorResets
from admin.people.keep_organisers import Organisers
from admin.people.lost_factor import FACTOR_RESETS
from admin.people.organisers import ORGANISERS
from admin.people.people import PEOPLE
from admin.people.reset import RESETS
from admin.people.resets import Resets
from admin.people.store import People
from admin.result import pages as result_pages
from admin.result.store import CERTIFYING, Certifying
from admin.services import PAYMENTS, Payments
from admin.videos import own as own_video
from admin.videos import pages as video_pages
from admin.videos import webhook
from admin.videos.keep import Videos
from admin.videos.pages import VIDEOS
from gateway.contests.pictures.keep_brands import Brands
from gateway.contests.pictures.keep_photos import Photos
from gateway.http.openapi import SESSION_COOKIE
from gateway.http.pages import Pages


def setup(
    app: web.Application,
    pages: Pages,
    *,
    access: Access,
    acts: StaffActs,
    orders: StaffOrders,
    payments: Payments,
    contests: StaffContests,
    juries: Juries,
    photos: Photos,
    brands: Brands,
    candidates: Candidates,
    people: People,
    kept_organisers: Organisers,
    resets: Resets,
    factor_resets: FactorResets,
    videos: Videos,
    audits: Audits,
    figures: Figures,
    listed: ListedOrders,
    exports: Exports,
    months: Months,
    fraud: Fraud,
    neighbours: NeighboursStore,
    results: Results,
    certifying: Certifying,
    alerts: Alerts,
    alerting: Alerting,
    live: Live | None = None,
) -> None:
    """Serve the back office. The application needs VOTING_SERVICE and mounted `pages`. `live`: how the first
    page moves."""
    app[LIVE] = live or Live()
    app[STAFF_CONTESTS], app[CANDIDATES] = contests, candidates
    app[ACCESS], app[APPROVALS], app[ORDERS], app[PAYMENTS] = access, acts, orders, payments
    app[JURIES], app[PHOTOS] = juries, photos
    app[PEOPLE], app[ORGANISERS], app[RESETS] = people, kept_organisers, resets
    app[FACTOR_RESETS], app[FRAUD] = factor_resets, fraud
    app[NEIGHBOURS] = neighbours
    app[VIDEOS], app[tally.AUDITS], app[FIGURES] = videos, audits, figures
    app[LISTED] = listed
    app[ALERTS], app[ALERTING] = alerts, alerting
    app[EXPORTS], app[MONTHS], app[RESULTS] = exports, months, results
    app[CERTIFYING] = certifying
    app[SESSION_COOKIE] = access.tokens.access_name
    pages.add("admin")
    for module in (
        auth_api,
        access_pages,
        home,
        charts,
        summary,
        contests_api,
        contests_pages,
        candidates_api,
        candidates_pages,
        corrections,
        orders_api,
        orders_pages,
        contest_orders,
        export_files,
        export_months,
        export_results,
        prepared_exports,
        tickets,
        approvals_api,
        approvals_pages,
        refunds,
        reconciliation,
        payouts,
        beneficiaries,
        bookkeeping,
        ledger,
        fees,
        contest_file,
        contest_rounds,
        contest_rules,
        studio,
        blackout,
        jury,
        result_pages,
        fraud_review,
        fraud_neighbours,
        alert_pages,
        candidate_photos,
        people_pages,
        lost_factor,
        organisers,
        invitation,
        reset,
        links_api,
        video_pages,
        tally,
        log,
    ):
        module.setup(app)
    brand.setup(app, brands)
    own_video.setup(app, videos, video_pages.film_of)
    webhook.setup(app, videos)
