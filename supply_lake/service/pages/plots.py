"""Bars over time as SVG: one bar for each snapshot, the oldest to the left.

What belongs here: figures → the text of a picture. What does not: which figures. No script and no style of its own stands
in it; how it looks is the style sheet's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_WIDTH, _HEIGHT, _FOOT, _HEAD = 360, 120, 18, 16


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. ``told`` is what a pointer over it shows; one that is ``gone`` is drawn pale."""

    value: int
    told: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture, and what it shows."""

    caption: str
    svg: Markup


def bars(kind: str, caption: str, found: Sequence[Bar], *, top: str, first: str, last: str) -> Plot:
    """A plot of bars.

    :param kind: class of the bars in the style sheet
    :param top: the greatest value as a person reads it
    :param first: what stands below the oldest bar; ``last`` below the newest
    """
    most = max((one.value for one in found), default=0) or 1
    step = _WIDTH / max(len(found), 12)
    drawn = [_drawn(kind, one, most, place * step, step) for place, one in enumerate(found)]
    ground = _HEIGHT - _FOOT
    parts = [
        Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(_WIDTH, _HEIGHT, caption),
        Markup('<text x="0" y="11">{}</text>').format(top),
        Markup('<line x1="0" y1="{0}" x2="{1}" y2="{0}"/>').format(ground, _WIDTH),
        *drawn,
        Markup('<text x="0" y="{}">{}</text>').format(_HEIGHT - 4, first),
        Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(_WIDTH, _HEIGHT - 4, last),
        Markup("</svg>"),
    ]
    return Plot(caption, Markup("").join(parts))


def _drawn(kind: str, one: Bar, most: int, left: float, step: float) -> Markup:
    room = _HEIGHT - _FOOT - _HEAD
    height = max(one.value / most * room, 1.0 if one.value else 0.0)
    return Markup('<rect class="{}{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>').format(
        kind, " gone" if one.gone else "", left, _HEIGHT - _FOOT - height, max(step - 1.5, 0.8), height, one.told
    )
