// Colours are shown while they are chosen: the page itself says what they would look like, and what is wrong with them.
const form = document.querySelector("form[data-tries]");
let asked = 0;

async function show() {
  const mine = ++asked;
  const typed = new URLSearchParams(["accent", "accent_dark"].map((name) => [name, form.elements[name].value]));
  const answer = await fetch(`${form.dataset.tries}?${typed}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (mine !== asked || !answer.ok) return;
  for (const id of ["accent-verdict", "accent_dark-verdict", "sketches"]) {
    const made = page.getElementById(id);
    if (made) document.getElementById(id).replaceWith(made);
  }
}

const later = () => {
  clearTimeout(later.timer);
  later.timer = setTimeout(() => show().catch(() => {}), 250);
};

for (const picker of form.querySelectorAll("[data-picks]")) {
  const typed = form.elements[picker.dataset.picks];
  const follow = () => {
    if (/^#[0-9a-f]{6}$/i.test(typed.value.trim())) picker.value = typed.value.trim();
  };
  picker.hidden = false;
  follow();
  picker.addEventListener("input", () => {
    typed.value = picker.value;
    later();
  });
  typed.addEventListener("input", () => {
    follow();
    later();
  });
}
