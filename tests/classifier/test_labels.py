"""Labels and what carries them."""

import dataclasses

import pytest

from classifier.labels import LABELS, CleanedArticle, Label, LabelledArticle, Paragraph


def test_labels_have_one_order() -> None:
    """Probability columns and model cards depend on this order."""
    assert LABELS == ("core", "social", "boilerplate", "promo")


@pytest.mark.parametrize(
    "value",
    [
        Paragraph(0, 1, Label.CORE, 1.0, (1.0, 0.0, 0.0, 0.0)),
        CleanedArticle("", (), "m"),
        LabelledArticle("a", "text", ((0, 4, Label.CORE),)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_nouns_do_not_change(value: Paragraph | CleanedArticle | LabelledArticle) -> None:
    """What is handed from stage to stage is immutable and can be compared and hashed."""
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)
    assert value == dataclasses.replace(value)
    assert hash(value) == hash(dataclasses.replace(value))
