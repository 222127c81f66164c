"""Appends weeks of a hall to a journal in a file, with everything that can go wrong in it, for a comparison of two counts.

    python3 tests/recount/simulate.py zhoubao-data/journal.db --weeks 200 --seed 7

The hall must be set up and nobody may use its folder meanwhile. The same seed gives the same events on the same set-up.
"""

import argparse
import datetime
import hashlib
import json
import random
import sqlite3
import sys

from recount import days, ed25519, rules, wire
from recount.bodies import Read

FIRST_DAY = 20230102
REASON = {"reason": "核对台账"}


def sign(seed, message):
    """An Ed25519 signature (RFC 8032 §5.1.6)."""
    scalar, prefix = secret(seed)
    key = ed25519.encode(ed25519.times(scalar, ed25519.BASE))
    nonce = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % ed25519.L
    commitment = ed25519.encode(ed25519.times(nonce, ed25519.BASE))
    challenge = int.from_bytes(hashlib.sha512(commitment + key + message).digest(), "little")
    return commitment + ((nonce + challenge * scalar) % ed25519.L).to_bytes(32, "little")


def secret(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    return scalar, digest[32:]


def public(seed):
    return ed25519.encode(ed25519.times(secret(seed)[0], ed25519.BASE))


class Simulation:
    def __init__(self, path, seed):
        self.dice = random.Random(seed)
        self.journal = wire.read_journal(path)
        self.database = sqlite3.connect(path)
        self.hall = rules.Hall(self.journal.hall)
        self.reads = []
        for message in self.journal.messages:
            self.reads.append(Read(message, self.journal.hall))
        self.taken = 0
        self.take()
        self.time = self.journal.messages[-1].recorded_at // 1_000
        self.terminals = sorted(self.hall.terminals)
        self.departments = sorted(self.hall.departments)
        self.matters = sorted(self.hall.matters)
        self.calendars = [digest for digest, kind in self.hall.setup_digests.items() if kind == "CalendarPublished"]
        self.keys, self.cases, self.postponed = {}, [], []
        self.own = {}

    def chance(self, of_a_thousand):
        return self.dice.randrange(1_000) < of_a_thousand

    def store(self, messages):
        """Appends messages that lie side by side."""
        for subject, headers, body in messages:
            self.time += self.dice.randrange(1, 2_000)
            position = len(self.reads) + 1
            row = (position, subject, self.time, headers, body)
            self.database.execute("insert into journal values (?, ?, ?, ?, ?)", row)
            self.reads.append(Read(wire.Message(position, self.time * 1_000, subject, headers, body), self.journal.hall))
        self.take()

    def take(self):
        """Looks at what came, but for the end that what comes next may still cover with a signature."""
        end = len(self.reads)
        while end > self.taken and self.reads[end - 1].message.signature is None:
            stream = self.reads[end - 1].stream or ""
            if stream.partition("terminal.")[2] not in self.hall.keys or stream != self.reads[-1].stream:
                break
            end -= 1
        while self.taken < end:
            self.hall.take(self.reads, self.taken)
            self.taken += 1

    def end_of(self, stream):
        """Number and hash of the last event that the writer of a line knows of."""
        if stream in self.own:
            return self.own[stream]
        head = self.hall.heads.get(stream)
        return (head["number"], head["hash"]) if head else (0, None)

    def make(self, stream, kind, body, time, before, **attributes):
        """A message after another of its line: number and hash of that one."""
        subject = f"hall.{self.journal.hall}.{stream}"
        it = {
            "ce-specversion": "1.0", "ce-id": str(before[0] + 1), "ce-source": subject,
            "ce-type": f"cn.zhoubao.{kind}.v1", "ce-time": time, "Content-Type": "application/json",
        }
        if before[1] is not None:
            it["ce-prevhash"] = before[1]
        it.update({f"ce-{name}": value for name, value in attributes.items() if value is not None})
        octets = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        block = "\n".join(f"{name}:{value}" for name, value in it.items())
        hashed = wire.event_hash(wire.read_headers(block)[0], octets)
        block += f"\nce-hash:{hashed}"
        return (subject, block, octets), (before[0] + 1, hashed)

    def desk(self, stream, kind, body, time, actor):
        """One event of the desk, at the head of its line."""
        head = self.hall.heads.get(stream)
        before = (head["number"], head["hash"]) if head else (0, None)
        message, _ = self.make(stream, kind, body, time, before, actor=actor)
        self.store([message])

    # --- Windows ---

    def instant(self, day):
        second = self.dice.randrange(9 * 3_600, 17 * 3_600)
        fraction = self.dice.choice(["", f".{self.dice.randrange(1_000_000):06}", f".{self.dice.randrange(10)}"])
        return f"{days.text(day)}T{second // 3_600:02}:{second // 60 % 60:02}:{second % 60:02}{fraction}+08:00"

    def any_event(self):
        """An event of a window that came before, mostly one of late."""
        for _ in range(20):
            back = self.dice.randrange(1, 60 if self.chance(700) else len(self.reads))
            it = self.reads[-min(back, len(self.reads))]
            if it.stream is not None and it.number is not None and it.stream.startswith("terminal."):
                return f"{it.stream}#{it.number}"
        return "terminal.w01#1"

    def act(self, terminal, day):
        """Type, body and attributes of what a window records."""
        dice = self.dice
        department = "nobody" if self.chance(8) else dice.choice(self.departments)
        matter = dice.choice(self.matters) if self.chance(300) else None
        actor = dice.choice(["c01", "c02", "s01", None])
        attributes = {"actor": actor}
        if self.chance(60):
            late = dice.choice([1, 3, 40])
            attributes["enteredat"] = self.instant(days.from_count(days.to_count(day) + late))
        if self.chance(40):
            attributes["clockoffset"] = str(dice.choice([-90_000, -20_000, 0, 31_000, 5_000_000, 86_400_000]))
        if self.chance(60):
            off = dice.choice([0, 0, 29_900_000, -29_900_000, 30_100_000, -30_100_000, 86_400_000, -604_800_000_000])
            offset = int(attributes.get("clockoffset", 0)) * 1_000
            said = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=self.time + off + offset)
            attributes["clockunsure"] = f"{said.isoformat()}Z"
        body = {"department": department}
        if matter is not None:
            body["matter"] = matter
        kind = dice.choices(
            ["Consulted", "Accepted", "Transferred", "Issued", "Corrected", "Voided", "DayClosed", "AuthorizationChanged"],
            [30, 25, 25, 18, 5, 3, 4, 1],
        )[0]
        if kind == "Consulted":
            body["people"] = dice.randrange(1, 6)
            if self.chance(300):
                del body["department"]
        elif kind == "Accepted":
            body["case"] = dice.choice(self.cases) if self.cases and self.chance(40) else f"川{day}-{len(self.reads)}-{dice.randrange(1000)}"
            self.cases.append(body["case"])
        elif kind in ("Transferred", "Issued"):
            body["case"] = dice.choice(self.cases[-80:]) if self.cases and self.chance(960) else f"old-{dice.randrange(50)}"
        elif kind in ("Corrected", "Voided"):
            original = self.any_event()
            if kind == "Voided":
                body = {"original": original, **REASON}
            else:
                body = {"original": original, **REASON}
                for name, value in (
                    ("people", dice.randrange(1, 9)), ("department", department), ("matter", dice.choice(self.matters)),
                    ("occurredAt", self.instant(days.from_count(days.to_count(day) - dice.randrange(0, 20)))),
                ):
                    if self.chance(400):
                        body[name] = value
            attributes = {"actor": dice.choice(["s01", "s01", "c01"])}
        elif kind == "DayClosed":
            closed = day if self.chance(980) else 20401231
            body = {"day": days.text(closed), **{name: dice.randrange(9) for name in ("consulted", "accepted", "issued", "transferred")}}
        else:
            body = self.change_of_register(day)
            attributes = {"actor": dice.choice(["b01", "c01"])}
        time = self.instant(day) if self.chance(990) else "2031-02-06T09:10:00+08:00"
        if self.chance(6):
            body = dice.choice([b"{}", b"[]", b"{\"people\":0}", b"\xff", b"{\"people\":1.5}", b"{\"people\":1,\"people\":1}",
                                b"{\"people\":\"3\"}", b"{\"people\":99999}", b"null", b"{\"unknown\":[{}],\"people\":2}"])
            kind = dice.choice(["Consulted", "Unheard", "HallDescribed"])
        return kind, body, time, attributes

    def change_of_register(self, day):
        change = self.dice.choice(["DEPARTMENT_WITHDRAWN", "DEPARTMENT_AUTHORISED", "DEPARTMENT_AUTHORISED", "ITEMS_INCLUDED", "ITEMS_REMOVED", "SOMETHING_NEW"])
        body = {
            "department": self.dice.choice(self.departments), "change": change,
            "effective": days.text(days.from_count(days.to_count(day) + self.dice.randrange(-9, 5))),
        }
        if change.startswith("ITEMS"):
            body["items"] = self.dice.sample(self.matters, 2)
        return body

    def batch(self, terminal, day):
        """What a terminal sends at once, and what may happen to it on the way."""
        stream, messages, ends = f"terminal.{terminal}", [], [self.end_of(f"terminal.{terminal}")]
        for _ in range(self.dice.randrange(1, 6)):
            kind, body, time, attributes = self.act(terminal, day)
            message, end = self.make(stream, kind, body, time, ends[-1], **attributes)
            messages.append(message)
            ends.append(end)
        key = self.keys.get(terminal)
        if key is not None and not self.chance(30):
            seed = key if not self.chance(20) else bytes(32)
            signature = sign(seed, b"zhoubao event v1\0" + bytes.fromhex(ends[-1][1]))
            subject, block, body = messages[-1]
            messages[-1] = (subject, f"{block}\nce-signature:{signature.hex()}", body)
        self.own[stream] = ends[-1]
        fate = self.dice.randrange(1_000)
        if fate < 15 and len(messages) > 1:
            # One overtakes the one before it.
            self.dice.shuffle(messages)
        elif fate < 30:
            # Comes later, if at all.
            self.postponed.append(messages)
            return
        elif fate < 45:
            # Another device under the same name.
            self.store([self.make(stream, "Consulted", {"people": 7}, self.instant(day), ends[0])[0]])
        elif fate < 60:
            # Altered on the way.
            subject, block, body = messages[0]
            messages[0] = (subject, block, body.replace(b"1", b"2") + b" ")
        elif fate < 70:
            messages[-1] = (messages[-1][0], messages[-1][1].replace("ce-prevhash:", "ce-prevhash:0000"), messages[-1][2])
        self.store(messages)
        if fate >= 940:
            self.store(messages)
        if self.chance(200):
            # The device learns what the hall has of it, as after a person's decision.
            self.own.pop(stream, None)

    # --- The desk ---

    def decide(self, day):
        """A person looks at what waits."""
        waiting = [it for it in self.hall.exceptions[-200:] if it["settled"] is None and it["standing"] != "warned" and it["identity"][1]]
        if not waiting:
            return
        it = self.dice.choice(waiting)
        kind = "Released" if self.chance(700) else "Rejected"
        body = {"original": f"{it['identity'][0]}#{it['identity'][1]}", **REASON}
        if it["standing"] in ("held", "quarantined") and not self.chance(100):
            body["position"] = it["position"]
        self.desk("quarantine", kind, body, self.instant(day), self.dice.choice(["s01", "s01", "s01", "e01"]))

    def set_up(self, day):
        dice, time = self.dice, self.instant(day)
        what = dice.randrange(6)
        if what == 0:
            terminal = dice.choice(self.terminals)
            window = dice.choice(sorted(self.hall.windows))
            self.desk(f"setup.terminal.{terminal}", "TerminalSet", {"window": window, "active": self.chance(800)}, time, "a01")
        elif what == 1:
            rights = dice.choice([["CORRECT", "LATE_ENTRY", "RELEASE"], ["CORRECT"], ["RELEASE", "LATE_ENTRY"]])
            self.desk("setup.user.s01", "UserSet", {"rights": rights, "active": self.chance(900)}, time, "a01")
        elif what == 2:
            body = {
                "futureSecondsMax": 120, "lateEntryHoursMax": dice.choice([24, 48, 800]),
                "unknownCaseAfterOpening": dice.choice(["WARN", "FLAG"]), "unknownCase": dice.choice(["WARN", "FLAG", 1, 2]),
            }
            self.desk("setup.rules.standard", "RulesSet", body, time, "a01")
        elif what == 3:
            terminal = dice.choice(self.terminals[:3])
            seed = hashlib.sha256(f"{terminal}{len(self.reads)}".encode()).digest()
            body = {
                "signing": public(seed).hex(), "nats": "U" + "A" * 55, "validThrough": "2031-12-31",
                "revoked": terminal in self.keys and self.chance(150),
            }
            if terminal in self.keys and self.chance(700):
                text = b"zhoubao key v1\0" + public(seed) + body["nats"].encode()
                body["endorsement"] = {"key": public(self.keys[terminal]).hex(), "signature": sign(self.keys[terminal], text).hex()}
            self.desk(f"setup.key.{terminal}", "TerminalKeySet", body, time, "a01")
            self.keys[terminal] = seed
        elif what == 4:
            self.desk(f"authorization.{dice.choice(self.departments)}", "AuthorizationChanged", self.change_of_register(day), time, dice.choice(["b01", "c01"]))
        else:
            self.store([self.make("terminal.stranger", "Consulted", {"people": 3}, time, self.end_of("terminal.stranger"))[0]])

    def issue(self, week, first, last):
        """Opens, freezes and signs the issue of a week; some are frozen twice, some voided, some never signed."""
        name, time = f"week-{week}", self.instant(last)
        by_kind = {kind: digest for digest, kind in self.hall.setup_digests.items()}
        body = {
            "issue": name, "first": days.text(first), "last": days.text(last), "template": by_kind["TemplatePublished"],
            "checklist": by_kind["ChecklistPublished"], "figures": by_kind["FiguresDefined"], "calendars": self.calendars,
        }
        self.desk("issues", "IssueOpened", body, time, "e01")
        for _ in range(2 if self.chance(150) else 1):
            earlier = [it["cut"] for it in self.hall.issues.values() if it["cut"] is not None]
            cut = max(earlier + [len(self.reads) - self.dice.choice([0, 0, 3, 40])])
            self.desk("issues", "IssueFrozen", {"issue": name, "cut": str(cut), "heads": self.heads(cut)}, time, "e01")
        if self.chance(300):
            self.forged_freeze(name, last, time)
        if self.chance(40):
            self.desk("issues", "IssueVoided", {"issue": name, **REASON}, time, "l01")
            return
        self.desk("issues", "IssueSubmitted", {"issue": name}, time, "e01")
        year, opening = last // 10_000, self.hall.opening
        numbers = [it["numbers"] for it in self.hall.issues.values() if it["numbers"] is not None]
        began = opening["last_number"] if opening and opening["through"] // 10_000 == year else 0
        body = {
            "issue": name, "year": year, "issuedOn": days.text(last),
            "number": 1 + max([began] + [it[1] for it in numbers if it[0] == year]),
            "runningNumber": 1 + max([opening["last_running_number"] if opening else 0] + [it[2] for it in numbers]),
            "figures": hashlib.sha256(rules.figures_text(self.hall.figures[name])).hexdigest(), "document": "0" * 64,
        }
        self.desk("issues", "IssueSignedOff", body, time, "l01")

    def forged_freeze(self, name, last, time):
        """A freeze that the line of the issues does not take, takes later, or that comes when nothing is to be frozen."""
        head = self.hall.heads["issues"]
        cut = len(self.reads) - 9
        body = {"issue": self.dice.choice([name, "week-0", "no-such-issue"]), "cut": str(cut), "heads": self.heads(cut)}
        before = self.dice.choice(
            [(head["number"], "0" * 64), (head["number"] + 3, "0" * 64), (head["number"] - 1, None), (head["number"], head["hash"])]
        )
        kind = "IssueFrozen"
        if self.chance(300):
            kind = "IssueSignedOff"
            body = {
                "issue": body["issue"], "year": last // 10_000, "number": 1, "runningNumber": 1, "issuedOn": days.text(last),
                "figures": "0" * 64, "document": "0" * 64,
            }
        self.store([self.make("issues", kind, body, time, before, actor="e01")[0]])
        if self.chance(300):
            self.desk("issues", "IssuePeriodSet", {"issue": name, "first": days.text(last), "last": days.text(last)}, time, "e01")

    def heads(self, cut):
        heads = []
        for stream, history in sorted(self.hall.head_history.items()):
            numbers = [number for at, number in history if at <= cut]
            if stream.startswith("terminal.") and numbers:
                heads.append({"terminal": stream[9:], "number": str(numbers[-1])})
        return heads

    def run(self, weeks, batches):
        first = FIRST_DAY
        for week in range(weeks):
            length = self.dice.choice([5, 5, 5, 5, 5, 7])
            last = days.from_count(days.to_count(first) + length - 1)
            for _ in range(batches):
                day = days.from_count(days.to_count(first) + self.dice.randrange(length))
                if self.chance(50):
                    # Late: about the week before.
                    day = days.from_count(days.to_count(day) - 7)
                self.batch(self.dice.choice(self.terminals), day)
                if self.chance(120):
                    self.decide(day)
                if self.chance(30):
                    self.set_up(day)
                if self.postponed and self.chance(60):
                    self.store(self.postponed.pop(0))
            self.issue(week, first, last)
            first = days.from_count(days.to_count(first) + 7)
        self.database.commit()
        self.database.close()


def main(given):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("journal")
    parser.add_argument("--weeks", type=int, default=10)
    parser.add_argument("--batches", type=int, default=40, help="of each week")
    parser.add_argument("--seed", type=int, default=7)
    it = parser.parse_args(given)
    simulation = Simulation(it.journal, it.seed)
    simulation.run(it.weeks, it.batches)
    print(json.dumps({"messages": len(simulation.reads), "issues": len(simulation.hall.freezes), **simulation.hall.counts}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
