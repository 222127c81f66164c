// The window's page over the agent of the same device: its ledger, its numbers, its sending.
import { Refused, start } from "./window.js";

const CALL_MS = 10_000;
const place = document.getElementById("window");
// Of this tab only: whoever opens another one logs in.
let token = sessionStorage.getItem("token");
let clerk = sessionStorage.getItem("clerk");

async function call(method, path, body, headers = {}) {
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  let response, value;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(CALL_MS) });
    value = response.status === 204 ? null : await response.json();
  } catch (error) {
    throw new Refused({ message: "本机服务未应答", next: "请稍候再试；仍不行时重启本机终端程序", known: false });
  }
  if (response.ok) return value;
  const refused = new Refused(value);
  if (refused.code === "E.150") forget();
  throw refused;
}

function forget() {
  token = clerk = null;
  sessionStorage.clear();
}

const form = document.getElementById("login");
form.addEventListener("submit", async event => {
  event.preventDefault();
  ledger.calm();
  const [number, pin] = [form.elements.clerk, form.elements.pin];
  try {
    const answer = await call("POST", "/v1/login", { clerk: number.value.trim(), pin: pin.value });
    ({ token, clerk } = answer);
    sessionStorage.setItem("token", token);
    sessionStorage.setItem("clerk", clerk);
    form.reset();
    await ledger.changed();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    pin.value = "";
    ledger.complain("未能登录", error);
  }
});

const ledger = {
  stream: () => `terminal.${place.dataset.terminal}`,
  source: () => place.dataset.source,
  check: event => call("POST", "/v1/check", event),
  async record(event, pressed) {
    const ago = { "Pressed-Ms": Math.round(performance.now() - pressed) };
    const { number, warning } = await call("POST", "/v1/events", event, ago);
    return { number, warning: warning?.message };
  },
  events: after => call("GET", `/v1/events?after=${after}`),
  tally: async day => (await call("GET", `/v1/day?day=${day}`)).tally,
  async leave() {
    await call("POST", "/v1/logout").catch(() => {});
    forget();
  },
  async status() {
    const status = await call("GET", "/v1/status");
    return { ...status, online: status.online !== false, clerk, clock_told: status.clock?.warning };
  },
  gate({ clerk }) {
    if (form.hidden === Boolean(clerk)) return;
    form.hidden = Boolean(clerk);
    if (!clerk) form.elements.clerk.focus();
  },
};
await start(ledger);
