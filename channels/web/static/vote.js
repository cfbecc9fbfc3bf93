// The price follows the number of votes, the wallet the number that pays; links can be copied.
const form = document.querySelector("form[data-price]");
if (form) {
  const { price, exponent, unit, max, calling } = form.dataset;
  const { quantity, phone, nonce, pack, method } = form.elements;
  const wallets = Object.fromEntries(form.dataset.wallets.split(" ").map((one) => one.split("=")));
  const bound = "sure" in form.dataset ? Object.values(wallets) : [];
  const sum = form.querySelector("output");
  const guess = form.querySelector(".guess");
  // As the server writes amounts.
  const written = new Intl.NumberFormat(document.documentElement.lang, { minimumFractionDigits: exponent });
  const write = (minor) => `${written.format(minor / 10 ** exponent)}\u00a0${unit}`;
  const priced = () => {
    const votes = Number(pack?.value || quantity.value);
    const good = Number.isInteger(votes) && votes >= 1 && votes <= +max;
    const text = good ? write(votes * price) : "";
    if (sum.textContent !== text) sum.textContent = text;
  };
  const guessed = () => {
    const digits = phone.value.replace(/\D/g, "").replace(/^00/, "");
    const own = digits.startsWith(calling) ? digits.slice(calling.length) : digits;
    const mine = wallets[own.slice(0, 3)] ?? wallets[own.slice(0, 2)];
    let wallet = "";
    for (const choice of method) {
      const { value, parentElement } = choice;
      // No choice is what this number cannot have; the server refuses it all the same.
      const wrong = value && mine !== undefined && value !== mine && bound.includes(value);
      if (wrong && choice.checked) method.value = "";
      choice.disabled = parentElement.hidden = wrong;
      if (value && value === mine) wallet = parentElement.textContent.trim();
    }
    let text = "";
    if (!method.value && wallet) text = guess.dataset.guess.replace("{wallet}", wallet);
    else if (!method.value && own.length > 2) text = guess.dataset.unknown;
    if (guess.textContent !== text) guess.textContent = text;
    phone.required = method.value !== "CARD";
  };
  form.addEventListener("input", ({ target }) => {
    // A chosen pack and a typed number are never meant together.
    if (target === quantity && pack) pack.value = "";
    if (target.name === "pack" && target.value) quantity.value = "";
    priced();
    guessed();
  });
  const ready = () => {
    // One form, one order, however often it is sent.
    if (!nonce.value) nonce.value = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    priced();
    guessed();
  };
  addEventListener("pageshow", ready);
  ready();
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  const label = button.textContent;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = label; }, 3000);
  });
}
