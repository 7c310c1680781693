"""Signs of life that belong together: a device lives if it says so itself *and* every gateway on the way to it lives.

A gateway that is gone takes its devices out of sight. They are told offline with it, for nothing can be known of them;
what they said last stands as it was said, and is worth no more than that. When the gateway is back, those it had
taken along are as they were; whoever was gone before stays gone.

This is memory, and it may be lost at any time: until the words are said again (gateways have them retained), each
sign counts for itself, and a device that was told offline comes back when it speaks.
"""

from __future__ import annotations

from typing import Final

MOST: Final = 100
"""Gateways of one name that are known to be gone; nobody has more."""


class Signs:
    """What gateways and devices last said about their life."""

    def __init__(self) -> None:
        self._gone: dict[str, set[str]] = {}
        self._taken_along: dict[str, set[str]] = {}
        self._own: dict[str, bool] = {}

    def tell(self, source: str, *, online: bool) -> bool:
        """Take in a device's own word, and return whether it lives, all signs considered."""
        self._own[source] = online
        return online and not self.is_cut_off(source)

    def is_cut_off(self, source: str) -> bool:
        """Return whether a gateway on the way to a device is gone."""
        return any(_is_below(source, name) for name, gateways in self._gone.items() if gateways)

    def lose(self, gateway: str, name: str, sources: list[str]) -> None:
        """Take in that the gateway of all sources below a name is gone, and they with it."""
        gone = self._gone.get(name, set())
        if not sources or len(gone) >= MOST:
            return
        self._gone[name] = gone | {gateway}
        self._taken_along.setdefault(name, set()).update(sources)

    def find(self, gateway: str, name: str) -> set[str]:
        """Take in that a gateway is there, and return the sources that are as they were before it went."""
        self._gone.get(name, set()).discard(gateway)
        # They are told each time it is said: a word that is said twice does no harm, one that is lost would.
        back = self._taken_along.get(name, set())
        return {each for each in back if self._own.get(each, True) and not self.is_cut_off(each)}


def _is_below(source: str, name: str) -> bool:
    return source.startswith(f"{name}/")
