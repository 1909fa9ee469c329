"""What stands around a paragraph, as inputs of the two models that look beyond it.

Both take the features of every paragraph and what the wording model says of each; both stay within the article.
`context_inputs` describe a paragraph and its neighbours, for the label it has in its own story. `break_inputs`
describe the gap before a paragraph, for whether another story begins there.
"""

import numpy as np
from numpy.typing import NDArray

from classifier.features import FEATURES, PROSE_LENGTH
from classifier.phrases import PHRASES
from classifier.segments import Segments

ROLES = ("headline", "lead", "body", "social", "furniture", "teaser", "notice", "pitch")
"""What a paragraph's wording alone can tell: the part it plays, in whichever story. Columns of the wording model.

Furniture and promotion that run like prose have roles of their own, `notice` and `pitch`: they share few words with
buttons and headlines.
"""

_HEADLINE, _LEAD, _BODY, _SOCIAL, _FURNITURE, _TEASER, _NOTICE, _PITCH = range(len(ROLES))
_SHORT = 3.5  # log length of a marker or a button, 33 code points
_NEIGHBOURS = (-3, -2, -1, 1, 2, 3)
_AROUND = 10  # rows
_PHRASES = [FEATURES.index(name) for name in PHRASES]
_BREAK_WINDOW = (-3, -2, -1, 0, 1, 2)
_BREAK_FEATURES = (
    "ties_before", "ties_behind", "break_so_far", "break_ahead", "depth_of_break", "side_of_break",
    "rest_known", "past_returns", "near_ties", "rest_opening", "cut", "cut_past", "cut_rest", "index",
    "index_back", "share_before", "characters_before", "log_paragraphs", "log_characters", "seen_before",
    "seen_opening", "seen_headline", "new_words", "seen_after", "prose_before", "prose_after", "cased",
    "ends_colon", "starts_quote", "digits", "repeats_earlier", "foreign_script",
)  # fmt: skip
_COMPARED = ("ties_before", "rest_known", "near_ties", "cut")
_ARRIVING = ("seen_before", "seen_opening", "ties_before", "near_ties")

_Floats = NDArray[np.float64]


def feature(features: NDArray[np.float32], name: str) -> _Floats:
    """Return one column of `features.describe`."""
    return features[:, FEATURES.index(name)].astype(np.float64)


def is_long(features: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which paragraphs are as long as running text, standfirsts and long captions among them."""
    return np.asarray(feature(features, "log_length") >= np.log1p(PROSE_LENGTH))


def is_prose(features: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which paragraphs are running text: long enough, and ended like a sentence."""
    return np.asarray(is_long(features) & (feature(features, "ends_sentence") > 0))


def context_inputs(
    features: NDArray[np.float32], roles: NDArray[np.float32], known: NDArray[np.float32], segments: Segments
) -> NDArray[np.float32]:
    """Return the inputs of the context model, shape (paragraphs, inputs).

    `features` comes from `describe`; `roles` (paragraphs, len(ROLES)) and `known` (paragraphs,), the share of words
    met in training, from the wording model.
    """
    length = feature(features, "log_length")
    ends = feature(features, "ends_sentence")
    prose = is_prose(features)
    mass = np.expm1(length)[:, None]
    wide = roles.astype(np.float64)
    columns: list[NDArray[np.floating]] = [features, roles, known[:, None]]
    neighbour = np.column_stack([wide, length, ends])
    columns += [segments.shift(neighbour, by) for by in _NEIGHBOURS]
    columns.append(segments.before(mass * wide) / np.maximum(1.0, segments.before(mass)))
    columns.append(segments.after(mass * wide) / np.maximum(1.0, segments.after(mass)))

    # Who stands around, farther off: a menu's line is among others of a menu.
    around = np.column_stack([wide, prose, np.ones(len(wide))])
    for side in segments.near(around, _AROUND):
        columns.append(side[:, :-1] / np.maximum(1.0, side[:, -1:]))
    columns += [segments.shift(features[:, _PHRASES].astype(np.float64), -1)]

    first_prose = prose & (segments.before(prose.astype(np.float64)) == 0)
    new_lead = np.where(prose & ~first_prose, wide[:, _LEAD], 0.0)
    columns += [segments.running_max(new_lead)[:, None], segments.running_max_back(new_lead)[:, None]]
    columns.append(segments.running_max(np.where(segments.index < 2, 0.0, wide[:, _HEADLINE]))[:, None])
    columns.append(segments.running_max(np.where(length < _SHORT, wide[:, _FURNITURE], 0.0))[:, None])
    columns += [segments.running_max(wide[:, _TEASER])[:, None], segments.running_max(wide[:, _SOCIAL])[:, None]]

    story = prose & (wide[:, [_HEADLINE, _LEAD, _BODY]].sum(axis=1) > 0.5)
    count = story.astype(np.float64)
    columns.append(
        np.log1p(
            np.column_stack(
                [segments.since(story), segments.until(story), segments.before(count), segments.after(count)]
            )
        )
    )
    columns.append(np.log(np.clip(wide, 1e-3, 1.0)))
    return np.column_stack(columns).astype(np.float32)


def break_inputs(features: NDArray[np.float32], roles: NDArray[np.float32], segments: Segments) -> NDArray[np.float32]:
    """Return the inputs of the break model, shape (paragraphs, inputs): a row for the gap before each paragraph."""
    length = feature(features, "log_length")
    prose = is_prose(features).astype(np.float64)
    mass = np.expm1(length)[:, None]
    wide = roles.astype(np.float64)
    columns: list[NDArray[np.floating]] = [features[:, [FEATURES.index(name) for name in _BREAK_FEATURES]]]
    around = np.column_stack([wide, length, feature(features, "ends_sentence"), prose])
    columns += [segments.shift(around, by) for by in _BREAK_WINDOW]
    columns.append(segments.before(mass * wide) / np.maximum(1.0, segments.before(mass)))
    columns.append((segments.after(mass * wide) + mass * wide) / np.maximum(1.0, segments.after(mass) + mass))

    # How much of the running text on either side repeats the opening's words.
    prose_mass = mass[:, 0] * prose
    opening = feature(features, "seen_opening") * prose_mass
    columns.append((segments.before(opening) / np.maximum(1.0, segments.before(prose_mass)))[:, None])
    columns.append(
        ((segments.after(opening) + opening) / np.maximum(1.0, segments.after(prose_mass) + prose_mass))[:, None]
    )

    # How this gap compares with the others of the article, in standard deviations.
    compared = np.column_stack([feature(features, name) for name in _COMPARED])
    count = np.maximum(1, segments.size)[:, None]
    mean = segments.total(compared) / count
    spread = np.sqrt(np.maximum(1e-6, segments.total(compared**2) / count - mean**2))
    columns.append((compared - mean) / spread)

    # The first running text from here on: does it sound like a beginning, and does it know the words so far?
    ahead = segments.until(prose > 0)
    arriving = np.minimum(np.arange(segments.rows) + ahead.astype(np.int64), max(0, segments.rows - 1))
    found = ((prose[arriving] > 0) & (segments.of_row[arriving] == segments.of_row))[:, None]
    likeness = np.column_stack([feature(features, name) for name in _ARRIVING])
    columns += [wide[arriving] * found, np.log1p(ahead)[:, None], likeness[arriving] * found]
    # Trees part values however close: rounding keeps what differs only by the order of summation on one side.
    return np.column_stack(columns).round(4).astype(np.float32)
