// Puts in the part of the page that moves whenever the server made it anew; what is open in it stays open.
const box = document.querySelector("[data-live]");
if (box) {
  const stream = new EventSource(box.dataset.live);
  stream.addEventListener("evening", (event) => {
    // Whoever reads with the keyboard in it keeps their place until they leave it.
    if (box.contains(document.activeElement)) return;
    const open = [...box.querySelectorAll("details")].map((one) => one.open);
    box.innerHTML = event.data;
    box.querySelectorAll("details").forEach((one, n) => { one.open = open[n] ?? false; });
  });
}
