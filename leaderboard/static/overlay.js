// Draws what the studio put on air. While the service is away the last picture stays, and nothing says so on air.
const { address, days, picture } = document.body.dataset;
const ASK = 500;
const find = (selector) => document.querySelector(selector);
const main = find("main");
const list = find("ol");
const figure = new Intl.NumberFormat(document.documentElement.lang);
const rows = new Map();
let shown = { of: "", version: 0, until: 0 };
let ahead = 0;

function part(parent, tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
}

function rowOf(candidate) {
  const line = document.createElement("li");
  const row = { line, rank: part(line, "b", "rank"), face: part(line, "i", "face"), votes: 0 };
  row.name = part(line, "span", "name");
  row.count = part(line, "b", "votes");
  row.bar = part(line, "i", "bar");
  rows.set(candidate.code, row);
  return row;
}

// A photo that cannot be had makes room for the initial below it.
function face(row, { name, photo }) {
  if (row.photo === photo && row.called === name) return;
  Object.assign(row, { photo, called: name });
  row.face.textContent = [...name][0];
  if (!photo) return;
  const image = part(row.face, "img", "");
  image.referrerPolicy = "no-referrer";
  image.onerror = () => image.remove();
  image.src = photo;
}

function count(row, votes) {
  const from = row.votes;
  const start = performance.now();
  row.votes = votes;
  const step = (now) => {
    if (row.votes !== votes) return;
    const gone = Math.min(1, Math.max(0, now - start) / 400);
    row.count.textContent = figure.format(Math.round(from + (votes - from) * gone));
    if (gone < 1) requestAnimationFrame(step);
  };
  if (row.count.textContent && from !== votes) requestAnimationFrame(step);
  else row.count.textContent = figure.format(votes);
}

function drawRows(candidates) {
  const before = new Map([...list.children].map((line) => [line, line.getBoundingClientRect()]));
  const lines = candidates.map((candidate) => {
    const row = rows.get(candidate.code) ?? rowOf(candidate);
    face(row, candidate);
    row.rank.textContent = candidate.votes ? candidate.rank : "–";
    row.name.textContent = candidate.name;
    row.line.toggleAttribute("data-leads", candidate.rank === 1 && candidate.votes > 0);
    row.bar.style.transform = `scaleX(${candidate.width})`;
    count(row, candidate.votes);
    return row.line;
  });
  list.classList.toggle("two", lines.length > 6);
  list.style.gridTemplateRows = lines.length > 6 ? `repeat(${Math.ceil(lines.length / 2)}, auto)` : "";
  if (lines.length === list.children.length && lines.every((line, place) => list.children[place] === line)) return;
  list.replaceChildren(...lines);
  for (const line of lines) {
    const from = before.get(line);
    const to = line.getBoundingClientRect();
    if (!from || (from.top === to.top && from.left === to.left)) continue;
    const moved = `translate(${from.left - to.left}px, ${from.top - to.top}px)`;
    line.animate([{ transform: moved }, { transform: "none" }], { duration: 600, easing: "ease-out" });
  }
}

function show(news) {
  ahead = news.now - performance.now();
  const late = news.of === shown.of && news.version < shown.version && news.rows.length > 0;
  main.dataset.view = news.view;
  // What is taken off fades as it was.
  if (news.view !== "hidden") {
    main.dataset.shape = news.view;
    find("h1").textContent = news.title;
    find(".about").textContent = news.about;
    find(".note").textContent = news.note;
    find(".clock span").textContent = news.label;
    find(".total").hidden = news.total === null;
    // Figures never go back: another process may be a moment behind.
    if (!late) {
      find(".total b").textContent = figure.format(news.total ?? 0);
      drawRows(news.rows);
    }
  }
  shown = { ...news, version: late ? shown.version : news.version };
  tick();
}

function tick() {
  const seconds = Math.max(0, Math.ceil((shown.until - ahead - performance.now()) / 1000));
  const [day, hour, minute, second] = [seconds / 86400, (seconds / 3600) % 24, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  const two = (number) => String(number).padStart(2, "0");
  const clock = hour || day ? `${day ? two(hour) : hour}:${two(minute)}:${two(second)}` : `${two(minute)}:${two(second)}`;
  find(".clock b").textContent = shown.until ? (day ? `${day} ${days} ${clock}` : clock) : "";
}

async function ask() {
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(4000) });
    if (answer.ok) show(await answer.json());
    // The link was renewed: what it shows would never change again.
    else if (answer.status === 404) main.dataset.view = "hidden";
  } catch (away) {
    console.info(away);
  }
  setTimeout(ask, ASK);
}

show(JSON.parse(picture));
setInterval(tick, 250);
setTimeout(ask, ASK);
