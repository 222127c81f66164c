// The ledger of a browser that is a terminal of its own. Number, hash of the event before and body are one transaction
// with strict durability: an event is saved when that is complete, and nobody is told before.
import { hash } from "./chain.js";

const NAME = "zhoubao-terminal";

function complete(transaction) {
  return new Promise((resolve, reject) => {
    transaction.addEventListener("complete", () => resolve());
    transaction.addEventListener("abort", () => reject(transaction.error ?? new Error("aborted")));
  });
}

function result(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error));
  });
}

/** One writer at a time, whatever tabs are open: between reading the head and writing, the hash takes a moment. */
const alone = act => navigator.locks.request(NAME, act);

/** The same command came with another content. */
export class Differs extends Error {}

export class Ledger {
  static async open() {
    const request = indexedDB.open(NAME, 1);
    request.addEventListener("upgradeneeded", () => {
      request.result.createObjectStore("own");
      request.result.createObjectStore("events", { keyPath: "number" }).createIndex("command", "event.command", { unique: true });
    });
    const database = await result(request);
    // A page of a newer version may want to change it.
    database.addEventListener("versionchange", () => database.close());
    return new Ledger(database);
  }

  constructor(database) {
    this.database = database;
  }

  #reading(...stores) {
    return this.database.transaction(stores, "readonly");
  }

  #writing(...stores) {
    return this.database.transaction(stores, "readwrite", { durability: "strict" });
  }

  /** What this terminal is: `terminal`, `hall`, `owner`, keys; none before it is made one. */
  identity() {
    return result(this.#reading("own").objectStore("own").get("identity"));
  }

  /** What is kept of something else, such as the last words of the hall. */
  kept(name) {
    return result(this.#reading("own").objectStore("own").get(name));
  }

  async keep(name, value) {
    const transaction = this.#writing("own");
    transaction.objectStore("own").put(value, name);
    await complete(transaction);
  }

  /** Makes this browser a terminal, once. */
  async enrol(identity) {
    await alone(async () => {
      if (await this.identity()) throw new Error("this browser is a terminal already");
      const transaction = this.#writing("own");
      transaction.objectStore("own").put(identity, "identity");
      transaction.objectStore("own").put({ number: 0, position: 0 }, "sent");
      await complete(transaction);
    });
  }

  /** The last number, and its hash. */
  async head() {
    const cursor = await result(this.#reading("events").objectStore("events").openCursor(null, "prev"));
    return cursor ? { number: cursor.value.number, hash: cursor.value.hash } : { number: 0, hash: null };
  }

  get(number) {
    return result(this.#reading("events").objectStore("events").get(number));
  }

  /** The event of a command. */
  of(command) {
    return result(this.#reading("events").objectStore("events").index("command").get(command));
  }

  /** Events after a number, at most `count`. */
  after(number, count) {
    return result(this.#reading("events").objectStore("events").getAll(IDBKeyRange.lowerBound(number, true), count));
  }

  /** Numbers, chains and stores an event, with what is known of the clock; answers with its number once that is on disk. */
  record({ specversion, source, type, time, enteredat, command, data }, actor, mark) {
    return alone(async () => {
      const body = JSON.stringify(data);
      const known = await this.of(command);
      if (known) {
        if (known.event.type !== type || known.event.body !== body || known.event.actor !== actor) throw new Differs();
        return { number: known.number, repeated: true };
      }
      const head = await this.head();
      const number = head.number + 1;
      const event = { specversion, id: String(number), source, type, time, datacontenttype: "application/json", actor, command };
      if (enteredat) event.enteredat = enteredat;
      Object.assign(event, mark);
      if (head.hash) event.prevhash = head.hash;
      event.body = body;
      const digest = await hash(event);
      event.hash = digest;
      const transaction = this.#writing("events");
      // `add` fails where the number is there: nothing is ever written over.
      transaction.objectStore("events").add({ number, hash: digest, event, position: null });
      await complete(transaction);
      return { number, repeated: false };
    });
  }

  /** How far the journal is known to have the line. */
  sent() {
    return this.kept("sent");
  }

  /** Notes that the journal has the line up to `number`; `positions` are those of the last of them. */
  async stored(number, positions) {
    const transaction = this.#writing("own", "events");
    const events = transaction.objectStore("events");
    positions.forEach((position, nth) => {
      const at = number - positions.length + 1 + nth;
      events.get(at).addEventListener("success", event => {
        const entry = event.target.result;
        if (entry) events.put({ ...entry, position });
      });
    });
    transaction.objectStore("own").put({ number, position: positions.at(-1) ?? 0 }, "sent");
    await complete(transaction);
  }
}
