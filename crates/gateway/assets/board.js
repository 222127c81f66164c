// Keeps the numbers of the board live. It never shows a number as live that it cannot vouch for: what is older than
// 30 s is amber, what is older than 5 min hatched, also when nothing but the server is gone.
const STALE_MS = 30_000;
const DEAD_MS = 300_000;
const STATES = { "working": "办理", "day-closed": "已日结", "unreported": "未报", "not-applicable": "停用" };
const MARKS = { "unreported": "未报", "not-applicable": "—", "suppressed": "※" };

const body = document.body;
const tiles = new Map();
for (const it of document.querySelectorAll("[data-tile]")) tiles.set(it.dataset.tile, it);
let asOf = body.dataset.asOf ? Date.parse(body.dataset.asOf) : NaN;
// What this machine's clock is off by does not matter: ages are counted from when a message came.
let heardAt = performance.now();

function show(key, value) {
  const it = tiles.get(key);
  if (!it) return key.startsWith("curve.") || key.startsWith("counts.") || key === "unreported";
  if (typeof value === "object" && value !== null && value.state) {
    it.textContent = STATES[value.state] ?? "?";
    it.closest(".window").className = `window ${value.state}`;
    return true;
  }
  const mark = typeof value === "object" && value !== null ? value.mark : "";
  const text = mark ? MARKS[mark] ?? "?" : String(value);
  if (it.textContent !== text) it.textContent = text;
  if ((it.dataset.mark ?? "") !== mark) it.dataset.mark = mark;
  return true;
}

function anew() {
  location.reload();
}

function told(data, whole) {
  if (data.layout && data.layout !== body.dataset.layout) return anew();
  let fits = true;
  for (const [key, value] of Object.entries(data.tiles ?? {})) fits = show(key, value) && fits;
  if (whole) {
    for (const [key, it] of tiles) {
      if (!(key in data.tiles) && key.startsWith("curve.")) it.textContent = "";
    }
  }
  for (const key of data.gone ?? []) {
    const it = tiles.get(key);
    if (it) it.textContent = "";
  }
  if (!fits) return anew();
  position(data);
}

function position(data) {
  if (data.position !== undefined && data.position !== null) {
    document.getElementById("position").textContent = String(data.position);
    body.dataset.position = String(data.position);
  }
  if (data.as_of) {
    asOf = Date.parse(data.as_of);
    heardAt = performance.now();
    document.getElementById("time").textContent = data.as_of.slice(11, 19);
    body.dataset.asOf = data.as_of;
  }
  look();
}

function look() {
  const age = performance.now() - heardAt;
  // The server itself says when it last knew that it has everything.
  const state = Number.isNaN(asOf) || age > DEAD_MS ? "dead" : age > STALE_MS ? "stale" : "";
  body.classList.toggle("stale", state === "stale");
  body.classList.toggle("dead", state === "dead");
  const text = state ? `数据停在 ${document.getElementById("time").textContent}，正在重连` : "";
  const place = document.getElementById("stale");
  if (place.textContent !== text) place.textContent = text;
}
setInterval(look, 1_000);

// The curve is drawn by the server; it is asked for again when it has changed, and not more often than this.
const CURVE_MS = 10_000;
const curve = document.getElementById("curve");
let curveAt = 0;
setInterval(() => {
  const position = body.dataset.position;
  if (curve.dataset.position === position || performance.now() - curveAt < CURVE_MS) return;
  curveAt = performance.now();
  curve.dataset.position = position;
  // The old picture stays until the new one is there.
  const next = new Image();
  next.addEventListener("load", () => { curve.src = next.src; });
  next.src = `/board/curve.svg?p=${position}`;
}, 1_000);

function connect() {
  const source = new EventSource("/v1/board/live");
  const link = document.getElementById("link");
  source.addEventListener("open", () => { link.textContent = "● 已连接"; });
  source.addEventListener("error", () => {
    link.textContent = "▲ 断开";
    // The browser comes back by itself unless it was refused.
    if (source.readyState === EventSource.CLOSED) {
      source.close();
      setTimeout(connect, 5_000 + Math.random() * 5_000);
    }
  });
  let last = null;
  const fresh = data => {
    // Told again with the same time: the server is there, and knows nothing newer.
    if (data.as_of && data.as_of === last) data = { ...data, as_of: null };
    else if (data.as_of) last = data.as_of;
    return data;
  };
  source.addEventListener("snapshot", event => told(fresh(JSON.parse(event.data)), true));
  source.addEventListener("change", event => told(fresh(JSON.parse(event.data)), false));
  source.addEventListener("pulse", event => position(fresh(JSON.parse(event.data))));
}
connect();
