// The price follows the number of votes; an order's page follows the order.
const form = document.querySelector("form[data-price]");
if (form) {
  const { price, exponent, max } = form.dataset;
  const total = document.getElementById("total");
  const quantity = form.elements.quantity;
  // As the server writes amounts: thousands apart by a space that does not break.
  const write = (minor) => {
    const [whole, part] = (minor / 10 ** exponent).toFixed(exponent).split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, "\u00a0");
    return `${part ? `${grouped}.${part}` : grouped}\u00a0${total.dataset.unit}`;
  };
  const show = () => {
    const votes = Number(quantity.value);
    const good = Number.isInteger(votes) && votes >= 1 && votes <= +max;
    total.textContent = good ? write(votes * price) : "";
  };
  quantity.addEventListener("input", show);
  addEventListener("pageshow", show);
}

const order = document.getElementById("order");
if (order) {
  const { vote, url } = order.dataset;
  const began = Date.now();
  // Quick while the payer is busy, patient afterwards.
  const pause = () => (Date.now() - began < 180000 ? 2000 : 10000);
  let timer;
  const look = async () => {
    clearTimeout(timer);
    try {
      const answer = await fetch(`/api/votes/${vote}`, { cache: "no-store" });
      if (answer.ok) {
        const now = await answer.json();
        if (now.status !== "PENDING" || Boolean(now.paymentUrl) !== Boolean(url)) return location.reload();
      }
    } catch {
      // The network is away for a moment: the next look tells.
    }
    clearTimeout(timer);
    timer = setTimeout(look, pause());
  };
  timer = setTimeout(look, pause());
  document.addEventListener("visibilitychange", () => document.hidden || look());
}
