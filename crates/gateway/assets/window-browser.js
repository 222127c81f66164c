// The window's page where there is no agent: the browser is a terminal of its own, with key, numbers and chain. What it
// saved it sends by `/v1/lines/{terminal}`, once somebody who may is logged in; doubt is settled by reading the line's end.
import { fingerprint, hex, line, nkey, sign } from "./chain.js";
import { Clock } from "./clock.js";
import { Differs, Ledger } from "./ledger.js";
import { Refused, start } from "./window.js";
import { KINDS, hallTime } from "./window-list.js";

const CALL_MS = 10_000;
/** Most events, and most bytes, of one request: what the gateway takes. */
const BATCH_MAX = 200;
const BATCH_BYTES_MAX = 200_000;
/** Events of one answer. */
const PAGE = 200;
/** What the device itself warns of: a time that lies in the future, and an entry that was typed in late. */
const FUTURE_MS = 120_000;
const LATE_MS = 24 * 3_600_000;

/** How long the list of departments is taken for right. */
const HALL_MS = 300_000;
/** How long the page waits for the server before it shows what it knows by itself. */
const PATIENCE_MS = 500;

const own = await Ledger.open();
const clock = new Clock();
const unsure = []; // what this page recorded while nobody knew the time: number, time and the clocks
let identity = await own.identity();
let hall = await own.kept("hall"); // departments and matters, as last heard
let hallAt = -Infinity;
let line_end = await own.kept("line"); // what the hall last said of this line
let me = null; // who is logged in at the server, as last heard
let online = false;
let told = ""; // why nothing is sent
let stopped = null;

async function call(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") Object.assign(headers, { "X-CSRF-Token": me?.csrf ?? "", "Content-Type": "application/x-ndjson" });
  const asked = clock.now();
  let response, value;
  try {
    response = await fetch(path, { method, headers, body, signal: AbortSignal.timeout(CALL_MS) });
    value = await response.json();
  } catch (error) {
    online = false;
    throw new Refused({ message: "未得到服务器答复", known: false });
  }
  online = true;
  clock.heard(asked, response.headers.get("Date"));
  if (response.ok) return value;
  if (response.status === 401) me = null;
  throw new Refused(value);
}

async function enrol(terminal) {
  const key = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  // The half that opens a connection to NATS is thrown away: a browser makes none.
  const never = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const signing = await crypto.subtle.exportKey("raw", key.publicKey);
  const nats = nkey(await crypto.subtle.exportKey("raw", never.publicKey));
  identity = { terminal, hall: hall.hall, owner: me.user, key: key.privateKey, signing: hex(signing), nats, fingerprint: await fingerprint(signing, nats) };
  await own.enrol(identity);
  // Else the browser may clear it away when the disk is full.
  await navigator.storage?.persist?.();
}

const form = document.getElementById("enrol");
form.addEventListener("submit", async event => {
  event.preventDefault();
  ledger.calm();
  const terminal = form.elements.terminal.value.trim();
  try {
    if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(terminal)) throw new Refused({ message: "终端编号由小写字母、数字和连字符组成" });
    await call("GET", `/v1/lines/${terminal}`);
    await enrol(terminal);
    await ledger.changed();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    ledger.complain("未能登记", error);
  }
});

function stop(code, title, next) {
  stopped = { code, title, next };
}

/** Finds out how far the journal has the line; false where this ledger is not the line's. */
async function settle() {
  const end = await call("GET", `/v1/lines/${identity.terminal}`);
  line_end = end;
  await own.keep("line", end);
  const [sent, head] = [await own.sent(), await own.head()];
  if (end.number > head.number) stop("E.113", "服务器上的记录比本机多，本机台账是旧的", "请与管理员联系");
  else if (end.number > 0 && (await own.get(end.number)).hash !== end.hash) stop("E.104", "两台设备使用了同一终端编号", "请与管理员联系");
  else {
    stopped = null;
    // Also where it is less than was acknowledged: the journal lost its tail, and gets it again.
    if (end.number !== sent.number || end.position !== sent.position) await own.stored(end.number, end.number ? [end.position] : []);
  }
  return !stopped;
}

/** Sends what is not sent; answers whether there was anything. */
async function send() {
  for (let any = false; ; any = true) {
    const sent = await own.sent();
    const batch = [];
    let bytes = 0;
    for (const { event, hash } of await own.after(sent.number, BATCH_MAX)) {
      const text = line(event);
      bytes += text.length * 3 + 200;
      if (batch.length && bytes > BATCH_BYTES_MAX) break;
      batch.push({ event, hash });
    }
    if (!batch.length) return any;
    // One signature covers those directly before it: the chain says so.
    const last = batch.pop();
    const lines = [...batch.map(it => line(it.event)), line(last.event, await sign(identity.key, last.hash))];
    const { positions } = await call("POST", `/v1/lines/${identity.terminal}?last=${sent.position}`, lines.join("\n"));
    await own.stored(Number(last.event.id), positions);
  }
}

/** Records the true time of what was recorded before the clock was measured, as far as it ran on alike since then. */
async function correct() {
  for (let left = unsure.length; left > 0; left--) {
    const it = unsure.shift();
    if (!clock.heardSince(it.stamp)) {
      unsure.push(it);
      continue;
    }
    const ahead = clock.ahead(it.stamp);
    // Of such nobody will ever know: the hall asks a person.
    if (ahead === null) continue;
    const data = { original: `${ledger.stream()}#${it.number}`, occurredAt: hallTime(it.time - ahead), reason: "时钟补测" };
    const head = { specversion: "1.0", source: ledger.source(), type: "cn.zhoubao.Corrected.v1", time: hallTime() };
    // An event has one true time, so it has one such correction.
    await own.record({ ...head, command: `clock-${it.number}`, data }, identity.owner, clock.mark(clock.now()));
  }
}

async function talk() {
  if (!me) me = await call("GET", "/v1/me");
  if (!hall || performance.now() - hallAt > HALL_MS) {
    hall = await call("GET", "/v1/window");
    hallAt = performance.now();
    await own.keep("hall", hall);
  }
  if (!identity) return;
  await correct();
  if (me.user !== identity.owner) {
    told = `此终端由 ${identity.owner} 使用，请本人登录后上报`;
    return;
  }
  if (!(await settle())) return;
  if (line_end.key !== identity.signing) {
    told = "待管理员批准，所录已保存在本机";
    return;
  }
  if (!(await send())) return;
  line_end = await call("GET", `/v1/lines/${identity.terminal}`);
  await own.keep("line", line_end);
}

/** Talks to the server once, whatever tabs are open. */
async function exchange() {
  await navigator.locks.request("zhoubao-terminal-send", { ifAvailable: true }, async lock => {
    if (!lock) return;
    told = "";
    try {
      await talk();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (!error.known) return;
      told = error.code === "E.150" ? "login" : `未上报：${error.title || error.message}（${error.code}）`;
    }
    // Also who is not let in has heard what time it is.
    if (identity) await correct();
  });
}

function stateOf(entry, sent) {
  if (entry.number > sent.number) return { state: "to_send", label: "待发送" };
  const open = line_end?.open?.find(it => it.number === entry.number);
  if (open) return { state: "needs_attention", label: "需处理", code: open.code, title: open.title, reason: open.detail, next: open.next };
  // Of many that wait only the first are named, and of those after them nothing is known.
  const named = line_end && (line_end.open_count === line_end.open.length || entry.number < line_end.open.at(-1).number);
  return line_end && entry.number <= line_end.counted && named ? { state: "counted", label: "已入账" } : { state: "stored", label: "已送达" };
}

function warnings(event) {
  const found = [];
  const entered = Date.parse(event.enteredat ?? event.time);
  if (Date.parse(event.time) - Date.now() > FUTURE_MS) found.push({ code: "E.105", message: "发生时间在以后", title: "" });
  if (entered - Date.parse(event.time) > LATE_MS) found.push({ code: "E.106", message: "补录超过 24 小时", title: "" });
  return found;
}

const ledger = {
  stream: () => `terminal.${identity.terminal}`,
  source: () => `hall.${identity.hall}.terminal.${identity.terminal}`,
  departments: () => hall?.departments ?? [],
  matters: () => hall?.matters ?? [],
  check: async event => ({ warnings: warnings(event) }),
  async record(event) {
    const stamp = clock.now();
    const mark = clock.mark(stamp);
    try {
      const recorded = await own.record(event, identity.owner, mark);
      const isOfClock = mark.clockunsure && !event.enteredat && event.type.split(".")[2].toLowerCase() in KINDS;
      if (isOfClock && !recorded.repeated) unsure.push({ number: recorded.number, time: Date.parse(event.time), stamp });
      return recorded;
    } catch (error) {
      if (error instanceof Differs) throw new Refused({ code: "E.104", message: "同一命令已以其他内容保存" });
      // A full disk, or a browser that takes nothing more: nothing is saved.
      throw new Refused({ code: "E.705", message: `本机未能保存：${error.name ?? ""} ${error.message ?? ""}`, next: "请清理磁盘空间后再试" });
    }
  },
  async events(after) {
    const sent = await own.sent();
    const entries = await own.after(after, PAGE);
    const events = entries.map(it => ({
      number: it.number, position: it.position, type: it.event.type, time: it.event.time, entered: it.event.enteredat,
      data: JSON.parse(it.event.body), ...stateOf(it, sent),
    }));
    return { events, last: entries.at(-1)?.number ?? after, more: entries.length === PAGE };
  },
  async tally(day) {
    const tally = { consulted: 0, accepted: 0, issued: 0, transferred: 0 };
    const now = new Map();
    for (let after = 0; ;) {
      const entries = await own.after(after, PAGE);
      for (const { number, event } of entries) {
        const kind = event.type.split(".")[2];
        const data = JSON.parse(event.body);
        const of = data.original?.startsWith(`${ledger.stream()}#`) ? Number(data.original.split("#")[1]) : null;
        // A time that a person typed in is his; what a clock gave is put right by what was known of it.
        const time = event.enteredat ? event.time : hallTime(Date.parse(event.time) - Number(event.clockoffset ?? 0));
        const people = data.people ?? 1;
        if (kind.toLowerCase() in tally) now.set(number, { kind: kind.toLowerCase(), people, time, first: { people, time } });
        else if (kind === "Voided") now.delete(of);
        else if (kind === "Corrected" && now.has(of)) {
          const it = now.get(of);
          it.people = data.people ?? it.first.people;
          it.time = data.occurredAt ?? it.first.time;
        }
      }
      if (entries.length < PAGE) break;
      after = entries.at(-1).number;
    }
    const dayOf = time => new Date(Date.parse(time) + 8 * 3_600_000).toISOString().slice(0, 10);
    for (const { kind, people, time } of now.values()) if (dayOf(time) === day) tally[kind] += people;
    return tally;
  },
  async status() {
    await Promise.race([exchange(), new Promise(done => setTimeout(done, PATIENCE_MS))]);
    identity ??= await own.identity();
    const [head, sent] = [await own.head(), (await own.sent()) ?? { number: 0 }];
    const login = told === "login";
    return {
      terminal: identity?.terminal, clerk: identity?.owner, online, recorded: head.number, to_send: head.number - sent.number,
      counted: line_end?.counted, flagged: line_end?.open?.map(it => ({ number: it.number })) ?? [], stopped,
      told: login && !identity ? "请先登录，再登记本终端" : login ? `未登录，已保存 ${head.number - sent.number} 条，登录后自动上报` : told, login,
      clock_told: clock.warning(),
    };
  },
  gate(status) {
    const needless = Boolean(identity) || !me || !hall;
    if (form.hidden !== needless) {
      form.hidden = needless;
      if (!needless) form.elements.terminal.focus();
    }
    document.getElementById("sign-in").hidden = !status.login;
    const waits = Boolean(identity) && line_end?.key !== identity.signing;
    const approval = document.getElementById("approval");
    if (approval.hidden !== waits) return;
    approval.hidden = !waits;
    if (!waits) return;
    document.getElementById("fingerprint").textContent = identity.fingerprint;
    const until = new Date();
    until.setFullYear(until.getFullYear() + 2);
    const entry = { signing: identity.signing, nats: identity.nats, validThrough: until.toISOString().slice(0, 10), revoked: false };
    const link = document.getElementById("entry");
    link.download = `key.${identity.terminal}.json`;
    const text = JSON.stringify(entry);
    document.getElementById("entry-text").textContent = text;
    link.href = URL.createObjectURL(new Blob([`${text}\n`], { type: "application/json" }));
  },
};

if (navigator.serviceWorker) {
  const trusted = globalThis.trustedTypes?.createPolicy("zhoubao", { createScriptURL: () => "/t/worker.js" });
  const url = trusted ? trusted.createScriptURL("") : "/t/worker.js";
  await navigator.serviceWorker.register(url, { scope: "/t", updateViaCache: "none" }).catch(() => {});
}
await start(ledger);
