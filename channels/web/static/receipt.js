// Checks by itself, in the browser, that the contest's log has the vote: the line, its way into the tree (RFC 9162
// section 2.1.3.2), who signed (C2SP signed-note, tlog-cosignature), and that witnesses have the same tree.
const place = document.getElementById("checks");
const ZERO = Uint8Array.of(0);
const ONE = Uint8Array.of(1);
const EMPTY_LINE = "\n\n";
const BLOCK = 512;

const utf8 = (text) => new TextEncoder().encode(text);
const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
const hex = (given) => Array.from(given, (one) => one.toString(16).padStart(2, "0")).join("");
const fromHex = (text) => Uint8Array.from(text.match(/../g), (one) => parseInt(one, 16));
// Null where there is no answer.
const got = (address, how) => fetch(address, { cache: "no-store", ...how }).catch(() => null);
const joined = async (...parts) => new Uint8Array(await new Blob(parts).arrayBuffer());
const sha = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", await joined(...parts)));

// The root that a leaf and its path make; null where the path is none of a tree of this size.
async function rootOf({ index, treeSize, leaf, proof }) {
  if (index >= treeSize) return null;
  let at = index;
  let last = treeSize - 1;
  let made = await sha(ZERO, bytes(leaf));
  const up = () => {
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  };
  for (const sibling of proof.map(bytes)) {
    if (last === 0) return null;
    if (at % 2 || at === last) {
      made = await sha(ONE, sibling, made);
      while (at && at % 2 === 0) up();
    } else made = await sha(ONE, made, sibling);
    up();
  }
  return last === 0 ? hex(made) : null;
}

function read(note) {
  const end = note.lastIndexOf(EMPTY_LINE);
  const text = note.slice(0, end + 1);
  const [origin, size, root] = text.split("\n");
  const lines = note.slice(end + 2).trimEnd().split("\n");
  const signed = lines.map((line) => line.split(" ").slice(1)).map(([name, made]) => ({ name, made: bytes(made) }));
  return { text, origin, size: Number(size), root: hex(bytes(root)), signed };
}

// Whether one of these keys signed, and none of them wrongly; null where the browser cannot know.
async function signedBy(note, keys) {
  let found = false;
  for (const key of keys) {
    const [name, id] = key.split("+", 2);
    const encoded = bytes(key.slice(name.length + id.length + 2));
    for (const one of note.signed) {
      if (one.name !== name || hex(one.made.slice(0, 4)) !== id) continue;
      let [made, text] = [one.made.slice(4), note.text];
      if (encoded[0] === 4) {
        const seconds = new DataView(made.buffer).getBigUint64(0);
        [made, text] = [made.slice(8), `cosignature/v1\ntime ${seconds}\n${text}`];
      }
      let known;
      try {
        known = await crypto.subtle.importKey("raw", encoded.slice(1), "Ed25519", false, ["verify"]);
      } catch (fault) {
        if (fault.name === "NotSupportedError") return null;
        throw fault;
      }
      if (!(await crypto.subtle.verify("Ed25519", known, made, utf8(text)))) return false;
      found = true;
    }
  }
  return found;
}

// The pad of a block of a sealed leaf, by the leaf's own key.
async function padOf(key, number) {
  const held = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8(`block ${number}`) };
  return new Uint8Array(await crypto.subtle.deriveBits(how, held, 8 * BLOCK));
}

// The content of a leaf; of a sealed one, what is encrypted.
async function contentOf({ log, leafKey }) {
  const leaf = JSON.parse(new TextDecoder().decode(bytes(log.leaf)));
  if (leaf.kind !== "sealed") return leaf;
  const cipher = bytes(leaf.cipher);
  const plain = new Uint8Array(cipher.length);
  for (let at = 0; at < cipher.length; at += BLOCK) {
    const pad = await padOf(fromHex(leafKey), at / BLOCK);
    pad.forEach((one, n) => (plain[at + n] = cipher[at + n] ^ one));
  }
  return JSON.parse(new TextDecoder().decode(plain));
}

async function lineIsThatOf({ facts, receipt, salt, ...given }) {
  const leaf = await contentOf(given);
  const hashed = salt && hex(await sha(fromHex(salt), utf8(receipt)));
  return Object.entries(facts).every(([name, fact]) => leaf[name] === fact) && (!salt || leaf.receipt === hashed);
}

// A witness may be behind us: then the proof is asked for that leads to its root.
async function witnessHas({ log, origin }, { address, key }) {
  const answer = await got(`${address}/${hex(await sha(utf8(origin)))}/checkpoint`, { credentials: "omit" });
  if (!answer?.ok) return null;
  const note = read(await answer.text());
  if (note.origin !== origin || (await signedBy(note, [key])) === false) return false;
  if (note.size <= log.index) return null;
  let proof = log;
  if (note.size !== log.treeSize) {
    const asked = await got(`${location.pathname}?treeSize=${note.size}`, { headers: { Accept: "application/json" } });
    if (!asked?.ok) return null;
    proof = (await asked.json()).log;
  }
  return proof?.leaf === log.leaf && proof.treeSize === note.size && (await rootOf(proof)) === note.root;
}

// `check`: gives true, false, or null for what cannot be known here; a fault of the data is false.
async function show(name, check, who = "") {
  let found = false;
  try {
    found = await check();
  } catch (fault) {
    console.info(name, fault);
  }
  const line = document.createElement("p");
  const words = place.dataset[`${name}${found === null ? "Unknown" : found ? "Good" : "Bad"}`];
  line.textContent = `${found === null ? "–" : found ? "✓" : "✗"} ${words.replace("{name}", who)}`;
  place.append(line);
  return found;
}

async function run() {
  const given = JSON.parse(place.dataset.given);
  const { log, origin } = given;
  place.hidden = false;
  const all = [await show("line", () => lineIsThatOf(given))];
  const note = read(log.checkpoint);
  const rooted = async () => note.size === log.treeSize && note.origin === origin && (await rootOf(log)) === note.root;
  all.push(await show("tree", rooted), await show("signed", () => signedBy(note, given.keys)));
  for (const witness of given.witnesses)
    all.push(await show("witness", () => witnessHas(given, witness), witness.key.split("+")[0]));
  const result = document.getElementById("result");
  result.textContent = all.includes(false) ? place.dataset.bad : place.dataset.good;
  result.className = `notice ${all.includes(false) ? "bad" : "good"}`;
  result.hidden = false;
}

if (place) {
  if (crypto.subtle) run();
  // Without https.
  else document.getElementById("result").hidden = false;
}
