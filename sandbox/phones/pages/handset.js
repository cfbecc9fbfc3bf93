"use strict";

const WORDS = {
  fr: {
    title: "Téléphone simulé", number: "Numéro", use: "Choisir", dialled: "Code à composer",
    dial_hint: "Composez un code, puis la touche verte.", to: "À", text: "Message", send: "Envoyer",
    reply: "Réponse", cancel: "Annuler", pay_to: "Payer à", pin: "Code PIN", decline: "Refuser",
    approve: "Valider", tab_home: "Clavier", tab_messages: "Messages", try: "À essayer",
    wire: "Échanges avec la passerelle", phone: "Téléphone", call: "Appeler", erase: "Effacer",
    hangup: "Raccrocher", empty: "Aucun message", running: "Code USSD en cours…",
    wrong_pin: "Code PIN incorrect. Essais restants : ", gone: "Cette demande n’est plus en attente.",
    SUCCESSFUL: "Paiement effectué.", FAILED: "Paiement non effectué.", sent: "Message envoyé.",
    offline: "Le pays simulé ne répond pas.", no_number: "Ce numéro n’est pas valable.",
    news: "Nouveau message de ", nothing: "Rien pour ce numéro.", refused: "Refusé : ",
    note_busy: "téléphone occupé par une session USSD",
    crowd: "Une foule qui vote", voters: "Électeurs", minutes: "Minutes", crowd_start: "Démarrer",
    crowd_stop: "Arrêter", crowd_tries: "Tentatives", crowd_votes_paid: "Votes payés",
    crowd_votes_counted: "Votes de plus au classement",
    crowd_hint: "Des électeurs simulés votent par USSD, SMS, Telegram et web, comme un soir de finale.",
    crowd_states: {
      voting: "La foule vote.", ended: "La foule a fini.", stopped: "La foule est arrêtée.",
      failed: "La foule s’est arrêtée sur une erreur.",
    },
    crowd_outcomes: {
      paid: "Payées", declined: "Paiement refusé", ignored: "Demande ignorée", empty: "Solde insuffisant",
      wrong_pin: "PIN inconnu", left: "Parties avant de commander", refused: "Refusées par la passerelle",
      unanswered: "Sans réponse",
    },
    steps: [
      ["*789#", " ouvre le menu de vote."],
      ["*789*07*5*1#", " vote en un seul appel : candidat 07, cinq voix."],
      ["sms:VOTE 07 5", " fait la même chose par SMS au 7890."],
      ["", "Quelques secondes après, l’opérateur demande le code PIN : c’est 0000."],
      ["*133#", " montre les paiements MTN en attente."],
      ["#144*82#", " donne le code à taper sur la page d’Orange Money (numéros en 07)."],
    ],
  },
  en: {
    title: "Simulated handset", number: "Number", use: "Use", dialled: "Code to dial",
    dial_hint: "Enter a code, then press the green key.", to: "To", text: "Message", send: "Send",
    reply: "Reply", cancel: "Cancel", pay_to: "Pay to", pin: "PIN", decline: "Decline",
    approve: "Approve", tab_home: "Keypad", tab_messages: "Messages", try: "Try this",
    wire: "Traffic with the gateway", phone: "Handset", call: "Call", erase: "Erase",
    hangup: "Hang up", empty: "No messages", running: "USSD code running…",
    wrong_pin: "Wrong PIN. Attempts left: ", gone: "This request is no longer waiting.",
    SUCCESSFUL: "Payment done.", FAILED: "Payment not made.", sent: "Message sent.",
    offline: "The simulated country does not answer.", no_number: "This number is not valid.",
    news: "New message from ", nothing: "Nothing for this number.", refused: "Refused: ",
    note_busy: "phone busy with a USSD session",
    crowd: "A crowd that votes", voters: "Voters", minutes: "Minutes", crowd_start: "Start",
    crowd_stop: "Stop", crowd_tries: "Tries", crowd_votes_paid: "Votes paid",
    crowd_votes_counted: "More votes in the ranking",
    crowd_hint: "Simulated voters vote by USSD, SMS, Telegram and web, as on the night of a finale.",
    crowd_states: {
      voting: "The crowd is voting.", ended: "The crowd has ended.", stopped: "The crowd was stopped.",
      failed: "The crowd stopped on an error.",
    },
    crowd_outcomes: {
      paid: "Paid", declined: "Payment declined", ignored: "Prompt ignored", empty: "Not enough money",
      wrong_pin: "PIN not known", left: "Left before ordering", refused: "Refused by the gateway",
      unanswered: "No answer",
    },
    steps: [
      ["*789#", " opens the voting menu."],
      ["*789*07*5*1#", " votes in one dial: candidate 07, five votes."],
      ["sms:VOTE 07 5", " does the same by SMS to 7890."],
      ["", "Some seconds later the operator asks for the PIN: it is 0000."],
      ["*133#", " lists pending MTN payments."],
      ["#144*82#", " gives the code to type on Orange Money’s page (07 numbers)."],
    ],
  },
};
const SHORTCUTS = ["*789#", "*789*07*5*1#", "*133#", "#144*82#"];
const KEYS = [["1", ""], ["2", "ABC"], ["3", "DEF"], ["4", "GHI"], ["5", "JKL"], ["6", "MNO"],
  ["7", "PQRS"], ["8", "TUV"], ["9", "WXYZ"], ["*", ""], ["0", "+"], ["#", ""]];
const WALLETS = { MTN: "mtn_momo", Orange: "orange_money" };
const EVERY_MS = 1000;

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const state = {
  lang: query.get("lang") || localStorage.getItem("lang") || (navigator.language.startsWith("en") ? "en" : "fr"),
  number: query.get("msisdn") || "0501020304",
  tab: "home",
  ussd: null,
  phone: null,
  seen: null,
  promptId: null,
};
if (!WORDS[state.lang]) state.lang = "fr";
const t = (key) => WORDS[state.lang][key];

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
  const response = await fetch(`/phones/${encodeURIComponent(state.number)}${path}`, options);
  return { status: response.status, body: await response.json() };
}

/* On a small screen the display may have been scrolled away by the time it has something to say. */
function bringIntoView() {
  const top = document.querySelector(".phone").getBoundingClientRect().top;
  if (top < 0) scrollBy({ top: top - 8 });
}

let toastTimer;
function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $("toast").hidden = true; }, 3000);
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    console.error(error);
    toast(t("offline"));
  }
}

function speak() {
  document.documentElement.lang = state.lang;
  document.title = t("title");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  for (const node of document.querySelectorAll("[data-lang]")) {
    node.setAttribute("aria-pressed", String(node.dataset.lang === state.lang));
  }
  $("steps").replaceChildren(...t("steps").map(([what, why]) => {
    const item = element("li");
    if (what) {
      const button = element("button", "", what.replace("sms:", ""));
      button.type = "button";
      button.addEventListener("click", () => fill(what));
      item.append(button);
    }
    item.append(why);
    return item;
  }));
  showInbox();
}

function fill(what) {
  if (what.startsWith("sms:")) {
    show("messages");
    $("text").value = what.slice(4);
    $("text").focus();
  } else {
    show("home");
    $("code").value = what;
    $("dial").focus();
  }
}

function show(tab) {
  state.tab = tab;
  $("toast").hidden = true;
  $("home").hidden = tab !== "home";
  $("messages").hidden = tab !== "messages";
  for (const node of document.querySelectorAll("[data-tab]")) {
    node.setAttribute("aria-current", String(node.dataset.tab === tab));
  }
  if (tab === "messages" && state.phone) state.seen = state.phone.inbox.length;
  showUnread();
}

function showUnread() {
  const count = state.phone && state.seen !== null ? state.phone.inbox.length - state.seen : 0;
  $("unread").hidden = count <= 0;
  $("unread").textContent = count;
}

function linked(text) {
  return text.split(/(https?:\/\/[^\s]+)/).map((piece, index) => {
    if (index % 2 === 0) return piece;
    const tail = piece.match(/[.,;:!?)]+$/)?.[0] ?? "";
    const link = element("a", "", piece.slice(0, piece.length - tail.length));
    link.href = link.textContent;
    link.target = "_blank";
    link.rel = "noopener";
    const both = document.createDocumentFragment();
    both.append(link, tail);
    return both;
  });
}

function showInbox() {
  const messages = state.phone ? [...state.phone.inbox].reverse() : [];
  $("inbox").replaceChildren(...messages.map((message) => {
    const item = element("li");
    const head = element("small");
    head.append(element("b", "", message.from), new Date(message.at).toLocaleTimeString(state.lang));
    item.append(head, ...linked(message.text));
    return item;
  }));
  if (!messages.length) $("inbox").append(element("li", "empty", t("empty")));
}

function showUssd() {
  const ussd = state.ussd;
  $("ussd").hidden = !ussd;
  if (!ussd) return;
  $("screen").textContent = ussd.waiting ? t("running") : ussd.screen;
  $("screen").classList.toggle("waiting", Boolean(ussd.waiting));
  $("answer").hidden = ussd.waiting || !ussd.open;
  $("finished").hidden = ussd.waiting || ussd.open;
  $("reply").value = "";
  if (ussd.waiting) return;
  $("ussd").scrollTop = 0;
  (ussd.open ? $("reply") : $("close")).focus({ preventScroll: true });
  bringIntoView();
}

function showPrompt() {
  const prompt = state.phone && !state.ussd ? state.phone.prompt : null;
  const id = prompt ? prompt.id : null;
  $("prompt").hidden = !prompt;
  if (id === state.promptId) return;
  state.promptId = id;
  if (!prompt) return;
  $("payee").textContent = prompt.payee;
  $("amount").textContent = `${prompt.amount.toLocaleString(state.lang)} ${prompt.currency}`;
  $("pin").value = "";
  $("pin_fault").textContent = "";
  $("pin").focus({ preventScroll: true });
  bringIntoView();
}

function showStatus() {
  const phone = state.phone;
  $("network").textContent = phone.network || "—";
  const wallet = phone.wallets[WALLETS[phone.network]];
  $("wallet").textContent = wallet === undefined ? "" : `${wallet.toLocaleString(state.lang)} F`;
  $("own").textContent = phone.msisdn.replace(/^(\+225)(..)(..)(..)(..)(..)$/, "$1 $2 $3 $4 $5 $6");
}

function showClock() {
  $("clock").textContent = new Date().toLocaleTimeString(state.lang, { hour: "2-digit", minute: "2-digit" });
}

async function refresh() {
  const asked = state.number;
  const { status, body } = await call("");
  if (asked !== state.number) return;
  if (status !== 200) {
    toast(t("no_number"));
    return;
  }
  const before = state.phone;
  state.phone = body;
  if (state.seen === null) state.seen = body.inbox.length;
  showStatus();
  showClock();
  if (!before || JSON.stringify(before.inbox) !== JSON.stringify(body.inbox)) {
    const isNew = before && before.msisdn === body.msisdn && body.inbox.length > before.inbox.length;
    if (isNew && state.tab !== "messages") toast(t("news") + body.inbox.at(-1).from);
    if (state.tab === "messages") state.seen = body.inbox.length;
    showInbox();
  }
  showUnread();
  if (!state.ussd && body.session && body.session.screen) {
    state.ussd = body.session;
    showUssd();
  }
  showPrompt();
  if ($("wire").open) await refreshWire();
}

let lastWire = "";
async function refreshWire() {
  const { body } = await call("/exchange");
  const text = JSON.stringify(body);
  if (text === lastWire) return;
  lastWire = text;
  const records = [...body].reverse().map((record) => {
    const box = element("div", `call-record ${record.direction}`);
    const head = element("p");
    const time = new Date(record.at).toLocaleTimeString(state.lang);
    if (record.direction === "note") {
      head.append(`${time} · ${record.party} · `, element("b", "", t(`note_${record.note}`) || record.note));
      box.append(head);
      return box;
    }
    const arrow = record.direction === "out" ? "→" : "←";
    head.append(`${time} · ${record.party} ${arrow} `, element("b", "", `${record.method} ${record.url}`));
    const end = element("p", "", `${record.status || "—"} · ${record.milliseconds} ms`);
    box.append(head);
    if (record.body) box.append(element("pre", "", record.body));
    box.append(end);
    if (record.answer) box.append(element("pre", "", record.answer));
    return box;
  });
  $("exchange").replaceChildren(...(records.length ? records : [element("p", "", t("nothing"))]));
}

async function converse(path, body) {
  state.ussd = { waiting: true };
  showUssd();
  showPrompt();
  try {
    const answer = await call(path, body);
    state.ussd = answer.status === 200 ? answer.body : { screen: answer.body.detail, open: false };
  } catch (error) {
    state.ussd = { screen: t("offline"), open: false };
    throw error;
  } finally {
    showUssd();
  }
  await refresh();
}

async function dial() {
  const code = $("code").value.trim();
  if (code) await converse("/dial", { code });
}

async function hangUp() {
  state.ussd = null;
  showUssd();
  $("code").value = "";
  await call("/hangup", {});
  await refresh();
}

async function answerPrompt(body) {
  const { status, body: answer } = await call("/prompt", { ...body, id: state.promptId });
  if (status === 422 && answer.error === "wrong_pin" && answer.attempts_left > 0) {
    $("pin").value = "";
    $("pin_fault").textContent = t("wrong_pin") + answer.attempts_left;
    return;
  }
  toast(t(answer.status || "gone"));
  await refresh();
}

function field() {
  if (!$("prompt").hidden) return $("pin");
  if (!$("ussd").hidden) return $("answer").hidden ? null : $("reply");
  if (state.tab === "messages") return document.activeElement === $("to") ? $("to") : $("text");
  return $("code");
}

function press(key) {
  const target = field();
  if (!target || target.value.length >= target.maxLength) return;
  target.value += key;
}

function choose(number) {
  state.number = number.trim();
  state.phone = state.ussd = state.seen = state.promptId = null;
  $("number").value = state.number;
  lastWire = "";
  const url = new URL(location.href);
  url.searchParams.set("msisdn", state.number);
  history.replaceState(null, "", url);
  showUssd();
  $("prompt").hidden = true;
  attempt(refresh);
}

function wire() {
  $("keypad").replaceChildren(...KEYS.map(([key, letters]) => {
    const button = element("button", "", key);
    button.type = "button";
    button.append(element("small", "", letters));
    button.addEventListener("click", () => press(key));
    return button;
  }));
  $("shortcuts").replaceChildren(...SHORTCUTS.map((code) => {
    const button = element("button", "", code);
    button.type = "button";
    button.addEventListener("click", () => fill(code));
    return button;
  }));
  const on = (id, event, work) => $(id).addEventListener(event, (happened) => {
    happened.preventDefault();
    attempt(work);
  });
  on("dial", "click", () => ($("ussd").hidden ? dial() : Promise.resolve()));
  on("hangup", "click", hangUp);
  on("cancel", "click", hangUp);
  on("close", "click", async () => { state.ussd = null; showUssd(); await refresh(); });
  on("answer", "submit", () => converse("/reply", { input: $("reply").value }));
  on("prompt", "submit", () => answerPrompt({ pin: $("pin").value }));
  on("decline", "click", () => answerPrompt({ decline: true }));
  on("compose", "submit", async () => {
    const text = $("text").value;
    if (!text) return;
    const { status, body } = await call("/sms", { to: $("to").value, text });
    if (status !== 200) {
      toast(t("refused") + body.detail);
      return;
    }
    $("text").value = "";
    toast(t("sent"));
  });
  $("erase").addEventListener("click", () => {
    const target = field();
    if (target) target.value = target.value.slice(0, -1);
  });
  $("code").addEventListener("keydown", (event) => { if (event.key === "Enter") attempt(dial); });
  $("picker").addEventListener("submit", (event) => { event.preventDefault(); choose($("number").value); });
  $("wire").addEventListener("toggle", () => { if ($("wire").open) attempt(refreshWire); });
  for (const node of document.querySelectorAll("[data-tab]")) {
    node.addEventListener("click", () => show(node.dataset.tab));
  }
  for (const node of document.querySelectorAll("[data-lang]")) {
    node.addEventListener("click", () => {
      state.lang = node.dataset.lang;
      localStorage.setItem("lang", state.lang);
      lastWire = "";
      speak();
      if (state.phone) showStatus();
      showClock();
    });
  }
}

if (matchMedia("(pointer: coarse)").matches) {
  // The page has a keypad of its own; a second keyboard would cover the display.
  for (const id of ["code", "reply", "pin"]) $(id).inputMode = "none";
}
$("wire").open = matchMedia("(min-width: 1000px)").matches;
wire();
speak();
show("home");
choose(state.number);
setInterval(() => attempt(refresh), EVERY_MS);
