"use strict";

/* A crowd that votes: its form, and what it did so far. Words and helpers are those of handset.js. */
const OUTCOMES = ["paid", "declined", "ignored", "empty", "wrong_pin", "left", "refused", "unanswered"];
const crowd = { shown: { state: "none" } };

async function askCrowd(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const response = await fetch(`/crowd${path}`, options);
  const answer = await response.json();
  if (response.ok) {
    crowd.shown = answer;
    showCrowd();
  } else {
    $("crowd_state").textContent = t("refused") + answer.detail;
  }
}

function showCrowd() {
  const { state: now, planned = 0, ended = 0, outcomes = {} } = crowd.shown;
  const number = new Intl.NumberFormat(state.lang);
  $("crowd_start").disabled = now === "voting";
  $("crowd_stop").disabled = now !== "voting";
  $("crowd_bar").hidden = now === "none";
  $("crowd_bar").max = planned || 1;
  $("crowd_bar").value = ended;
  $("crowd_state").textContent = now === "none" ? "" : t("crowd_states")[now];
  const rows = now === "none" ? [] : [
    [t("crowd_tries"), `${number.format(ended)} / ${number.format(planned)}`],
    ...OUTCOMES.filter((one) => outcomes[one]).map((one) => [t("crowd_outcomes")[one], number.format(outcomes[one])]),
    [t("crowd_votes_paid"), number.format(crowd.shown.votes_paid)],
    [t("crowd_votes_counted"), number.format(crowd.shown.votes_counted)],
  ];
  $("crowd_figures").replaceChildren(...rows.flatMap(([what, many]) => [element("dt", "", what), element("dd", "", many)]));
}

$("crowd").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => askCrowd("", { voters: Number($("voters").value), minutes: Number($("minutes").value) }));
});
$("crowd_stop").addEventListener("click", () => attempt(() => askCrowd("/stop", {})));
for (const node of document.querySelectorAll("[data-lang]")) node.addEventListener("click", showCrowd);
attempt(() => askCrowd(""));
setInterval(() => { if (crowd.shown.state === "voting") attempt(() => askCrowd("")); }, EVERY_MS);
