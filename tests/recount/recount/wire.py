"""Messages as the journal holds them: where they are read from, their attributes, and their hash."""

import base64
import hashlib
import json
import os
import re
import sqlite3
from urllib.parse import unquote_to_bytes

from recount import days

NUMBER = re.compile(r"[1-9][0-9]*", re.ASCII)
DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
SIGNATURE = re.compile(r"[0-9a-f]{128}", re.ASCII)
OFFSET = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
NAME = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
ESCAPES = re.compile(r"%(?![0-9A-Fa-f]{2})")

OFFSET_MS_MAX = 100 * 366 * 24 * 3_600 * 1_000
ZEROS = "0" * 64


class Message:
    """One message: its place, its attributes after decoding, its body byte for byte."""

    def __init__(self, position, recorded_at, subject, headers, body):
        self.position = position
        self.recorded_at = recorded_at
        self.subject = subject
        self.headers = headers
        self.body = body
        self.attributes, self.is_readable = read_headers(headers)
        self.hash = event_hash(self.attributes, body)
        signature = self.attributes.get("signature", "")
        self.signature = bytes.fromhex(signature) if SIGNATURE.fullmatch(signature) else None

    def number(self):
        return read_number(self.attributes.get("id"))

    def previous(self):
        """The hash of the event before it that its writer names, or None."""
        text = self.attributes.get("prevhash")
        return text if text is not None and DIGEST.fullmatch(text) else None


def has_controls(text):
    return any(ord(it) < 0x20 or 0x7F <= ord(it) < 0xA0 for it in text)


def read_number(text):
    if text is None or not NUMBER.fullmatch(text) or int(text) >= 2**64:
        return None
    return int(text)


def read_offset(text):
    """Milliseconds, or None."""
    if not OFFSET.fullmatch(text) or abs(int(text)) > OFFSET_MS_MAX:
        return None
    return int(text)


def read_headers(block):
    """Attributes by name, and whether all headers can be read."""
    attributes, is_readable = {}, True
    for line in block.split("\n"):
        if not line:
            continue
        header, _, value = line.partition(":")
        header = header.lower()
        if header == "content-type":
            name, plain = "datacontenttype", all(" " <= it <= "~" for it in value)
            value = value if plain else None
        elif header.startswith("ce-"):
            name = header[3:]
            if name in ("datacontenttype", "data") or not NAME.fullmatch(name):
                name = None
            value = decode_value(value)
        else:
            continue
        if name is None or value is None or name in attributes:
            is_readable = False
        else:
            attributes[name] = value
    return attributes, is_readable


def decode_value(value):
    if ESCAPES.search(value):
        return None
    try:
        text = unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if has_controls(text) else text


def event_hash(attributes, body):
    """SHA-256 over source, number, previous hash, type, times, actor, command and body: lengths and numbers big-endian."""

    def field(octets):
        return len(octets).to_bytes(4, "big") + octets

    def text(name):
        return field(attributes.get(name, "").encode())

    previous = attributes.get("prevhash", "")
    parts = [
        b"\x01",
        text("source"),
        (read_number(attributes.get("id")) or 0).to_bytes(8, "big"),
        bytes.fromhex(previous) if DIGEST.fullmatch(previous) else bytes(32),
        text("type"),
        text("time"),
        text("enteredat"),
        text("actor"),
        text("command"),
        field(body),
    ]
    if "clockoffset" in attributes or "clockunsure" in attributes:
        parts.append(text("clockoffset"))
    if "clockunsure" in attributes:
        parts.append(text("clockunsure"))
    return hashlib.sha256(b"".join(parts)).hexdigest()


def open_database(path):
    """A database that nobody writes to through this."""
    if not os.path.isfile(path):
        raise FileNotFoundError(path)
    uri = "file:" + os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    database = sqlite3.connect(uri + "?mode=ro", uri=True)
    database.execute("pragma query_only = on")
    return database


class Journal:
    """A journal with its identity and all its messages."""

    def __init__(self, hall, incarnation, messages):
        self.hall = hall
        self.incarnation = incarnation
        self.messages = messages


def read_journal(path):
    """The journal of a file."""
    database = open_database(path)
    hall, incarnation = database.execute("select hall, incarnation from journal_identity").fetchone()
    messages = []
    rows = database.execute("select sequence, recorded_at, subject, headers, body from journal order by sequence")
    for sequence, recorded_at, subject, headers, body in rows:
        messages.append(Message(sequence, recorded_at * 1_000, subject, headers, bytes(body)))
    database.close()
    return Journal(hall, incarnation, messages)


def archive_files(path):
    if os.path.isfile(path):
        return [path]
    return [os.path.join(path, it) for it in sorted(os.listdir(path)) if it.endswith(".ndjson")]


def read_archive(path, report):
    """A journal from its archive (a folder) or a backup (one file), every line checked against the one before it."""
    hall, incarnation, messages, chain, manifest = None, None, [], ZEROS, None
    beside = os.path.join(path, "manifest.json")
    if os.path.isdir(path) and os.path.isfile(beside):
        with open(beside, "rb") as file:
            manifest = json.loads(file.read())
    for name in archive_files(path):
        with open(name, "rb") as file:
            lines = file.read().split(b"\n")
        # A half-written end behind what the manifest names is no damage.
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            place = f"{os.path.basename(name)}:{number}"
            if manifest is not None and messages and messages[-1].position >= manifest["last"]:
                break
            try:
                it = json.loads(line)
            except ValueError:
                report.wrong("hashes_wrong", place, "a line that is no JSON", "a line of an archive")
                continue
            if "manifest" in it:
                manifest = it
                continue
            text, said = line[:-76], line[-66:-2].decode("ascii", "replace")
            counted = hashlib.sha256(chain.encode() + text).hexdigest()
            if said != counted:
                report.wrong("hashes_wrong", f"{place}: the chain of the archive", said, counted)
            chain = said
            if "format" in it:
                hall, incarnation = it["hall"], it["incarnation"]
                continue
            body = base64.b64decode(it["body_base64"]) if "body_base64" in it else it["body"].encode()
            recorded_at = days.read_instant(it["recorded_at"])
            messages.append(Message(it["position"], recorded_at, it["subject"], it["headers"], body))
    if manifest is not None:
        last = messages[-1].position if messages else 0
        report.same("files", "lost", "the archive's manifest: last message", manifest["last"], last)
        if manifest["last"] == last:
            report.same("files", "hashes_wrong", "the archive's manifest: chain", manifest["chain"], chain)
    return Journal(hall, incarnation, messages)
