// What the ranking's page needs besides where it is shown in pages: most candidates are on others.
let soon;

// Who comes to the first page takes the line of a candidate who leaves it.
export function swap(rows, entries) {
  const kept = new Set(entries.map((entry) => entry.code));
  const free = [...rows.values()].filter((row) => !kept.has(row.code));
  for (const { code, name } of entries) {
    if (rows.has(code)) continue;
    const row = free.pop();
    const face = row.line.querySelector(".face");
    const link = row.line.querySelector("th > a");
    rows.delete(row.code);
    rows.set(code, row);
    Object.assign(row, { code, name });
    row.line.dataset.code = code;
    row.line.querySelector("small b").textContent = code;
    row.line.querySelector("th > a, th > span").textContent = name;
    if (link) link.href = link.getAttribute("href").replace(/\d+$/, code);
    if (face) face.textContent = name[0];
  }
}

// Votes of a candidate on another page: who overtakes the last one here is asked for, seldom.
export function miss(rows, votes, ask) {
  if (soon || votes < Math.min(...[...rows.values()].map((row) => row.votes))) return;
  soon = setTimeout(() => {
    soon = undefined;
    ask();
  }, 2000);
}

const hidden = (page) => Boolean(page.querySelector("[data-hidden]"));

// A further page, or what was searched for, is drawn by the server now and then.
export function refresh(say, pause) {
  say("polled");
  const renew = async () => {
    try {
      const answer = await fetch(location.href);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (hidden(fresh) !== hidden(document)) location.reload();
      else if (!hidden(fresh)) for (const place of ["#total", ".ranking tbody"]) document.querySelector(place).replaceWith(fresh.querySelector(place));
      say("polled");
    } catch (offline) {
      console.info(offline);
      say("delayed");
    }
    setTimeout(renew, pause);
  };
  setTimeout(renew, pause);
}
