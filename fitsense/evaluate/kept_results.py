"""Results of sessions in a JSON Lines file, so that an interrupted evaluation continues."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
import cattrs

from fitsense.errors import InvalidInputError
from fitsense.inference.model import Model
from fitsense.session.config import SessionConfig
from fitsense.session.snapshot_header import bundle_digest

ResultT = TypeVar("ResultT", bound=attrs.AttrsInstance)


class KeptResults(Generic[ResultT]):
    """Results of earlier runs, and a file to which further ones are appended.

    :param kind: class of the results, an attrs class.
    :param key: the part of a result by which it is found; the last result of a key counts.
    :param file: None to keep results only in memory.
    :raises InvalidInputError: the file holds something else.
    """

    def __init__(self, kind: type[ResultT], key: Callable[[ResultT], Hashable], file: Path | None) -> None:
        self._file = file
        self._key = key
        self._known: dict[Hashable, ResultT] = {}
        for result in _read(kind, file) if file and file.exists() else ():
            self._known[key(result)] = result

    def get(self, key: Hashable) -> ResultT | None:
        """The result of an earlier run; None if there is none."""
        return self._known.get(key)

    def add(self, result: ResultT) -> None:
        """Keep a result."""
        self._known[self._key(result)] = result
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(attrs.asdict(result)) + "\n")


def _read(kind: type[ResultT], file: Path) -> Iterator[ResultT]:
    text = file.read_text("utf-8")
    lines = text.splitlines()
    required = {field.name for field in attrs.fields(kind)}
    for number, line in enumerate(lines, 1):
        try:
            content: Any = json.loads(line)
            if content.keys() != required:
                raise ValueError(f"it has the fields {', '.join(content)}; expected {', '.join(sorted(required))}")
            yield cattrs.structure(content, kind)
        except Exception as error:
            if number == len(lines) and not text.endswith("\n"):
                # The last line of a run that was interrupted.
                file.write_text(text[: len(text) - len(line)], "utf-8")
                return
            raise InvalidInputError(
                f"{file}, line {number}: expected a result of evaluate-sessions with the same options: {error}"
            ) from error


def digest_of_analysis(model: Model, config: SessionConfig) -> str:
    """Digest of all that decides what a session emits for given frames, but for the version of fitsense."""
    return hashlib.sha256(f"{bundle_digest(model)} {config!r}".encode()).hexdigest()
