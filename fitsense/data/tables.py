"""CSV files with a header, in the variants of spreadsheet programs."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from fitsense._internal.atomic import atomic_path
from fitsense.errors import InvalidInputError

# Spreadsheets in many countries separate by semicolons.
_DELIMITERS = ",;\t"


@attrs.frozen
class Row:
    """A row of a table.

    :param where: file and line, for messages.
    :param cells: cells by column name in lower case.
    """

    where: str
    cells: Mapping[str, str]


def read_table(file: Path, required: Collection[str]) -> list[Row]:
    """Read the rows of a CSV file in UTF-8, separated by commas, semicolons or tabs; skip empty rows.

    :param required: columns that the file must have.
    :raises InvalidInputError: the file cannot be read, a column is missing, or a row has more cells than the header.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            header = stream.readline()
            stream.seek(0)
            reader = csv.reader(stream, delimiter=max(_DELIMITERS, key=header.count))
            columns = [column.strip().lower() for column in next(reader, [])]
            _check_header(file, columns, required)
            rows = []
            for cells in reader:
                where = f"{file}, line {reader.line_num}"
                if len(cells) > len(columns):
                    raise InvalidInputError(f"{where}: expected at most {len(columns)} cells, got {len(cells)}")
                if any(map(str.strip, cells)):
                    padded = [*cells, *[""] * (len(columns) - len(cells))]
                    rows.append(Row(where, dict(zip(columns, padded, strict=True))))
            return rows
    except OSError as error:
        raise InvalidInputError(f"{file}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{file}: expected CSV in UTF-8: {error}") from error


def write_table(file: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file atomically."""
    with atomic_path(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _check_header(file: Path, columns: Sequence[str], required: Collection[str]) -> None:
    missing = [column for column in required if column not in columns]
    if missing:
        raise InvalidInputError(
            f"{file}: expected the columns {', '.join(required)}; {', '.join(missing)} missing of "
            f"{', '.join(columns) or 'an empty header'}"
        )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InvalidInputError(f"{file}: expected each column once, got {', '.join(twice)} several times")
