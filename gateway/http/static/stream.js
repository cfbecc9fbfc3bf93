// Follows a stream of the server. Where the browser has shared workers, one connection serves all its tabs:
// it opens six to a host, and each tab would hold one. This file is the page's side and the worker's.
// Connections of the worker; further pages poll.
const MOST = 3;
const held = new Map();

function connect(url, events, take) {
  const source = new EventSource(url);
  for (const event of events) source.addEventListener(event, ({ data }) => take(event, data));
  source.onopen = () => take("open");
  // A browser gives up for good when it is refused, for instance because too many are following.
  source.onerror = () => take(source.readyState === EventSource.CLOSED ? "refused" : "delayed");
  return source;
}

function join(port, url, events) {
  const found = held.get(url);
  found?.ports.add(port);
  if (found?.source.readyState === EventSource.OPEN) port.postMessage(["late"]);
  if (found) return;
  if (held.size >= MOST) {
    port.postMessage(["refused"]);
    return;
  }
  const ports = new Set([port]);
  const source = connect(url, events, (event, data) => {
    if (event === "refused") held.delete(url);
    for (const one of ports) one.postMessage([event, data]);
  });
  held.set(url, { source, ports });
}

function leave(port) {
  for (const [url, { source, ports }] of held) {
    if (!ports.delete(port) || ports.size) continue;
    source.close();
    held.delete(url);
  }
}

globalThis.onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data: [url, events] }) => (url ? join(port, url, events) : leave(port));
};

// Without shared workers, only the tab that is looked at holds a connection.
function alone(url, events, take) {
  let source;
  const look = () => {
    if (document.hidden) source = source?.close();
    else source ??= connect(url, events, take);
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    source?.close();
  };
}

function together(url, events, take, fail) {
  const worker = new SharedWorker(import.meta.url, { type: "module" });
  worker.onerror = fail;
  worker.port.onmessage = ({ data: [event, data] }) => take(event, data);
  worker.port.postMessage([url, events]);
  return () => worker.port.postMessage([]);
}

// Calls `take` with the name and the data of each event, with "open", "delayed" and "refused", and with "late"
// where others followed before: what they received is not sent again. Returns how to stop.
export function follow(url, events, take) {
  let stop;
  const start = () => {
    const fail = () => { stop = alone(url, events, take); };
    try {
      stop = together(url, events, take, fail);
    } catch (missing) {
      console.info(missing);
      fail();
    }
  };
  const hide = () => stop();
  const show = ({ persisted }) => persisted && start();
  addEventListener("pagehide", hide);
  addEventListener("pageshow", show);
  start();
  return () => {
    removeEventListener("pagehide", hide);
    removeEventListener("pageshow", show);
    stop();
  };
}
