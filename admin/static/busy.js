// A form that was sent says so, and is not sent again while its answer is on the way.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.ariaBusy === "true") event.preventDefault();
  // A file that is downloaded leaves the page as it is.
  else if (!form.hasAttribute("data-download")) form.ariaBusy = "true";
});
// A page that is gone back to has its forms again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[aria-busy]")) form.ariaBusy = null;
});
