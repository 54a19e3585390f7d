"""The command line's exit codes."""

from __future__ import annotations

import enum

from fitsense.errors import BundleError, FitsenseError, MissingExtraError, SourceError, WeightsError


class ExitCode(enum.IntEnum):
    """Exit codes of commands, with their meanings."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "success"
    FAILED = 1, "any other error"
    USAGE = 2, "invalid command line"
    NO_SOURCE = 3, "the source is missing, empty, or has no decodable video"
    DAMAGED_SOURCE = 4, "the source is damaged or incomplete; events before that point are valid"
    BAD_BUNDLE = 5, "the model bundle or its weights are missing, altered or malformed"
    MISSING_EXTRA = 6, "an optional part of fitsense is not installed"
    INTERRUPTED = 130, "interrupted; the events end with a valid session.ended"
    READER_GONE = 141, "the reader of standard output closed it"


def exit_code_of(error: FitsenseError) -> ExitCode:
    """Exit code of an error."""
    for kind, code in (
        (SourceError, ExitCode.NO_SOURCE),
        (BundleError, ExitCode.BAD_BUNDLE),
        (WeightsError, ExitCode.BAD_BUNDLE),
        (MissingExtraError, ExitCode.MISSING_EXTRA),
    ):
        if isinstance(error, kind):
            return code
    return ExitCode.FAILED
