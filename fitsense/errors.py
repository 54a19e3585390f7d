"""What fitsense raises.

::

    FitsenseError
    ├── InvalidInputError (ValueError)   an argument of the wrong shape, dtype, range or order
    ├── MissingExtraError (ImportError)  an optional part is not installed; says which extra to install
    ├── SourceError                      a video source cannot be read at all
    ├── BundleError                      a model bundle is malformed, altered or unsafe
    ├── WeightsError                     weights cannot be found, verified or fitted into a network
    ├── SchemaError                      an event or a document does not obey its schema
    ├── DeliveryError                    a sink could not deliver events; says whether to try again
    ├── UnknownNameError (LookupError)   nothing has that name: no exercise, schema, plugin or offer of a plugin
    └── PluginError                      a plugin or one of its specs is unusable
        └── AmbiguousNameError (LookupError)  several plugins or distributions have that name
"""


class FitsenseError(Exception):
    """The base of every error that fitsense raises on purpose."""


class InvalidInputError(FitsenseError, ValueError):
    """An argument has the wrong shape, dtype, range or order; the message gives expected and actual."""


class MissingExtraError(FitsenseError, ImportError):
    """An optional part of fitsense is not installed."""

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
    """A document does not obey its JSON Schema."""


class DeliveryError(FitsenseError):
    """A sink could not deliver events.

    :param message: why; it is logged, so that no secret and no address with one belongs in it.
    :param retryable: whether it may work later; where it may not, the events count as refused.
    :param retry_after_s: the receiver asked to be left alone for so many seconds.
    """

    def __init__(self, message: str, *, retryable: bool = True, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class PluginError(FitsenseError):
    """A plugin or one of its specs is unusable."""


class UnknownNameError(FitsenseError, LookupError):
    """Nothing has the given name; the message lists the names that there are, or says what lists them."""


class AmbiguousNameError(PluginError, LookupError):
    """A name could mean what several plugins offer, or what several distributions declare."""
