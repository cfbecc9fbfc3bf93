// Follows an order: what the server says replaces what is shown, and the time that is left runs down.
const news = document.getElementById("news");
let order;
let known; // the address of the operator's page as last heard of
let ends;
let source;
let timer;
let looking = false;

function take() {
  order = document.getElementById("order");
  const clock = document.querySelector("[data-left]");
  known ??= order?.dataset.url;
  ends = clock && Date.now() + clock.dataset.left * 1000;
  tick();
  if (!order) source?.close();
  else if ("go" in order.dataset && order.dataset.url) go();
}

// Straight to the page where a card is paid, but once: who comes back wants to see the order.
function go() {
  try {
    if (sessionStorage.getItem(order.dataset.vote)) return;
    sessionStorage.setItem(order.dataset.vote, "1");
    location.assign(order.dataset.url);
  } catch (forbidden) {
    console.info(forbidden); // no storage, no shortcut: the button is there
  }
}

function tick() {
  const clock = document.querySelector("[data-left]");
  if (!clock) return;
  const left = Math.max(0, Math.ceil((ends - Date.now()) / 1000));
  clock.textContent = left ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : clock.dataset.over;
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
  if (order) timer = setTimeout(look, source.readyState === EventSource.OPEN ? 20000 : 3000);
}

take();
if (order) {
  source = new EventSource(`/api/votes/${order.dataset.vote}/events`);
  source.addEventListener("vote:state", (message) => compare(JSON.parse(message.data)).catch(console.info));
  timer = setTimeout(look, 5000);
  setInterval(tick, 500);
  document.addEventListener("visibilitychange", () => document.hidden || look());
}
