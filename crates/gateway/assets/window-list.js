// What became of the clerk's own events, as far as this device was told.

/** The counted kinds in the order of print, with their units. */
export const KINDS = { consulted: ["咨询", "人次"], accepted: ["受理", "件"], issued: ["颁发", "件"], transferred: ["流转", "件"] };
export const TITLES = { Consulted: "咨询", Accepted: "受理", Issued: "颁发", Transferred: "流转", Corrected: "更正", Voided: "撤销", DayClosed: "日结" };

/** The present time in the hall, as RFC 3339 to the second. */
export function hallTime(now = Date.now()) {
  return `${new Date(now + 8 * 3_600_000).toISOString().slice(0, 19)}+08:00`;
}

/** What to do next, as far as it can be done on a page: what to type is no help here. */
export function nextOf(next) {
  return next && !next.includes("`zhoubao ") ? next : "";
}

const kindOf = event => event.type.split(".")[2];
/** Most calls of one look; the rest comes with the next. */
const PAGES_MAX = 6;
/** How far back the list begins. */
const BACK = 1_000;

export class List {
  constructor(place, acts) {
    this.place = place;
    this.acts = acts;
    this.forget();
  }

  forget() {
    this.events = new Map();
    this.rows = new Map();
    this.asked = new Set();
    this.upto = null;
    this.lastDepartment = null;
    this.place.replaceChildren();
  }

  get(number) {
    return this.events.get(number);
  }

  /** What an event says after the corrections of it. */
  now(event) {
    let now = event.data;
    for (const it of this.events.values()) {
      // A correction replaces the ones before, and leaves the rest as in the original.
      if (kindOf(it) !== "Corrected" || !it.data.original.endsWith(`#${event.number}`)) continue;
      const { original, reason, ...instead } = it.data;
      now = { ...event.data, ...instead };
    }
    return now;
  }

  voided(event) {
    return [...this.events.values()].some(it => kindOf(it) === "Voided" && it.data.original.endsWith(`#${event.number}`));
  }

  /** The latest event that may be corrected or voided. */
  last() {
    const own = [...this.events.values()].filter(it => KINDS[kindOf(it).toLowerCase()] && !this.voided(it));
    return Math.max(0, ...own.map(it => it.number)) || null;
  }

  open() {
    return [...this.events.values()].filter(it => it.state === "needs_attention");
  }

  /** Values of a field that were used, the latest first. */
  used(name) {
    const all = [...this.events.values()].map(it => it.data[name]).filter(Boolean).reverse();
    return [...new Set(all)].slice(0, 30).map(it => [it, ""]);
  }

  words(event) {
    const data = this.now(event);
    const kind = kindOf(event);
    const parts = [TITLES[kind] ?? kind];
    if (data.people) parts.push(`${data.people} 人次`);
    if (data.case) parts.push(data.case);
    if (data.original) parts.push(`#${data.original.split("#")[1]}`);
    if (data.day) parts.push(data.day, ...Object.entries(KINDS).map(([key, [title, unit]]) => `${title} ${data[key] ?? 0} ${unit}`));
    if (data.department) parts.push(data.department);
    if (data.matter) parts.push(data.matter);
    if (data.reason) parts.push(data.reason);
    return parts.join(" ");
  }

  /** Asks for what is new, and for what is not settled yet. */
  async refresh(ledger, status) {
    const unsettled = [...this.events.values()].filter(it => it.state !== "counted").map(it => it.number);
    this.upto ??= Math.max(0, status.recorded - BACK);
    let after = Math.min(this.upto, ...unsettled.map(it => it - 1));
    for (let page = 0; page < PAGES_MAX; page++) {
      const { events, last, more } = await ledger.events(after);
      for (const it of events) this.events.set(it.number, it);
      after = last;
      this.upto = Math.max(this.upto, last);
      if (!more) break;
    }
    // What needs attention stays in sight, however old it is.
    for (const { number } of status.flagged ?? []) {
      if (this.events.has(number) || this.asked.has(number)) continue;
      this.asked.add(number);
      const { events } = await ledger.events(number - 1);
      for (const it of events) if (it.number === number) this.events.set(number, it);
    }
    if (this.lastDepartment === null) {
      const before = [...this.events.values()].filter(it => it.data.case && it.data.department);
      this.lastDepartment = before.at(-1)?.data.department ?? null;
    }
    this.show();
  }

  show() {
    const today = hallTime().slice(0, 10);
    const isToday = it => (it.entered ?? it.time).slice(0, 10) === today;
    const shown = [...this.events.values()].filter(it => it.state !== "counted" || isToday(it)).sort((a, b) => b.number - a.number);
    const rows = shown.map(it => this.row(it));
    const numbers = new Set(shown.map(it => it.number));
    for (const [number, { row }] of this.rows) {
      if (!numbers.has(number)) {
        row.remove();
        this.rows.delete(number);
      }
    }
    rows.forEach((row, nth) => { if (this.place.children[nth] !== row) this.place.insertBefore(row, this.place.children[nth] ?? null); });
    document.getElementById("none").hidden = rows.length > 0;
    const sums = { consulted: 0, accepted: 0, issued: 0, transferred: 0 };
    for (const it of this.events.values()) {
      const kind = kindOf(it).toLowerCase();
      if (!(kind in sums) || this.voided(it)) continue;
      const now = this.now(it);
      if ((now.occurredAt ?? it.time).slice(0, 10) === today) sums[kind] += now.people ?? 1;
    }
    for (const it of document.querySelectorAll("#day output")) it.textContent = String(sums[it.dataset.kind]);
  }

  row(event) {
    const text = JSON.stringify([event, this.now(event), this.voided(event)]);
    const before = this.rows.get(event.number);
    if (before?.text === text) return before.row;
    const row = before?.row ?? document.createElement("li");
    const part = (name, words, kind = "span") => {
      const it = document.createElement(kind);
      it.className = name;
      it.textContent = words;
      return it;
    };
    row.value = event.number;
    row.dataset.state = event.state;
    row.className = this.voided(event) ? "voided" : "";
    const time = part("time", event.time.slice(11, 16), "time");
    time.dateTime = event.time;
    const parts = [
      time,
      part("what", `${this.words(event)}${this.voided(event) ? "（已撤销）" : ""}`),
      part("chip", event.label),
      part("where", `#${event.number}${event.position ? ` · 序号 ${event.position}` : ""}`),
    ];
    if (event.code) {
      parts.push(part("why", `${event.title ?? ""}（${event.code}）：${event.reason}。${nextOf(event.next)}`));
      const acts = part("acts", "");
      const act = (words, act) => {
        const it = part("plain", words, "button");
        it.type = "button";
        it.setAttribute("aria-label", `${words} #${event.number}`);
        it.addEventListener("click", () => act(event.number));
        return it;
      };
      if (KINDS[kindOf(event).toLowerCase()] && !this.voided(event)) {
        acts.append(act("更正", this.acts.mend), act("撤回", this.acts.void));
        parts.push(acts);
      }
    }
    row.replaceChildren(...parts);
    this.rows.set(event.number, { text, row });
    return row;
  }
}
