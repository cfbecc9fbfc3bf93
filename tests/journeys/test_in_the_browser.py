"""Journeys as a person sees them: the handset's keys are pressed, the pages are read in Chromium."""

import re
from base64 import b64decode
from pathlib import Path

import asyncpg
import pyotp
import pytest
from playwright.async_api import Browser, Page, expect

from admin.access.rules import Role
from tests.country import Country, until
from tests.gateway.cli.staff import PASSWORD, hire
from tests.movies import mp4

pytestmark = [pytest.mark.journey, pytest.mark.browser]


async def votes_shown(page: Page, code: str) -> int:
    return int(await page.locator(f'tr[data-code="{code}"]').get_attribute("data-votes") or 0)


async def test_a_vote_on_the_handset_page_moves_the_public_page(country: Country, browser: Browser, page: Page) -> None:
    board = await browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
    await board.goto(f"{country.gateway_url}/c/star")
    before = await votes_shown(board, "11")
    await page.goto(f"{country.sandbox_url}/?msisdn=0544440011")
    await page.fill("#code", "*789#")
    await page.click("#dial")
    for text, seen in (("11", "11"), ("6", "600 FCFA"), ("1", "code secret")):
        await page.fill("#reply", text)
        await page.click("#send")
        await expect(page.locator("#screen")).to_contain_text(seen)
    await page.click("#close")
    await expect(page.locator("#amount")).to_contain_text("600", timeout=15_000)
    await page.fill("#pin", "0000")
    await page.click("#approve")
    await page.click('[data-tab="messages"]')
    await expect(page.locator("#inbox")).to_contain_text("verify", timeout=15_000)
    counted = board.locator('tr[data-code="11"]').get_by_role("cell", name=str(before + 6), exact=True)
    await expect(counted).to_be_visible(timeout=15_000)
    await board.close()


async def test_a_vote_on_the_web_form_is_followed_to_its_receipt(country: Country, page: Page) -> None:
    await page.goto(f"{country.gateway_url}/c/star/12")
    await page.fill('input[name="quantity"]', "3")
    await page.fill('input[name="phone"]', "0544440012")
    await page.locator("main form button").first.click()
    await page.wait_for_url("**/votes/*")
    phone = country.phone("+2250544440012")
    phone.wait_for_prompt()
    phone.approve()
    link = page.locator('a[href*="/verify/"]')
    await expect(link).to_be_visible(timeout=15_000)
    await link.click()
    await expect(page.locator("main")).to_contain_text("3")
    assert "0544440012" not in await page.content()


async def test_a_refused_prompt_is_shown_on_the_page(country: Country, page: Page) -> None:
    await page.goto(f"{country.gateway_url}/c/star/12")
    await page.fill('input[name="quantity"]', "1")
    await page.fill('input[name="phone"]', "0544440013")
    await page.locator("main form button").first.click()
    await page.wait_for_url("**/votes/*")
    phone = country.phone("+2250544440013")
    phone.wait_for_prompt()
    phone.decline()
    await expect(page.locator("main")).to_contain_text("refus", timeout=15_000)
    assert phone.inbox() == []


async def test_a_redirect_payment_goes_to_the_operators_page_and_back(country: Country, page: Page) -> None:
    await page.goto(f"{country.gateway_url}/c/star")
    await page.select_option("#code", "10")
    await page.fill("#quantity", "4")
    await page.fill("#phone", "07 44 44 00 10")
    await expect(page.locator(".guess")).to_contain_text("Orange Money")
    await page.locator("main form button[type=submit]").click()
    await page.wait_for_url("**/votes/*")
    order = page.url
    await expect(page.locator("main")).to_contain_text("#144*82#")
    await page.get_by_role("link", name="Ouvrir la page Orange Money").click(timeout=15_000)
    await page.wait_for_url(f"{country.sandbox_url}/**")
    code = re.search(r"\b\d{4}\b", country.phone("+2250744440010").dial("#144*82#"))
    assert code
    await page.fill("#msisdn", "0744440010")
    await page.fill("#code", code.group())
    await page.locator("button.pay").click()
    await page.locator("a.button").click()
    await page.wait_for_url(order)
    await expect(page.locator("h1")).to_have_text("Vote compté", timeout=20_000)
    await page.get_by_role("link", name="Vérifier mon reçu").click()
    await expect(page.locator("main")).to_contain_text("Star d'Abidjan")


async def test_an_unpaid_order_of_the_web_sends_no_text(country: Country, page: Page) -> None:
    await page.goto(f"{country.gateway_url}/c/star/12")
    await page.fill("#quantity", "1")
    await page.fill("#phone", "0744440014")
    await page.locator("main form button").first.click()
    await expect(page.get_by_role("link", name="Ouvrir la page Orange Money")).to_be_visible(timeout=15_000)
    assert country.phone("+2250744440014").inbox() == []


async def test_somebody_invited_by_mail_signs_in_with_the_code_of_a_phone(country: Country, page: Page) -> None:
    owner, invited = "awa@people.test", "yao@people.test"
    database = country.environment()["DATABASE_URL"]
    await hire(database, owner, role=Role.OWNER)
    signed_in = country.gateway.post("/api/auth/login", json={"email": owner, "password": PASSWORD}).raise_for_status()
    country.gateway.cookies.clear()
    made = country.gateway.post(
        "/api/admin/people/invitations",
        json={"email": invited, "role": "manager", "organiser": "demo"},
        headers={"Authorization": f"Bearer {signed_in.json()['accessToken']}"},
    )
    assert made.raise_for_status().json()["mailed"]

    def mails() -> list[str]:
        return [mail["text"] for mail in country.sandbox.get("/mail").json() if mail["to"] == invited]

    until(lambda: len(mails()) == 1, "the mail of the invitation")
    link = re.search(r"http\S+/admin/invitation/\S+", mails()[0])
    assert link is not None
    await page.goto(link[0])
    await page.fill("#name", "Yao")
    await page.fill("#password", PASSWORD)
    await page.click("main form button")
    await page.get_by_role("button", name="J'ai l'application").click()
    secret = (await page.locator("code.secret").inner_text()).replace(" ", "")
    await page.fill("#code", pyotp.TOTP(secret).now())
    await page.get_by_role("button", name="Confirmer").click()
    await expect(page.locator(".codes li")).to_have_count(10)
    await page.locator(".whoami summary").click()
    await page.get_by_role("button", name="Se déconnecter").click()
    connection = await asyncpg.connect(database)
    # As if the half minute of that code were over.
    await connection.execute("update staff set totp_last_step = 1 where email = $1", invited)
    await connection.close()
    await page.fill("#email", invited)
    await page.fill("#password", PASSWORD)
    await page.fill("#code", pyotp.TOTP(secret).now())
    await page.click("main form button")
    await page.get_by_text("Accès", exact=True).click()
    await page.get_by_role("link", name="Personnes").click()
    await expect(page.locator("main")).to_contain_text(invited)
    assert owner not in await page.content(), "the platform's people are not the organiser's"


# Two seconds of a real film, which Chromium makes and plays.
_RECORD = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 90, height: 160 });
  const pen = canvas.getContext("2d");
  let shade = 0;
  const drawing = setInterval(() => {
    pen.fillStyle = `hsl(${(shade += 7)}, 80%, 50%)`;
    pen.fillRect(0, 0, 90, 160);
  }, 40);
  const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/mp4" });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  await new Promise((done) => setTimeout(done, 2000));
  await new Promise((done) => { recorder.onstop = done; recorder.stop(); });
  clearInterval(drawing);
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}"""


async def test_a_video_is_uploaded_approved_and_played(country: Country, browser: Browser, tmp_path: Path) -> None:
    # Without the header that names an address: to another origin, a page may send none of its own.
    page = await browser.new_page(viewport={"width": 360, "height": 740}, locale="fr-FR")
    await hire(country.environment()["DATABASE_URL"], "film@house.test", role=Role.OWNER)
    await page.goto(f"{country.gateway_url}/admin")
    await page.fill("#email", "film@house.test")
    await page.fill("#password", PASSWORD)
    await page.click("main form button")
    await page.goto(f"{country.gateway_url}/admin/contests/star/candidates/03/video")
    send, said = page.locator(".film-upload button"), page.locator("[role=status]")
    for name, film, text in (
        ("film.avi", mp4(3), "ni une vidéo MP4"),
        ("large.mp4", mp4(3, length=51 * 1024 * 1024), "dépasse 50 Mo"),
    ):
        (tmp_path / name).write_bytes(film)
        await page.set_input_files("#file", tmp_path / name)
        await send.click()
        await expect(said).to_contain_text(text)
    # A browser that cannot read a file sends it; what Cloudinary finds decides.
    await page.set_input_files("#file", {"name": "film.mp4", "mimeType": "video/mp4", "buffer": mp4(61)})
    await send.click()
    await expect(page.locator(".notice.bad")).to_contain_text("plus de 60 secondes", timeout=20_000)
    real = b64decode(await page.evaluate(_RECORD))
    await page.set_input_files("#file", {"name": "film.mp4", "mimeType": "video/mp4", "buffer": real})
    await send.click()
    await page.get_by_role("button", name="Approuver").click(timeout=20_000)
    await expect(page.locator(".tag").first).to_have_text("montrée au public")

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition(".")[2]))
    video = page.locator("video")

    async def shown() -> bool:
        await page.goto(f"{country.gateway_url}/c/star/03", wait_until="networkidle")
        return bool(await video.count())

    while not await shown():
        asked.clear()
    assert "jpg" in asked
    assert "mp4" not in asked
    assert await video.get_attribute("poster")
    await video.evaluate("video => video.play()")
    await page.wait_for_function("document.querySelector('video').currentTime > 0")
    assert "mp4" in asked
    calls = country.sandbox.get("/requests/cloudinary?direction=out").json()
    assert {call["status"] for call in calls} == {200}
