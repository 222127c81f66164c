"""Plants corruptions in copies of a hall that is right, one each: every one is reported, by the counter that it belongs to.

    RECOUNT_HALL=zhoubao-data RECOUNT_ARCHIVE=archive python3 -m unittest test_recount

`tests/e2e/recount.rs` makes the hall and runs this. A forger here knows the form of everything: where it says "re-hashed"
or "chained anew", the hashes are those of what was planted.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import tempfile
import unittest

from recount import ed25519, wire
from recount.main import main

ISSUE = "2023-03"

KEY_OF_TALLY = "(day, window, department, kind)"
FIRST_TALLY = f"{KEY_OF_TALLY} = (select {KEY_OF_TALLY[1:-1]} from tally limit 1)"


class Copy:
    """A copy of the hall that may be damaged."""

    def __init__(self, base, folder):
        self.folder = folder
        shutil.copytree(base, folder, dirs_exist_ok=True)
        self.open = {}

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def database(self, name):
        """A database without the triggers that keep it from being changed."""
        if name not in self.open:
            database = sqlite3.connect(self.path(name))
            for (trigger,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
                database.execute(f"drop trigger {trigger}")
            self.open[name] = database
        return self.open[name]

    def sql(self, name, statement, parameters=(), changed=None):
        """Runs a statement; it changes so many rows, or at least one."""
        count = self.database(name).execute(statement, parameters).rowcount
        assert count == changed if changed is not None else count >= 1, f"{statement}: {count}"

    def journal(self, statement, *parameters):
        self.sql("journal.db", statement, parameters)

    def read(self, statement, *parameters):
        self.sql("read.db", statement, parameters, changed=1)

    def ledger(self, statement, *parameters):
        self.sql("terminal-w13.db", statement, parameters, changed=1)

    def one(self, name, query, *parameters):
        found = self.database(name).execute(query, parameters).fetchone()
        assert found is not None, query
        return found[0] if len(found) == 1 else found

    def close(self):
        for database in self.open.values():
            database.commit()
            database.close()

    # --- Messages ---

    def find(self, kind, stream="%", nth=0):
        """Position of the nth message of a type in lines such as `terminal.w01`."""
        query = "select sequence from journal where subject like ? and headers like ? order by sequence limit 1 offset ?"
        return self.one("journal.db", query, f"hall.510000.{stream}", f"%ce-type:cn.zhoubao.{kind}.v1%", nth)

    def consultation(self):
        """Position of the first consultation at a window that has no ledger."""
        return self.find("Consulted", "terminal.w0%")

    def line(self, position):
        return self.one("journal.db", "select subject from journal where sequence = ?", position).split(".", 2)[2]

    def change(self, position, body=None, headers=None, rehash=False):
        """Replaces texts in body and headers of a message: pairs of old and new."""
        block, octets = self.one("journal.db", "select headers, body from journal where sequence = ?", position)
        before = (block, octets)
        if body is not None:
            octets = octets.replace(body[0].encode(), body[1].encode(), 1)
        if headers is not None:
            block = re.sub(headers[0], headers[1], block, count=1)
        assert (block, octets) != before, f"nothing changes at {position}"
        if rehash:
            block = rehashed(block, octets)
        self.journal("update journal set headers = ?, body = ? where sequence = ?", block, octets, position)

    def chain(self, stream):
        """Chains a whole line anew."""
        before = None
        rows = "select sequence, headers, body from journal where subject = ? order by sequence"
        for position, block, body in self.database("journal.db").execute(rows, (f"hall.510000.{stream}",)).fetchall():
            if before is not None:
                block = re.sub(r"ce-prevhash:\w+", f"ce-prevhash:{before}", block)
            block = rehashed(block, body)
            before = re.search(r"ce-hash:(\w+)", block).group(1)
            self.journal("update journal set headers = ? where sequence = ?", block, position)

    def drop(self, position, closes_up):
        self.journal("delete from journal where sequence = ?", position)
        if closes_up:
            self.journal("update journal set sequence = -sequence where sequence > ?", position)
            self.journal("update journal set sequence = -sequence - 1 where sequence < 0")

    def append(self, subject, block, body):
        self.journal(
            "insert into journal select max(sequence) + 1, ?, max(recorded_at), ?, ? from journal", subject, block, body
        )

    # --- Files ---

    def text(self, name, change):
        """Changes a file as text."""
        with open(self.path(name), "rb") as file:
            before = file.read().decode()
        after = change(before)
        assert after != before, f"nothing changes in {name}"
        with open(self.path(name), "wb") as file:
            file.write(after.encode())

    def issue(self, change, form="json"):
        self.text(f"issues/{ISSUE}/{ISSUE}.{form}", change)

    def document(self, change):
        """Changes the canonical issue, and keeps its form."""

        def changed(before):
            document = json.loads(before)
            change(document)
            return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

        self.issue(changed)

    def manifest(self, change):
        def changed(before):
            manifest = json.loads(before)
            change(manifest)
            return json.dumps(manifest, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

        self.text(f"issues/{ISSUE}/manifest.json", changed)

    def seal(self):
        """Puts the digests of the package's files right."""

        def sealed(manifest):
            for it in manifest["files"]:
                with open(self.path("issues", ISSUE, it["name"]), "rb") as file:
                    octets = file.read()
                it["bytes"], it["sha256"] = len(octets), hashlib.sha256(octets).hexdigest()
                if it["name"] == f"{ISSUE}.json":
                    manifest["document"] = it["sha256"]

        self.manifest(sealed)

    def archive_lines(self, change):
        """Changes lines of the archive; a function of (number, line), None to leave one out."""
        name = sorted(it for it in os.listdir(self.path("archive")) if it.endswith(".ndjson"))[0]
        with open(self.path("archive", name), "rb") as file:
            lines = file.read().split(b"\n")[:-1]
        after = [it for it in (change(number, line) for number, line in enumerate(lines)) if it is not None]
        assert after != lines
        with open(self.path("archive", name), "wb") as file:
            file.write(b"\n".join(after) + b"\n")
        return after

    def chain_archive(self, change):
        """Changes lines of the archive and chains all of it anew, manifest included."""
        chain = "0" * 64

        def chained(number, line):
            nonlocal chain
            text = change(number, line[:-76])
            chain = hashlib.sha256(chain.encode() + text).hexdigest()
            return text + b',"chain":"' + chain.encode() + b'"}'

        self.archive_lines(chained)
        self.text("archive/manifest.json", lambda it: re.sub(r'"chain":"\w+"', f'"chain":"{chain}"', it))


def rehashed(block, body):
    return re.sub(r"ce-hash:\w+", "ce-hash:" + wire.event_hash(wire.read_headers(block)[0], body), block)


def figures(document, kind="counted"):
    for block in document["blocks"]:
        for it in block["inlines"]:
            if it["inline"] == "figure" and it["source"]["source"] == kind:
                yield it


# --- What is planted ---

CORRUPTIONS = []


def planted(counter, place="", archive=False):
    """A corruption, the counter that reports it, words of the place that is named, and whether the archive is looked at."""

    def note(function):
        CORRUPTIONS.append((function, counter, place, archive))
        return function

    return note


@planted("hashes_wrong", "terminal.w0")
def a_byte_of_a_body(copy):
    copy.change(copy.consultation(), body=('"people":', '"people" :'))


@planted("hashes_wrong", "E.108")
def an_amount_rehashed(copy):
    copy.change(copy.consultation(), body=('"people":', '"people":1'), rehash=True)


@planted("rows_wrong", "head terminal.w02")
def the_last_event_of_a_line_rehashed(copy):
    query = "select max(sequence) from journal where subject = 'hall.510000.terminal.w02'"
    copy.change(copy.one("journal.db", query), headers=(r"ce-time:2023-01-(\d\d)T(\d)", r"ce-time:2023-01-\1T0"), rehash=True)


@planted("rows_wrong", "tally")
def an_act_of_a_line_chained_anew(copy):
    copy.change(copy.consultation(), body=('"people":', '"people":1'))
    copy.chain(copy.line(copy.consultation()))


@planted("figures_wrong", "figure 2023-01 consulted week day")
def an_act_of_another_week_chained_anew(copy):
    copy.change(copy.consultation(), headers=(r"ce-time:2023-01-\d\d", "ce-time:2023-01-09"))
    copy.chain(copy.line(copy.consultation()))


@planted("gaps", "journal after")
def an_event_left_out_with_a_hole(copy):
    copy.drop(copy.consultation(), closes_up=False)


@planted("gaps", "open, held")
def an_event_left_out_and_closed_up(copy):
    copy.drop(copy.consultation(), closes_up=True)


@planted("gaps", "journal after 0")
def the_first_events_left_out(copy):
    copy.journal("delete from journal where sequence <= 5")


@planted("lost", "checkpoint")
def the_tail_cut_off(copy):
    copy.journal("delete from journal where sequence > (select max(sequence) - 3 from journal)")


@planted("order_inversions", "terminal.w13#1")
def two_events_swapped(copy):
    first = copy.find("Consulted", "terminal.w13")
    copy.journal("update journal set sequence = -1 where sequence = ?", first)
    copy.journal("update journal set sequence = ? where sequence = ?", first, first + 1)
    copy.journal("update journal set sequence = ? where sequence = -1", first + 1)


@planted("forks", "terminal.w02#1")
def another_content_under_a_number(copy):
    first = "select subject, headers, body from journal where subject = 'hall.510000.terminal.w02' order by sequence"
    subject, block, body = copy.one("journal.db", first)
    copy.append(subject, rehashed(block, body + b" "), body + b" ")


@planted("hashes_wrong", "hash")
def a_hash(copy):
    copy.change(copy.find("Accepted", "terminal.w04"), headers=(r"ce-hash:\w{4}", "ce-hash:0000"))


@planted("hashes_wrong", "E.108")
def a_previous_hash_rehashed(copy):
    copy.change(copy.find("DayClosed", "terminal.w04", 2), headers=(r"ce-prevhash:\w{4}", "ce-prevhash:0000"), rehash=True)


@planted("signatures_wrong", "terminal.w13#")
def a_forged_signature(copy):
    signed = copy.one("journal.db", "select min(sequence) from journal where headers like '%ce-signature%'")
    copy.change(signed, headers=(r"ce-signature:\w{8}", "ce-signature:00000000"))


@planted("signatures_wrong", "terminal.w13#")
def a_signature_left_out(copy):
    signed = copy.one("journal.db", "select max(sequence) from journal where headers like '%ce-signature%'")
    copy.change(signed, headers=(r"\nce-signature:\w+", ""))


@planted("signatures_wrong", "terminal.w13#")
def a_key_of_somebody_else(copy):
    other = ed25519.encode(ed25519.times(7, ed25519.BASE)).hex()
    key = copy.find("TerminalKeySet")
    signing = re.search(r'"signing":"(\w+)"', copy.one("journal.db", "select cast(body as text) from journal where sequence = ?", key))
    copy.change(key, body=(signing.group(1), other), rehash=True)


@planted("rows_wrong", "checkpoint: incarnation")
def another_incarnation(copy):
    copy.journal("update journal_identity set incarnation = 'another'")


@planted("rows_wrong", "fact")
def the_time_at_which_the_journal_took_a_fact(copy):
    copy.journal("update journal set recorded_at = recorded_at + 1 where sequence = 7")


@planted("numbers_wrong", "calendar")
def a_day_of_the_calendar_rehashed(copy):
    copy.change(copy.find("CalendarPublished", "setup.calendar.2023"), body=("2023-01-28", "2023-01-27"), rehash=True)


@planted("rows_wrong", "fact")
def an_authorisation_rehashed(copy):
    copy.change(copy.find("AuthorizationChanged"), body=("DEPARTMENT_AUTHORISED", "DEPARTMENT_WITHDRAWN"), rehash=True)


@planted("double_counted", "record quarantine#1")
def a_release_left_out(copy):
    copy.drop(copy.find("Released"), closes_up=True)


@planted("double_counted", "record quarantine#1")
def a_release_of_somebody_without_the_right(copy):
    copy.change(copy.find("Released"), headers=(r"ce-actor:\w+", "ce-actor:c01"))
    copy.chain("quarantine")


@planted("double_counted", "record terminal.")
def a_right_withdrawn_in_the_set_up(copy):
    copy.change(copy.find("UserSet", "setup.user.s01"), body=('"CORRECT",', ""), rehash=True)


@planted("rows_wrong", "tally")
def a_terminal_at_another_window(copy):
    copy.change(copy.find("TerminalSet", "setup.terminal.w02"), body=('"w02"', '"w03"'), rehash=True)


@planted("rows_wrong", "exception")
def the_rules_of_unknown_cases(copy):
    copy.change(copy.find("RulesSet"), body=('"unknownCase":"FLAG"', '"unknownCase":"WARN"'), rehash=True)


@planted("numbers_wrong", "figures")
def a_definition_of_a_figure_rehashed(copy):
    copy.change(copy.find("FiguresDefined"), body=("CONSULTED", "ACCEPTED"), rehash=True)


@planted("figures_wrong", "figure 2023-02")
def the_period_of_an_issue_chained_anew(copy):
    copy.change(copy.find("IssueOpened", "issues", 1), body=("2023-01-13", "2023-01-12"))
    copy.chain("issues")


@planted("hashes_wrong", "issues#")
def the_period_of_an_issue_rehashed(copy):
    copy.change(copy.find("IssueOpened", "issues", 1), body=("2023-01-13", "2023-01-12"), rehash=True)


@planted("numbers_wrong", "running number")
def opening_figures_chained_anew(copy):
    copy.change(copy.find("OpeningFiguresRecorded"), body=('"lastRunningNumber":420', '"lastRunningNumber":419'))
    copy.chain("issues")


@planted("figures_wrong", "2023-02.json: frozen at")
def a_cut_chained_anew(copy):
    copy.change(copy.find("IssueFrozen", "issues", 1), body=('"cut":"', '"cut":"3'))
    copy.chain("issues")


@planted("figures_wrong", "heads")
def the_heads_of_a_freeze_chained_anew(copy):
    copy.change(copy.find("IssueFrozen", "issues", 1), body=('"number":"', '"number":"9'))
    copy.chain("issues")


@planted("numbers_wrong", "number of the year")
def a_missing_number_chained_anew(copy):
    copy.change(copy.find("IssueSignedOff", "issues", 2), body=('"number":3', '"number":4'))
    copy.chain("issues")


@planted("numbers_wrong", "number of the year")
def a_number_given_twice_chained_anew(copy):
    copy.change(copy.find("IssueSignedOff", "issues", 2), body=('"number":3', '"number":2'))
    copy.chain("issues")


@planted("numbers_wrong", "drafted and signed by")
def one_person_who_drafts_and_signs(copy):
    copy.change(copy.find("IssueSignedOff", "issues", 1), headers=(r"ce-actor:\w+", "ce-actor:e01"))
    copy.chain("issues")


@planted("figures_wrong", "digest of the figures")
def the_signed_digest_of_the_figures(copy):
    copy.change(copy.find("IssueSignedOff", "issues", 1), body=('"figures":"', '"figures":"' + "0" * 64 + '","x":"'))
    copy.chain("issues")


@planted("rows_wrong", "tally")
def a_tally(copy):
    copy.read(f"update tally set amount = amount + 1 where {FIRST_TALLY}")


@planted("rows_wrong", "tally")
def a_tally_left_out(copy):
    copy.read(f"delete from tally where {FIRST_TALLY}")


@planted("rows_wrong", "tally")
def a_tally_made_up(copy):
    copy.read("insert into tally values (510000, 20230104, 'w99', '-', 'consulted', 5, 1)")


@planted("rows_wrong", "case c-1")
def a_case(copy):
    copy.read("update case_file set issued = 'terminal.w13#7' where id = 'c-1'")


@planted("rows_wrong", "case c-1")
def a_case_left_out(copy):
    copy.read("delete from case_file where id = 'c-1'")


@planted("figures_wrong", f"figure {ISSUE} accepted year total")
def a_frozen_figure(copy):
    copy.read(f"update figure set amount = amount + 1 where issue = '{ISSUE}' and definition = 'accepted' and span = 'year' and partition = 'total'")


@planted("figures_wrong", f"figure {ISSUE} consulted week window")
def two_parts_of_a_frozen_figure(copy):
    parts = f"issue = '{ISSUE}' and definition = 'consulted' and span = 'week' and partition = 'window'"
    copy.read(f"update figure set amount = amount + 1 where {parts} and part = (select min(part) from figure where {parts})")
    copy.read(f"update figure set amount = amount - 1 where {parts} and part = (select max(part) from figure where {parts})")


@planted("figures_wrong", f"figure {ISSUE} consulted adjustment total")
def the_events_of_an_adjustment(copy):
    copy.read(f"update figure set events = events + 1 where issue = '{ISSUE}' and definition = 'consulted' and span = 'adjustment' and partition = 'total'")


@planted("figures_wrong", "figure 2023-01 issued carried total")
def a_frozen_figure_left_out(copy):
    copy.read("delete from figure where issue = '2023-01' and definition = 'issued' and span = 'carried'")


@planted("lost", "checkpoint")
def a_checkpoint_ahead(copy):
    copy.read("update checkpoint set sequence = sequence + 1")


@planted("rows_wrong", "hash")
def the_hash_of_the_checkpoint(copy):
    copy.read("update checkpoint set hash = zeroblob(32)")


@planted("rows_wrong", "counted")
def a_flagged_event_called_counted(copy):
    copy.read("update checkpoint set counted = counted + 1, flagged = flagged - 1")


@planted("rows_wrong", "exception")
def an_exception_left_out(copy):
    copy.read("delete from exception where code = 'E.101'")


@planted("rows_wrong", "exception")
def an_exception_that_is_settled_again_open(copy):
    copy.read("update exception set settled = null where stream = 'terminal.w13' and number = 9")


@planted("rows_wrong", "exception")
def the_code_of_an_exception(copy):
    copy.read("update exception set code = 'E.110' where code = 'E.101'")


@planted("lost", "record terminal.w13#2")
def an_entry_of_the_record_left_out(copy):
    copy.read("update segment set entries = substr(entries, 1, instr(entries, char(10))) || substr(entries, instr(entries, char(10)) + 1 + instr(substr(entries, instr(entries, char(10)) + 1), char(10))) where stream = 'terminal.w13'")


@planted("double_counted", "record terminal.w13#1")
def an_event_counted_twice(copy):
    copy.read("update segment set entries = substr(entries, 1, instr(entries, char(10))) || entries where stream = 'terminal.w13'")
    copy.read("update tally set amount = amount + 3, events = events + 1 where day = 20230105 and window = 'w13' and kind = 'consulted'")


@planted("rows_wrong", "record terminal.w13#1")
def the_window_of_an_entry(copy):
    copy.read("update segment set entries = replace(entries, 'w13' || char(9), 'w12' || char(9)) where stream = 'terminal.w13'")


@planted("rows_wrong", "segment terminal.w13")
def the_last_day_of_a_part_of_the_record(copy):
    copy.read("update segment set last_day = last_day - 1 where stream = 'terminal.w13'")


@planted("rows_wrong", "head terminal.w05")
def the_head_of_a_line(copy):
    copy.read("update head set number = number + 1 where stream = 'terminal.w05'")


@planted("rows_wrong", "day close 20230118 w13")
def a_closed_day(copy):
    copy.read("update day_close set accepted = accepted + 1 where day = 20230118 and window = 'w13'")


@planted("rows_wrong", "day close 20230105 w03")
def a_closed_day_left_out(copy):
    copy.read("delete from day_close where day = 20230105 and window = 'w03'")


@planted("rows_wrong", "fact")
def the_body_of_a_fact(copy):
    copy.read("update fact set body = replace(body, '窗口1', '窗口2') where stream = 'setup.window.w01'")


@planted("rows_wrong", "amendment terminal.w13 1")
def the_present_effect_of_a_corrected_event(copy):
    copy.read("update amendment set current = replace(current, char(9) || '4' || char(9), char(9) || '5' || char(9)) where number = 1")


@planted("rows_wrong", "adjustment")
def an_adjustment(copy):
    copy.read("update adjustment set amount = amount + 1 where cause = 'correction' and amount > 0")


@planted("rows_wrong", "adjustment")
def an_adjustment_left_out(copy):
    copy.read("delete from adjustment where cause = 'voiding'")


@planted("figures_wrong", f"{ISSUE}.json: consulted week")
def a_printed_figure_and_its_value(copy):
    def change(document):
        it = next(figures(document))
        it["source"]["value"] += 1
        it["text"] = str(it["source"]["value"])

    copy.document(change)


@planted("figures_wrong", f"{ISSUE}.json: printed")
def a_printed_figure_alone(copy):
    copy.document(lambda it: next(figures(it)).update(text="99"))


@planted("figures_wrong", f"{ISSUE}.json: consulted week")
def the_events_behind_a_printed_figure(copy):
    copy.document(lambda it: next(figures(it))["source"].update(events=1))


@planted("figures_wrong", "imported")
def a_figure_of_the_platform(copy):
    def change(document):
        it = next(figures(document, "imported"))
        it["source"]["value"] += 10
        it["text"] = str(it["source"]["value"])

    copy.document(change)


@planted("figures_wrong", f"{ISSUE}.json: consulted week")
def a_package_forged_in_every_file(copy):
    def change(document):
        it = next(figures(document))
        said = it["text"]
        it["source"]["value"] += 1
        it["text"] = str(it["source"]["value"])
        copy.issue(lambda text: text.replace(f"共计咨询{said}人次", f"共计咨询{it['text']}人次"), "txt")

    copy.document(change)
    copy.manifest(lambda it: it.update(figures="0" * 64))
    copy.seal()


@planted("files_wrong", "the text")
def a_number_of_the_text(copy):
    copy.issue(lambda it: it.replace("咨询", "咨询1", 1), "txt")


@planted("files_wrong", f"{ISSUE}.csv")
def a_number_of_the_table(copy):
    copy.issue(lambda it: re.sub(r'"(\d+)","人次"', r'"1\1","人次"', it, count=1), "csv")
    copy.seal()


@planted("files_wrong", f"{ISSUE}.pdf")
def a_byte_of_the_page(copy):
    with open(copy.path("issues", ISSUE, f"{ISSUE}.pdf"), "r+b") as file:
        file.seek(1_000)
        octet = file.read(1)
        file.seek(1_000)
        file.write(bytes([octet[0] ^ 1]))


@planted("files_wrong", f"{ISSUE}.docx")
def a_file_of_the_package_left_out(copy):
    os.remove(copy.path("issues", ISSUE, f"{ISSUE}.docx"))


@planted("numbers_wrong", f"{ISSUE}.json: numbers")
def the_number_of_the_issue(copy):
    copy.document(lambda it: it["metadata"].update(number=4))


@planted("numbers_wrong", f"{ISSUE}.json: first day")
def the_first_day_of_the_issue(copy):
    copy.document(lambda it: it["metadata"].update(first_day="2023-01-15"))


@planted("figures_wrong", "frozen at")
def the_position_of_the_issue(copy):
    copy.document(lambda it: it["metadata"].update(position=it["metadata"]["position"] - 1))


@planted("numbers_wrong", "signed by")
def who_signed(copy):
    copy.manifest(lambda it: it.update(signed_by="e01"))


@planted("figures_wrong", "manifest.json: figures")
def the_digest_of_the_figures(copy):
    copy.manifest(lambda it: it.update(figures="0" * 64))


@planted("hashes_wrong", "ledger of w13 #2")
def a_row_of_the_ledger(copy):
    copy.ledger("update ledger set body = ? where number = 2", b'{"people":9}')


@planted("hashes_wrong", "ledger of w13 #4: hash")
def a_hash_of_the_ledger(copy):
    copy.ledger("update ledger set hash = zeroblob(32) where number = 4")


@planted("gaps", "ledger of w13 #6")
def a_row_of_the_ledger_left_out(copy):
    copy.ledger("delete from ledger where number = 5")


@planted("gaps", "the journal has more")
def the_end_of_the_ledger_cut_off(copy):
    copy.ledger("delete from ledger where number = (select max(number) from ledger)")


@planted("rows_wrong", "ledger of w13 #3: position")
def where_the_journal_has_a_row(copy):
    copy.ledger("update ledger set position = position + 1 where number = 3")


@planted("gaps", "acknowledged beyond its end")
def more_acknowledged_than_recorded(copy):
    copy.ledger("update ledger_identity set stored_number = stored_number + 5")


@planted("lost", "ledger of w13 #13: acknowledged")
def an_acknowledged_event_missing_in_the_journal(copy):
    copy.drop(copy.find("Consulted", "terminal.w13", 3), closes_up=True)


@planted("forks", "ledger of w13 #1 ")
def another_content_in_the_ledger(copy):
    block = copy.one("terminal-w13.db", "select headers from ledger where number = 1")
    body = b'{"people":8}'
    block = rehashed(block, body)
    hashed = bytes.fromhex(re.search(r"ce-hash:(\w+)", block).group(1))
    copy.ledger("update ledger set headers = ?, body = ?, hash = ? where number = 1", block, body, hashed)


@planted("hashes_wrong", "the chain of the archive", archive=True)
def a_byte_of_the_archive(copy):
    copy.archive_lines(lambda number, line: line.replace(b"people", b"People") if b"people" in line else line)


@planted("lost", "manifest", archive=True)
def the_last_line_of_the_archive(copy):
    last = len(copy.archive_lines(lambda number, line: line if number else line + b" ")) - 1
    copy.archive_lines(lambda number, line: None if number == last else line.rstrip(b" "))


@planted("hashes_wrong", "archive and journal", archive=True)
def the_archive_chained_anew(copy):
    copy.chain_archive(lambda number, text: text.replace(b'\\"people\\":3', b'\\"people\\":4'))


@planted("hashes_wrong", "archive and journal", archive=True)
def a_time_of_the_journal_beside_its_archive(copy):
    at = copy.consultation()
    copy.journal("update journal set recorded_at = recorded_at + 1 where sequence = ?", at)


@planted("lost", "in the archive, not in the journal", archive=True)
def the_journal_shorter_than_its_archive(copy):
    copy.journal("delete from journal where sequence > (select max(sequence) - 3 from journal)")


def run(folder, archive):
    """Exit code, and what was printed as JSON."""
    flags = ["--hall", folder, "--json"]
    if archive:
        flags += ["--archive", os.path.join(folder, "archive")]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exit_code = main(flags)
    return exit_code, json.loads(out.getvalue())


class Corruptions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="recount-")
        cls.base = os.path.join(cls.folder.name, "base")
        os.makedirs(cls.base)
        hall = os.environ["RECOUNT_HALL"]
        for name in ("journal.db", "read.db", "terminal-w13.db"):
            source = wire.open_database(os.path.join(hall, name))
            target = sqlite3.connect(os.path.join(cls.base, name))
            source.backup(target)
            target.execute("pragma journal_mode = delete")
            target.close()
            source.close()
        shutil.copytree(os.path.join(hall, "issues"), os.path.join(cls.base, "issues"))
        shutil.copytree(os.environ["RECOUNT_ARCHIVE"], os.path.join(cls.base, "archive"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_nothing_is_wrong_with_a_copy_that_nobody_touched(self):
        for archive in (False, True):
            exit_code, found = run(self.base, archive)
            self.assertEqual((exit_code, found["problems"]), (0, []))

    def test_every_planted_corruption_is_reported(self):
        self.assertGreaterEqual(len(CORRUPTIONS), 30)
        reported = 0
        for plant, counter, place, archive in CORRUPTIONS:
            name = plant.__name__.replace("_", " ")
            with self.subTest(name):
                copy = Copy(self.base, os.path.join(self.folder.name, "copy"))
                try:
                    plant(copy)
                    copy.close()
                    exit_code, found = run(copy.folder, archive)
                finally:
                    shutil.rmtree(copy.folder)
                named = [it for it in found["problems"] if it["counter"] == counter]
                said = [f"{it['place']}: said {it['said']}, counted {it['counted']}" for it in named]
                self.assertEqual(exit_code, 1)
                self.assertGreater(found["counters"][counter], 0, found["problems"][:5])
                fitting = [it for it in said if place in it]
                self.assertTrue(fitting, (place, said[:5]))
                print(f"{name}: {counter} {found['counters'][counter]}: {fitting[0][:160]}")
                reported += 1
        print(f"planted {len(CORRUPTIONS)} reported {reported}")
        self.assertEqual(reported, len(CORRUPTIONS))


if __name__ == "__main__":
    unittest.main()
