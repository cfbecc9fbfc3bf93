// Follows an order: what the server says replaces what is shown, and the time that is left runs down.
const news = document.getElementById("news");
let order;
// The last known address of the operator's page.
let known;
let clock;
// How far this device's clock is ahead of the server's, in milliseconds.
let ahead;
let stop;
// Whether the stream is open.
let open = false;
let timer;
let looking = false;

function take() {
  order = document.getElementById("order");
  clock = document.querySelector("[data-now]");
  known ??= order?.dataset.url;
  if (clock) ahead = Date.now() - Date.parse(clock.dataset.now);
  tick();
  if (!order) stop?.();
  else if ("go" in order.dataset && order.dataset.url) go();
}

// Straight to the page where a card is paid, but once: who comes back wants to see the order.
function go() {
  try {
    if (sessionStorage.getItem(order.dataset.vote)) return;
    sessionStorage.setItem(order.dataset.vote, "1");
    location.assign(order.dataset.url);
  } catch (forbidden) {
    // No storage, no shortcut: the button is there.
    console.info(forbidden);
  }
}

function tick() {
  if (!clock) return;
  const { until, unknown, over } = clock.dataset;
  const left = Math.max(0, Math.ceil((Date.parse(until) + ahead - Date.now()) / 1000));
  const digits = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  clock.textContent = until ? (left ? digits : over) : unknown;
}

async function renew() {
  const answer = await fetch(location.href, { cache: "no-store" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const held = document.querySelector("main").contains(document.activeElement);
  for (const place of ["title", ".hero", "main"]) document.querySelector(place).replaceWith(fresh.querySelector(place));
  if (held) document.querySelector("main").focus({ preventScroll: true });
  news.textContent = document.querySelector("h1").textContent;
  for (const script of fresh.querySelectorAll("script[src]")) import(script.getAttribute("src"));
  take();
}

async function compare(now) {
  const url = now.paymentUrl ?? "";
  // The operator's, known once it has accepted.
  if (clock) clock.dataset.until = now.payBefore ?? "";
  tick();
  if (!order || (now.status === "PENDING" && url === known)) return;
  known = url;
  await renew();
}

// Also beside an open stream: some networks hold streams back.
async function look() {
  clearTimeout(timer);
  if (!order || looking) return;
  looking = true;
  try {
    const answer = await fetch(`/api/votes/${order.dataset.vote}`, { cache: "no-store" });
    if (answer.ok) await compare(await answer.json());
  } catch (offline) {
    console.info(offline);
  }
  looking = false;
  if (order) timer = setTimeout(look, open ? 20000 : 3000);
}

async function follow() {
  const stream = await import(document.querySelector("link[rel=modulepreload]").href);
  stop = stream.follow(`/api/votes/${order.dataset.vote}/events`, ["vote:state"], (event, data) => {
    if (event === "vote:state") {
      compare(JSON.parse(data)).catch(console.info);
      return;
    }
    open = event === "open" || event === "late";
    if (event !== "open") look();
  });
}

take();
if (order) {
  follow().catch(console.info);
  timer = setTimeout(look, 5000);
  setInterval(tick, 500);
  document.addEventListener("visibilitychange", () => document.hidden || look());
}
