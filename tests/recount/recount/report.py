"""What was compared, and what does not agree."""

# The line that everybody looks at, in this order.
COUNTERS = [
    "acked", "lost", "double_counted", "forks", "gaps", "order_inversions", "figures", "figures_wrong",
]

# The second line: how much was looked at otherwise, and what of it is wrong.
OTHERS = [
    "events", "hashes_wrong", "signatures", "signatures_wrong", "rows", "rows_wrong", "numbers", "numbers_wrong",
    "files", "files_wrong",
]

# Anything else than 0 in one of these is a failure.
WRONG = [
    "lost", "double_counted", "forks", "gaps", "order_inversions", "figures_wrong", "hashes_wrong",
    "signatures_wrong", "rows_wrong", "numbers_wrong", "files_wrong",
]


class Report:
    def __init__(self):
        self.count = {name: 0 for name in COUNTERS + OTHERS}
        self.problems = []

    def wrong(self, counter, place, said, counted):
        """One disagreement: where, what the product or a copy says, and what was counted here."""
        self.count[counter] += 1
        self.problems.append({"counter": counter, "place": place, "said": said, "counted": counted})

    def same(self, what, counter, place, said, counted):
        """Compares one value; `what` counts comparisons."""
        self.count[what] += 1
        if said != counted:
            self.wrong(counter, place, said, counted)

    def is_right(self):
        return all(self.count[name] == 0 for name in WRONG)

    def lines(self):
        for it in self.problems:
            yield f"{it['counter']}: {it['place']}: said {shown(it['said'])}, counted {shown(it['counted'])}"
        for names in (COUNTERS, OTHERS):
            yield " ".join(f"{name} {self.count[name]}" for name in names)


def shown(value):
    if value is None:
        return "nothing"
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
