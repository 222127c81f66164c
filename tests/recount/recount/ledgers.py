"""Ledgers of terminals beside the journal: nothing that was acknowledged is missing, nothing is there twice."""

import hashlib

from recount import wire


def check_ledger(path, journal, report):
    database = wire.open_database(path)
    identity = "select hall, terminal, stored_number, stored_position from ledger_identity"
    hall, terminal, stored_number, stored_position = database.execute(identity).fetchone()
    subject = f"hall.{hall}.terminal.{terminal}"
    in_journal = {}
    if journal is not None:
        for message in journal.messages:
            if message.subject == subject and message.number() is not None:
                in_journal.setdefault(message.number(), []).append(message)
    before, last = "0" * 64, 0
    rows = database.execute("select number, headers, body, hash, command, position from ledger order by number")
    for number, headers, body, kept, command, position in rows:
        place = f"ledger of {terminal} #{number}"
        report.count["events"] += 1
        message = wire.Message(position or 0, 0, subject, headers, bytes(body))
        if number != last + 1:
            report.wrong("gaps", f"{place}: numbers without a gap", number, last + 1)
            report.count["gaps"] += max(0, number - last - 2)
        for what, said, counted in (
            ("hash", kept.hex(), message.hash),
            ("attribute hash", message.attributes.get("hash", message.hash), message.hash),
            ("previous hash", message.previous() or "0" * 64, before if number == last + 1 else message.previous()),
            ("attribute id", message.number(), number),
            ("attribute source", message.attributes.get("source"), subject),
            ("command", command, message.attributes.get("command")),
        ):
            if said != counted:
                report.wrong("hashes_wrong", f"{place}: {what}", said, counted)
        before, last = kept.hex(), number
        if journal is None:
            continue
        stored = in_journal.get(number, [])
        same = [it for it in stored if it.hash == kept.hex()]
        acked = position is not None or number <= stored_number
        report.count["acked"] += acked
        if not same and stored:
            report.wrong("forks", f"{place} and position {stored[0].position}", stored[0].hash, kept.hex())
        elif not same and acked:
            report.wrong("lost", f"{place}: acknowledged", f"position {position or 'unknown'}", None)
        elif same and position is not None and position not in [it.position for it in same]:
            report.wrong("rows_wrong", f"{place}: position", position, same[0].position)
    beyond = [number for number in in_journal if number > last]
    for number in sorted(beyond):
        report.wrong("gaps", f"ledger of {terminal} #{number}: the journal has more than the ledger",
                     f"position {in_journal[number][0].position}", None)
    if stored_number > last:
        report.wrong("gaps", f"ledger of {terminal}: acknowledged beyond its end", stored_number, last)
    elif journal is not None and stored_number > 0:
        positions = [it.position for it in in_journal.get(stored_number, [])]
        if positions and stored_position not in positions:
            report.wrong("rows_wrong", f"ledger of {terminal}: position of #{stored_number}", stored_position, positions[0])
    database.close()


def check_journal(journal, hall, report):
    """The journal by itself: sequences, hashes, chains, order, and what still waits for a person."""
    expected, highest, came = 1, {}, {}
    for message in journal.messages:
        report.count["events"] += 1
        if message.position != expected:
            report.wrong("gaps", f"journal after {expected - 1}", f"position {message.position}", f"position {expected}")
            report.count["gaps"] += max(0, message.position - expected - 1)
        expected = message.position + 1
        claimed = message.attributes.get("hash")
        if claimed is not None and claimed != message.hash:
            report.wrong("hashes_wrong", f"position {message.position} {label(message)}: hash", claimed, message.hash)
        number = message.number()
        if number is None:
            continue
        line, key = message.subject, (message.subject, number)
        is_repeat = message.hash in came.get(key, ())
        if number < highest.get(line, 0) and not is_repeat:
            report.wrong(
                "order_inversions", f"position {message.position} {label(message)}", f"#{number}",
                f"after #{highest[line]}",
            )
        highest[line] = max(number, highest.get(line, 0))
        came.setdefault(key, []).append(message.hash)
    for it in hall.exceptions:
        if it["settled"] is not None:
            continue
        place = f"position {it['position']} {it['identity'][0]}#{it['identity'][1]}: open, {it['standing']}"
        if it["code"] == "E.104":
            report.wrong("forks", place, it["code"], None)
        elif it["code"] == "E.107":
            report.wrong("gaps", place, it["code"], None)
        elif it["code"] == "E.108":
            report.wrong("hashes_wrong", place, it["code"], None)
        elif it["code"] in ("E.115", "E.116"):
            report.wrong("signatures_wrong", place, it["code"], None)
    report.count["signatures"] += hall.signatures


def label(message):
    return f"{message.subject.partition('.')[2].partition('.')[2]}#{message.number() or 0}"


def check_copy(copy, journal, report):
    """An archive beside the journal whose copy it is."""
    report.same("files", "rows_wrong", "archive: incarnation", copy.incarnation, journal.incarnation)
    mine = {it.position: it for it in journal.messages}
    for message in copy.messages:
        other = mine.get(message.position)
        if other is None:
            report.wrong("lost", f"position {message.position} {label(message)}: in the archive, not in the journal",
                         message.hash, None)
        elif fingerprint(other) != fingerprint(message):
            report.wrong("hashes_wrong", f"position {message.position} {label(message)}: archive and journal",
                         fingerprint(message), fingerprint(other))


def fingerprint(message):
    parts = [message.subject, str(message.recorded_at), message.headers]
    return hashlib.sha256("\0".join(parts).encode() + b"\0" + message.body).hexdigest()
