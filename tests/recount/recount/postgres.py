"""Read models in PostgreSQL, read by its own client `psql` into the form that they have in a file."""

import datetime
import json
import sqlite3
import subprocess

# Table and its columns: in PostgreSQL, where they are called otherwise, after `=`.
TABLES = {
    "checkpoint": "hall incarnation sequence hash stored counted flagged quarantined held repeated",
    "head": "hall stream number hash position recorded_at",
    "tally": "hall day window=window_id department kind amount events",
    "segment": "hall stream segment first_position last_position first_day last_day entries",
    "case_file": "hall id accepted issued transferred department events",
    "day_close": "hall day window=window_id consulted accepted issued transferred position",
    "exception": "hall position place stream number standing code detail settled",
    "fact": "hall position stream number kind occurred_at recorded_at actor command counted digest body",
    "amendment": "hall stream number current",
    "adjustment": "hall position place day kind amount events cause",
    "figure": "hall issue definition span partition=partition_by part amount events",
}
ORDER = {"segment": "stream, segment", "fact": "position"}
SCHEMA = "zhoubao"
BYTES = ("hash", "digest")
DAYS = ("day", "first_day", "last_day")


def columns(table):
    """Names in a file and in PostgreSQL."""
    return [(it.partition("=")[0], it.partition("=")[2] or it) for it in TABLES[table].split()]


def question():
    """One look at all tables: a line each row, as JSON."""
    lines = ["begin isolation level repeatable read read only;"]
    for table in TABLES:
        names = ", ".join(there for _, there in columns(table))
        order = f" order by {ORDER[table]}" if table in ORDER else ""
        lines.append(f"select '{table}', row_to_json(it) from (select {names} from {SCHEMA}.{table}{order}) it;")
    return "\n".join([*lines, "commit;"])


def value(name, said):
    """A value as a file has it: bytes, days as numbers, and no truth values."""
    if said is None:
        return None
    if name in BYTES:
        return bytes.fromhex(said.removeprefix("\\x"))
    if name in DAYS:
        day = datetime.date.fromisoformat(said)
        return day.year * 10_000 + day.month * 100 + day.day
    return int(said) if isinstance(said, bool) else said


def open_database(url):
    """A copy of the read models at this address, in memory."""
    asking = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t",
              "--set=ON_ERROR_STOP=1", "--dbname", url]
    answer = subprocess.run(asking, input=question(), capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise OSError(f"psql: {answer.stderr.strip()}")
    database = sqlite3.connect(":memory:")
    for table in TABLES:
        names = ", ".join(f'"{here}"' for here, _ in columns(table))
        database.execute(f"create table {table} ({names})")
    for line in answer.stdout.split("\n"):
        table, _, text = line.partition("\t")
        if table:
            row = json.loads(text)
            values = [value(here, row[there]) for here, there in columns(table)]
            marks = ", ".join("?" * len(values))
            database.execute(f"insert into {table} values ({marks})", values)
    return database
