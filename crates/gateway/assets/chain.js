// How a terminal's event is hashed and signed: the same bytes as `zhoubao_contract::hash` and `signature` make; a test
// compares them. The body goes as the bytes it has, so it is kept as text and never written anew.
const text = new TextEncoder();

/** Lower-case hexadecimal digits. */
export function hex(bytes) {
  return [...new Uint8Array(bytes)].map(it => it.toString(16).padStart(2, "0")).join("");
}

function bytesOf(digits) {
  return Uint8Array.from(digits.match(/../g) ?? [], it => parseInt(it, 16));
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, it) => sum + it.length, 0));
  let at = 0;
  for (const it of parts) {
    all.set(it, at);
    at += it.length;
  }
  return all;
}

function field(value) {
  const bytes = text.encode(value ?? "");
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return [length, bytes];
}

/** The bytes that are hashed: integers big-endian, texts with their length before them. */
export function canonical(event) {
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, BigInt(event.id));
  const previous = event.prevhash ? bytesOf(event.prevhash) : new Uint8Array(32);
  const rest = [event.type, event.time, event.enteredat, event.actor, event.command, event.body].flatMap(field);
  const offset = event.clockoffset || event.clockunsure ? field(event.clockoffset) : [];
  const unsure = event.clockunsure ? field(event.clockunsure) : [];
  return joined([Uint8Array.of(1), ...field(event.source), number, previous, ...rest, ...offset, ...unsure]);
}

/** The hash of an event, 64 hexadecimal digits. */
export async function hash(event) {
  return hex(await crypto.subtle.digest("SHA-256", canonical(event)));
}

/** The signature of the hash of an event: of it and of every one before it that is sent with it. */
export async function sign(key, digest) {
  const signed = joined([text.encode("zhoubao event v1\0"), bytesOf(digest)]);
  return hex(await crypto.subtle.sign("Ed25519", key, signed));
}

/** An event as one line of JSON, with its body byte for byte. */
export function line(event, signature) {
  const { body, ...attributes } = event;
  const head = JSON.stringify(signature ? { ...attributes, signature } : attributes);
  return `${head.slice(0, -1)},"data":${body}}`;
}

/** The public nkey of a NATS user (`U…`): prefix, key and CRC-16 in Base32. */
export function nkey(key) {
  const bytes = joined([Uint8Array.of(20 << 3), new Uint8Array(key)]);
  let crc = 0;
  for (const it of bytes) {
    crc ^= it << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let [kept, bits, out] = [0, 0, ""];
  for (const it of joined([bytes, Uint8Array.of(crc & 0xff, crc >> 8)])) {
    kept = ((kept << 8) | it) & 0xffff;
    for (bits += 8; bits >= 5; bits -= 5) out += letters[(kept >> (bits - 5)) & 31];
  }
  return bits ? out + letters[(kept << (5 - bits)) & 31] : out;
}

/** What two people compare: 80 bits of the SHA-256 of both public keys, in groups. */
export async function fingerprint(signing, nats) {
  const digest = hex(await crypto.subtle.digest("SHA-256", joined([new Uint8Array(signing), text.encode(nats)])));
  return digest.slice(0, 20).match(/.{4}/g).join("-");
}
