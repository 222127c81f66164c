"""The product's read models, row by row, beside what was counted here."""

from collections import Counter

from recount import days

LETTERS = {"consulted": "C", "accepted": "A", "issued": "I", "transferred": "T"}
SEGMENT_NUMBERS = 256


def unsigned(number):
    """Numbers beyond 2^63 − 1 are kept as negative ones."""
    return number + 2**64 if number < 0 else number


def name(identity):
    return None if identity is None else f"{identity[0]}#{identity[1]}"


def entry_line(entry):
    """An entry of the record: twelve fields with tabs between."""
    act = entry["act"] or {}
    fields = [
        entry["number"], entry["position"], entry["occurred_at"] // 1_000, LETTERS.get(act.get("kind"), "-"),
        entry["sign"], act.get("amount", 0), entry["window"], act.get("department"), act.get("matter"),
        act.get("case"), entry["code"], name(entry["amends"]),
    ]
    return "\t".join("" if it is None else str(it) for it in fields)


class ReadModels:
    """Rows of one hall."""

    def __init__(self, database, hall):
        self.database = database
        self.hall = int(hall)
        found = self.rows("checkpoint", "incarnation, sequence, hash, stored, counted, flagged, quarantined, held, repeated")
        self.checkpoint = found[0] if found else None

    def rows(self, table, columns):
        query = f"select {columns} from {table} where hall = ? order by rowid" if table in ROWID else (
            f"select {columns} from {table} where hall = ?"
        )
        return self.database.execute(query, (self.hall,)).fetchall()

    def sequence(self):
        return self.checkpoint[1] if self.checkpoint else 0


ROWID = ("segment", "fact")


def compare(models, hall, journal, report):
    """Compares every table with a fold that ends at the checkpoint."""
    if models.checkpoint is None:
        report.wrong("rows_wrong", "checkpoint", None, len(journal.messages))
        return
    incarnation, sequence, hash_, *counts = models.checkpoint
    report.same("rows", "rows_wrong", "checkpoint: incarnation", incarnation, journal.incarnation)
    counted = hall.last.position if hall.last else 0
    if sequence != counted:
        report.wrong("lost", "checkpoint: the journal ends before it", sequence, counted)
        report.count["lost"] += max(0, sequence - counted - 1)
    report.same("rows", "rows_wrong", f"checkpoint {sequence}: hash", hash_.hex(), hall.last.hash if hall.last else "0" * 64)
    for column, value in zip(("stored", "counted", "flagged", "quarantined", "held", "repeated"), counts):
        report.same("rows", "rows_wrong", f"checkpoint {sequence}: {column}", value, hall.counts[column])
    if counts[0] != sum(counts[1:]):
        report.wrong("rows_wrong", "checkpoint: stored = counted + flagged + quarantined + held + repeated",
                     counts[0], sum(counts[1:]))
    compare_record(models, hall, report)
    for table, said, expected in tables(models, hall):
        compare_table(table, said, expected, report)
    compare_figures(models, hall, report)


def compare_table(table, said, expected, report):
    """Two dictionaries of key and row."""
    for key in sorted(set(said) | set(expected), key=str):
        report.same("rows", "rows_wrong", f"{table} {shown_key(key)}", said.get(key), expected.get(key))


def shown_key(key):
    return " ".join(str(it) for it in key) if isinstance(key, tuple) else str(key)


def tables(models, hall):
    rows = models.rows("head", "stream, number, hash, position, recorded_at")
    yield (
        "head",
        {it[0]: (unsigned(it[1]), it[2].hex(), it[3], days.read_instant(it[4])) for it in rows},
        {
            stream: (it["number"], it["hash"], it["position"], it["recorded_at"])
            for stream, it in hall.heads.items()
        },
    )
    sums = {}
    for it in hall.effects:
        key = (it["day"], it["window"], it["department"], it["kind"])
        had = sums.get(key, (0, 0))
        sums[key] = (had[0] + it["amount"], had[1] + it["events"])
    rows = models.rows("tally", "day, window, department, kind, amount, events")
    yield "tally", {it[:4]: it[4:] for it in rows}, {key: it for key, it in sums.items() if it != (0, 0)}

    rows = models.rows("case_file", "id, accepted, issued, transferred, department, events")
    yield (
        "case",
        {it[0]: it[1:] for it in rows},
        {
            case: (
                name(it["accepted"]), name(it["issued"]), it["transferred"], it["department"],
                "".join(name(event) + " " for event in it["events"]),
            )
            for case, it in hall.cases.items()
        },
    )
    rows = models.rows("day_close", "day, window, consulted, accepted, issued, transferred, position")
    yield (
        "day close",
        {it[:2]: it[2:] for it in rows},
        {
            key: (*(it["tally"][kind] for kind in LETTERS), it["position"])
            for key, it in hall.day_closes.items()
        },
    )
    yield "exception", *numbered(
        models.rows("exception", "position, stream, number, standing, code, settled"),
        [(it["position"], *it["identity"], it["standing"], it["code"], it["settled"]) for it in hall.exceptions],
        lambda it: (it[0], it[1], unsigned(it[2]), *it[3:]),
    )
    columns = "position, stream, number, kind, occurred_at, recorded_at, actor, command, counted, digest, body"
    yield (
        "fact",
        {
            it[0]: (
                it[1], unsigned(it[2]), it[3], days.read_instant(it[4]), days.read_instant(it[5]), it[6], it[7],
                bool(it[8]), it[9].hex(), it[10],
            )
            for it in models.rows("fact", columns)
        },
        {
            it["position"]: (
                it["stream"], it["number"], it["kind"], it["occurred_at"], it["recorded_at"], it["actor"],
                it["command"], bool(it["counted"]), it["digest"], it["body"],
            )
            for it in hall.facts
        },
    )
    yield (
        "amendment",
        {(it[0], unsigned(it[1])): it[2] for it in models.rows("amendment", "stream, number, current")},
        {key: entry_line(it) for key, it in hall.current.items()},
    )
    yield "adjustment", *numbered(
        models.rows("adjustment", "position, day, kind, amount, events, cause"),
        [(it["position"], it["day"], it["kind"], it["amount"], it["events"], it["cause"]) for it in hall.adjustments],
        lambda it: it,
    )


def numbered(said, expected, read):
    """Rows that may stand twice, as keys with their number."""
    said, expected = Counter(read(it) for it in said), Counter(expected)
    return dict(said), dict(expected)


def bounds_of_segments(hall):
    """First and last position and day of the entries of each row of the record."""
    bounds = {}
    for stream, entries in hall.record.items():
        for entry in entries:
            key, day = (stream, (entry["number"] - 1) // SEGMENT_NUMBERS), days.hall_day(entry["occurred_at"])
            it = bounds.get(key, (entry["position"], entry["position"], day, day))
            bounds[key] = (
                min(it[0], entry["position"]), max(it[1], entry["position"]), min(it[2], day), max(it[3], day),
            )
    return bounds


def compare_record(models, hall, report):
    """What counts, entry by entry: one that is missing is lost, one too many is counted twice."""
    said, places = {}, {}
    columns = "stream, segment, first_position, last_position, first_day, last_day"
    segments = {it[:2]: it[2:] for it in models.rows("segment", columns)}
    compare_table("segment", segments, bounds_of_segments(hall), report)
    for stream, segment, entries in models.rows("segment", "stream, segment, entries"):
        for line in entries.splitlines():
            said.setdefault(stream, []).append(line)
            if line.split("\t")[0].isdigit() and (int(line.split("\t")[0]) - 1) // SEGMENT_NUMBERS != segment:
                places[stream] = segment
    for stream, segment in places.items():
        report.wrong("rows_wrong", f"record {stream}", f"segment {segment}", "another segment")
    for stream in sorted(set(said) | set(hall.record)):
        counted = [entry_line(it) for it in hall.record.get(stream, [])]
        report.count["rows"] += len(counted)
        missing, extra = Counter(counted), Counter(said.get(stream, []))
        missing, extra = missing - extra, extra - missing
        if not missing and not extra:
            continue
        of_number, signs = {}, {}
        for lines, at in ((extra, 0), (missing, 1)):
            for line, count in lines.items():
                fields = line.split("\t")
                of_number.setdefault(fields[0], ([], []))[at].extend([line] * count)
                if len(fields) == 12:
                    signs[line] = fields[4]
        for number, (too_many, too_few) in sorted(of_number.items()):
            place = f"record {stream}#{number}"
            plus = sum(signs.get(line) == "1" for line in too_many) - sum(signs.get(line) == "1" for line in too_few)
            if plus > 0:
                counter = "double_counted"
            elif plus < 0:
                counter = "lost"
            else:
                counter = "rows_wrong"
            report.wrong(counter, place, " | ".join(too_many) or None, " | ".join(too_few) or None)


def compare_figures(models, hall, report):
    said = {}
    for issue, *key, amount, events in models.rows("figure", "issue, definition, span, partition, part, amount, events"):
        said[(issue, *key)] = (amount, events)
    counted = {}
    for issue, figures in hall.figures.items():
        for key, it in figures.items():
            counted[(issue, *key)] = it
    for key in sorted(set(said) | set(counted)):
        report.same("figures", "figures_wrong", f"figure {shown_key(key)}", said.get(key), counted.get(key))
