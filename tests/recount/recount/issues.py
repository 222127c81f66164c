"""Issues as they were printed: every bound number, every file of a package, and the numbers of the issues."""

import hashlib
import json
import os

from recount import days
from recount.figures import adjustments_by_cause


def check_numbers(hall, report):
    """Numbers of a series are given once, in order, without a gap; who drafts does not sign."""
    years, running = {}, {}
    for it in hall.sign_offs:
        series, (year, number, total) = it["series"], it["numbers"]
        place = f"issue {it['issue']} signed at position {it['position']}"
        report.same("numbers", "numbers_wrong", f"{place}: year", year, it["year"])
        report.same("numbers", "figures_wrong", f"{place}: digest of the figures", it["figures"], it["counted"])
        if it["by"] is None or it["by"] in it["drafters"]:
            report.wrong("numbers_wrong", f"{place}: drafted and signed by", it["by"], "two people")
        if it["first"] is not None:
            report.same("numbers", "numbers_wrong", f"{place}: a version has the numbers of the first", it["numbers"], it["first"])
            continue
        opening = hall.opening if series is None else None
        began = opening["last_number"] if opening and opening["through"] // 10_000 == year else 0
        before = years.get((series, year), began)
        report.same("numbers", "numbers_wrong", f"{place}: number of the year", number, before + 1)
        total_before = running.get(series, opening["last_running_number"] if opening else 0)
        report.same("numbers", "numbers_wrong", f"{place}: running number", total, total_before + 1)
        years[series, year] = max(before, number)
        running[series] = max(total_before, total)


def check_books(hall, report):
    """What every issue rests on: definitions, template, checklist and calendars that were published before it."""
    for name, it in sorted(hall.issues.items()):
        for what, digest in (("figures", it["figures"]), ("template", it["template"]), ("checklist", it["checklist"])):
            report.count["numbers"] += 1
            if digest not in hall.setup_digests:
                report.wrong("numbers_wrong", f"issue {name}: {what}", digest, None)
        for digest in it["calendars"]:
            report.count["numbers"] += 1
            if hall.setup_digests.get(digest) != "CalendarPublished":
                report.wrong("numbers_wrong", f"issue {name}: calendar", digest, None)
        for other, that in hall.issues.items():
            if other <= name or "voided" in (it["stage"], that["stage"]) or it["series"] != that["series"]:
                continue
            if it["period"][0] <= that["period"][1] and that["period"][0] <= it["period"][1]:
                report.wrong("numbers_wrong", f"issue {name}: period overlaps", other, None)
    for frozen in hall.freezes:
        if frozen["heads"] != frozen["counted_heads"]:
            report.wrong("figures_wrong", f"issue {frozen['issue']}: heads at {frozen['cut']}",
                         frozen["heads"], frozen["counted_heads"])


def coverage_holes(hall, frozen):
    """Working days of the period that an open window had not closed by the cut; None without a calendar."""
    holes = 0
    for day in days.days_between(*frozen["period"]):
        works = hall.calendar.works(day)
        if works is None:
            return None
        for window, it in hall.windows.items():
            closed = hall.day_closes.get((day, window))
            if works and it["open"] and (closed is None or closed["position"] > frozen["cut"]):
                holes += 1
    return holes


def check_package(path, hall, report):
    """A folder of one published version, or the JSON of an issue alone."""
    folder = path if os.path.isdir(path) else None
    if folder is None:
        check_issue(path, None, hall, report)
        return
    names = sorted(os.listdir(folder))
    manifest = None
    if "manifest.json" in names:
        with open(os.path.join(folder, "manifest.json"), "rb") as file:
            manifest = json.load(file)
        for it in manifest["files"]:
            place = f"{os.path.basename(folder)}/{it['name']}"
            beside = os.path.join(folder, it["name"])
            report.count["files"] += 1
            if not os.path.isfile(beside):
                report.wrong("files_wrong", place, it["sha256"], None)
                continue
            with open(beside, "rb") as file:
                counted = hashlib.sha256(file.read()).hexdigest()
            if counted != it["sha256"]:
                report.wrong("files_wrong", place, it["sha256"], counted)
        check_manifest(manifest, os.path.basename(folder), hall, report)
    asides = ("manifest.json", "checks.json", "distribution.json", "rendering.json", "changes.json")
    found = [it for it in names if it.endswith(".json") and it not in asides]
    if not found:
        report.wrong("files_wrong", os.path.basename(folder), None, "the JSON of the issue")
    for it in found:
        check_issue(os.path.join(folder, it), manifest, hall, report)


def check_manifest(manifest, place, hall, report):
    """The manifest says what the journal says of the sign-off."""
    signed = [it for it in hall.sign_offs if it["position"] == manifest.get("signed_position")]
    if not signed:
        report.wrong("numbers_wrong", f"{place}/manifest.json: signed at", manifest.get("signed_position"), None)
        return
    for name, said, counted in (
        ("issue", manifest["issue"], signed[0]["issue"]),
        ("number", manifest["number"], (signed[0]["first"] or signed[0]["numbers"])[1]),
        ("running number", manifest["running_number"], (signed[0]["first"] or signed[0]["numbers"])[2]),
        ("document", manifest["document"], signed[0]["document"]),
        ("signed by", manifest["signed_by"], signed[0]["by"]),
    ):
        report.same("numbers", "numbers_wrong", f"{place}/manifest.json: {name}", said, counted)
    report.same("numbers", "figures_wrong", f"{place}/manifest.json: figures", manifest["figures"], signed[0]["counted"])


def block_text(block):
    """A block as a line of plain text."""
    if block.get("table"):
        table = block["table"]
        lines = ["".join(it["text"] for it in table["caption"])] if table["caption"] else []
        covered = []
        for row in table["rows"]:
            cells, places = list(row), []
            while cells or len(places) < len(covered):
                if len(places) < len(covered) and covered[len(places)] > 0:
                    covered[len(places)] -= 1
                    places.append("")
                    continue
                if not cells:
                    break
                cell = cells.pop(0)
                for column in range(max(1, cell["columns"])):
                    rows = max(1, cell["rows"]) - 1
                    if len(places) < len(covered):
                        covered[len(places)] = rows
                    else:
                        covered.append(rows)
                    places.append("".join(it["text"] for it in cell["inlines"]) if column == 0 else "")
            lines.append("\t".join(places))
        return "\n".join(lines)
    return block["marker"] + "".join(it["text"] for it in block["inlines"])


def inlines(document):
    for block in document["blocks"]:
        yield from block["inlines"]
        if block.get("table"):
            yield from block["table"]["caption"]
            for row in block["table"]["rows"]:
                for cell in row:
                    yield from cell["inlines"]


def check_issue(path, manifest, hall, report):
    place = os.path.basename(path)
    with open(path, "rb") as file:
        octets = file.read()
    try:
        document = json.loads(octets)
        metadata, blocks = document["metadata"], document["blocks"]
    except (ValueError, KeyError, TypeError):
        report.wrong("files_wrong", place, "no issue", "the JSON of an issue")
        return
    if manifest is not None:
        report.same("files", "files_wrong", f"{place}: digest", hashlib.sha256(octets).hexdigest(), manifest["document"])
    frozen = frozen_of(metadata, manifest, hall)
    if frozen is None:
        report.wrong("figures_wrong", f"{place}: frozen at", metadata["position"], None)
        return
    issue = hall.issues[frozen["issue"]]
    numbers = issue["numbers"]
    for name, said, counted in (
        ("first day", metadata["first_day"], days.text(frozen["period"][0])),
        ("last day", metadata["last_day"], days.text(frozen["period"][1])),
        ("definitions", metadata["definitions"], issue["figures"]),
        ("template", metadata["template"], hall.template_sources.get(issue["template"])),
    ):
        report.same("numbers", "numbers_wrong", f"{place}: {name}", said, counted)
    if numbers is not None and not metadata["proposed"]:
        said = (metadata["year"], metadata["number"], metadata["running_number"])
        report.same("numbers", "numbers_wrong", f"{place}: numbers", said, numbers)
    for inline in inlines(document):
        if inline["inline"] == "figure":
            check_source(place, inline["source"], frozen, hall, report)
            check_print(place, inline, report)
    text = "".join(block_text(it) + "\n" for it in blocks)
    beside = path[: -len(".json")] + ".txt"
    if os.path.isfile(beside):
        with open(beside, "rb") as file:
            printed = file.read().decode("utf-8", "replace")
        report.count["files"] += 1
        if printed != text:
            lines = zip(printed.split("\n"), text.split("\n"))
            said, counted = next(((a, b) for a, b in lines if a != b), (len(printed), len(text)))
            report.wrong("files_wrong", f"{place}: the text", said, counted)
    beside = path[: -len(".json")] + ".csv"
    if os.path.isfile(beside):
        check_csv(beside, document, report)
    checks = os.path.join(os.path.dirname(path), "checks.json")
    if manifest is not None and os.path.isfile(checks):
        with open(checks, "rb") as file:
            found = sum(it["code"] == "E.305" for it in json.load(file)["findings"])
        holes = coverage_holes(hall, frozen)
        if holes is not None and (holes > 0) != (found > 0):
            report.wrong("numbers_wrong", f"{place}: days that were not closed", found, holes)


def frozen_of(metadata, manifest, hall):
    """The freeze that an issue was composed from: by its cut, its days and, where that is known, its name."""
    fitting = [it for it in hall.freezes if it["cut"] == metadata["position"]]
    if manifest is not None:
        fitting = [it for it in fitting if it["issue"] == manifest["issue"]]
    exact = [
        it for it in fitting
        if (days.text(it["period"][0]), days.text(it["period"][1])) == (metadata["first_day"], metadata["last_day"])
    ]
    return (exact or fitting or [None])[-1]


def check_print(place, inline, report):
    """What is printed is the number that it is bound to; an adjustment without its sign."""
    source = inline["source"]
    if source["source"] == "counted":
        value = abs(source["value"]) if source["span"] == "adjustment" else source["value"]
    elif source["source"] in ("register", "imported"):
        value = source["value"]
    else:
        return
    if inline["text"] != str(value):
        report.wrong("figures_wrong", f"{place}: printed", inline["text"], value)


def check_source(place, source, frozen, hall, report):
    """Counts again what a printed number says that it is."""
    kind = source["source"]
    if kind == "counted":
        of = [it for it in hall.freezes if it["cut"] == source["position"] and it["series"] == frozen["series"]]
        if frozen in of:
            of = [frozen]
        where = " ".join(str(source[it]) for it in ("definition", "span", "partition", "part", "cause") if source[it])
        where = f"{place}: {where} as of {source['position']}"
        said, counted = (source["value"], source["events"]), None
        if of and source["cause"] is None:
            key = (source["definition"], source["span"], source["partition"], source["part"])
            counted = of[-1]["figures"].get(key, (0, 0))
        elif of:
            sums = adjustments_by_cause(of[-1], hall.adjustments, of[-1]["definitions"])
            counted = sums.get((source["definition"], source["cause"]), (0, 0))
        report.same("figures", "figures_wrong", where, said, counted)
    elif kind == "register":
        day = days.read_day(source["as_of"])
        counted = hall.authorised_on(day, source["position"])
        report.same("figures", "figures_wrong", f"{place}: departments authorised on {source['as_of']}", source["value"], counted)
    elif kind == "imported":
        counted = None
        for it in hall.imports:
            days_covered = (days.text(it["period"][0]), days.text(it["period"][1]))
            if it["type"] != "StatisticsImported" or days_covered != (source["first_day"], source["last_day"]):
                continue
            if it["position"] > frozen["cut"] or (it["source"], it["level"]) != (source["platform"], source["level"]):
                continue
            for row in it["classes"]:
                if row["class"] == source["class"]:
                    counted = row[source["measure"]]
        where = f"{place}: imported {source['class']} {source['measure']} to {source['last_day']}"
        report.same("figures", "figures_wrong", where, source["value"], counted)
    elif kind in ("cell", "cells"):
        table = [it for it in hall.imports if it["position"] == source["position"] and it["key"] == source["table"]]
        cells = source["cells"] if kind == "cells" else [[source["row"], source["value"]]]
        for row, value in cells:
            counted = None
            for it in table:
                if source["column"] in it.get("columns", []):
                    column = it["columns"].index(source["column"])
                    values = [cells_of[column] for cells_of in it["rows"] if cells_of[0] == row]
                    counted = value if value in values else (values[0] if values else None)
            where = f"{place}: table {source['table']} {row} {source['column']}"
            report.same("figures", "figures_wrong", where, value, counted)
    elif kind == "derived":
        for it in source["inputs"]:
            check_source(place, it, frozen, hall, report)
    elif kind == "entered":
        parameters = hall.issues[frozen["issue"]]["parameters"]
        if source["name"] in parameters:
            where = f"{place}: entered {source['name']}"
            report.same("figures", "figures_wrong", where, source["text"], parameters[source["name"]])


def check_csv(path, document, report):
    """The table of bound numbers has the numbers of the issue, in order."""
    with open(path, "rb") as file:
        lines = file.read().decode("utf-8-sig", "replace").split("\r\n")[1:]
    values = [it["source"].get("value") for it in inlines(document) if it["inline"] == "figure"]
    rows = [line.strip('"').split('","') for line in lines if line]
    report.count["files"] += 1
    if len(rows) != len(values):
        report.wrong("files_wrong", f"{os.path.basename(path)}: rows", len(rows), len(values))
        return
    for place, (row, value) in enumerate(zip(rows, values), 1):
        if isinstance(value, int) and row[9] != str(value):
            report.wrong("files_wrong", f"{os.path.basename(path)}: row {place}", row[9], value)
