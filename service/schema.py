"""The JSON form of a request to clean, checked field by field."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from werkzeug.exceptions import BadRequest

from classifier.cleaning import CORE_ONLY
from classifier.errors import InputError
from classifier.labels import LABELS, Label
from service.errors import FieldError, InvalidFields


@dataclass(frozen=True, slots=True)
class CleanRequest:
    """One raw text and how to clean it.

    Paragraphs with a label in `keep` stay. Of the others only those go whose confidence is at least `min_confidence`:
    to lose story is the worst error, so what the model is not sure of stays.
    """

    text: str
    id: str | None = None
    keep: frozenset[Label] = CORE_ONLY
    min_confidence: float = 0.0

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the request that a JSON value holds. Raises InvalidFields, which names every field that is wrong."""
        if not isinstance(value, dict):
            raise InvalidFields([FieldError("", "must be a JSON object")])
        errors: list[FieldError] = []
        fields: dict[str, Any] = {}
        for name, read in _FIELDS.items():
            try:
                if name in value:
                    fields[name] = read(value[name])
            except InputError as error:
                errors.append(FieldError(name, str(error)))
        if "text" not in value:
            errors.append(FieldError("text", "is missing"))
        errors.extend(
            FieldError(name, f"is not known; the fields are {', '.join(_FIELDS)}")
            for name in value
            if name not in _FIELDS
        )
        if errors:
            raise InvalidFields(errors)
        return cls(**fields)


def parse_json(body: str) -> object:
    """Return the value that JSON text holds.

    Raises BadRequest when it is not JSON, and InvalidFields when an object names a field twice.
    """
    try:
        return json.loads(body, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is nested too deeply or holds a number of too many digits.") from error


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        times = Counter(name for name, _ in pairs)
        raise InvalidFields([FieldError(name, "is given more than once") for name in value if times[name] > 1])
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise InputError("must be a string")
    return value


def _labels(value: object) -> frozenset[Label]:
    if not isinstance(value, list):
        raise InputError("must be a list of labels")
    for label in value:
        if not isinstance(label, str):
            raise InputError("must be a list of labels")
        if label not in LABELS:
            raise InputError(f"{label!r:.40} is not a label; the labels are {', '.join(LABELS)}")
    return frozenset(map(Label, value))


def _share(value: object) -> float:
    # JSON's true is an int to Python, and NaN, which Python reads, is in no range.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError("must be a number from 0 to 1")
    return float(value)


_FIELDS: Mapping[str, Callable[[object], object]] = {
    "text": _string,
    "id": _string,
    "keep": _labels,
    "min_confidence": _share,
}
