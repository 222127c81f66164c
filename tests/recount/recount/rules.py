"""What each message of a journal comes to, by the hall's rules, from the first message on.

`Hall.take` looks at one message after the other; nothing is ever skipped. Entries say what counts: sign +1 from a
position on, −1 taken back, 0 does not count.
"""

import hashlib

from recount import days, ed25519
from recount.figures import figures_of

NO_DEPARTMENT = "-"

# Most events that one signature covers.
COVERED_MAX = 200

CLOCK_OFFSET_MAX_MS = 30_000

# What is said of a message that its line does not take: its number stays free for the true one.
NOT_TAKEN = {"E.104", "E.107", "E.108", "E.115", "E.116"}

DEFAULT_RULES = {
    "futureSecondsMax": 120, "lateEntryHoursMax": 24, "unknownCaseAfterOpening": "WARN", "unknownCase": "FLAG",
}

SETTERS = {
    "HallDescribed", "WindowSet", "TerminalSet", "DepartmentSet", "MatterSet", "ChecklistPublished",
    "TemplatePublished", "CalendarPublished", "UserSet", "FiguresDefined", "RulesSet", "TerminalKeySet",
}


class Hall:
    def __init__(self, code):
        self.code = code
        self.users, self.departments, self.matters, self.windows, self.terminals = {}, {}, {}, {}, {}
        self.keys, self.rules = {}, dict(DEFAULT_RULES)
        self.register = {}
        self.opening = None
        self.issues = {}
        # Type of each set-up entry by the SHA-256 of its body; of a template also that of its source.
        self.setup_digests, self.template_sources = {}, {}
        self.definitions = {}
        self.calendar = days.Calendar()
        self.imports = []
        # Lines: the last event of each, every head it had, and what came under each number.
        self.heads, self.head_history = {}, {}
        self.taken, self.first_came, self.held = {}, {}, {}
        self.messages = {}
        # What counts.
        self.record, self.originals, self.current, self.effects = {}, {}, {}, []
        self.cases, self.day_closes, self.exceptions, self.facts, self.adjustments = {}, {}, [], [], []
        self.open_exceptions = {}
        self.figures, self.freezes, self.sign_offs = {}, [], []
        self.counts = {name: 0 for name in ("stored", "counted", "flagged", "quarantined", "held", "repeated")}
        self.last = None
        self.covered_until = 0
        self.signatures, self.bad_signatures = 0, []

    # --- One message ---

    def take(self, reads, place):
        """Takes the message at a place of the list of all."""
        read = reads[place]
        self.messages[read.position] = read
        self.counts["stored"] += 1
        fault = None
        if place >= self.covered_until:
            covered, fault = self.cover(reads, place)
            self.covered_until = place + covered
        self.place(read, fault)
        self.last = read
        identity = read.identity()
        if identity is not None:
            self.first_came.setdefault(identity, read.hash)

    def place(self, read, fault):
        identity = read.identity()
        if identity is None:
            self.exception(read.position, None, "quarantined", read.fault.code if read.fault else "E.102")
            return
        stream, number = identity
        head = self.heads.get(stream)
        last = head["number"] if head else 0
        if number <= last:
            known = self.taken.get(identity)
            if known is None:
                known = [self.first_came[identity]] if identity in self.first_came else []
            if read.hash in known:
                self.counts["repeated"] += 1
            else:
                self.exception(read.position, identity, "quarantined", "E.104")
            return
        if number > last + 1:
            self.exception(read.position, identity, "held", "E.107")
            self.held.setdefault(stream, {}).setdefault(number, []).append(read.position)
            return
        if fault is not None:
            self.exception(read.position, identity, "quarantined", fault)
            return
        breaks = False
        if read.previous is not None:
            breaks = read.previous != (head["hash"] if head else "0" * 64)
        if breaks or is_altered(read):
            self.exception(read.position, identity, "quarantined", "E.108")
            return
        self.advance(read, identity, read.position)
        self.let_in(read, identity, read.position, "late")
        self.drain(stream, read.position)

    def advance(self, read, identity, at):
        stream, number = identity
        self.heads[stream] = {
            "number": number, "hash": read.hash, "position": read.position, "recorded_at": read.recorded_at,
        }
        self.head_history.setdefault(stream, []).append((at, number))
        self.taken.setdefault(identity, []).append(read.hash)

    def let_in(self, read, identity, at, cause):
        """An event that its line has taken does what it does, from position `at` on."""
        if read.fault is None:
            self.apply(read, identity, at, cause)
            return
        self.exception(at, identity, "held" if read.fault.holds else "quarantined", read.fault.code)
        entry = self.marker(read, identity[1], at)
        entry["occurred_at"] = read.recorded_at
        entry["code"] = read.fault.code
        self.write(identity, entry, None)

    # --- Signatures ---

    def cover(self, reads, place):
        """How many messages from here on one signature covers, and the code where none does."""
        stream = reads[place].stream if reads[place].identity() else None
        keys = self.keys.get(stream[9:]) if stream is not None and stream.startswith("terminal.") else None
        if keys is None:
            return 1, None
        before = None
        for count in range(1, COVERED_MAX + 1):
            if place + count > len(reads):
                break
            read = reads[place + count - 1]
            if before is not None and not follows(before, read):
                break
            before = read
            signature = read.message.signature
            if signature is None:
                continue
            self.signatures += 1
            text = b"zhoubao event v1\0" + bytes.fromhex(read.hash)
            for key in reversed(keys["valid"]):
                if ed25519.verifies(key, text, signature):
                    return count, None
            for key in keys["revoked"]:
                if ed25519.verifies(key, text, signature):
                    return 1, "E.116"
            break
        return 1, "E.115"

    # --- What comes before its turn ---

    def drain(self, stream, at):
        """What was held and follows the head of its line counts now."""
        if stream not in self.held:
            return
        head = self.heads[stream]
        for position in list(self.held[stream].get(head["number"], [])):
            if self.messages[position].hash == head["hash"]:
                self.forget((stream, head["number"]), position)
                self.settle((stream, head["number"]), position, at)
        run, hashed, number = [], head["hash"], head["number"] + 1
        while number in self.held.get(stream, {}):
            fitting = [self.messages[it] for it in self.held[stream][number]]
            # Of several contents of a number the first that follows.
            fitting = [it for it in fitting if it.previous in (None, hashed) and not is_altered(it)]
            if not fitting:
                break
            hashed = fitting[0].hash
            run.append(fitting[0])
            number += 1
        covered = 0
        for place, read in enumerate(run):
            if place >= covered:
                count, fault = self.cover(run, place)
                if fault is not None:
                    return
                covered = place + count
            self.take_early(read, read.identity(), at, "late")

    def forget(self, identity, position):
        stream, number = identity
        positions = self.held.get(stream, {}).get(number, [])
        if position in positions:
            positions.remove(position)
            if not positions:
                del self.held[stream][number]
            if not self.held[stream]:
                del self.held[stream]

    def take_early(self, read, identity, at, cause):
        self.forget(identity, read.position)
        self.settle(identity, read.position, at)
        counts = dict(self.counts)
        self.advance(read, identity, at)
        self.let_in(read, identity, at, cause)
        # What it came to when it came is told already.
        self.counts = counts

    def settle_early(self, read, at, releases):
        """A person lets in, or rejects, one message that its line did not take when it came."""
        event, own = read.event, read.identity()
        if not self.may_settle(read, at):
            return False
        original, position = event["original"], event["position"]
        code = next((
            it["code"] for it in self.open_exceptions.get(original, [])
            if it["position"] == position and it["settled"] is None and it["standing"] in ("held", "quarantined")
        ), None)
        if code is None:
            return self.flag(own, at, "E.112")
        if releases and code not in NOT_TAKEN:
            return self.settle_flagged(read, at)
        message, (stream, number) = self.messages[position], original
        last = self.heads[stream]["number"] if stream in self.heads else 0
        if not releases:
            self.forget(original, position)
            self.settle(original, position, at)
        elif message.fault is not None:
            return self.flag(own, at, "E.102")
        elif stream.startswith("terminal.") and number <= last:
            terminal = self.terminals.get(stream[9:])
            if terminal is None or message.event["type"] == "AuthorizationChanged":
                return self.flag(own, at, "E.112")
            self.settle(original, position, at)
            counts = dict(self.counts)
            self.of_window(message, own, at, terminal["window"], "release")
            self.counts = counts
        elif stream.startswith("terminal."):
            self.take_early(message, original, at, "release")
            self.drain(stream, at)
        else:
            return self.flag(own, at, "E.112")
        self.counts["counted"] += 1
        return True

    # --- What an event does ---

    def apply(self, read, identity, at, cause):
        stream, event = identity[0], read.event
        kind = event["type"]
        if stream.startswith("terminal."):
            terminal = self.terminals.get(stream[9:])
            if terminal is not None and terminal["active"]:
                counts = self.of_window(read, identity, at, terminal["window"], cause)
            else:
                self.exception(at, identity, "quarantined", "E.109")
                entry = self.marker(read, identity[1], at)
                entry["act"], entry["code"] = event.get("act"), "E.109"
                self.write(identity, entry, None)
                counts = False
        elif kind in ("Released", "Rejected") and event["position"] is not None:
            counts = self.settle_early(read, at, kind == "Released")
        elif kind in ("Released", "Rejected"):
            counts = self.settle_flagged(read, at)
        elif kind in ("Corrected", "Voided"):
            counts = self.flag(identity, at, "E.112")
        elif kind == "AuthorizationChanged" and not self.may(read.actor, "AUTHORIZE"):
            counts = self.flag(identity, at, "E.111")
        else:
            self.counts["counted"] += 1
            counts = True
        if not stream.startswith("terminal.") or kind == "AuthorizationChanged":
            digest = hashlib.sha256(read.message.body).hexdigest()
            self.facts.append(
                {
                    "position": read.position, "stream": stream, "number": identity[1],
                    "kind": read.message.attributes["type"], "occurred_at": read.occurred_at,
                    "recorded_at": read.recorded_at, "actor": read.actor, "command": read.command, "counted": counts,
                    "digest": digest, "body": read.message.body.decode("utf-8", "replace"),
                }
            )
            if counts:
                self.learn(read, stream, digest)

    def of_window(self, read, identity, at, window, cause):
        event = read.event
        entry = self.marker(read, identity[1], at)
        entry["window"] = window
        if "act" in event:
            entry["act"] = event["act"]
            verdict = self.judge(read, event["act"], read.occurred_at, read.entered_at, None)
            counts = self.pronounce(identity, at, verdict, entry)
            self.write(identity, entry, cause)
            return counts
        kind = event["type"]
        if kind == "DayClosed":
            counts = event["day"] <= days.hall_day(read.recorded_at)
            if counts:
                row = self.day_closes.setdefault((event["day"], window), {"position": at})
                row["tally"] = event["tally"]
                self.counts["counted"] += 1
            else:
                entry["code"] = "E.105"
                self.flag(identity, at, "E.105")
            self.write(identity, entry, None)
            return counts
        if kind in ("Corrected", "Voided"):
            return self.amend(read, identity, at, window)
        counts = self.may(read.actor, "AUTHORIZE")
        if counts:
            self.counts["counted"] += 1
        else:
            entry["code"] = "E.111"
            self.flag(identity, at, "E.111")
        self.write(identity, entry, None)
        return counts

    def judge(self, read, act, occurred_at, entered_at, replaces):
        """(counts, code) of an act: times, names, authorization, case."""
        day = days.hall_day(occurred_at)
        if replaces is None and read.unsure_at is not None and entered_at is None:
            # Nobody had measured the clock: it is believed where the journal says the same.
            if abs(read.recorded_at - read.unsure_at) > CLOCK_OFFSET_MAX_MS * 1_000_000:
                return False, "E.131"
        if occurred_at - read.recorded_at > self.rules["futureSecondsMax"] * days.SECOND:
            return False, "E.105"
        late = 0 if entered_at is None else entered_at - occurred_at
        if late > self.rules["lateEntryHoursMax"] * 3_600 * days.SECOND and not self.may(read.actor, "LATE_ENTRY"):
            return False, "E.106"
        if self.opening is not None and day <= self.opening["through"]:
            return False, "E.106"
        if act["department"] is not None and act["department"] not in self.departments:
            return False, "E.101"
        if act["matter"] is not None and act["matter"] not in self.matters:
            return False, "E.101"
        if act["kind"] == "accepted" and not self.may_take(act["department"], act["matter"], day):
            return False, "E.110"
        case = self.cases.get(act["case"]) if act["case"] is not None else None
        accepted = case["accepted"] if case else None
        issued = case["issued"] if case else None
        if act["kind"] == "accepted" and accepted is not None and accepted != replaces:
            return False, "E.103"
        if act["kind"] == "issued" and issued is not None and issued != replaces:
            return False, "E.103"
        if act["kind"] in ("issued", "transferred") and accepted is None:
            began = self.opening is not None and self.opening["through"] // 10_000 == day // 10_000
            if self.rules["unknownCaseAfterOpening" if began else "unknownCase"] == "FLAG":
                return False, "E.103"
            return True, "W.131"
        # A correction says itself when it was.
        is_off = replaces is None and read.offset_ms is not None and abs(read.offset_ms) > CLOCK_OFFSET_MAX_MS
        return True, "W.130" if is_off else None

    def pronounce(self, identity, at, verdict, entry):
        counts, code = verdict
        entry["code"] = code
        if not counts:
            return self.flag(identity, at, code)
        entry["sign"] = 1
        self.counts["counted"] += 1
        if code is not None:
            self.exception(at, identity, "warned", code)
        return True

    def amend(self, read, identity, at, window):
        """更正 and 撤销: the effect of the original is taken back, and a correction puts another in its place."""
        event, original = read.event, read.event["original"]

        def refuse(code):
            entry = self.marker(read, identity[1], at)
            entry["window"], entry["amends"], entry["code"] = window, original, code
            self.write(identity, entry, None)
            return self.flag(identity, at, code)

        first = self.originals.get(original)
        if first is None or first["act"] is None:
            return refuse("E.112")
        now = self.current.get(original, first)
        typed = read.occurred_at if read.entered_at is None else read.entered_at
        # What is held back because of its clock, the same device may put right.
        in_doubt = (
            now["code"] == "E.131" and original[0] == identity[0]
            and event["replacement"] is not None and event["replacement"]["occurred_at"] is not None
        )
        same_day = days.hall_day(first["occurred_at"]) == days.hall_day(typed)
        own = first["window"] == window and (in_doubt or same_day)
        if not own and not self.may(read.actor, "CORRECT"):
            return refuse("E.111")
        if now["sign"] == 0 and now["code"] is None:
            return refuse("E.112")
        after = dict(first, number=identity[1], position=at, amends=original, sign=0, code=None)
        replacement = event["replacement"]
        if replacement is None:
            cause, counts = "voiding", True
            self.counts["counted"] += 1
        else:
            cause, act = "correction", dict(first["act"])
            if replacement["people"] is not None and act["kind"] == "consulted":
                act["amount"] = replacement["people"]
            for name in ("department", "matter"):
                if replacement[name] is not None:
                    act[name] = replacement[name]
            if replacement["occurred_at"] is not None:
                after["occurred_at"] = replacement["occurred_at"]
            after["act"] = act
            verdict = self.judge(read, act, after["occurred_at"], None, original)
            counts = self.pronounce(identity, at, verdict, after)
        if now["sign"] == 1:
            back = dict(now, number=identity[1], position=at, amends=original, sign=-1, code=None)
            self.write(identity, back, cause)
        self.current[original] = dict(after, number=original[1], amends=None)
        self.write(identity, after, cause)
        self.settle(original, None, at)
        return counts

    def settle_flagged(self, read, at):
        own, original = read.identity(), read.event["original"]
        if not self.may_settle(read, at):
            return False
        now = self.current.get(original, self.originals.get(original))
        if now is None or now["sign"] != 0 or now["code"] is None:
            return self.flag(own, at, "E.112")
        if read.event["type"] == "Released" and now["act"] is None:
            return self.flag(own, at, "E.112")
        self.counts["counted"] += 1
        self.settle(original, None, at)
        if read.event["type"] == "Released":
            after = dict(now, number=own[1], position=at, amends=original, sign=1, code=None)
            if after["window"] is None and original[0].startswith("terminal."):
                terminal = self.terminals.get(original[0][9:])
                after["window"] = terminal["window"] if terminal else None
            self.current[original] = dict(after, number=original[1], amends=None)
            self.write(own, after, "release")
        return True

    def may_settle(self, read, at):
        if not self.may(read.actor, "RELEASE"):
            return self.flag(read.identity(), at, "E.111")
        return True

    def may(self, user, right):
        """A hall without people lets everybody do everything."""
        if not self.users:
            return True
        it = self.users.get(user)
        return it is not None and it["active"] and right in it["rights"]

    def may_take(self, department, matter, day):
        """Whether the register lets a department take a matter on a day."""
        entries = sorted(self.register.get(department, []), key=lambda it: (it["effective"], it["position"]))
        entries = [it for it in entries if it["effective"] <= day]
        authorised, listed, removed = False, None, set()
        for it in entries:
            items = set(it["items"])
            if it["change"] == "DEPARTMENT_AUTHORISED":
                authorised = True
            elif it["change"] == "DEPARTMENT_WITHDRAWN":
                authorised = False
            elif it["change"] == "ITEMS_INCLUDED":
                if listed is not None:
                    listed |= items
                elif items <= removed:
                    removed -= items
                else:
                    listed = items
            elif it["change"] == "ITEMS_REMOVED":
                if listed is not None:
                    listed -= items
                else:
                    removed |= items
        if not authorised or matter is None:
            return authorised
        return matter in listed if listed is not None else matter not in removed

    def authorised_on(self, day, position):
        """Number of departments authorised on a day, by what was recorded up to a position."""
        count = 0
        for entries in self.register.values():
            state = False
            for it in sorted(entries, key=lambda it: (it["effective"], it["position"])):
                if it["effective"] <= day and it["position"] <= position:
                    if it["change"] == "DEPARTMENT_AUTHORISED":
                        state = True
                    elif it["change"] == "DEPARTMENT_WITHDRAWN":
                        state = False
            count += state
        return count

    # --- Books ---

    def marker(self, read, number, at):
        return {
            "number": number, "position": at, "occurred_at": read.occurred_at, "act": None, "window": None, "sign": 0,
            "code": None, "amends": None,
        }

    def write(self, identity, entry, cause):
        if entry["amends"] is None:
            self.originals.setdefault(identity, entry)
        self.record.setdefault(identity[0], []).append(entry)
        act = entry["act"]
        if act is None:
            return
        day = days.hall_day(entry["occurred_at"])
        if entry["sign"] != 0 and entry["window"] is not None:
            effect = {
                "position": entry["position"], "day": day, "window": entry["window"],
                "department": act["department"] or NO_DEPARTMENT, "kind": act["kind"],
                "amount": entry["sign"] * act["amount"], "events": entry["sign"], "cause": cause,
                "amends": entry["amends"] is not None,
            }
            self.effects.append(effect)
            frozen = self.last_frozen()
            if frozen is not None and cause is not None and day <= frozen[0] and entry["position"] > frozen[1]:
                self.adjustments.append(effect)
        if act["case"] is not None:
            case = self.cases.setdefault(
                act["case"], {"accepted": None, "issued": None, "transferred": 0, "department": None, "events": []}
            )
            case["events"].append(identity)
            subject = entry["amends"] or identity
            if entry["sign"] == 1:
                if act["kind"] == "accepted":
                    case["accepted"], case["department"] = subject, act["department"]
                elif act["kind"] == "issued":
                    case["issued"] = subject
                elif act["kind"] == "transferred":
                    case["transferred"] += 1
            elif entry["sign"] == -1:
                if act["kind"] == "accepted" and case["accepted"] == subject:
                    case["accepted"], case["department"] = None, None
                elif act["kind"] == "issued" and case["issued"] == subject:
                    case["issued"] = None
                elif act["kind"] == "transferred":
                    case["transferred"] = max(0, case["transferred"] - 1)

    def exception(self, position, identity, standing, code):
        if standing != "warned":
            self.counts[standing] += 1
        row = {
            "position": position, "identity": identity or ("", 0), "standing": standing, "code": code, "settled": None,
        }
        self.exceptions.append(row)
        self.open_exceptions.setdefault(row["identity"], []).append(row)

    def flag(self, identity, at, code):
        self.exception(at, identity, "flagged", code)
        return False

    def settle(self, identity, message, by):
        """Exceptions of a number, or of one message of it, are settled by the message at `by`.

        A message that its line did not take is not the event of its number: it is settled by being named only.
        """
        for row in self.open_exceptions.get(identity, []):
            of_event = message is None and row["code"] not in NOT_TAKEN
            if row["settled"] is None and row["position"] < by and (of_event or message == row["position"]):
                row["settled"] = by

    # --- Set-up, register and issues ---

    def learn(self, read, stream, digest):
        event, kind, of = read.event, read.event["type"], stream.split(".")[-1]
        if kind in SETTERS:
            self.setup_digests[digest] = kind
        if kind == "UserSet":
            self.users[of] = event
        elif kind == "DepartmentSet":
            self.departments[of] = event
        elif kind == "MatterSet":
            self.matters[of] = event
        elif kind == "WindowSet":
            self.windows[of] = event
        elif kind == "TerminalSet":
            self.terminals[of] = event
        elif kind == "RulesSet":
            self.rules = event
        elif kind == "FiguresDefined":
            self.definitions[digest] = event["definitions"]
        elif kind == "TemplatePublished":
            self.template_sources[digest] = hashlib.sha256(event["source"].encode()).hexdigest()
        elif kind == "CalendarPublished":
            self.calendar.publish(event["year"], event["off"], event["work"])
        elif kind == "TerminalKeySet":
            self.learn_key(of, event)
        elif kind == "AuthorizationChanged":
            entry = {
                "effective": event["effective"], "position": read.position, "change": event["change"],
                "items": event["items"],
            }
            self.register.setdefault(event["department"], []).append(entry)
        elif kind in ("StatisticsImported", "TableImported"):
            self.imports.append(dict(event, position=read.position, key=of))
        elif stream == "issues":
            self.learn_issue(read, event)

    def learn_key(self, terminal, event):
        """A key that an earlier one vouches for stands beside it; any other takes the place of all before it."""
        keys = self.keys.setdefault(terminal, {"valid": [], "revoked": []})
        signing = event["signing"]
        continues = signing in keys["valid"] or event["vouched"] in keys["valid"] or not keys["valid"]
        if event["revoked"] or not continues:
            keys["revoked"] += keys["valid"]
            keys["valid"] = []
        group = keys["revoked"] if event["revoked"] else keys["valid"]
        if signing not in group:
            group.append(signing)
        if not event["revoked"]:
            keys["revoked"] = [it for it in keys["revoked"] if it != signing]

    def live(self, series=None, any_series=False):
        """Issues that are not voided, of a series or of all."""
        for name, it in self.issues.items():
            if it["stage"] != "voided" and (any_series or it["series"] == series):
                yield name, it

    def previous(self, series, first):
        """The issue of a series whose period ends last before a day."""
        best = None
        for name, it in self.live(series):
            if it["period"][1] < first and (best is None or it["period"][1] > best[1]["period"][1]):
                best = (name, it)
        return best

    def last_frozen(self):
        frozen = [(it["period"][1], it["cut"]) for _, it in self.live(any_series=True) if it["cut"] is not None]
        return max(frozen) if frozen else None

    def learn_issue(self, read, event):
        kind, actor = event["type"], read.actor
        if kind == "OpeningFiguresRecorded":
            if self.opening is None:
                self.opening = event
            return
        if kind in ("IssueOpened", "IssueOpenedInSeries"):
            self.issues.setdefault(
                event["issue"],
                {
                    "stage": "open", "period": event["period"], "series": event["series"], "figures": event["figures"],
                    "template": event["template"], "checklist": event["checklist"], "calendars": event["calendars"],
                    "parameters": event["parameters"], "cut": None, "sign_off": None, "numbers": None, "files": [],
                    "drafters": {actor} - {None}, "position": read.position,
                },
            )
            return
        it = self.issues.get(event["issue"])
        if kind == "IssueSignedOff":
            counted = hashlib.sha256(figures_text(self.figures.get(event["issue"], {}))).hexdigest()
            if counted != event["figures"]:
                self.exception(read.position, read.identity(), "warned", "E.306")
        if it is None:
            return
        allowed = {
            "IssuePeriodSet": ("open",), "IssueSubmissionAdopted": ("open", "frozen"),
            "IssueSubmissionEdited": ("open", "frozen"),
            "IssueFrozen": ("open", "frozen"), "IssueSubmitted": ("frozen",), "IssueReturned": ("submitted",),
            "IssueWarningAccepted": ("frozen", "submitted"), "IssueSignedOff": ("submitted",),
            "IssuePublished": ("signed",), "IssueAmended": ("signed", "published"),
            "IssueVoided": ("open", "frozen", "submitted", "signed", "published"),
        }[kind]
        if it["stage"] not in allowed:
            return
        if kind in (
            "IssuePeriodSet", "IssueSubmissionAdopted", "IssueSubmissionEdited", "IssueFrozen", "IssueSubmitted", "IssueAmended",
        ):
            it["drafters"] |= {actor} - {None}
        if kind == "IssuePeriodSet":
            it["period"] = event["period"]
        elif kind == "IssueFrozen":
            it["stage"] = "frozen"
            self.freeze(read, event["issue"], it, event)
        elif kind == "IssueSubmitted":
            it["stage"] = "submitted"
        elif kind == "IssueReturned":
            it["stage"] = "frozen"
        elif kind == "IssueSignedOff":
            it["stage"] = "signed"
            numbers = (event["year"], event["number"], event["running_number"])
            self.sign_offs.append(
                {
                    "issue": event["issue"], "series": it["series"], "numbers": numbers, "first": it["numbers"],
                    "by": actor, "drafters": set(it["drafters"]), "position": read.position, "year": it["period"][1] // 10_000,
                    "figures": event["figures"], "document": event["document"],
                    "counted": counted,
                }
            )
            it["sign_off"] = event
            it["numbers"] = it["numbers"] or numbers
        elif kind == "IssuePublished":
            it["stage"], it["files"] = "published", event["files"]
        elif kind == "IssueAmended":
            it["stage"], it["files"] = "frozen", []
        elif kind == "IssueVoided":
            it["stage"] = "voided"

    def freeze(self, read, name, it, event):
        """Figures are taken as of the cut."""
        heads = {}
        for stream, history in self.head_history.items():
            if stream.startswith("terminal."):
                numbers = [number for at, number in history if at <= event["cut"]]
                if numbers:
                    heads[stream[9:]] = numbers[-1]
        if heads != {terminal: number for terminal, number in event["heads"].items()}:
            self.exception(read.position, read.identity(), "warned", "E.304")
        previous = self.previous(it["series"], it["period"][0])
        before = None
        if previous is not None:
            figures = self.figures.get(previous[0], {})
            before = {"last": previous[1]["period"][1], "cut": previous[1]["cut"] or 0, "figures": figures}
        it["cut"] = event["cut"]
        frozen = {
            "issue": name, "cut": event["cut"], "position": read.position, "period": it["period"],
            "series": it["series"], "before": before, "heads": event["heads"], "counted_heads": heads,
            "definitions": self.definitions.get(it["figures"], []), "opening": self.opening,
        }
        self.figures[name] = figures_of(frozen, self.effects)
        frozen["figures"] = self.figures[name]
        self.freezes.append(frozen)
        # What was recorded between the cut and the freeze, before anybody knew that the days are frozen.
        known = {same_adjustment(adjustment) for adjustment in self.adjustments}
        for effect in self.effects:
            later = event["cut"] < effect["position"] < read.position
            if not later or effect["day"] > it["period"][1] or (before and effect["day"] <= before["last"]):
                continue
            row = dict(effect, cause="correction" if effect["amends"] else "late")
            if same_adjustment(row) not in known:
                self.adjustments.append(row)


def same_adjustment(it):
    return (it["position"], it["day"], it["kind"], it["amount"], it["events"])


def is_altered(read):
    """Its bytes are not those that were hashed."""
    return read.fault is not None and read.fault.code == "E.108"


def follows(before, read):
    one, other = before.identity(), read.identity()
    return (
        one is not None
        and other is not None
        and read.position == before.position + 1
        and one[0] == other[0]
        and one[1] + 1 == other[1]
        and read.previous == before.hash
    )


def figures_text(figures):
    """What a sign-off carries the SHA-256 of: a line a figure, in order."""
    order = {name: place for place, name in enumerate(SPANS)}
    parts = {name: place for place, name in enumerate(PARTITIONS)}
    lines = []
    for key in sorted(figures, key=lambda it: (it[0].encode(), order[it[1]], parts[it[2]], it[3].encode())):
        amount, events = figures[key]
        lines.append("\t".join([*key, str(amount), str(events)]) + "\n")
    return "".join(lines).encode()


SPANS = ["week", "week-of-year", "outside", "outside-earlier", "adjustment", "carried", "year"]
PARTITIONS = ["total", "day", "window", "department"]
