"""Reads the Word and OFD files of issues with programs that others wrote.

    python3 check.py FOLDER ...        folders of issues: NAME.docx, NAME.ofd, NAME.txt, NAME.json

The Word file: valid by the schemas of Microsoft's Open XML SDK, as `openxml-audit` carries them, for Office 2007
(ECMA-376, first edition) and 2019; and the validator finds faults that are planted in it.

The OFD file: `ofdkit` and `ofdreader` give the text that the TXT file has, character by character, with the same
numbers in the same order, and at its end the root of the tree that the JSON file has.
"""

import json
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import ofdkit
from ofdreader import OfdReader
from openxml_audit import FileFormat, OpenXmlValidator

# What the validator says of a sound file. ECMA-376 part 1, 14.2.7 lets a document have no theme, and so does Word.
NO_THEME = "officeDocument/2006/relationships/theme' is missing"

# A part, the place in it, and what stands there instead: each must be found.
PLANTED = [
    ("word/document.xml", r"(<w:pPr>.*?</w:pPr>)(<w:r>.*?</w:r>)", r"\2\1"),
    ("word/document.xml", r'<w:pgSz w:w="', '<w:pgSz w:w="x'),
    ("word/document.xml", r"<w:pgSz ", '<w:pgSz w:depth="1" '),
    ("word/document.xml", r"<w:body>", "<w:body><w:nothing/>"),
    ("word/styles.xml", r"<w:docDefaults>", "<w:nothing/><w:docDefaults>"),
    ("word/settings.xml", r"(<w:settings[^>]*>)", r"\1<w:nothing/>"),
    ("word/footer-odd.xml", r"(<w:ftr[^>]*>)", r"\1<w:nothing/>"),
    ("word/_rels/document.xml.rels", r'Target="styles.xml"', 'Target="none.xml"'),
]


class Fault(Exception):
    """What is wrong with a file."""


def findings(path: Path, version: FileFormat) -> list[str]:
    """What the validator says of a Word file, without what is no fault."""
    result = OpenXmlValidator(file_format=version).validate(str(path))
    said = [f"{it.part_uri} {it.path}: {it.description}" for it in result.errors]
    return [it for it in said if NO_THEME not in it]


def plant(path: Path, to: Path, part: str, pattern: str, instead: str) -> None:
    """Writes the file with one fault."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(to, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == part:
                text, count = re.subn(pattern, instead, content.decode(), count=1, flags=re.DOTALL)
                if count != 1:
                    raise Fault(f"{part} has no {pattern}")
                content = text.encode()
            target.writestr(name, content)


def check_word(path: Path) -> str:
    """Validates a Word file, and the validator."""
    for version in (FileFormat.OFFICE_2007, FileFormat.OFFICE_2019):
        if said := findings(path, version):
            raise Fault(f"{path}: {version.name}: " + "; ".join(said))
    with tempfile.TemporaryDirectory() as folder:
        wrong = Path(folder) / "wrong.docx"
        for part, pattern, instead in PLANTED:
            plant(path, wrong, part, pattern, instead)
            if not findings(wrong, FileFormat.OFFICE_2019):
                raise Fault(f"the validator does not find {instead} in {part}")
    return f"valid, {len(PLANTED)} planted faults found"


def bare(text: str) -> str:
    """The characters of a text without white space and the page numbers: `— 3 —` at the foot."""
    return re.sub(r"—\d+—", "", re.sub(r"\s", "", text))


def printed(text: Path) -> str:
    """What the pages of an issue hold, by its other files."""
    tree = json.loads(text.with_suffix(".json").read_text(encoding="utf-8"))["metadata"]["tree"]
    foot = f"核验 {tree['size']} {tree['hash']} {tree['root']}"
    return bare(text.read_text(encoding="utf-8") + foot)


def numbers(text: str) -> list[str]:
    """The numbers of a text."""
    return re.findall(r"\d+(?:\.\d+)?%?", text)


def check_pages(path: Path, expected: str) -> str:
    """Reads an OFD file with both readers."""
    read = {
        "ofdkit": ofdkit.extract_text(str(path)),
        "ofdreader": OfdReader(str(path)).extract_text(),
    }
    for reader, text in read.items():
        text = bare(text)
        if text != expected:
            at = next((i for i, (a, b) in enumerate(zip(text, expected)) if a != b), -1)
            raise Fault(
                f"{path}: {reader} differs at {at}: `{text[at : at + 20]}` for `{expected[at : at + 20]}`"
                f" ({len(text)} for {len(expected)} characters)"
            )
        if numbers(text) != numbers(expected) or not numbers(text):
            raise Fault(f"{path}: {reader} gives other numbers")
    return f"{len(expected)} characters and {len(numbers(expected))} numbers, by {' and '.join(read)}"


def main(folders: list[str]) -> int:
    """Checks the folders; 1 where a file is wrong or nothing was checked."""
    checked = 0
    for folder in folders:
        for text in sorted(Path(folder).rglob("*.txt")):
            expected = printed(text)
            try:
                print(f"{text.stem}.docx: {check_word(text.with_suffix('.docx'))}")
                print(f"{text.stem}.ofd: {check_pages(text.with_suffix('.ofd'), expected)}")
            except (Fault, OSError, ofdkit.OFDError) as error:
                print(error, file=sys.stderr)
                return 1
            checked += 1
    if checked == 0:
        print(f"no issue in {folders}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
