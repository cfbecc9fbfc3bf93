// Photos are made smaller before they are sent, and sent one by one: over a phone's connection thirty take minutes
// less, and one that fails does not take the others with it. Without script the form sends all of them as they are.
const SIDE = 1600;
const SMALL_BYTES = 400_000;
const TRIES = 3;
const KINDS = ["image/jpeg", "image/png", "image/webp"];

for (const form of document.querySelectorAll("form[data-photos]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form).catch(() => form.submit());
  });
}

async function send(form) {
  const input = form.querySelector("input[type=file]");
  const button = form.querySelector("button");
  const label = button.textContent;
  const results = document.querySelector("#results");
  const files = [...input.files];
  results.replaceChildren();
  button.disabled = true;
  for (const [place, file] of files.entries()) {
    button.textContent = `${form.dataset.sending} ${place + 1}/${files.length}`;
    const answer = await post(form, input.name, await smaller(file), file.name);
    if (answer === null) {
      results.insertAdjacentHTML("beforeend", `<p class="notice bad"></p>`);
      results.lastElementChild.textContent = form.dataset.lost;
      break;
    }
    if (answer.redirected) {
      location.assign(answer.url);
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const told = page.querySelector("#results");
    if (!told) {
      location.reload();
      return;
    }
    results.append(...told.children);
    for (const part of [".photos", "#have"]) document.querySelector(part)?.replaceWith(page.querySelector(part));
  }
  button.disabled = false;
  button.textContent = label;
  input.value = "";
}

// The answer; null when there was none after several tries.
async function post(form, name, body, fileName) {
  const fields = new FormData();
  fields.append("form", form.elements.form.value);
  fields.append(name, body, fileName);
  for (let count = 1; count <= TRIES; count++) {
    try {
      return await fetch(form.action, { method: "POST", body: fields });
    } catch {
      await new Promise((done) => setTimeout(done, count * 1000));
    }
  }
  return null;
}

// The photo with fewer pixels; as it is where that saves nothing, or the browser cannot read it: the server says why.
async function smaller(file) {
  if (!KINDS.includes(file.type) || file.size < SMALL_BYTES) return file;
  try {
    const image = await createImageBitmap(file);
    const scale = Math.min(1, SIDE / Math.min(image.width, image.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(image.width * scale);
    canvas.height = Math.round(image.height * scale);
    const brush = canvas.getContext("2d");
    brush.fillStyle = "#fff";
    brush.fillRect(0, 0, canvas.width, canvas.height);
    brush.drawImage(image, 0, 0, canvas.width, canvas.height);
    const made = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.88));
    return made && made.size < file.size ? made : file;
  } catch {
    return file;
  }
}
