"""Exceptions of fitsense.

::

    FitsenseError
    ├── InvalidInputError (ValueError)   an argument of the wrong shape, dtype, range or order
    ├── MissingExtraError (ImportError)  an optional dependency is missing; the message names the extra
    ├── SourceError                      a video source cannot be read at all
    ├── BundleError                      a model bundle is malformed, altered or unsafe
    ├── WeightsError                     weights cannot be found, verified or fitted into a network
    ├── SchemaError                      an event or a document violates its schema
    ├── DeliveryError                    a sink could not deliver events; ``retryable`` if it may later
    ├── UnknownNameError (LookupError)   no exercise, schema, plugin or contribution has that name
    └── PluginError                      a plugin or one of its specs is unusable
        └── AmbiguousNameError (LookupError)  several plugins or distributions have that name
"""


class FitsenseError(Exception):
    """Base of every error that fitsense raises on purpose."""


class InvalidInputError(FitsenseError, ValueError):
    """An argument has the wrong shape, dtype, range or order; the message states expected and actual."""


class MissingExtraError(FitsenseError, ImportError):
    """An optional dependency is not installed; the message names the extra to install.

    :param what: the feature that needs it.
    :param extra: the extra of fitsense that installs it.
    :param cause: the failed import.
    """

    def __init__(self, what: str, extra: str, cause: ImportError) -> None:
        super().__init__(
            f"{what} needs the package {cause.name or cause!s}, which is not installed: "
            f"run  pip install 'fitsense[{extra}]'"
        )


class SourceError(FitsenseError):
    """A video source is missing, empty, or has no video that can be decoded."""


class BundleError(FitsenseError):
    """A model bundle is malformed, was altered, or names an unsafe path."""


class WeightsError(FitsenseError):
    """Weights cannot be found, fail their checksum, or do not fit the network."""


class SchemaError(FitsenseError):
    """A document violates its JSON Schema."""


class DeliveryError(FitsenseError):
    """A sink could not deliver events.

    :param message: the reason. It is logged, and must not contain secrets or addresses with secrets.
    :param retryable: whether a later attempt may succeed; otherwise the events count as refused.
    :param retry_after_s: seconds to wait before the next attempt, as the receiver asked.
    """

    def __init__(self, message: str, *, retryable: bool = True, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class PluginError(FitsenseError):
    """A plugin or one of its specs is unusable."""


class UnknownNameError(FitsenseError, LookupError):
    """The given name is unknown; the message lists the known names, or names what lists them."""


class AmbiguousNameError(PluginError, LookupError):
    """Several plugins contribute the given name, or several distributions declare it."""
