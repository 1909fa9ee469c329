"""/v1/seeds: corrected articles, kept in the store as files to train on."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.exceptions import Conflict, HTTPException, NotFound

from classifier.errors import OutputError, SeedError
from classifier.files import write_whole
from classifier.labels import LabelledArticle
from classifier.seeds import format_seed, parse_seed
from service.auth import guarded
from service.bodies import read_body
from service.docs import describes
from service.errors import FieldError, InvalidFields
from service.media import JSON, body_type
from service.schema import NewSeed, SeedBody, SeedList, SeedOut, check, parse
from service.settings import Settings

_ID = re.compile("[a-z0-9][a-z0-9-]{0,79}")
_SOURCE = "corrected article"
_BAD = (400, 408, 413, 415, 422)
_PARAMETERS = {"identifier": "Id of the corrected article."}


class SeedPage(BaseModel):
    """Which part of the list."""

    model_config = ConfigDict(extra="forbid")

    offset: int = Field(0, ge=0)
    limit: int = Field(100, ge=1, le=1000)


class SeedFolder:
    """The corrected articles in a store: `DIR/<language>/<id>.tsv`, an id in one language only."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def paths(self) -> list[Path]:
        """Return the files by id."""
        return sorted(self._directory.glob("*/*.tsv"), key=lambda path: path.stem) if self._directory else []

    def read(self, identifier: str) -> LabelledArticle:
        """Return one article. Raises NotFound, and Conflict when its file is damaged."""
        return _parsed(self._path(identifier))

    def write(self, identifier: str, body: SeedBody) -> bool:
        """Write an article, in place of the one with this id; return whether it is a new one.

        Raises InvalidFields when a seed file cannot hold it, and OutputError when the store cannot be written.
        """
        assert self._directory is not None
        spans = tuple((span.start, span.end, span.label) for span in body.paragraphs)
        article = LabelledArticle(identifier, body.text, spans, body.language, body.group or identifier, "")
        try:
            content = format_seed(article, _SOURCE)
            parse_seed(content, Path(identifier), body.language)
        except SeedError as error:
            raise InvalidFields([FieldError("paragraphs", str(error))]) from error
        target = self._directory / body.language / f"{identifier}.tsv"
        before = list(self._found(identifier))
        with _writing():
            write_whole(target, content.encode())
            for path in before:
                if path != target:
                    path.unlink(missing_ok=True)
        return not before

    def delete(self, identifier: str) -> None:
        """Remove an article. Raises NotFound, and OutputError when the store cannot be written."""
        path = self._path(identifier)
        with _writing():
            path.unlink(missing_ok=True)

    def has(self, identifier: str) -> bool:
        """Return whether there is an article with this id."""
        return any(self._found(identifier))

    def _path(self, identifier: str) -> Path:
        for path in self._found(identifier):
            return path
        raise NotFound(f"There is no corrected article {identifier!r:.80}.")

    def _found(self, identifier: str) -> Iterator[Path]:
        if self._directory is not None and _ID.fullmatch(identifier):  # nothing else names a file
            yield from self._directory.glob(f"*/{identifier}.tsv")


def seeds_routes(settings: Settings) -> Blueprint:
    """Return the routes for corrected articles."""
    routes = Blueprint("seeds", __name__)
    folder = SeedFolder(settings.store / "seeds" if settings.store else None)

    @routes.get("/v1/seeds")
    @describes(query=SeedPage, answer=SeedList, errors=(422,))
    def list_seeds() -> Response:
        """List corrected articles; those whose files are damaged are only counted."""
        page = _page()
        paths = folder.paths()
        summaries = []
        for path in paths[page.offset : page.offset + page.limit]:
            try:
                article = _parsed(path)
            except HTTPException:  # removed since, or damaged
                continue
            counts = Counter(label.value for _, _, label in article.spans)
            summaries.append(
                {"id": path.stem, "language": article.language, "group": article.group, "paragraphs": dict(counts)}
            )
        return jsonify(seeds=summaries, total=len(paths))

    @routes.post("/v1/seeds")
    @describes(json=NewSeed, answer=SeedOut, status=201, errors=(*_BAD, 409, 503), guarded=True)
    @guarded(settings)
    def add_seed() -> Response:
        """Add a corrected article.

        All that is not white space must be in one of the paragraphs. White space between them is not kept but for line
        breaks.
        """
        body_type((JSON,))
        body = parse(NewSeed, read_body(settings.max_body_bytes))
        if folder.has(body.id):
            raise Conflict(f"There is a corrected article {body.id} already; PUT /v1/seeds/{body.id} replaces it.")
        folder.write(body.id, body)
        response = jsonify(_described(folder.read(body.id)))
        response.status_code = 201
        response.location = f"/v1/seeds/{body.id}"
        return response

    @routes.get("/v1/seeds/<identifier>")
    @describes(answer=SeedOut, errors=(404, 409), parameters=_PARAMETERS)
    def get_seed(identifier: str) -> Response:
        """Return a corrected article."""
        return jsonify(_described(folder.read(identifier)))

    @routes.put("/v1/seeds/<identifier>")
    @describes(json=SeedBody, answer=SeedOut, errors=(*_BAD, 404, 503), guarded=True, parameters=_PARAMETERS)
    @guarded(settings)
    def put_seed(identifier: str) -> Response:
        """Replace a corrected article, or add it under this id."""
        body_type((JSON,))
        if not _ID.fullmatch(identifier):
            raise NotFound("An id is lower-case letters, digits and hyphens, up to 80 of them.")
        folder.write(identifier, parse(SeedBody, read_body(settings.max_body_bytes)))
        return jsonify(_described(folder.read(identifier)))

    @routes.delete("/v1/seeds/<identifier>")
    @describes(status=204, errors=(404, 503), guarded=True, parameters=_PARAMETERS)
    @guarded(settings)
    def delete_seed(identifier: str) -> Response:
        """Remove a corrected article; models that learned from it stay as they are."""
        folder.delete(identifier)
        return Response(status=204)

    return routes


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"corrected articles cannot be written ({error.strerror or error})") from error


def _page() -> SeedPage:
    values: dict[str, object] = {}
    for name, value in request.args.items():
        values[name] = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else value
    return check(SeedPage, values)


def _parsed(path: Path) -> LabelledArticle:
    try:
        return parse_seed(path.read_text("utf-8"), path, path.parent.name)
    except FileNotFoundError as error:
        raise NotFound(f"There is no corrected article {path.stem!r}.") from error
    except (SeedError, UnicodeDecodeError) as error:  # written by hand: what is sent is checked
        raise Conflict(f"The file of {path.stem!r} is damaged; PUT /v1/seeds/{path.stem} replaces it.") from error


def _described(article: LabelledArticle) -> dict[str, object]:
    return {
        "id": article.identifier,
        "language": article.language,
        "group": article.group,
        "text": article.text,
        "paragraphs": [{"start": start, "end": end, "label": label} for start, end, label in article.spans],
    }
