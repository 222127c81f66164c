"""Instants and days in whole numbers. A day is one number, 20230206; an instant is nanoseconds since 1970, UTC."""

import re

SECOND = 1_000_000_000
DAY_SECONDS = 86_400

# Asia/Shanghai has had no summer time since 1992.
HALL_OFFSET_SECONDS = 8 * 3_600

INSTANT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})", re.ASCII
)
DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)


def month_days(year, month):
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def days_before_year(year):
    """Days from 1 January of year 0 to 1 January of `year`, year 0 being a leap year."""
    before = year - 1
    return year * 365 + before // 4 - before // 100 + before // 400 + 1


EPOCH = days_before_year(1970)


def to_count(day):
    """Days since 1970 of a day such as 20230206."""
    year, month, of_month = day // 10_000, day // 100 % 100, day % 100
    count = days_before_year(year) - EPOCH + of_month - 1
    for before in range(1, month):
        count += month_days(year, before)
    return count


def from_count(count):
    year = 1970 + count // 366
    while days_before_year(year + 1) - EPOCH <= count:
        year += 1
    rest = count - (days_before_year(year) - EPOCH)
    month = 1
    while rest >= month_days(year, month):
        rest -= month_days(year, month)
        month += 1
    return year * 10_000 + month * 100 + rest + 1


def next_day(day):
    return from_count(to_count(day) + 1)


def days_between(first, last):
    """All days from first to last, both included."""
    day = first
    while day <= last:
        yield day
        day = next_day(day)


def is_weekday(day):
    # 1 January 1970 was a Thursday.
    return (to_count(day) + 3) % 7 < 5


def text(day):
    return f"{day // 10_000:04}-{day // 100 % 100:02}-{day % 100:02}"


def read_day(value):
    """A day such as `2023-02-06`, or None."""
    found = DAY.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    year, month, of_month = (int(it) for it in found.groups())
    if not 1 <= month <= 12 or not 1 <= of_month <= month_days(year, month):
        return None
    return year * 10_000 + month * 100 + of_month


def read_instant(value):
    """An instant of RFC 3339, or None."""
    found = INSTANT.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    year, month, of_month, hour, minute, second, fraction, zone = found.groups()
    day = read_day(f"{year}-{month}-{of_month}")
    hour, minute, second = int(hour), int(minute), int(second)
    if day is None or hour > 23 or minute > 59 or second > 60:
        return None
    seconds = to_count(day) * DAY_SECONDS + hour * 3_600 + minute * 60 + min(second, 59)
    if zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 25 or minutes > 59:
            return None
        seconds -= (1 if zone[0] == "+" else -1) * (hours * 3_600 + minutes * 60)
    return seconds * SECOND + int((fraction or "0").ljust(9, "0"))


_hall_days = {}


def hall_day(instant):
    """The day of the hall on which an instant falls."""
    count = (instant // SECOND + HALL_OFFSET_SECONDS) // DAY_SECONDS
    if count not in _hall_days:
        _hall_days[count] = from_count(count)
    return _hall_days[count]


class Calendar:
    """Working days: Monday to Friday unless off, and weekend days that are made up for."""

    def __init__(self):
        self.years = {}

    def publish(self, year, off, work):
        self.years[year] = (set(off), set(work))

    def works(self, day):
        """None where the year has no calendar."""
        if day // 10_000 not in self.years:
            return None
        off, work = self.years[day // 10_000]
        return day not in off if is_weekday(day) else day in work
