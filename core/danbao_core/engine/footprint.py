"""Which rows commands lock, so that those that lock none in common can be carried out beside each other."""

from collections.abc import Iterable

from danbao_core.engine.rows import Place
from danbao_core.engine.waiting import Waiting


class Footprint:
    """The rows that some commands lock. Balances of an engine's stripe are left out: another lane has another stripe.

    It need not be complete: where commands meet all the same, as those of two processes do, one waits for the other's locks.
    """

    def __init__(self, commands: Iterable[Waiting]) -> None:
        self._changed: set[Place] = set()
        self._shared: set[Place] = set()
        for waiting in commands:
            self.add(waiting)

    def add(self, waiting: Waiting) -> None:
        """Takes in the rows of a command, as far as it has named them."""
        self._changed.update(waiting.changed)
        self._shared.update(waiting.shared)

    def is_met_by(self, waiting: Waiting) -> bool:
        """Whether a command would have to wait for one of these, or these for it."""
        apart = (
            self._changed.isdisjoint(waiting.changed)
            and self._changed.isdisjoint(waiting.shared)
            and self._shared.isdisjoint(waiting.changed)
        )
        return not apart
