// A video goes from here to Cloudinary; our server signs the upload and asks Cloudinary what became of it.
const form = document.querySelector(".film-upload");
const list = document.querySelector("[data-waiting]");
// What was uploaded lately is being checked: the page is looked at again, unless something is being done on it.
let touched = false;
for (const act of ["input", "focusin"]) document.addEventListener(act, () => { touched = true; });
if (list) setTimeout(() => { if (!touched && !form?.dataset.busy && !document.querySelector("details[open]")) location.reload(); }, 4000);

if (form) {
  const given = form.dataset, input = form.querySelector("input"), button = form.querySelector("button");
  const status = form.querySelector("[role=status]"), bar = form.querySelector("progress");
  const say = (text) => { status.textContent = text; };
  const json = { "Content-Type": "application/json" };
  button.disabled = false;

  const seconds = (file) => new Promise((done) => {
    const probe = document.createElement("video");
    const end = (length) => { URL.revokeObjectURL(probe.src); done(length); };
    probe.preload = "metadata";
    probe.onloadedmetadata = () => end(probe.duration);
    // A browser that cannot play it does not know; Cloudinary will.
    probe.onerror = () => end(0);
    probe.src = URL.createObjectURL(file);
  });
  const fault = async (file) => {
    if (!/\.(mp4|mov)$/i.test(file.name) && !["video/mp4", "video/quicktime"].includes(file.type)) return given.kind;
    if (file.size > +given.bytes) return given.large;
    return (await seconds(file)) >= +given.seconds + 0.5 ? given.long : "";
  };
  const signed = async () => {
    const own = given.nomination;
    const body = JSON.stringify(own ? { nomination: own } : { contest: given.contest, candidateCode: given.code });
    const ask = () => fetch("/api/upload/signature", { method: "POST", headers: json, body });
    let answer = await ask();
    if (answer.status === 401 && (await fetch("/api/auth/refresh", { method: "POST" })).ok) answer = await ask();
    if (answer.status === 401) throw given.signedOut;
    if (answer.status === 429) throw given.many;
    if (!answer.ok) throw given.refused;
    return answer.json();
  };
  const send = ({ uploadUrl, fields }, file) => new Promise((done, fail) => {
    const data = new FormData(), call = new XMLHttpRequest();
    for (const [name, value] of Object.entries(fields)) data.append(name, value);
    data.append("file", file);
    call.upload.onprogress = ({ loaded, total }) => { bar.value = (100 * loaded) / total; };
    call.onload = () => (call.status === 200 ? done() : fail(given.refused));
    call.onerror = () => fail(given.lost);
    call.open("POST", uploadUrl);
    call.send(data);
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [file] = input.files;
    button.disabled = true;
    say("");
    try {
      const wrong = await fault(file);
      if (wrong) throw wrong;
      form.dataset.busy = "1";
      say(given.sending);
      bar.value = 0;
      bar.parentElement.hidden = false;
      const upload = await signed();
      await send(upload, file);
      say(given.sent);
      await fetch(given.nomination ? `/nominations/${given.nomination}/video` : location.pathname, {
        method: "POST",
        redirect: "manual",
        body: new URLSearchParams({ form: given.token ?? "", act: "ask", public_id: upload.fields.public_id }),
      });
      if (given.nomination) location.replace(`/nominations/${given.nomination}`);
      else location.reload();
    } catch (reason) {
      say(typeof reason === "string" ? reason : given.lost);
      bar.parentElement.hidden = true;
      button.disabled = false;
      delete form.dataset.busy;
    }
  });
}
