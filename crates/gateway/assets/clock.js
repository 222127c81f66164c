// How wrong the clock of this device is: measured at each answer of the server, and known for as long as the clock of the
// wall and the one that never jumps run alike from there on. The latter stands still on some devices that sleep; after
// that, as after a jump, nobody knows until the next answer.

/** How far a clock may be off and still be right: `CLOCK_OFFSET_MAX` of the hall. */
const OFF_MS = 30_000;
/** Longest way to the server and back that still tells the time. */
const ROUND_TRIP_MS = 10_000;
/** By how much two clocks that run alike may come to differ, as where a time server sets one. */
const DRIFT_MS = 5_000;

export class Clock {
  #contact = null; // what both clocks said at the last answer, and the time of the server

  constructor(wall = () => Date.now(), run = () => performance.now()) {
    this.now = () => ({ wall: wall(), run: run() });
  }

  /** An answer came to what was asked at `asked`; `date` is its header, in whole seconds. */
  heard(asked, date) {
    const now = this.now();
    const server = Date.parse(date);
    if (Number.isNaN(server) || now.run - asked.run > ROUND_TRIP_MS) return;
    this.#contact = { ...now, server: server + 500 };
  }

  /** Whether an answer came after that. */
  heardSince(stamp) {
    return this.#contact !== null && this.#contact.run > stamp.run;
  }

  #isAlike(stamp) {
    const it = this.#contact;
    return it !== null && Math.abs(it.wall - stamp.wall - (it.run - stamp.run)) <= DRIFT_MS;
  }

  /** By how much the clock is ahead of the server's, in milliseconds; null where nobody knows. */
  ahead(stamp = this.now()) {
    return this.#isAlike(stamp) ? Math.round(this.#contact.wall - this.#contact.server) : null;
  }

  /** What an event that is recorded at `stamp` says of the clock, beside its own time. */
  mark(stamp) {
    const ahead = this.ahead(stamp);
    if (ahead === null) return { clockunsure: new Date(stamp.wall).toISOString() };
    return Math.abs(ahead) > OFF_MS ? { clockoffset: String(ahead) } : {};
  }

  /** What a person is told of it. */
  warning() {
    const ahead = this.ahead() ?? 0;
    if (Math.abs(ahead) <= OFF_MS) return null;
    return `本机时钟${ahead > 0 ? "快" : "慢"} ${Math.round(Math.abs(ahead) / 1_000)} 秒，请校时`;
  }
}
