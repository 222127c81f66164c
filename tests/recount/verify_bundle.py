"""Checks a bundle `zhoubao-trace/1` (docs/verify.md) offline, with the standard library only.

    python3 tests/recount/verify_bundle.py accepted.zip

Exit codes: 0 genuine, 3 altered (the place is printed), 5 the seal does not fit. A seal by SM2 is named and not checked.
"""

import base64
import hashlib
import json
import sys
import zipfile

from recount import days, ed25519, rows, wire
from recount.bodies import Read

SEAL = "manifest.seal.json"
BYTES_MAX = 2 * 1024 * 1024 * 1024


class Altered(Exception):
    """What is not as it must be, and where."""


def check(good, place, said=None, counted=None):
    if not good:
        raise Altered(place if said is None and counted is None else f"{place}: said {said}, counted {counted}")


def same(place, said, counted):
    check(said == counted, place, said, counted)


def read_files(path):
    with zipfile.ZipFile(path) as bundle:
        check(sum(it.file_size for it in bundle.infolist()) <= BYTES_MAX, "the bundle is too large")
        names = bundle.namelist()
        check(len(set(names)) == len(names), "a file stands twice in the bundle")
        return {name: bundle.read(name) for name in names}


def read_line(line):
    """A message of a line of NDJSON."""
    it = json.loads(line)
    body = base64.b64decode(it["body_base64"]) if "body_base64" in it else it["body"].encode()
    return wire.Message(it["position"], days.read_instant(it["recorded_at"]), it["subject"], it["headers"], body)


def lines_of(files, name):
    octets = files.get(name, b"")
    check(octets == b"" or octets.endswith(b"\n"), f"{name}: the last line is cut short")
    return octets.split(b"\n")[:-1]


class Tree:
    """A Merkle tree (RFC 6962) that grows: the roots of its whole subtrees, largest first."""

    def __init__(self, name, size, peaks):
        self.name = {"sha-256": "sha256", "sm3": "sm3"}[name]
        check(len(peaks) == bin(size).count("1"), "tree: as many peaks as the size has ones", len(peaks), size)
        sizes = [1 << place for place in reversed(range(size.bit_length())) if size >> place & 1]
        self.size, self.peaks = size, list(zip(sizes, map(bytes.fromhex, peaks)))

    def hash(self, octets):
        return hashlib.new(self.name, octets).digest()

    def leaf(self, line):
        return self.hash(b"\0" + line)

    def node(self, left, right):
        return self.hash(b"\1" + left + right)

    def add(self, line):
        size, root = 1, self.leaf(line)
        while self.peaks and self.peaks[-1][0] == size:
            root = self.node(self.peaks.pop()[1], root)
            size *= 2
        self.peaks.append((size, root))
        self.size += 1

    def root(self):
        if not self.peaks:
            return self.hash(b"").hex()
        root = self.peaks[-1][1]
        for _, peak in reversed(self.peaks[:-1]):
            root = self.node(peak, root)
        return root.hex()

    def proves(self, index, size, line, proof, root):
        """Whether a line is at an index of the tree with this root (RFC 9162 §2.1.3.2)."""
        first, second, now = index, size - 1, self.leaf(line)
        for step in map(bytes.fromhex, proof):
            if second == 0:
                return False
            if first & 1 or first == second:
                now = self.node(step, now)
                while first & 1 == 0 and first != 0:
                    first, second = first >> 1, second >> 1
            else:
                now = self.node(now, step)
            first, second = first >> 1, second >> 1
        return second == 0 and now.hex() == root


class Bundle:
    def __init__(self, files):
        self.files = files
        self.manifest = json.loads(files["manifest.json"])
        same("manifest.json: format", self.manifest["format"], "zhoubao-trace/1")
        self.hall = self.manifest["hall"]
        self.messages = {}

    def check_files(self):
        named = {it["name"]: it for it in self.manifest["files"]}
        same("names of the files", sorted(set(self.files) - {"manifest.json", SEAL}), sorted(named))
        for name, it in named.items():
            same(f"{name}: SHA-256", it["sha256"], hashlib.sha256(self.files[name]).hexdigest())
            same(f"{name}: bytes", it["bytes"], len(self.files[name]))

    def read(self, line):
        read = Read(read_line(line), self.hall)
        claimed = read.message.attributes.get("hash")
        check(claimed is None or claimed == read.hash, f"position {read.position}: hash", claimed, read.hash)
        return read

    def check_tree(self):
        of, before = self.manifest["tree"], self.manifest["before"]
        tree = Tree(of["hash"], before["size"], before["peaks"])
        self.raw = {}
        for line in lines_of(self.files, "messages.ndjson"):
            read = self.read(line)
            same("messages.ndjson: position", read.position, tree.size + 1)
            tree.add(line)
            self.messages[read.position], self.raw[read.position] = read, line
        same("messages.ndjson: size of the tree", tree.size, of["size"])
        same("messages.ndjson: root of the tree", tree.root(), of["root"])
        for line, it in zip(lines_of(self.files, "earlier.ndjson"), self.manifest["earlier"]):
            read = self.read(line)
            same("earlier.ndjson: position", read.position, it["position"])
            proven = tree.proves(read.position - 1, of["size"], line, it["proof"], of["root"])
            check(proven, f"earlier.ndjson: position {read.position} is not in the tree")
            self.messages[read.position], self.raw[read.position] = read, line
        same("earlier.ndjson: lines", len(lines_of(self.files, "earlier.ndjson")), len(self.manifest["earlier"]))

    def check_issues(self):
        """The line of the issues, and what follows from it for the issue and the one before."""
        before, inside, issues, opening = None, None, {}, None
        for number, line in enumerate(lines_of(self.files, "issues.ndjson"), 1):
            read = self.read(line)
            same(f"issues.ndjson: line {number}", (read.stream, read.number), ("issues", number))
            if before is not None:
                same(f"issues#{number}: previous hash", read.previous, before)
            before = read.hash
            if read.position <= self.manifest["tree"]["size"]:
                inside = (read.position, line)
            event = read.event or {}
            kind, issue = event.get("type"), issues.get(event.get("issue"))
            if kind == "OpeningFiguresRecorded" and opening is None:
                opening = event
            elif kind in ("IssueOpened", "IssueOpenedInSeries"):
                it = {"cut": None, "sign_off": None, "voided": False, "line": None, **event}
                issues.setdefault(event["issue"], it)
            elif issue is None:
                continue
            elif kind == "IssuePeriodSet":
                issue["period"] = event["period"]
            elif kind == "IssueFrozen":
                issue.update(cut=event["cut"], heads=event["heads"], line=read.message.body)
            elif kind == "IssueSignedOff":
                issue["sign_off"] = event
            elif kind == "IssueAmended":
                issue["sign_off"] = None
            elif kind == "IssueVoided":
                issue["voided"] = True
        check(inside is not None and self.raw.get(inside[0]) == inside[1], "issues.ndjson: not the line of the tree")
        self.opening, self.issue = opening, issues[self.manifest["issue"]]
        check(not self.issue["voided"] and self.issue["line"] is not None, "the issue is voided or not frozen")
        frozen = json.loads(self.issue["line"])["tree"]
        tree = self.manifest["tree"]
        same("the freeze: tree", (frozen["hash"], int(frozen["size"]), frozen["root"]), (tree["hash"], tree["size"], tree["root"]))
        same("the freeze: cut", self.issue["cut"], tree["size"])
        same("the freeze: heads", self.issue["heads"], {it["terminal"]: it["number"] for it in self.manifest["heads"]})
        earlier = [
            (it["period"][1], name) for name, it in issues.items()
            if it["series"] == self.issue["series"] and not it["voided"] and it["period"][1] < self.issue["period"][0]
        ]
        self.previous = issues[max(earlier)[1]] if earlier else None
        between, previous = self.manifest["between"], self.manifest["between"]["previous"]
        same("first and last day", (between["first_day"], between["last_day"]), tuple(map(days.text, self.issue["period"])))
        same("opening_through", between["opening_through"], days.text(opening["through"]) if opening else None)
        counted = None
        if self.previous is not None:
            it = self.previous
            counted = {"issue": it["issue"], "last_day": days.text(it["period"][1]), "cut": it["cut"]}
        same("the issue before", previous, counted)

    def check_digests(self):
        def digest(name):
            return hashlib.sha256(self.files[name]).hexdigest()

        same("definitions.json", digest("definitions.json"), self.issue["figures"])
        signed = self.issue["sign_off"]
        if signed is not None:
            same("figures.txt", digest("figures.txt"), signed["figures"])
            same("issue.json", digest("issue.json"), signed["document"])
        if self.manifest["base"]["from"] == "previous" and self.previous["sign_off"] is not None:
            same("previous.txt", digest("previous.txt"), self.previous["sign_off"]["figures"])
        definitions = json.loads(self.files["definitions.json"])["definitions"]
        found = [it for it in definitions if it["key"] == self.manifest["definition"]]
        check(found, "definitions.json: the definition is not there")
        self.kinds = [it.lower() for it in found[0]["kinds"]]

    def frozen(self, name):
        """Lines of figures: {(definition, span, partition, part): (amount, events)}."""
        fields = [line.split("\t") for line in self.files[name].decode().splitlines()]
        return {tuple(it[:4]): (int(it[4]), int(it[5])) for it in fields}

    def check_days(self):
        """The days and the base follow from the period, the issue before and the opening figures."""
        first, last = self.issue["period"]
        year, opening, previous = last // 10_000, self.opening, self.previous
        through = opening["through"] if opening else None
        of_year = through is not None and through // 10_000 == year
        counted_from = days.next_day(through) if of_year else year * 10_000 + 101
        end = previous["period"][1] if previous else None
        continues = end is not None and end // 10_000 == year
        if end is not None:
            outside = days.next_day(end)
        elif through is not None:
            outside = days.next_day(through)
        else:
            outside = first // 10_000 * 10_000 + 101

        def before(day):
            return days.from_count(days.to_count(day) - 1)

        later = [(counted_from, end, previous["cut"])] if continues else []
        of_week = [(max(first, counted_from), last, 0)]
        between = [(max(outside, counted_from), before(first), 0)]
        span, carried = self.manifest["span"], self.manifest["carried"] and continues
        base = {"carried": "previous" if continues else ("opening" if of_year else "none"), "year": "opening" if of_year else "none"}
        reaches = {
            "week": [(first, last, 0)], "week-of-year": of_week, "outside": between,
            "outside-earlier": [(outside, before(min(first, counted_from)), 0)], "adjustment": later, "carried": [],
            "year": [(counted_from, last, 0)],
        }[span]
        if span == "year" and carried:
            base["year"], reaches = "previous", between + of_week + later
        self.reaches = [it for it in reaches if it[0] <= it[1]]
        said = [(days.read_day(it["first"]), days.read_day(it["last"]), it["after"]) for it in self.manifest["reaches"]]
        same("reaches", sorted(said), sorted(self.reaches))
        total = self.manifest["partition"] == "total"
        source, amount = base.get(span, "none"), 0
        if source == "opening" and (total or self.manifest["part"] == "opening"):
            amount = sum(opening["tally"][kind] for kind in self.kinds)
        elif source == "previous" and total:
            key = (self.manifest["definition"], "year", "total", "")
            amount = self.frozen("previous.txt").get(key, (0, 0))[0]
        same("base: value", self.manifest["base"]["value"], amount)
        self.base = amount
        if self.manifest["before"]["size"] > 0 and self.reaches:
            start = self.messages[self.manifest["before"]["size"] + 1]
            for reach_first, _, after in self.reaches:
                early = start.position <= after + 1 if after > 0 else days.hall_day(start.recorded_at) < reach_first
                check(early, f"what lies before position {start.position} may be about {days.text(reach_first)}")

    def reached(self, day, position):
        return any(first <= day <= last and position > after for first, last, after in self.reaches)

    def check_entries(self):
        """Each entry is what its event says; every act of the kinds and days has one, or a code."""
        entries, explained = self.manifest["entries"], {it["position"] for it in self.manifest["without"]}
        by_name = {}
        for read in self.messages.values():
            if read.identity() is not None:
                by_name.setdefault(rows.name(read.identity()), []).append(read)
        covered, place = set(), 0
        for it in entries:
            where = f"entry of {it['event']} at {it['position']}"
            check(it["position"] >= place, f"{where}: not in order")
            place = it["position"]
            day = days.read_day(it["day"])
            check(it["kind"] in self.kinds and self.reached(day, place), f"{where}: not of the kinds and days")
            check(place <= self.issue["cut"], f"{where}: after the cut")
            read = next((one for one in by_name.get(it["event"], []) if one.event is not None), None)
            check(read is not None, f"{where}: its event is not in the bundle")
            covered.add(it["event"])
            if it["amends"] is None:
                act = read.event.get("act")
                check(act is not None and it["sign"] == 1, f"{where}: no act")
                said = (it["kind"], it["amount"], it["department"], day)
                counted = (act["kind"], act["amount"], act["department"] or "-", days.hall_day(read.occurred_at))
                same(where, said, counted)
            else:
                signs = {"Corrected": (-1, 1), "Voided": (-1,), "Released": (1,)}.get(read.event["type"], ())
                check(it["sign"] in signs, f"{where}: its sign")
                same(f"{where}: amends", it["amends"], rows.name(read.event["original"]))
        for position, read in sorted(self.messages.items()):
            act = read.event.get("act") if read.event is not None else None
            if act is None or act["kind"] not in self.kinds or position > self.issue["cut"]:
                continue
            if not self.reached(days.hall_day(read.occurred_at), position):
                continue
            name = rows.name(read.identity())
            check(name in covered or position in explained, f"position {position} {name}: neither an entry nor a code")
        summed = {it["event"] for it in entries if it["amends"] is None}
        for position, read in sorted(self.messages.items()):
            kind = read.event["type"] if read.event is not None and position <= self.issue["cut"] else None
            if kind in ("Corrected", "Voided") and rows.name(read.event["original"]) in summed:
                name = rows.name(read.identity())
                check(name in covered or position in explained, f"position {position} {name}: neither an entry nor a code")

    def check_sum(self):
        it, sums = self.manifest, {}
        for entry in it["entries"]:
            amount, events = entry["sign"] * entry["amount"], entry["sign"]
            for key in (("total", ""), ("day", entry["day"]), ("window", entry["window"]), ("department", entry["department"])):
                had = sums.get(key, (0, 0))
                sums[key] = (had[0] + amount, had[1] + events)
        own = sums.get((it["partition"], it["part"]), (0, 0))
        same("value", it["value"], self.base + own[0])
        figures, name = self.frozen("figures.txt"), it["definition"]
        line = figures.get((name, it["span"], it["partition"], it["part"]))
        same("figures.txt: the figure", (it["value"], it["events"]), line)
        if it["carried"] or it["span"] == "carried":
            return
        same("events", it["events"], own[1])
        if it["partition"] != "total":
            return
        for partition in ("day", "window", "department") if it["span"] in ("week", "year") else ("day",):
            said = {key[3]: value for key, value in figures.items() if key[:3] == (name, it["span"], partition)}
            said.pop("opening", None)
            counted = {part: value for (of, part), value in sums.items() if of == partition}
            for part in sorted(set(said) | set(counted)):
                same(f"figures.txt: {partition} {part}", said.get(part, (0, 0)), counted.get(part, (0, 0)))

    def check_print(self):
        document, it = json.loads(self.files["issue.json"]), self.manifest
        metadata = document["metadata"]
        same("issue.json: tree", metadata["tree"], it["tree"])
        check(metadata["proposed"] or self.issue["sign_off"] is not None, "issues.ndjson: the sign-off is missing")
        printed = (metadata["first_day"], metadata["last_day"])
        same("issue.json: days", printed, tuple(map(days.text, self.issue["period"])))
        key = ("definition", "span", "partition", "part")
        for block in document["blocks"]:
            for inline in block["inlines"]:
                source = inline.get("source", {})
                own = source.get("source") == "counted" and source["position"] == metadata["position"]
                if own and source["cause"] is None and all(source[name] == it[name] for name in key):
                    same("issue.json: printed", source["value"], it["value"])

    def check_seal(self):
        """None without a seal; else what it is worth."""
        if SEAL not in self.files:
            return None
        seal = json.loads(self.files[SEAL])
        if seal["algorithm"] != "ed25519":
            return f"seal by {seal['algorithm']} is not checked here: key {seal['key']}"
        octets = self.files["manifest.json"]
        good = seal["digest"] == hashlib.sha256(octets).hexdigest()
        good = good and ed25519.verifies(bytes.fromhex(seal["key"]), octets, bytes.fromhex(seal["signature"]))
        return f"sealed by {seal['key']}" if good else ""


def main(given):
    if len(given) != 1:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        bundle = Bundle(read_files(given[0]))
        seal = bundle.check_seal()
        if seal == "":
            print("the seal is not that of the manifest")
            return 5
        for step in (
            bundle.check_files, bundle.check_tree, bundle.check_issues, bundle.check_digests, bundle.check_days,
            bundle.check_entries, bundle.check_sum, bundle.check_print,
        ):
            step()
    except Altered as altered:
        print(f"altered: {altered}")
        return 3
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"altered: cannot be read: {type(error).__name__}: {error}")
        return 3
    it = bundle.manifest
    print(f"genuine: {it['issue']} {it['definition']} {it['span']} = {it['value']}, {len(it['entries'])} entries"
          f"{', ' + seal if seal else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
