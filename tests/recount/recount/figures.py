"""Figures of an issue, added up from single effects as of its cut.

`effects` is the list of everything that ever counted or was taken back: position, day, kind, window, department,
amount and number of events. An adjustment is what the days up to the previous period's end gained or lost since the
previous cut; it is not read from anywhere.
"""

from recount import days


def figures_of(frozen, effects):
    """{(definition, span, partition, part): (amount, events)} of an issue."""
    first, last = frozen["period"]
    year = last // 10_000
    opening, before = frozen["opening"], frozen["before"]
    before_last = before["last"] if before else (opening["through"] if opening else None)
    of_this_year = opening is not None and opening["through"] // 10_000 == year
    # The first day of the year that is counted here and not in the opening figures.
    counted_from = days.next_day(opening["through"]) if of_this_year else year * 10_000 + 101
    outside_from = days.next_day(before_last) if before_last is not None else first // 10_000 * 10_000 + 101
    continues = before is not None and before["last"] // 10_000 == year

    figures = {}

    def add(definition, span, partition, part, amount, events):
        key = (definition, span, partition, part)
        had = figures.get(key, (0, 0))
        figures[key] = (had[0] + amount, had[1] + events)

    by_kind = {}
    for definition in frozen["definitions"]:
        for kind in definition["kinds"]:
            by_kind.setdefault(kind.lower(), set()).add(definition["key"])
        for span in ("week", "week-of-year", "outside", "outside-earlier", "adjustment", "carried", "year"):
            add(definition["key"], span, "total", "", 0, 0)

    # Of a definition that is new: what the year had before, as of the previous cut.
    new = set()
    if continues and before["figures"]:
        known = {key[0] for key in before["figures"]}
        new = {it["key"] for it in frozen["definitions"]} - known

    cells = {}
    for it in effects:
        if it["position"] > frozen["cut"] or it["day"] > last:
            continue
        day, of_year = it["day"], it["day"] // 10_000 == year and it["day"] >= counted_from
        for definition in by_kind.get(it["kind"], ()):
            spans = []
            if first <= day:
                spans.append("week")
                if of_year:
                    spans.append("week-of-year")
            if of_year:
                spans.append("year")
            if outside_from <= day < first:
                spans.append("outside" if of_year else "outside-earlier")
            late = continues and of_year and day <= before["last"] and it["position"] > before["cut"]
            for span in spans:
                parts = [("day", days.text(day))]
                if span in ("week", "year"):
                    parts += [("window", it["window"]), ("department", it["department"])]
                for partition, part in parts:
                    key = (definition, span, partition, part, it["kind"], day, it["window"], it["department"])
                    had = cells.get(key, (0, 0))
                    cells[key] = (had[0] + it["amount"], had[1] + it["events"])
                add(definition, span, "total", "", it["amount"], it["events"])
            if late:
                add(definition, "adjustment", "total", "", it["amount"], it["events"])
                add(definition, "adjustment", "day", days.text(day), it["amount"], it["events"])
            if definition in new and of_year and day <= before["last"] and not late:
                add(definition, "carried", "total", "", it["amount"], it["events"])
    # What came and went leaves no part.
    for (definition, span, partition, part, *_), (amount, events) in cells.items():
        if (amount, events) != (0, 0):
            add(definition, span, partition, part, amount, events)

    for definition in frozen["definitions"]:
        key = definition["key"]
        began = sum(opening["tally"][kind.lower()] for kind in definition["kinds"]) if of_this_year else 0
        if of_this_year:
            add(key, "year", "total", "", began, 0)
            for partition in ("day", "window", "department"):
                add(key, "year", partition, "opening", began, 0)
        if not continues or key in new:
            if of_this_year:
                add(key, "carried", "total", "", began, 0)
        else:
            amount, events = before["figures"].get((key, "year", "total", ""), (0, 0))
            add(key, "carried", "total", "", amount, events)
    return figures


def adjustments_by_cause(frozen, adjustments, definitions):
    """{(definition, cause): (amount, events)} of what an issue reports as 调整."""
    before, year = frozen["before"], frozen["period"][1] // 10_000
    sums = {}
    for it in adjustments:
        if before is None or not before["cut"] < it["position"] <= frozen["cut"]:
            continue
        if it["day"] > before["last"] or it["day"] // 10_000 != year:
            continue
        for definition in definitions:
            if it["kind"].upper() in definition["kinds"]:
                had = sums.get((definition["key"], it["cause"]), (0, 0))
                sums[definition["key"], it["cause"]] = (had[0] + it["amount"], had[1] + it["events"])
    return sums
