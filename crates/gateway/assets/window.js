// The window's page: one form at a time, by keys alone. It says 已保存 only when the ledger behind it has said so; that
// ledger is the device's agent (window-agent.js) or this browser (window-browser.js).
import { List, TITLES, hallTime, nextOf } from "./window-list.js";

const POLL_MS = 2_000;
const PEOPLE_MAX = 9_999;
const $ = id => document.getElementById(id);
const forms = new Map([...document.querySelectorAll("form[data-form]")].map(it => [it.dataset.form, it]));

/** Why something was not done: code and title as the hall has them, what to do next. */
export class Refused extends Error {
  constructor({ code = "", title = "", message = "", detail = "", next = "", known = true }) {
    super(message || detail);
    Object.assign(this, { code, title, next, known });
  }
}

/** 32 hexadecimal digits, for the idempotency key of a command. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map(it => it.toString(16).padStart(2, "0")).join("");
}

let ledger = null;
let list = null;
let current = null; // the form that is open
let draft = null; // key of the command that it makes, until it is known to be saved
let busy = false;

function fields(form) {
  return [...form.querySelectorAll("input")].filter(it => it.offsetParent !== null);
}

function tell(text) {
  $("told").textContent = text;
}

// Errors stand above the form with a link to each field, and beside the field.
function complain(title, found, { anyway = false } = {}) {
  const box = $("errors");
  $("errors-title").textContent = title;
  const items = found.map(({ text, field, next }) => {
    const item = document.createElement("li");
    const line = document.createElement(field ? "a" : "span");
    line.textContent = text;
    if (field) {
      line.href = `#${field.id}`;
      line.addEventListener("click", event => { event.preventDefault(); field.focus(); });
      field.setAttribute("aria-invalid", "true");
    }
    item.append(line);
    if (next) {
      const how = document.createElement("span");
      how.className = "next";
      how.textContent = ` ${next}`;
      item.append(how);
    }
    return item;
  });
  box.querySelector("ul").replaceChildren(...items);
  $("errors-keys").textContent = anyway ? "再按“保存”或 Shift+回车：仍要保存；Esc：返回修改" : "";
  box.dataset.anyway = anyway ? "yes" : "";
  box.hidden = false;
  box.focus();
}

function calm() {
  $("errors").hidden = true;
  $("errors").dataset.anyway = "";
  for (const it of document.querySelectorAll("[aria-invalid]")) it.removeAttribute("aria-invalid");
}

/** What is told of a refusal, as one line. */
function said(error) {
  const code = error.code ? `（${error.code}）` : "";
  return { text: `${error.title || error.message}${code}${error.title && error.message ? `：${error.message}` : ""}`, next: nextOf(error.next) };
}

function close() {
  if (current) current.hidden = true;
  for (const it of document.querySelectorAll("#keys button")) it.removeAttribute("aria-current");
  current = null;
  draft = null;
  calm();
  $("ready").hidden = false;
  $("keys").focus();
}

/** Opens the form of a key; `number`: of the event that it is about. */
function open(key, number) {
  const form = forms.get(key);
  if (!form || $("work").hidden) return;
  close();
  tell("");
  current = form;
  draft = newKey();
  form.reset();
  form.hidden = false;
  $("ready").hidden = true;
  document.querySelector(`#keys button[data-key="${key}"]`).setAttribute("aria-current", "true");
  const department = form.elements.department;
  if (department?.required) department.value = list.lastDepartment ?? "";
  if (form.elements.number) {
    form.elements.number.value = number ?? list.last() ?? "";
    original();
  }
  if (form.elements.day) {
    form.elements.day.value = hallTime().slice(0, 10);
    tally();
  }
  const first = fields(form)[0];
  first.focus();
  first.select?.();
  if (form.elements.day) form.querySelector("button").focus();
}

// 更正 and 撤销 show what the event says now.
function original() {
  const form = current;
  const event = list.get(Number(form.elements.number.value));
  const now = event && list.now(event);
  form.querySelector(".original").textContent = event ? `原值：${list.words(event)}` : "本人近日没有此编号的记录";
  const people = form.querySelector(".people");
  if (!people) return;
  people.hidden = event?.type !== "cn.zhoubao.Consulted.v1";
  form.elements.people.value = now?.people ?? "";
  form.elements.department.value = now?.department ?? "";
  form.elements.matter.value = now?.matter ?? "";
}

let counted = null; // the tally on the screen of 日结
async function tally() {
  const form = current;
  counted = null;
  for (const it of document.querySelectorAll("#closing output")) it.textContent = "…";
  const found = await ledger.tally(form.elements.day.value).catch(() => null);
  if (current !== form) return;
  counted = found;
  for (const it of document.querySelectorAll("#closing output")) it.textContent = found ? found[it.dataset.kind] : "—";
  $("zero").hidden = !found || Object.values(found).some(it => it !== 0);
  const open = list.open();
  $("open").hidden = open.length === 0;
  $("open").textContent = open.length ? `还有 ${open.length} 条需处理：${open.map(it => `#${it.number}`).join("、")}` : "";
}

/** The event that the form makes, or what is wrong with it. */
function read(form) {
  const wrong = [];
  const value = name => form.elements[name]?.value.trim() ?? "";
  const need = (name, text) => {
    if (!value(name)) wrong.push({ text, field: form.elements[name] });
    return value(name);
  };
  const people = () => {
    const number = Number(value("people"));
    if (!/^\d{1,4}$/.test(value("people")) || number < 1 || number > PEOPLE_MAX) {
      wrong.push({ text: `人次须为 1 至 ${PEOPLE_MAX} 的整数`, field: form.elements.people });
    }
    return number;
  };
  const place = data => {
    if (value("department")) data.department = value("department");
    if (value("matter")) data.matter = value("matter");
    return data;
  };
  const of = () => {
    const number = value("number");
    if (!/^[1-9]\d{0,14}$/.test(number)) wrong.push({ text: "请填写编号", field: form.elements.number });
    return `${ledger.stream()}#${number}`;
  };
  const type = form.dataset.type;
  const occurred = value("occurred") ? `${value("occurred")}:00+08:00` : null;
  const event = { specversion: "1.0", source: ledger.source(), type: `cn.zhoubao.${type}.v1`, time: hallTime(), command: draft };
  if (type === "Consulted") event.data = place({ people: people() });
  else if (type === "Corrected") {
    const before = list.get(Number(value("number")));
    const data = { original: of() };
    // A field that is as it was is left away: it stays as in the original.
    if (value("people") && !form.querySelector(".people").hidden && people() !== before?.data.people) data.people = people();
    for (const name of ["department", "matter"]) {
      if (value(name) && value(name) !== before?.data[name]) data[name] = value(name);
    }
    if (occurred) data.occurredAt = occurred;
    event.data = { ...data, reason: need("reason", "请填写原因（E.120）") };
  } else if (type === "Voided") event.data = { original: of(), reason: need("reason", "请填写原因（E.120）") };
  else if (type === "DayClosed") {
    event.data = { day: need("day", "请填写日期"), ...counted };
    if (!counted) wrong.push({ text: "当日合计尚未取得，请稍候再试", field: form.elements.day });
  } else {
    const data = { case: need("case", "请填写办件号") };
    need("department", "请填写部门");
    event.data = place(data);
  }
  if (occurred && type !== "Corrected") {
    event.enteredat = event.time;
    event.time = occurred;
  }
  return { event, wrong };
}

async function save(anyway) {
  const pressed = performance.now();
  const form = current;
  if (!form || busy) return;
  calm();
  const { event, wrong } = read(form);
  if (wrong.length) return complain("未保存，请更正", wrong);
  busy = true;
  try {
    if (!anyway) {
      const { warnings = [] } = await ledger.check(event);
      if (warnings.length) return complain("尚未保存，请核对", warnings.map(it => said(it)), { anyway: true });
    }
    const { number, warning } = await ledger.record(event, pressed);
    if (event.data.department) list.lastDepartment = event.data.department;
    close();
    tell(`已保存 #${number} ${TITLES[form.dataset.type]}${warning ? `。${warning}` : ""}`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    // Where nobody knows, the same command is sent again: it is recorded once.
    complain(error.known ? "未保存" : "未得到答复，请再按一次保存：不会重复录入", [said(error)]);
    if (error.code === "E.150") await look();
  } finally {
    busy = false;
  }
  await look();
}

function step(form, from, by) {
  const all = fields(form);
  const to = all[Math.min(all.length - 1, Math.max(0, all.indexOf(from) + by))];
  to?.focus();
  // What is typed takes the place of what stands there.
  to?.select?.();
}

document.addEventListener("keydown", event => {
  if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey || $("work").hidden) return;
  const { key, target } = event;
  const typing = target instanceof HTMLInputElement;
  const done = () => event.preventDefault();
  if (key === "Escape") {
    done();
    // From a warning back to the form, from the form to the kinds.
    if (!$("errors").hidden && current) { calm(); return fields(current)[0]?.focus(); }
    return close();
  }
  if (!typing && !event.shiftKey && /^[0-9]$/.test(key) && forms.has(key)) { done(); return open(key); }
  if (!current) return;
  if (key === "Enter" && event.shiftKey) { done(); return save($("errors").dataset.anyway === "yes"); }
  if (!typing) return;
  if (key === "Enter") {
    done();
    return "last" in target.dataset ? save(false) : step(current, target, 1);
  }
  // A list of proposals and a date need the arrows themselves.
  const needs = target.list?.options.length || target.type === "date" || target.type === "datetime-local";
  if (needs || (key !== "ArrowDown" && key !== "ArrowUp")) return;
  done();
  if (key === "ArrowDown" && event.shiftKey) return fields(current).at(-1).focus();
  step(current, target, key === "ArrowDown" ? 1 : -1);
});

for (const [key, form] of forms) {
  for (const it of form.querySelectorAll("input")) it.id ||= `field-${key}-${it.name}`;
  form.addEventListener("submit", event => { event.preventDefault(); save($("errors").dataset.anyway === "yes"); });
  form.elements.number?.addEventListener("input", original);
  form.elements.day?.addEventListener("change", tally);
}
for (const it of document.querySelectorAll("#keys button")) it.addEventListener("click", () => open(it.dataset.key));
$("logout").addEventListener("click", async () => {
  await ledger.leave();
  list.forget();
  await look();
});

function proposals(id, values) {
  const place = $(id);
  const text = JSON.stringify(values);
  if (place.dataset.of === text) return;
  place.dataset.of = text;
  place.replaceChildren(...values.map(([value, label]) => {
    const it = document.createElement("option");
    it.value = value;
    if (label) it.label = label;
    return it;
  }));
}

function strip(status, clerk) {
  const put = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
  put("terminal", status.terminal ?? "—");
  put("who", clerk ?? "未登录");
  put("link", status.online ? "● 在线" : "▲ 离线");
  $("link").className = status.online ? "online" : "offline";
  put("to-send", String(status.to_send ?? "—"));
  put("counted", status.counted ? `#${status.counted}` : "—");
  $("clock").hidden = !status.clock_told;
  put("clock", status.clock_told ?? "");
  const stopped = status.stopped && `已停止发送（${status.stopped.code}）：${status.stopped.title}。${status.stopped.next ?? ""}`;
  const offline = !status.online && `离线，已保存 ${status.to_send} 条，联网后自动上报`;
  const band = stopped || status.told || offline || "";
  put("band", band);
  $("band").hidden = !band;
  $("logout").hidden = !clerk || !ledger.leave;
}

let looking = false;
let again = false; // something was recorded meanwhile
/** Shows how things stand now. */
async function look() {
  again = looking;
  if (looking) return;
  looking = true;
  try {
    const status = await ledger.status();
    const clerk = status.clerk;
    strip(status, clerk);
    ledger.gate(status);
    const shown = Boolean(clerk);
    if ($("work").hidden === shown) {
      if (!shown) close();
      $("work").hidden = !shown;
      if (shown) $("keys").focus();
      else list.forget();
    }
    if (shown) {
      await list.refresh(ledger, status);
      proposals("departments", ledger.departments?.() ?? list.used("department"));
      proposals("matters", ledger.matters?.() ?? list.used("matter"));
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    // The login has ended: the next look asks for it.
    if (error.code === "E.150") return void setTimeout(look);
    $("link").textContent = "▲ 本机服务未应答";
    $("link").className = "offline";
  } finally {
    looking = false;
    if (again) setTimeout(look);
  }
}

/** Starts the page over a ledger. */
export async function start(over) {
  ledger = over;
  list = new List($("events"), { mend: number => open("5", number), void: number => open("6", number) });
  ledger.changed = look;
  ledger.complain = (title, error) => complain(title, [said(error)]);
  ledger.calm = calm;
  await look();
  setInterval(look, POLL_MS);
}
