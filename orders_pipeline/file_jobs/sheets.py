"""Reading a shipment file's bytes: its encoding, its delimiter, and rows whose cells are known by our column names.

Pure. What the rows mean is in `shipment_file`. All cells are text: an id keeps its zeros.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from warehouse.identifiers import cleaned
from warehouse.templates import ShipmentColumn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from warehouse.ledger.settings.file_jobs import ImportSettings


class FileFault(StrEnum):
    """Why a file as a whole is no shipment file."""

    EMPTY_FILE = "empty_file"
    FILE_TOO_LARGE = "file_too_large"
    NOT_CSV = "not_csv"
    NUL_CHARACTERS = "nul_characters"
    WRONG_ENCODING = "wrong_encoding"
    WRONG_HEADER = "wrong_header"
    UNCLEAR_COLUMN = "unclear_column"
    DUPLICATE_COLUMN = "duplicate_column"
    CELL_TOO_LARGE = "cell_too_large"
    BROKEN_QUOTING = "broken_quoting"


class FileRefused(Exception):
    """The file cannot be read as a shipment file; the message says why, and what to do."""

    def __init__(self, code: FileFault, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Row:
    """One row below the header.

    Attributes:
        number: From 1.
        cells: As they came; empty ones at its end are as many as the header has.
        said: The text of each cell that is not empty, by its column, as an identifier is cleaned.
    """

    number: int
    cells: tuple[str, ...]
    said: Mapping[ShipmentColumn, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A file as it is read; blank rows are left out, but count."""

    header: tuple[str, ...]
    places: Mapping[ShipmentColumn, int]
    rows: Sequence[Row]
    delimiter: str
    encoding: str

    @property
    def unknown_columns(self) -> tuple[str, ...]:
        """Names in the header that are no column of the template."""
        return tuple(
            name.strip() for place, name in enumerate(self.header) if place not in self.places.values() and name.strip()
        )


def read_sheet(data: bytes, settings: ImportSettings) -> Sheet:
    """Read the bytes of a file.

    Raises:
        FileRefused: They are no shipment file.
    """
    text, encoding = _decoded(data, settings)
    declared = DECLARED_DELIMITER.match(text)
    body = text[declared.end() :] if declared else text
    delimiter = settings.delimiter or (declared and declared[1]) or _delimiter(body)
    records = _records(body, delimiter)
    header = next(records, None)
    if header is None:
        raise FileRefused(FileFault.EMPTY_FILE, "The file is empty.")
    places = _places(header)
    rows = [
        Row(number, _squared(cells, len(header)), _said(cells, places))
        for number, cells in enumerate(records, 1)
        if any(map(str.strip, cells))
    ]
    return Sheet(header=header, places=places, rows=rows, delimiter=delimiter, encoding=encoding)


def cannot_be_whole(data: bytes, settings: ImportSettings) -> bool:
    r"""Whether these bytes look like a file of which more is to come: nothing, a header alone, an end within a row or in zeros.

    >>> from warehouse.ledger.settings.file_jobs import ImportSettings
    >>> given = b"original_id,package_id\n402,1\n402"
    >>> [cannot_be_whole(given[:length], ImportSettings()) for length in (0, 12, 23, 28, 32)]
    [True, True, True, False, True]
    """
    if not data.strip(BLANK_BYTES) or data.endswith(PADDING):
        return True
    try:
        sheet = read_sheet(data, settings)
    except FileRefused as refused:
        has_row = any(end in data for end in (b"\n", b"\r"))
        return refused.code is FileFault.BROKEN_QUOTING or (
            refused.code in {FileFault.WRONG_HEADER, FileFault.EMPTY_FILE} and not has_row
        )
    last = LINE_END.split(_decoded(data, settings)[0])[-1]
    is_cut = last.strip() != "" and len(_first(last, sheet.delimiter)) < max(sheet.places.values()) + 1
    return not sheet.rows or is_cut


def _said(cells: tuple[str, ...], places: Mapping[ShipmentColumn, int]) -> dict[ShipmentColumn, str]:
    given = ((column, cells[place]) for column, place in places.items() if place < len(cells))
    return {column: text for column, cell in given if cell and (text := _text(cell))}


def _text(cell: str) -> str:
    text = cleaned(cell)
    quoted = QUOTED.fullmatch(text) if text.endswith('"') else None
    return cleaned(quoted[1].replace('""', '"')) if quoted else text


def _squared(cells: tuple[str, ...], width: int) -> tuple[str, ...]:
    """As many cells as the header has, where what is missing or too much at the end is empty.

    >>> _squared(("402",), 2), _squared(("402", "1", " ", ""), 2), _squared(("402", "1", "x"), 2)
    (('402', ''), ('402', '1'), ('402', '1', 'x'))
    """
    if any(map(str.strip, cells[width:])):
        return cells
    return cells[:width] + ("",) * (width - len(cells))


def _decoded(data: bytes, settings: ImportSettings) -> tuple[str, str]:
    if not data.strip():
        raise FileRefused(FileFault.EMPTY_FILE, "The file is empty.")
    for magic, what in MAGIC.items():
        if data.startswith(magic):
            raise FileRefused(FileFault.NOT_CSV, f"This is {what}: save it as CSV.")
    encoding = settings.encoding or _encoding(data) or settings.code_page.value
    if encoding == "latin-1":
        encoding = settings.code_page.value
    try:
        text = data.decode(CODECS.get(encoding, encoding))
    except UnicodeDecodeError as error:
        raise FileRefused(
            FileFault.WRONG_ENCODING, f"The text is not {encoding}, as byte {error.start + 1} shows."
        ) from None
    text = text.removeprefix(MISREAD_MARK).lstrip("\ufeff")
    if "\0" in text:
        raise FileRefused(FileFault.NUL_CHARACTERS, "The file holds NUL characters: it is damaged, or no text.")
    start = text.lstrip()[:1]
    if start in OTHER_TEXT:
        raise FileRefused(FileFault.NOT_CSV, f"This is {OTHER_TEXT[start]}, and not CSV.")
    if not start:
        raise FileRefused(FileFault.EMPTY_FILE, "The file is empty.")
    if CONTROL.search(text[:SAMPLE_BYTES]):
        raise FileRefused(FileFault.NOT_CSV, "The file begins with control characters: it is no text.")
    return text, encoding


def _encoding(data: bytes) -> str | None:
    """How a text is encoded: by its byte order mark, by the zeros of UTF-16, by being valid UTF-8; None: none of them."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = data[:SAMPLE_BYTES]
    zeros = {"utf-16-be": sample[0::2].count(0), "utf-16-le": sample[1::2].count(0)}
    likely = max(zeros, key=lambda each: zeros[each])
    if zeros[likely] > len(sample) * ZEROS_OF_UTF_16:
        return likely
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _delimiter(text: str) -> str:
    """The one by which most columns of the template appear in the first row."""
    return max(DELIMITERS, key=lambda each: len(_known(_first(text, each))))


def _first(text: str, delimiter: str) -> Sequence[str]:
    """The first row, for what it may be worth: read with a wrong delimiter its quotes do not match."""
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True), ())
    except csv.Error:
        return ()


def _records(text: str, delimiter: str) -> Iterator[tuple[str, ...]]:
    """The rows of a file. Blanks around quotes are nothing; those behind them are looked for where they break the file."""
    try:
        return iter(list(_parsed(text, delimiter)))
    except FileRefused:
        mended = SPACE_AFTER_QUOTES.sub('"', text)
        if mended == text:
            raise
        return _parsed(mended, delimiter)


def _parsed(text: str, delimiter: str) -> Iterator[tuple[str, ...]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            yield tuple(cells)
    except csv.Error as error:
        if "field limit" in str(error):
            message = f"A cell near line {reader.line_num} is longer than {csv.field_size_limit()} characters."
            raise FileRefused(FileFault.CELL_TOO_LARGE, message) from None
        message = f"The quotes near line {reader.line_num} do not match, so that rows cannot be told apart."
        raise FileRefused(FileFault.BROKEN_QUOTING, message) from None


def _known(header: Sequence[str]) -> list[tuple[ShipmentColumn, int]]:
    columns = {_spelled(each): each for each in ShipmentColumn}
    named = [(columns.get(_spelled(name)), place) for place, name in enumerate(header)]
    return [(column, place) for column, place in named if column is not None]


def _spelled(name: str) -> str:
    """A column's name without what people write differently: case, blanks, hyphens, dots, underscores.

    >>> _spelled(" Tracking-Number "), _spelled("tracking_number")
    ('trackingnumber', 'trackingnumber')
    """
    return NOT_IN_NAMES.sub("", cleaned(name).casefold())


def _places(header: Sequence[str]) -> dict[ShipmentColumn, int]:
    known = _known(header)
    places = dict(known)
    if len(places) < len(known):
        raise FileRefused(FileFault.DUPLICATE_COLUMN, "The first row names a column twice.")
    if ShipmentColumn.ID not in places and ShipmentColumn.ORIGINAL_ID not in places:
        message = (
            "The first row must name the columns, id or original_id among them; the template's are "
            f"{', '.join(ShipmentColumn)}."
        )
        raise FileRefused(FileFault.WRONG_HEADER, message)
    for place, name in enumerate(header):
        meant = _meant(name, places) if place not in places.values() else None
        if meant is not None:
            shown = "".join(filter(str.isprintable, name.strip()))[:60]
            message = (
                f"The column {shown!r} looks like {meant}, which the file does not have: "
                "give it that name, or one that is quite another."
            )
            raise FileRefused(FileFault.UNCLEAR_COLUMN, message)
    return places


def _meant(name: str, places: Mapping[ShipmentColumn, int]) -> ShipmentColumn | None:
    """The column that a name seems to mean, of those that the file does not have; None for a name of its own."""
    spelled = _spelled(name)
    of_items = {ShipmentColumn.ITEM_ID, ShipmentColumn.ITEM_ORIGINAL_ID, ShipmentColumn.ITEM_SKU}
    has_item = not of_items.isdisjoint(places)
    for column in ShipmentColumn:
        if column in places or (has_item and column in of_items):
            continue
        near = NEAR_NAMES.get(column)
        if near is not None and near.fullmatch(spelled):
            return column
        allowed = next((each for lengths, each in NEAR_LETTERS.items() if len(_spelled(column)) in lengths), 0)
        if allowed and _letters_apart(spelled, _spelled(column), allowed) <= allowed:
            return column
    return None


def _letters_apart(one: str, other: str, most: int) -> int:
    """By how many letters that are put in, left out, exchanged or swapped two names differ; more than `most` counts as that.

    >>> _letters_apart("traking", "tracking", 2), _letters_apart("itme", "item", 2), _letters_apart("note", "item", 2)
    (1, 1, 3)
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before, last = list(range(len(other) + 1)), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, its in enumerate(other, 1):
            row.append(min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != its)))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], its):
                row[j] = min(row[j], before[j - 2] + 1)
        before, last = last, row
    return min(last[-1], most + 1)


BLANK_BYTES = b"\0 \t\r\n" + codecs.BOM_UTF8 + codecs.BOM_UTF16


CODECS = {"utf-8": "utf-8-sig"}


CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f]")


DECLARED_DELIMITER = re.compile(r"sep=(.)\r?\n")


DELIMITERS = (",", ";", "\t", "|")


LINE_END = re.compile(r"[\r\n]")


MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"PAR1": "a Parquet file",
}


MISREAD_MARK = "\ufeff".encode().decode("cp1252")


NEAR_LETTERS = {range(6, 9): 1, range(9, 99): 2}
"""By how many letters a name of so many may differ from a column's to be taken for a misspelling."""


NEAR_NAMES = {
    ShipmentColumn.TRACKING_NUMBER: re.compile(r"track(ing)?(no|nr|num|numbers|id|code|ref|reference)?"),
    ShipmentColumn.SHIPPING_DATE: re.compile(
        r"date(of)?(ship|shipped|shipment|shipping|dispatch)|(ship|shipped|shipment|dispatch)(date|day|datetime|at|on)"
    ),
    ShipmentColumn.CARRIER_CODE: re.compile(r"carrier(id|key|no|codes)?"),
    ShipmentColumn.PACKAGE_ID: re.compile(r"(package|parcel)(no|nr|num|number|code|ids?)?"),
    ShipmentColumn.ITEM_QUANTITY_SHIPPED: re.compile(
        r"(item|line)?(quantity|qty)(shipped)?|(item|line)?shipped(quantity|qty)"
    ),
    ShipmentColumn.ITEM_ID: re.compile(r"item(no|nr|number|ids|code)|(order)?(line|item)ids?"),
}
"""What people call a column of the template; a file that lacks the column and has one of these would lose what it says."""


NOT_IN_NAMES = re.compile(r"[\W_]+")


OTHER_TEXT = {"<": "XML or HTML", "{": "JSON", "[": "JSON"}


PADDING = b"\0\0\0\0"
"""What a file that was given its size before its bytes ends with; no text does, in whatever encoding."""


QUOTED = re.compile(r'=?"(.*)"', re.DOTALL)
"""A cell of which the quotes were left standing, or which a spreadsheet was made to take for a text."""


SAMPLE_BYTES = 4096


SPACE_AFTER_QUOTES = re.compile(r'(?<!")"[ \t\xa0]+(?=[,;\t|]|[\r\n]|\Z)')


ZEROS_OF_UTF_16 = 0.3
"""Share of zero bytes by which UTF-16 is told that has no byte order mark; of Latin text it is nearly a half."""
