// Keeps the ranking on this page in step with the contest's stream, or asks now and then without one.
const board = document.querySelector(".ranking");
const lines = board?.tBodies[0];
const total = document.querySelector("#total");
const state = document.querySelector("#state");
const waiting = document.querySelector("#confirming");
const leader = document.querySelector("#leader");
const language = document.documentElement.lang;
const figure = new Intl.NumberFormat(language);
const part = new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const glide = { duration: 600, easing: "cubic-bezier(.2, .8, .2, 1)" };
const POLL = 15000;
const DAY = 86400000;
const rows = new Map();
// Of a board in pages, those on the first one.
const places = Number(board?.dataset.places) || Infinity;
let many;
let seen = -1;
let polls = 0;
let later = 0;
let delayed;
const dark = board?.dataset.hidden !== undefined;

// While rankings are delayed, what else would be live is behind.
function say(word) {
  if (delayed && word !== "delayed") word = "behind";
  state.dataset.state = word;
  state.textContent = board.dataset[word];
}

function delay(news) {
  if (news.delayed === delayed) return;
  delayed = news.delayed;
  say("live");
}

// Votes that count once their operator has answered.
function confirming({ confirming: votes }) {
  waiting.hidden = !votes;
  waiting.firstChild.textContent = figure.format(votes);
}

// Where equals do not share a place, each stands behind those who had as many votes before.
function take(row, votes) {
  row.place = row.votes = votes;
  if (board.dataset.tie && votes) row.place -= later += 1e-6;
}

// Only rows whose place changed are touched; each then glides from where it was seen last.
function reorder(order) {
  if (order.every((row, place) => lines.rows[place] === row.line)) return;
  const held = document.activeElement;
  const before = order.map((row) => row.line.getBoundingClientRect().top);
  const first = lines.rows[0];
  order.forEach((row, place) => {
    if (lines.rows[place] !== row.line) lines.insertBefore(row.line, lines.rows[place]);
  });
  if (lines.contains(held)) held.focus({ preventScroll: true });
  if (lines.rows[0] !== first) leader.textContent = board.dataset.leads.replace("{name}", order[0].name);
  if (calm.matches) return;
  order.forEach((row, place) => {
    const moved = before[place] - row.line.getBoundingClientRect().top;
    if (moved) row.line.animate([{ transform: `translateY(${moved}px)` }, { transform: "none" }], glide);
  });
}

function count(votes) {
  const from = Number(total.dataset.votes);
  const start = performance.now();
  total.dataset.votes = votes;
  const step = (now) => {
    if (Number(total.dataset.votes) !== votes) return;
    const gone = calm.matches ? 1 : Math.min(1, (now - start) / 500);
    total.textContent = figure.format(Math.round(from + (votes - from) * gone));
    if (gone < 1) requestAnimationFrame(step);
  };
  step(calm.matches ? start : performance.now());
}

function draw(sum) {
  const order = [...rows.values()].sort((a, b) => b.place - a.place || (a.code < b.code ? -1 : 1));
  const most = Math.max(1, order[0].votes);
  let rank = 0;
  order.forEach((row, place) => {
    if (order[place - 1]?.place !== row.place) rank = place + 1;
    row.rank.textContent = row.votes ? rank : "–";
    row.line.toggleAttribute("data-leads", rank === 1 && row.votes > 0);
    row.count.textContent = figure.format(row.votes);
    row.share.textContent = part.format(row.votes / Math.max(1, sum));
    row.bar.style.transform = `scaleX(${row.votes / most})`;
  });
  reorder(order);
  if (sum !== Number(total.dataset.votes)) count(sum);
}

// The server draws the page anew; not for all viewers at once.
function renew(wait) {
  setTimeout(() => location.reload(), wait + 1000 + Math.random() * 9000);
}

function whole(news) {
  delay(news);
  if (dark !== Boolean(news.hidden)) renew(0);
  if (dark || news.hidden) return;
  confirming(news);
  const entries = news.entries.slice(0, places);
  if (entries.length === rows.size) many?.swap(rows, entries);
  if (entries.some((entry) => !rows.has(entry.code)) || entries.length !== rows.size) {
    // Somebody joined or left.
    renew(0);
    return;
  }
  seen = news.version;
  for (const { code, votes } of entries) take(rows.get(code), votes);
  draw(news.totalVotes);
}

function update(news) {
  if (news.version < seen) return;
  seen = news.version;
  for (const [code, votes] of news.changed) {
    const row = rows.get(code);
    if (row) take(row, votes);
    else many?.miss(rows, votes, ask);
  }
  draw(news.totalVotes);
}

function applaud(news) {
  if (calm.matches || document.hidden) return;
  for (const [code, votes] of news.votes) {
    const gain = rows.get(code)?.gain;
    if (!gain) continue;
    gain.textContent = `+${figure.format(votes)}`;
    gain.animate([{ opacity: 1, transform: "translateY(3px)" }, { opacity: 1, offset: 0.6 }, { opacity: 0, transform: "translateY(-4px)" }], 1200);
  }
}

async function ask() {
  try {
    const answer = await fetch(`${board.dataset.api}?limit=${rows.size}`);
    const news = answer.ok && await answer.json();
    // The stream may have brought newer ones meanwhile.
    if (news.version >= seen) whole(news);
    return answer.ok;
  } catch (offline) {
    console.info(offline);
    return false;
  }
}

async function poll() {
  say((await ask()) ? "polled" : "delayed");
  polls += 1;
  setTimeout(!navigator.connection?.saveData && polls % 4 === 0 ? follow : poll, POLL);
}

async function follow() {
  const takes = { "leaderboard:initial": whole, "leaderboard:update": update, "vote:success": applaud, "leaderboard:delayed": delay, "leaderboard:confirming": confirming };
  try {
    const stream = await import(document.querySelector("link[rel=modulepreload]").href);
    const limit = many ? `?limit=${places}` : "";
    const stop = stream.follow(`${board.dataset.api}/events${limit}`, Object.keys(takes), (event, data) => {
      if (event in takes) takes[event](JSON.parse(data));
      else if (event === "delayed") say(event);
      else if (event === "refused") {
        stop();
        poll();
      } else {
        say("live");
        if (event === "late") ask();
      }
    });
  } catch (offline) {
    console.info(offline);
    poll();
  }
}

// A photo that cannot be had makes room for the initial below it.
for (const photo of document.querySelectorAll(".face img")) {
  if (photo.complete && !photo.naturalWidth) photo.remove();
  else photo.onerror = () => photo.remove();
}

// The form's script may wait until a reader is about to use it.
const form = document.querySelector("form[data-script]");
for (const sign of form ? ["pointermove", "pointerdown", "keydown", "scroll"] : []) {
  addEventListener(sign, () => import(form.dataset.script).catch(console.info), { once: true, passive: true });
}

if (board) {
  for (const line of lines.rows) {
    const find = (selector) => line.querySelector(selector);
    rows.set(line.dataset.code, {
      line, code: line.dataset.code, name: find("th > a, th > span").textContent,
      rank: find(".rank"), count: find(".count"), share: find(".share"), bar: find("rect"), gain: find(".gain"),
    });
    take(rows.get(line.dataset.code), Number(line.dataset.votes));
  }
  // Voting opens or closes.
  const turn = Date.parse(board.dataset.turn) - Date.now();
  if (turn > 0 && turn < DAY) renew(turn);
  if (board.dataset.many) many = await import(board.dataset.many);
  if (places === Infinity && many) many.refresh(say, POLL);
  else if (navigator.connection?.saveData) poll();
  else follow();
}
