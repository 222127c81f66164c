"""Bodies: proto3 JSON of each type (`proto/zhoubao/v1`), read into plain dictionaries."""

import json
import re

from recount import days, ed25519, wire

TOKEN = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
TERMINAL_TOPICS = ("submission", "inspection", "statistics")
SETUP_TOPICS = (
    "hall", "window", "terminal", "department", "matter", "checklist", "template", "calendar", "user", "figures",
    "rules", "key",
)

PEOPLE_MAX = 9_999
SUBMISSION_BYTES_MAX = 24 * 1024
PERIOD_DAYS_MAX = 62

RIGHTS = [
    "UNSPECIFIED", "RECORD", "CORRECT", "LATE_ENTRY", "AUTHORIZE", "SUBMIT", "INSPECT", "EDIT", "SIGN", "ADMINISTER",
    "RELEASE",
]
KINDS = ["UNSPECIFIED", "CONSULTED", "ACCEPTED", "ISSUED", "TRANSFERRED"]
SEVERITIES = ["UNSPECIFIED", "FLAG", "WARN"]
CHANGES = [
    "UNSPECIFIED", "DEPARTMENT_AUTHORISED", "DEPARTMENT_WITHDRAWN", "ITEMS_INCLUDED", "ITEMS_REMOVED",
    "REPRESENTATIVE_REPLACED", "LETTER_SIGNED",
]


class Fault(Exception):
    """Why a message is no event that counts."""

    def __init__(self, code, holds=False):
        super().__init__(code)
        self.code = code
        self.holds = holds


def malformed():
    return Fault("E.102")


def held():
    return Fault("E.130", holds=True)


# --- JSON ---


def pairs(items):
    """An object as it stands: a list, because a known field that stands twice makes a body unreadable."""
    return Members(items)


class Members(list):
    pass


def no_constant(_text):
    raise ValueError("no JSON number")


def read_json(body):
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise malformed() from None
    # `json` reads halves of a pair of surrogates, which no text has.
    if "\\u" in text and not is_text(value):
        raise malformed()
    return value


def is_text(value):
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
        return True
    if isinstance(value, Members):
        return all(is_text(key) and is_text(it) for key, it in value)
    if isinstance(value, list):
        return all(is_text(it) for it in value)
    return True


def snake(name):
    return re.sub("[A-Z]", lambda it: "_" + it.group().lower(), name)


def fields(value, spec):
    """The known fields of an object, by name; others are ignored, null is missing."""
    if not isinstance(value, Members):
        raise malformed()
    names = {}
    for name in spec:
        names[name] = name
        names[snake(name)] = name
    found = {}
    for key, it in value:
        name = names.get(key)
        if name is None:
            continue
        if name in found:
            raise malformed()
        found[name] = None if it is None else convert(it, spec[name])
    return {name: it for name, it in found.items() if it is not None}


def convert(value, kind):
    if isinstance(kind, dict):
        return fields(value, kind)
    if isinstance(kind, tuple) and kind[0] == "list":
        if not isinstance(value, list) or isinstance(value, Members):
            raise malformed()
        return [convert(it, kind[1]) for it in value]
    if isinstance(kind, tuple) and kind[0] == "enum":
        if isinstance(value, str):
            if value not in kind[1]:
                raise held()
            return value
        if not isinstance(value, int) or isinstance(value, bool):
            raise malformed()
        if not 0 <= value < len(kind[1]):
            raise held()
        return kind[1][value]
    if kind == "map":
        if not isinstance(value, Members) or not all(isinstance(it, str) for _, it in value):
            raise malformed()
        return dict(value)
    if kind == "text":
        if not isinstance(value, str):
            raise malformed()
        return value
    if kind == "bool":
        if not isinstance(value, bool):
            raise malformed()
        return value
    # Whole numbers: also as text, and as a decimal fraction without a rest.
    low, high = {"u32": (0, 2**32 - 1), "u64": (0, 2**64 - 1), "i32": (-(2**31), 2**31 - 1)}[kind]
    if isinstance(value, bool):
        raise malformed()
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?[0-9]+", value, re.ASCII):
            raise malformed()
        value = int(value)
    if isinstance(value, float) and value == int(value):
        value = int(value)
    if not isinstance(value, int) or not low <= value <= high:
        raise malformed()
    return value


# --- Values ---


def need(it, name):
    if name not in it:
        raise malformed()
    return it[name]


def token(it, name, most=32):
    text = need(it, name)
    if not TOKEN.fullmatch(text) or len(text) > most:
        raise malformed()
    return text


def token_or_none(it, name, most=32):
    return token(it, name, most) if name in it else None


def case(it, name):
    text = need(it, name)
    seen = all(not is_invisible(c) for c in text)
    if not 1 <= len(text) <= 64 or len(text.encode()) > 256 or not seen:
        raise malformed()
    return text


def is_invisible(c):
    at = ord(c)
    return (
        c.isspace()
        or wire.has_controls(c)
        or at in (0xAD, 0xFEFF)
        or 0x200B <= at <= 0x200F
        or 0x202A <= at <= 0x202E
        or 0x2060 <= at <= 0x206F
    )


def words(it, name):
    text = need(it, name)
    if not text.strip() or "\0" in text:
        raise malformed()
    return text


def all_words(values):
    for text in values:
        if not text.strip() or "\0" in text:
            raise malformed()
    return values


def some(it, name):
    values = it.get(name, [])
    if not values:
        raise malformed()
    return values


def reason(it, name="reason"):
    text = it.get(name, "")
    if not text.strip():
        raise Fault("E.120")
    if "\0" in text:
        raise malformed()
    return text


def people(value):
    if not 1 <= value <= PEOPLE_MAX:
        raise Fault("E.114")
    return value


def day(it, name):
    value = days.read_day(need(it, name))
    if value is None:
        raise malformed()
    return value


def digest(it, name):
    text = need(it, name)
    if not wire.DIGEST.fullmatch(text):
        raise malformed()
    return text


def digests(it, name):
    for text in it.get(name, []):
        if not wire.DIGEST.fullmatch(text):
            raise malformed()
    return it.get(name, [])


def period(it, most=PERIOD_DAYS_MAX):
    first, last = day(it, "first"), day(it, "last")
    length = days.to_count(last) - days.to_count(first) + 1
    if length < 1 or (most is not None and length > most):
        raise malformed()
    return first, last


def event_name(it, name="original"):
    """A line and a number of it, `terminal.w01#17`."""
    stream, mark, number = need(it, name).partition("#")
    if not mark or wire.read_number(number) is None or not is_stream(stream):
        raise malformed()
    return stream, int(number)


def year(it):
    value = need(it, "year")
    if not 1000 <= value <= 9998:
        raise malformed()
    return value


def from_one(it, name):
    if need(it, name) == 0:
        raise malformed()
    return it[name]


def is_stream(stream):
    parts = stream.split(".")

    def named(at, most):
        return len(parts) == at + 1 and TOKEN.fullmatch(parts[at]) and len(parts[at]) <= most

    if parts[0] in ("terminal", "authorization"):
        return bool(named(1, 32))
    if parts[0] == "desk":
        return len(parts) == 3 and parts[1] in TERMINAL_TOPICS and bool(named(2, 64))
    if parts[0] == "setup":
        return len(parts) == 3 and parts[1] in SETUP_TOPICS and bool(named(2, 64))
    return stream in ("issues", "quarantine", "audit")


# --- Types ---

AMOUNTS = {"consulted": "u32", "accepted": "u32", "issued": "u32", "transferred": "u32"}
CASE = {"department": "text", "matter": "text", "case": "text"}
PERIOD = {"first": "text", "last": "text"}
DAY = {"date": "text", "name": "text"}
OPENED = {
    "issue": "text", **PERIOD, "template": "text", "checklist": "text", "figures": "text",
    "calendars": ("list", "text"),
}
FILE = {"name": "text", "bytes": "u64", "sha256": "text"}
SETTLED = {"original": "text", "reason": "text", "position": "u64"}


def act(kind):
    def read(it):
        return {
            "act": {
                "kind": kind, "amount": 1, "department": token(it, "department"),
                "matter": token_or_none(it, "matter", 64), "case": case(it, "case"),
            }
        }

    return read


def consulted(it):
    return {
        "act": {
            "kind": "consulted", "amount": people(need(it, "people")), "department": token_or_none(it, "department"),
            "matter": token_or_none(it, "matter", 64), "case": None,
        }
    }


def amounts(it):
    return {name: need(it, name) for name in AMOUNTS}


def day_closed(it):
    return {"day": day(it, "day"), "tally": amounts(it)}


def corrected(it):
    at = None
    if "occurredAt" in it:
        at = days.read_instant(it["occurredAt"])
        if at is None:
            raise malformed()
    original = event_name(it)
    replacement = {
        "occurred_at": at,
        "people": people(it["people"]) if "people" in it else None,
        "department": token_or_none(it, "department"),
        "matter": token_or_none(it, "matter", 64),
    }
    return {"original": original, "replacement": replacement, "reason": reason(it)}


def voided(it):
    return {"original": event_name(it), "replacement": None, "reason": reason(it)}


def authorization_changed(it):
    read = {"department": token(it, "department"), "effective": day(it, "effective"), "items": []}
    read["change"] = need(it, "change")
    if read["change"] == "UNSPECIFIED":
        raise malformed()
    if read["change"] in ("ITEMS_INCLUDED", "ITEMS_REMOVED"):
        read["items"] = [token({"items": item}, "items", 64) for item in some(it, "items")]
    if read["change"] == "REPRESENTATIVE_REPLACED":
        token(it, "representative")
    if read["change"] in ("REPRESENTATIVE_REPLACED", "LETTER_SIGNED"):
        words(it, "letter")
    return read


def news(it):
    if len(words(it, "text").encode()) > SUBMISSION_BYTES_MAX:
        raise Fault("E.121")


def submission_filed(it):
    news(it)
    words(it, "section"), token(it, "department"), digests(it, "attachments")
    return {}


def submission_returned(it):
    reason(it)
    return {}


def inspection_held(it):
    for result in some(it, "results"):
        words(result, "item"), all_words(result.get("findings", []))
        if "remark" in result:
            words(result, "remark")
    return {"day": day(it, "day"), "checklist": digest(it, "checklist")}


def statistics_imported(it):
    for row in some(it, "classes"):
        words(row, "class"), need(row, "accepted"), need(row, "finished")
    return {
        "source": words(it, "source"), "level": words(it, "level"), "period": period(it, None),
        "classes": it["classes"],
    }


def table_imported(it):
    columns = all_words(some(it, "columns"))
    if len(set(columns)) < len(columns):
        raise malformed()
    rows = [row.get("cells", []) for row in it.get("rows", [])]
    if len(columns) > 24 or len(rows) > 500:
        raise Fault("E.121")
    for row in rows:
        if len(row) != len(columns) or any("\0" in cell for cell in row):
            raise malformed()
    return {"source": words(it, "source"), "period": period(it, None), "columns": columns, "rows": rows}


def opening(it):
    return {
        "through": day(it, "through"), "tally": amounts(it), "last_number": need(it, "lastNumber"),
        "last_running_number": need(it, "lastRunningNumber"),
    }


def issue_opened(it):
    if len(it.get("parameters", {})) > 50:
        raise Fault("E.121")
    for name, value in it.get("parameters", {}).items():
        words({"name": name}, "name")
        if "\0" in value:
            raise malformed()
    return {
        "issue": token(it, "issue", 64), "period": period(it), "template": digest(it, "template"),
        "checklist": digest(it, "checklist"), "figures": digest(it, "figures"),
        "calendars": digests(it, "calendars"), "series": token_or_none(it, "series", 64),
        "parameters": it.get("parameters", {}),
    }


def issue_period_set(it):
    return {"issue": token(it, "issue", 64), "period": period(it)}


def issue_adopted(it):
    need(it, "order")
    return {"issue": token(it, "issue", 64), "submission": token(it, "submission", 64)}


def issue_edited(it):
    digest(it, "of"), news(it), reason(it)
    return {"issue": token(it, "issue", 64), "submission": token(it, "submission", 64)}


def issue_frozen(it):
    heads = {token(head, "terminal"): need(head, "number") for head in it.get("heads", [])}
    return {"issue": token(it, "issue", 64), "cut": need(it, "cut"), "heads": heads}


def issue_step(it):
    return {"issue": token(it, "issue", 64)}


def issue_with_reason(it):
    reason(it)
    return issue_step(it)


def issue_warning_accepted(it):
    words(it, "code"), words(it, "place"), digest(it, "finding"), reason(it)
    return issue_step(it)


def issue_signed_off(it):
    return {
        "issue": token(it, "issue", 64), "year": year(it), "number": from_one(it, "number"),
        "running_number": from_one(it, "runningNumber"), "issued_on": day(it, "issuedOn"),
        "figures": digest(it, "figures"), "document": digest(it, "document"),
    }


def issue_published(it):
    files = it.get("files", [])
    if len(files) > 50:
        raise Fault("E.121")
    for file in files:
        words(file, "name"), need(file, "bytes"), digest(file, "sha256")
    return {"issue": token(it, "issue", 64), "files": files}


def issue_amended(it):
    reason(it, "note")
    return issue_step(it)


def hall_described(it):
    return {"name": words(it, "name"), "publisher": words(it, "publisher")}


def window_set(it):
    return {"name": words(it, "name"), "open": need(it, "open")}


def terminal_set(it):
    return {"window": token(it, "window"), "active": need(it, "active")}


def department_set(it):
    all_words(it.get("aliases", []))
    return {"name": words(it, "name")}


def matter_set(it):
    return {"name": words(it, "name"), "department": token(it, "department")}


def checklist_published(it):
    all_words(some(it, "items"))
    if "\0" in it.get("introduction", ""):
        raise malformed()
    return {}


def template_published(it):
    return {"source": words(it, "source")}


def calendar_published(it):
    words(it, "notice")
    listed = {name: [day(one, "date") for one in it.get(name, [])] for name in ("off", "work")}
    some(it, "off")
    return {"year": year(it), **listed}


def user_set(it):
    if "UNSPECIFIED" in it.get("rights", []):
        raise malformed()
    return {"rights": it.get("rights", []), "active": need(it, "active")}


def figures_defined(it):
    for definition in some(it, "definitions"):
        words(definition, "key"), words(definition, "title"), words(definition, "unit"), words(definition, "meaning")
        if "UNSPECIFIED" in some(definition, "kinds"):
            raise malformed()
    return {"definitions": it["definitions"]}


def rules_set(it):
    read = {name: need(it, name) for name in RULES}
    if "UNSPECIFIED" in read.values():
        raise malformed()
    return read


def key_set(it):
    nats = need(it, "nats")
    if not re.fullmatch(r"U[A-Z2-7]{55}", nats, re.ASCII):
        raise malformed()
    signing = bytes.fromhex(digest(it, "signing"))
    if not ed25519.is_key(signing):
        raise malformed()
    vouched = None
    if "endorsement" in it:
        vouched = bytes.fromhex(digest(it["endorsement"], "key"))
        signature = need(it["endorsement"], "signature")
        if not wire.SIGNATURE.fullmatch(signature):
            raise malformed()
        if not ed25519.verifies(vouched, b"zhoubao key v1\0" + signing + nats.encode(), bytes.fromhex(signature)):
            raise malformed()
    day(it, "validThrough")
    return {"signing": signing, "vouched": vouched, "revoked": need(it, "revoked")}


def settled(it):
    return {"original": event_name(it), "reason": reason(it), "position": it.get("position")}


def access_refused(it):
    if words(it, "attempt") not in ("publish", "subscribe", "leave-batches"):
        raise held()
    if from_one(it, "times"):
        words(it, "user"), words(it, "subject")
    return {}


RULES = {
    "futureSecondsMax": "u32", "lateEntryHoursMax": "u32", "unknownCaseAfterOpening": ("enum", SEVERITIES),
    "unknownCase": ("enum", SEVERITIES),
}
DEFINITION = {"key": "text", "title": "text", "unit": "text", "meaning": "text", "kinds": ("list", ("enum", KINDS))}
WINDOW = ("terminal.",)
REGISTER = ("terminal.", "authorization.")

# Name of the type, lines in which it may stand, fields, and what is made of them.
TYPES = {
    "Accepted": (WINDOW, CASE, act("accepted")),
    "Issued": (WINDOW, CASE, act("issued")),
    "Transferred": (WINDOW, CASE, act("transferred")),
    "Consulted": (WINDOW, {"people": "u32", "department": "text", "matter": "text"}, consulted),
    "DayClosed": (WINDOW, {"day": "text", **AMOUNTS}, day_closed),
    "Corrected": (
        REGISTER,
        {
            "original": "text", "occurredAt": "text", "people": "u32", "department": "text", "matter": "text",
            "reason": "text",
        },
        corrected,
    ),
    "Voided": (REGISTER, {"original": "text", "reason": "text"}, voided),
    "AuthorizationChanged": (
        REGISTER,
        {
            "department": "text", "effective": "text", "change": ("enum", CHANGES), "items": ("list", "text"),
            "representative": "text", "letter": "text",
        },
        authorization_changed,
    ),
    "SubmissionFiled": (
        ("desk.submission.",),
        {"section": "text", "department": "text", "text": "text", "attachments": ("list", "text")},
        submission_filed,
    ),
    "SubmissionReturned": (("desk.submission.",), {"reason": "text"}, submission_returned),
    "InspectionHeld": (
        ("desk.inspection.",),
        {
            "day": "text", "checklist": "text",
            "results": ("list", {"item": "text", "findings": ("list", "text"), "remark": "text"}),
        },
        inspection_held,
    ),
    "StatisticsImported": (
        ("desk.statistics.",),
        {
            "source": "text", "level": "text", **PERIOD,
            "classes": ("list", {"class": "text", "accepted": "u32", "finished": "u32"}),
        },
        statistics_imported,
    ),
    "TableImported": (
        ("desk.statistics.",),
        {"source": "text", **PERIOD, "columns": ("list", "text"), "rows": ("list", {"cells": ("list", "text")})},
        table_imported,
    ),
    "OpeningFiguresRecorded": (
        ("issues",), {"through": "text", **AMOUNTS, "lastNumber": "u32", "lastRunningNumber": "u32"}, opening,
    ),
    "IssueOpened": (("issues",), OPENED, issue_opened),
    "IssueOpenedInSeries": (("issues",), {**OPENED, "series": "text", "parameters": "map"}, issue_opened),
    "IssuePeriodSet": (("issues",), {"issue": "text", **PERIOD}, issue_period_set),
    "IssueSubmissionAdopted": (("issues",), {"issue": "text", "submission": "text", "order": "u32"}, issue_adopted),
    "IssueSubmissionEdited": (
        ("issues",),
        {"issue": "text", "submission": "text", "of": "text", "text": "text", "reason": "text"},
        issue_edited,
    ),
    "IssueFrozen": (
        ("issues",),
        {"issue": "text", "cut": "u64", "heads": ("list", {"terminal": "text", "number": "u64"})},
        issue_frozen,
    ),
    "IssueSubmitted": (("issues",), {"issue": "text"}, issue_step),
    "IssueReturned": (("issues",), {"issue": "text", "reason": "text"}, issue_with_reason),
    "IssueWarningAccepted": (
        ("issues",),
        {"issue": "text", "code": "text", "place": "text", "finding": "text", "reason": "text"},
        issue_warning_accepted,
    ),
    "IssueSignedOff": (
        ("issues",),
        {
            "issue": "text", "year": "i32", "number": "u32", "runningNumber": "u32", "issuedOn": "text",
            "figures": "text", "document": "text",
        },
        issue_signed_off,
    ),
    "IssuePublished": (("issues",), {"issue": "text", "files": ("list", FILE)}, issue_published),
    "IssueAmended": (("issues",), {"issue": "text", "note": "text"}, issue_amended),
    "IssueVoided": (("issues",), {"issue": "text", "reason": "text"}, issue_with_reason),
    "HallDescribed": (("setup.hall.",), {"name": "text", "publisher": "text"}, hall_described),
    "WindowSet": (("setup.window.",), {"name": "text", "open": "bool"}, window_set),
    "TerminalSet": (("setup.terminal.",), {"window": "text", "active": "bool"}, terminal_set),
    "DepartmentSet": (("setup.department.",), {"name": "text", "aliases": ("list", "text")}, department_set),
    "MatterSet": (("setup.matter.",), {"name": "text", "department": "text"}, matter_set),
    "ChecklistPublished": (
        ("setup.checklist.",), {"introduction": "text", "items": ("list", "text")}, checklist_published,
    ),
    "TemplatePublished": (("setup.template.",), {"source": "text"}, template_published),
    "CalendarPublished": (
        ("setup.calendar.",),
        {"year": "i32", "notice": "text", "off": ("list", DAY), "work": ("list", DAY)},
        calendar_published,
    ),
    "UserSet": (("setup.user.",), {"rights": ("list", ("enum", RIGHTS)), "active": "bool"}, user_set),
    "FiguresDefined": (("setup.figures.",), {"definitions": ("list", DEFINITION)}, figures_defined),
    "RulesSet": (("setup.rules.",), RULES, rules_set),
    "TerminalKeySet": (
        ("setup.key.",),
        {
            "signing": "text", "nats": "text", "validThrough": "text", "revoked": "bool",
            "endorsement": {"key": "text", "signature": "text"},
        },
        key_set,
    ),
    "Released": (("quarantine",), SETTLED, settled),
    "Rejected": (("quarantine",), SETTLED, settled),
    "AccessRefused": (
        ("audit",), {"user": "text", "attempt": "text", "subject": "text", "times": "u32"}, access_refused,
    ),
}


def read_body(kind, body, stream):
    """What an event of a line says; `type` is its name."""
    found = re.fullmatch(r"cn\.zhoubao\.(\w+)\.v1", kind, re.ASCII)
    if not found or found.group(1) not in TYPES:
        raise held()
    lines, spec, make = TYPES[found.group(1)]
    if not any(stream == it or (it.endswith(".") and stream.startswith(it)) for it in lines):
        raise malformed()
    event = make(fields(read_json(body), spec))
    event["type"] = found.group(1)
    if stream.startswith("authorization.") and event["type"] == "AuthorizationChanged":
        if stream.partition(".")[2] != event["department"]:
            raise malformed()
    return event


class Read:
    """A message as far as it can be read."""

    def __init__(self, message, hall):
        self.message = message
        self.position = message.position
        self.hash = message.hash
        self.previous = message.previous()
        self.stream, self.number, self.event, self.fault = None, None, None, None
        self.actor, self.command, self.entered_at, self.offset_ms, self.unsure_at = None, None, None, None, None
        self.occurred_at = None
        self.recorded_at = message.recorded_at
        try:
            self.stream = stream_of(message.subject, hall)
            self.number = message.number()
            self.read(message, hall)
        except Fault as fault:
            self.fault = fault

    def identity(self):
        return None if self.stream is None or self.number is None else (self.stream, self.number)

    def read(self, message, hall):
        it = message.attributes

        def required(name, good):
            if name not in it or not good(it[name]):
                raise malformed()
            return it[name]

        def allowed(name, good):
            if name in it and not good(it[name]):
                raise malformed()
            return it.get(name)

        if not message.is_readable:
            raise malformed()
        required("specversion", lambda value: value == "1.0")
        required("id", lambda value: self.number is not None)
        if required("source", lambda value: True) != message.subject:
            other = re.fullmatch(r"hall\.(\d{6})\.(.+)", it["source"], re.ASCII)
            if other and other.group(1) != hall and is_stream(other.group(2)):
                raise Fault(code_of_other_hall(other.group(1), hall))
            raise malformed()
        kind = required("type", lambda value: value != "")
        self.occurred_at = days.read_instant(required("time", lambda value: days.read_instant(value) is not None))
        allowed("datacontenttype", lambda value: value.split(";")[0].strip().lower() == "application/json")
        allowed("prevhash", wire.DIGEST.fullmatch)
        entered_at = allowed("enteredat", lambda value: days.read_instant(value) is not None)
        self.entered_at = None if entered_at is None else days.read_instant(entered_at)
        offset = allowed("clockoffset", lambda value: wire.read_offset(value) is not None)
        if offset is not None:
            self.offset_ms = wire.read_offset(offset)
            # What a clock gave is put right; what a person typed in is his.
            if self.entered_at is None:
                self.occurred_at -= self.offset_ms * 1_000_000
            else:
                self.entered_at -= self.offset_ms * 1_000_000
        unsure = allowed("clockunsure", lambda value: days.read_instant(value) is not None)
        if unsure is not None:
            self.unsure_at = days.read_instant(unsure) - (self.offset_ms or 0) * 1_000_000
        self.actor = allowed("actor", lambda value: TOKEN.fullmatch(value) and len(value) <= 32)
        self.command = allowed(
            "command", lambda value: 1 <= len(value.encode()) <= 128 and not wire.has_controls(value)
        )
        if "hash" in it and it["hash"] != self.hash:
            raise Fault("E.108")
        self.event = read_body(kind, message.body, self.stream)


def code_of_other_hall(other, hall):
    return "E.119" if (other[0] == "9") != (hall[0] == "9") else "E.100"


def stream_of(subject, hall):
    found = re.fullmatch(r"hall\.(\d{6})\.(.+)", subject, re.ASCII | re.DOTALL)
    if not found or not is_stream(found.group(2)):
        raise malformed()
    if found.group(1) != hall:
        raise Fault(code_of_other_hall(found.group(1), hall))
    return found.group(2)
