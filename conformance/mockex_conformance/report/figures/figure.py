"""A figure: a picture of a recording that explains a verdict, and the same in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`svg` is one `<svg class="fig">` element without scripts or ids, made of escaped text; its
    classes are those of `figures.STYLE`, its colours the page's CSS variables. `title` and
    `sentence` are plain text: the sentence says what is seen, for those who do not see it.
    `explains` are the numbers of the findings (from 1, in the verdict's order) that it explains."""

    kind: str
    title: str
    sentence: str
    svg: str
    explains: tuple[int, ...] = ()
