"""The command line's exit codes."""

from __future__ import annotations

import enum

from fitsense.errors import BundleError, FitsenseError, MissingExtraError, SourceError, WeightsError


class ExitCode(enum.IntEnum):
    """What a command's exit code means."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "all went well"
    FAILED = 1, "an error that no other code describes"
    USAGE = 2, "the command line is wrong"
    NO_SOURCE = 3, "the source is missing, empty, or has no video that can be decoded"
    DAMAGED_SOURCE = 4, "the source is damaged or incomplete; the events before that point stand"
    BAD_BUNDLE = 5, "the model bundle or its weights are missing, altered or malformed"
    MISSING_EXTRA = 6, "an optional part of fitsense is not installed"
    INTERRUPTED = 130, "interrupted; the events end with a valid session.ended"
    READER_GONE = 141, "whoever read standard output went away"


def exit_code_of(error: FitsenseError) -> ExitCode:
    """The exit code that an error ends the command with."""
    for kind, code in (
        (SourceError, ExitCode.NO_SOURCE),
        (BundleError, ExitCode.BAD_BUNDLE),
        (WeightsError, ExitCode.BAD_BUNDLE),
        (MissingExtraError, ExitCode.MISSING_EXTRA),
    ):
        if isinstance(error, kind):
            return code
    return ExitCode.FAILED
