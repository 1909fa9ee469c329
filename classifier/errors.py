"""Every error Winnow raises on purpose; each message is a sentence that says what to do."""


class WinnowError(Exception):
    """The base of all errors raised on purpose."""


class SeedError(WinnowError):
    """A labelled article cannot be used; the message names the file and the line."""


class ModelError(WinnowError):
    """A model folder is missing, damaged, or does not give the probabilities its card promises."""


class StoreBusyError(WinnowError):
    """Another training is under way in the model store."""


class InputError(WinnowError):
    """An input cannot be read as text or as a row of the expected form."""


class OutputError(WinnowError):
    """The place named for an output cannot be written."""
