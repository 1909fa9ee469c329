"""What goes in and out as JSON: the models that check requests, and from which the OpenAPI document is made."""

import json
from collections import Counter
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, RootModel, ValidationError, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError
from werkzeug.exceptions import BadRequest

from classifier.labels import LABELS, Label
from service.errors import FieldError, InvalidFields

Model = TypeVar("Model", bound=BaseModel)

_SENTENCES = {
    "missing": "is missing",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
}


def _string(value: object) -> str:
    # Not pydantic's str, which refuses half a surrogate pair: JSON can carry it, and a text may hold it.
    if not isinstance(value, str):
        raise PydanticCustomError("string", "must be a string")
    return value


def _label(value: object) -> Label:
    if not isinstance(value, str) or value not in LABELS:
        raise PydanticCustomError(
            "label",
            "{value} is not a label; the labels are {labels}",
            {"value": f"{value!r:.40}", "labels": ", ".join(LABELS)},
        )
    return Label(value)


def _share(value: object) -> float:
    # JSON's true is an int to Python, and NaN, which Python reads, is in no range.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise PydanticCustomError("share", "must be a number from 0 to 1")
    return float(value)


Text = Annotated[str, PlainValidator(_string, json_schema_input_type=str)]
LabelName = Annotated[
    Label, PlainValidator(_label, json_schema_input_type=Literal["core", "social", "boilerplate", "promo"])
]
Share = Annotated[float, PlainValidator(_share, json_schema_input_type=Annotated[float, Field(ge=0, le=1)])]


_WORDS = "^[^\\s\\x00-\\x1f\\x7f-\\x9f]+( +[^\\s\\x00-\\x1f\\x7f-\\x9f]+)*$"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CleanRequest(_Request):
    """One raw text and how to clean it.

    Paragraphs with a label in `keep` stay. Of the others only those go whose confidence is at least `min_confidence`:
    to lose story is the worst error, so what the model is not sure of stays.
    """

    text: Text = Field(
        description="The raw text, as an extractor or a crawl left it.", examples=["Rain expected\nShare this"]
    )
    id: Text | None = Field(None, description="Comes back in the answer.")
    keep: list[LabelName] = Field([Label.CORE], description="Labels that stay.")
    min_confidence: Share = Field(0.0, description="Paragraphs that the model is less sure of stay.")


_ARTICLE: JsonDict = {
    "text": "Rain expected\nHeavy rain is expected on Sunday.Read more",
    "paragraphs": [
        {"start": 0, "end": 13, "label": "core"},
        {"start": 14, "end": 47, "label": "core"},
        {"start": 47, "end": 56, "label": "boilerplate"},
    ],
    "language": "en",
}


class SpanIn(_Request):
    """One labelled paragraph: `text[start:end]`, in code points."""

    start: int = Field(ge=0)
    end: int = Field(ge=1)
    label: LabelName


class SeedBody(_Request):
    """A corrected article: all that is not white space in `text` is in one of `paragraphs`, which are in order."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ARTICLE]})

    text: Text = Field(description="The raw text, not the cleaned one.")
    paragraphs: list[SpanIn] = Field(min_length=1)
    language: Annotated[str, Field(pattern="^[a-z]{2,3}$")] = Field(description="ISO 639 code of the page's language.")
    group: Annotated[str, Field(max_length=200, pattern=_WORDS)] | None = Field(
        None,
        description="What must not be parted in validation, such as the site; by default the id. One line, and no white"
        " space around it.",
    )

    @model_validator(mode="after")
    def _covers(self) -> Self:
        last = 0
        for number, span in enumerate(self.paragraphs):
            if not last <= span.start < span.end <= len(self.text):
                raise PydanticCustomError("span", f"paragraph {number} is out of order or range")
            if self.text[last : span.start].strip():
                raise PydanticCustomError("span", f"characters {last} to {span.start} are in no paragraph")
            if not self.text[span.start : span.end].strip():
                raise PydanticCustomError("span", f"paragraph {number} holds only white space")
            last = span.end
        if self.text[last:].strip():
            raise PydanticCustomError("span", f"characters from {last} on are in no paragraph")
        return self


class NewSeed(SeedBody):
    """A corrected article and the id under which it is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_ARTICLE, "id": "rain-1"}]})

    id: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,79}$")] = Field(
        description="Lower-case letters, digits and hyphens."
    )


class Probabilities(_Answer):
    """How likely each label is; they add up to 1."""

    core: float
    social: float
    boilerplate: float
    promo: float


class ParagraphOut(_Answer):
    """One paragraph: `text[start:end]` of the raw text, in code points."""

    start: int
    end: int
    label: Literal["core", "social", "boilerplate", "promo"]
    confidence: float = Field(description="Probability of the label.")
    probabilities: Probabilities
    kept: bool


class Removed(_Answer):
    """How many paragraphs of each label were removed."""

    core: int
    social: int
    boilerplate: int
    promo: int


class Cleaned(_Answer):
    """A cleaned article."""

    id: str | None = Field(None, description="The id of the request, when it had one.")
    text: str = Field(description="The kept paragraphs, verbatim and in order.")
    paragraphs: list[ParagraphOut]
    removed: Removed
    model: str = Field(description="Identifier of the model.")


class FieldProblem(_Answer):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(_Answer):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


class FailedRow(_Answer):
    """What stands in the place of an article that could not be cleaned."""

    id: str | None = None
    row: int = Field(description="Number of the article in the request, from 0.")
    error: Problem


class CleanBatch(RootModel[list[CleanRequest]]):
    """Articles to clean."""


class BatchAnswer(RootModel[list[Cleaned | FailedRow]]):
    """Cleaned articles in order, errors in the places of those that could not be."""


class SeedSummary(_Answer):
    """A corrected article in a list."""

    id: str
    language: str
    group: str
    paragraphs: dict[str, int] = Field(description="How many have which label.")


class SeedOut(_Answer):
    """A corrected article."""

    id: str
    language: str
    group: str
    text: str
    paragraphs: list[SpanIn]


class SeedList(_Answer):
    """Corrected articles, by id."""

    seeds: list[SeedSummary]
    total: int


class Version(_Answer):
    """A model in the store."""

    id: str
    created: str
    in_use: bool
    seeds: dict[str, int]
    figures: dict[str, Any]


class VersionList(_Answer):
    """The models of the store, oldest first."""

    models: list[Version]


class TrainingOut(_Answer):
    """A training: how far it is, and what came of it."""

    id: str
    state: Literal["running", "done", "failed", "interrupted"]
    started: str
    ended: str | None = None
    progress: list[str] = Field(description="Steps so far.")
    model: str | None = Field(None, description="Identifier of the new model.")
    promoted: bool | None = Field(None, description="Whether the new model is now in use.")
    comparison: dict[str, Any] | None = Field(None, description="The new model against the one in use.")
    error: str | None = None


class Health(_Answer):
    """Whether the service is well."""

    status: str
    model: str | None = None


def parse(model: type[Model], body: bytes) -> Model:
    """Return what a JSON body holds. Raises BadRequest when it is no JSON, and InvalidFields as `check` does."""
    return check(model, parse_json(body))


def check(model: type[Model], value: object) -> Model:
    """Return a JSON value as the model has it. Raises InvalidFields, which names every field that is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        known = ", ".join(model.model_fields)
        raise InvalidFields(
            [
                FieldError(
                    _place(one["loc"]),
                    f"is not known; the fields are {known}"
                    if one["type"] == "extra_forbidden"
                    else _SENTENCES.get(one["type"], one["msg"]),
                )
                for one in error.errors(include_url=False, include_context=False, include_input=False)
            ]
        ) from error


def _place(loc: tuple[int | str, ...]) -> str:
    place = ""
    for part in loc:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else part
    return place


def parse_json(body: bytes) -> object:
    """Return the value that JSON text holds.

    Raises BadRequest when it is not JSON in UTF-8, and InvalidFields when an object names a field twice.
    """
    try:
        return json.loads(body.decode(), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: byte {error.start} cannot be decoded.") from error
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is nested too deeply or holds a number of too many digits.") from error


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # Half a surrogate pair, on which pydantic would give up, is shown as its escape: no field is called so.
    pairs = [(name.encode("utf-8", "backslashreplace").decode(), one) for name, one in pairs]
    value = dict(pairs)
    if len(value) < len(pairs):
        times = Counter(name for name, _ in pairs)
        raise InvalidFields([FieldError(name, "is given more than once") for name in value if times[name] > 1])
    return value
