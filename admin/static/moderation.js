// Keys of the queue: j and k go to the next and the one before, a approves, r opens the reason for a rejection.
const queue = [...document.querySelectorAll(".queued")];
const here = () => queue.findIndex((one) => one.contains(document.activeElement));
const acts = {
  j: () => queue[Math.min(here() + 1, queue.length - 1)].focus(),
  k: () => queue[Math.max(here() - 1, 0)].focus(),
  a: () => queue[here()]?.querySelector(".approve").click(),
  r: () => {
    const details = queue[here()]?.querySelector(".reject");
    if (details) {
      details.open = true;
      details.querySelector("[name=reason]").focus();
    }
  },
};
if (queue.length) {
  document.getElementById("keys").hidden = false;
  queue[0].focus({ preventScroll: true });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey;
    if (!typing && acts[event.key]) {
      event.preventDefault();
      acts[event.key]();
    }
  });
}
