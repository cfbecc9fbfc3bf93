// The time until voting opens or closes, in its two largest units.
const left = document.querySelector("#left");
const leader = document.querySelector("#leader");
const units = left.dataset.units.split(" ");
const SIZES = [86400, 3600, 60, 1];
// Read out at these moments only: a screen reader would read each second.
const ALOUD = [3600, 600, 60];

// The page is a minute old at most; a clock that says otherwise is wrong by so much.
const age = Date.now() - Date.parse(left.dataset.now);
const end = Date.parse(left.dataset.turn) + (age > -5000 && age < 65000 ? 0 : age);

function tick() {
  const seconds = Math.ceil((end - Date.now()) / 1000);
  if (seconds < 0) return;
  const first = seconds >= 86400 ? 0 : seconds >= 3600 ? 1 : 2;
  const words = [seconds / SIZES[first], (seconds % SIZES[first]) / SIZES[first + 1]];
  left.lastElementChild.textContent = words.map((n, i) => `${Math.floor(n)}\u00a0${units[first + i]}`).join("\u00a0");
  if (leader && ALOUD.includes(seconds)) leader.textContent = left.textContent;
  setTimeout(tick, 1000);
}

tick();
