"use strict";

/* Passkeys (W3C WebAuthn). The page works without: its buttons for keys stay hidden, codes are typed. */
const bytes = (words) => Uint8Array.from(atob(words.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const words = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const read = (keys) => (keys || []).map((key) => ({ ...key, id: bytes(key.id) }));

async function create(options) {
  const key = await navigator.credentials.create({ publicKey: {
    ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: read(options.excludeCredentials),
  } });
  return { id: words(key.rawId), client_data: words(key.response.clientDataJSON),
    attestation: words(key.response.attestationObject) };
}

async function get(options) {
  const key = await navigator.credentials.get({ publicKey: {
    ...options, challenge: bytes(options.challenge), allowCredentials: read(options.allowCredentials),
  } });
  return { id: words(key.rawId), client_data: words(key.response.clientDataJSON),
    authenticator: words(key.response.authenticatorData), signature: words(key.response.signature) };
}

for (const button of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  const form = button.form;
  const failed = form.querySelector("[data-failed]");
  button.hidden = false;
  form.querySelectorAll("[data-without]").forEach((line) => { line.hidden = true; });
  button.addEventListener("click", async () => {
    failed.hidden = true;
    try {
      const act = button.dataset.passkey === "create" ? create : get;
      form.elements.namedItem("passkey").value = JSON.stringify(await act(JSON.parse(button.dataset.options)));
      form.submit();
    } catch {
      failed.hidden = false;
    }
  });
}
