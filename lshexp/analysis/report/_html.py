"""HTML that cannot be broken by what is put into it: text is escaped unless it is `Html` already."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

MAX_TEXT = 1000  # characters of one piece of text; an error message may be of any length
VOID = {"meta", "img", "br"}
# what HTML does not allow even when escaped: control characters but tab and line feed, and lone surrogates
_NOT_ALLOWED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class Html(str):
    """Markup, made by `element` alone."""

    __slots__ = ()

    def __add__(self, other: str) -> Html:
        """Append, escaping what is not markup."""
        return join([self, other])


def text(value: object) -> Html:
    """Escape a value for use in content and attributes, cut to a bounded length."""
    if isinstance(value, Html):
        return value
    words = str(value)
    if len(words) > MAX_TEXT:
        words = f"{words[:MAX_TEXT]}... ({len(words):,} characters)"
    return Html(html.escape(_NOT_ALLOWED.sub("\ufffd", words)))


def element(tag: str, *content: object, **attributes: object) -> Html:
    """One element; `class_` and `for_` lose their underscore, `aria_label` becomes aria-label.

    An attribute of None is left out, one of True has no value.
    """
    words = [tag]
    for name, value in attributes.items():
        name = name.rstrip("_").replace("_", "-")
        if value is True:
            words.append(name)
        elif value is not None:
            words.append(f'{name}="{value if isinstance(value, Html) else text(value)}"')
    opening = f"<{' '.join(words)}>"
    return Html(opening) if tag in VOID else Html(f"{opening}{join(content)}</{tag}>")


def join(pieces: Iterable[object], between: str = "") -> Html:
    """Pieces one after the other, escaped where they are not markup."""
    return Html(between.join(text(piece) for piece in pieces))


def data_url(kind: str, encoded: str) -> Html:
    """A `data:` address of base64 text, which is too long to be cut and has nothing to escape."""
    return Html(f"data:{kind};base64,{encoded}")
