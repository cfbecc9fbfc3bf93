"use strict";

/* A chat with the bot. Names of the marks are those of the Bot API. */
const MARKS = { bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "code",
  blockquote: "q", expandable_blockquote: "q" };
const RETRY_MS = 2000;

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const state = { person: query.get("user") || localStorage.getItem("telegram_person") || "55", version: null,
  answered: null, blocked: false, run: 0 };

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

async function call(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const response = await fetch(`/telegram/people/${encodeURIComponent(state.person)}${path}`, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.detail || response.statusText);
  return answer;
}

let toastTimer;
function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").hidden = true; }, 5000);
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    toast(error.message);
  }
}

const act = (what, body) => call(`/${what}`, { ...body, language_code: $("language").value || null });

/* A piece of text below all marks that cover it. */
function marked(text, entities) {
  const edges = [...new Set([0, text.length, ...entities.flatMap((e) => [e.offset, e.offset + e.length])])]
    .filter((edge) => edge <= text.length).sort((a, b) => a - b);
  return edges.slice(1).map((end, index) => {
    const start = edges[index];
    let node = document.createTextNode(text.slice(start, end));
    for (const entity of entities) {
      if (entity.offset > start || entity.offset + entity.length < end) continue;
      let around = null;
      if (MARKS[entity.type]) around = element(MARKS[entity.type]);
      else if (entity.type === "spoiler") around = element("span", "spoiler");
      else if (entity.type === "text_link") around = link(entity.url);
      if (!around) continue;
      around.append(node);
      node = around;
    }
    return node;
  });
}

function link(url, text) {
  const made = element("a", "", text);
  let scheme = "";
  try { scheme = new URL(url).protocol; } catch { scheme = ""; }
  if (scheme === "http:" || scheme === "https:") made.href = url;
  made.target = "_blank";
  made.rel = "noopener";
  if (/^https?:\/\/(t|telegram)\.me\//.test(url)) {
    made.addEventListener("click", (event) => {
      event.preventDefault();
      attempt(() => act("open", { url }));
    });
  }
  return made;
}

function button(message, shown) {
  if (shown.url) return link(shown.url, `${shown.text} ↗`);
  const made = element("button", "", shown.text);
  made.type = "button";
  made.addEventListener("click", () => attempt(() => act("tap", { message_id: message.id, data: shown.data || "" })));
  return made;
}

function bubble(message) {
  const item = element("li", message.from);
  const box = element("div", "bubble");
  if (message.photo) {
    const image = element("img");
    image.src = message.photo;
    image.alt = "Photo";
    box.append(image);
  }
  if (message.contact) box.append(`☎ ${message.contact.phone_number}`);
  box.append(...marked(message.text, message.entities));
  const time = new Date(message.at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  box.append(element("small", "", message.edits ? `edited · ${time}` : time));
  item.append(box);
  for (const row of message.buttons) {
    const line = element("div", "row");
    line.append(...row.map((shown) => button(message, shown)));
    item.append(line);
  }
  return item;
}

function showKeys(keyboard) {
  $("keys").hidden = !keyboard;
  $("keys").replaceChildren(...(keyboard || []).map((row) => {
    const line = element("div", "row");
    line.append(...row.map((key) => {
      const made = element("button", "", key.text);
      made.type = "button";
      made.addEventListener("click", () => attempt(() => (
        key.request_contact ? act("contact", { phone: $("phone").value }) : act("send", { text: key.text })
      )));
      return made;
    }));
    return line;
  }));
}

function showAnswers(answers) {
  const newest = answers.at(-1);
  if (state.answered !== null && newest && newest.query_id !== state.answered && newest.text) toast(newest.text);
  state.answered = newest ? newest.query_id : "";
}

function show(chat) {
  const isFirst = state.version === null;
  const atEnd = $("chat").scrollHeight - $("chat").scrollTop - $("chat").clientHeight < 80;
  state.version = chat.version;
  state.blocked = chat.blocked;
  $("bot").textContent = `@${chat.bot}`;
  $("block").textContent = chat.blocked ? "Unblock" : "Block";
  if (isFirst) $("language").value = chat.language_code || "";
  $("chat").replaceChildren(...chat.messages.map(bubble));
  $("words").replaceChildren(...chat.commands.map((command) => new Option(command.description, `/${command.command}`)));
  if (isFirst || atEnd) $("chat").scrollTop = $("chat").scrollHeight;
  showKeys(chat.keyboard);
  showAnswers(chat.answers);
}

async function follow() {
  const run = ++state.run;
  while (run === state.run) {
    try {
      const chat = await call(state.version === null ? "" : `?newer_than=${state.version}`);
      if (run !== state.run) return;
      if (chat.version !== state.version) show(chat);
    } catch (error) {
      if (run !== state.run) return;
      state.version = null;
      toast(error.message);
      await new Promise((wake) => setTimeout(wake, RETRY_MS));
    }
  }
}

function choose(person) {
  state.person = person.trim();
  state.version = state.answered = null;
  $("person").value = state.person;
  localStorage.setItem("telegram_person", state.person);
  $("chat").replaceChildren();
  showKeys(null);
  follow();
}

function on(id, event, work) {
  $(id).addEventListener(event, (happened) => {
    happened.preventDefault();
    attempt(work);
  });
}

on("compose", "submit", async () => {
  const text = $("text").value.trim() || $("text").placeholder;
  await act("send", { text });
  $("text").value = "";
});
on("contact", "submit", () => act("contact", { phone: $("phone").value }));
on("block", "click", () => call(state.blocked ? "/unblock" : "/block", {}));
on("picker", "submit", async () => choose($("person").value));
choose(state.person);
