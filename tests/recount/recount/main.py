"""The command line: reads what is named, counts it again, and prints what does not agree."""

import argparse
import json
import os
import sqlite3
import sys

from recount import issues, ledgers, postgres, rows, rules, wire
from recount.bodies import Read
from recount.report import Report

EXAMPLES = """examples:
  python3 tests/recount --hall zhoubao-data
  python3 tests/recount --journal journal.db --read read.db --ledger terminal-w01.db --issue issues/2023-05
  python3 tests/recount --archive /mnt/second/archive --issue issues/2023-05 --json

exit codes: 0 all is right, 1 something is not, 2 nothing could be compared"""


def arguments(given):
    parser = argparse.ArgumentParser(
        prog="recount", description="Counts a hall again and compares. Reads only.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--hall", metavar="FOLDER", help="data folder: its journal, read models, ledgers and issues")
    parser.add_argument("--journal", metavar="FILE", help="journal of a hall in one file")
    parser.add_argument("--archive", metavar="PATH", help="archive (a folder) or backup (a file): of a journal on NATS, or beside one")
    parser.add_argument("--read", metavar="FILE", help="read models")
    parser.add_argument("--postgres", metavar="URL", help="read models in PostgreSQL, in place of a file; asks its client psql")
    parser.add_argument("--ledger", metavar="FILE", action="append", default=[], help="ledger of a terminal; may be repeated")
    parser.add_argument("--issue", metavar="PATH", action="append", default=[], help="package of an issue, or its JSON; may be repeated")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    it = parser.parse_args(given)
    if it.hall is not None:
        of_folder(it)
    if it.journal is None and it.archive is None:
        parser.error("--hall, --journal or --archive is needed")
    return it


def of_folder(it):
    """What a data folder holds, apart from what is named."""

    def found(name):
        path = os.path.join(it.hall, name)
        return path if os.path.exists(path) else None

    it.journal = it.journal or found("journal.db")
    it.read = it.read or found("read.db")
    for name in sorted(os.listdir(it.hall)):
        if name.startswith("terminal-") and name.endswith(".db"):
            it.ledger.append(os.path.join(it.hall, name))
    packages = found("issues")
    if packages is not None:
        for name in sorted(os.listdir(packages)):
            if os.path.isfile(os.path.join(packages, name, "manifest.json")):
                it.issue.append(os.path.join(packages, name))


def read_models(it, hall):
    """The read models that are named, from a file or from PostgreSQL."""
    if it.postgres is not None:
        return rows.ReadModels(postgres.open_database(it.postgres), hall)
    return rows.ReadModels(wire.open_database(it.read), hall) if it.read is not None else None


def recount(it):
    """Compares everything that is named."""
    report = Report()
    copy = wire.read_archive(it.archive, report) if it.archive is not None else None
    journal = wire.read_journal(it.journal) if it.journal is not None else copy
    if it.journal is not None and copy is not None:
        ledgers.check_copy(copy, journal, report)
    hall = rules.Hall(journal.hall)
    reads = [Read(message, journal.hall) for message in journal.messages]
    models = read_models(it, journal.hall)
    compared = models is None
    for place, read in enumerate(reads):
        if not compared and read.position > models.sequence():
            rows.compare(models, hall, journal, report)
            compared = True
        hall.take(reads, place)
    if not compared:
        rows.compare(models, hall, journal, report)
    ledgers.check_journal(journal, hall, report)
    for path in it.ledger:
        ledgers.check_ledger(path, journal, report)
    issues.check_numbers(hall, report)
    issues.check_books(hall, report)
    for path in it.issue:
        issues.check_package(path, hall, report)
    return report


def main(given):
    it = arguments(given)
    try:
        report = recount(it)
    except (OSError, sqlite3.Error, ValueError, LookupError, TypeError, AttributeError) as error:
        print(f"recount: cannot be read: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    if it.json:
        print(json.dumps({"right": report.is_right(), "counters": report.count, "problems": report.problems},
                         ensure_ascii=False, default=str))
    else:
        for line in report.lines():
            print(line)
    return 0 if report.is_right() else 1
