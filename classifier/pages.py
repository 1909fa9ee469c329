"""Pages to look at: HTML that loads nothing and runs nothing, filled from a template and written whole."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from classifier.errors import OutputError
from classifier.files import write_whole

PAGE = "index.html"
"""Name of the page in the folder of the report."""

_TEMPLATES = Path(__file__).parent / "templates"
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
# What may not stand in an HTML file: controls, half surrogate pairs, code points that are no characters.
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)


def check_folder(directory: Path) -> None:
    """Raise OutputError when it is plain that no page can be written into `directory`, which need not be there yet."""
    try:
        nearest = next(path for path in (directory, *directory.absolute().parents) if path.exists())
        if not nearest.is_dir():
            raise OutputError(f"{nearest} is a file; name a folder for the report")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise OutputError(f"{nearest} may not be written to; name another folder for the report")
    except OSError as error:
        raise _cannot_be_written(directory, error) from error


def write_page(content: str, directory: Path) -> Path:
    """Write a page into `directory`, replacing an older one in one step, and return its path.

    Raises OutputError when it cannot be written.
    """
    page = directory / PAGE
    try:
        write_whole(page, content.encode("utf-8"))
    except OSError as error:
        raise _cannot_be_written(page, error) from error
    return page


def _cannot_be_written(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written ({error.strerror or error}); name another folder for the report")


def fill(
    template: str, *, title: str, subject: str, headlines: Sequence[tuple[str, str, str]], **values: object
) -> str:
    """Return a page made from a template; every character of it can be encoded in UTF-8 and stand in HTML.

    `headlines` are names, figures and meanings of what stands on top; `values` are for the template itself.
    """
    # Imported here, for who evaluates without a report needs no templates.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figure=figure, percent=percent, count=count, language_tag=_language_tag)
    return _UNFIT.sub(
        _visible, environment.get_template(template).render(title=title, subject=subject, headlines=headlines, **values)
    )


def _visible(match: re.Match[str]) -> str:
    """A control character of ASCII becomes the picture of it, all else the sign for what cannot be shown."""
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def figure(value: float | None) -> str:
    """Return a measure from 0 to 1 as it is shown."""
    return "–" if value is None else f"{value:.3f}"


def percent(share: float | None) -> str:
    """Return a share as it is shown."""
    return "–" if share is None else f"{100 * share:.1f} %"


def count(number: int) -> str:
    """Return a number of things as it is shown."""
    return f"{number:,}"


def _language_tag(language: str) -> str:
    """The language as an HTML `lang` may have it; empty when it is not known or is no tag."""
    return language if _LANGUAGE_TAG.fullmatch(language) else ""


def sentence(parts: Sequence[str]) -> str:
    """Return what a picture shows as words."""
    text = "; ".join(parts) or "there is nothing to show"
    return f"{text[0].upper()}{text[1:]}."
