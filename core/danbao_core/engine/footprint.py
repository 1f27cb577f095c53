"""Which rows commands touch, so that those that touch none in common can be carried out beside each other."""

from collections.abc import Iterable

from danbao_core.engine.requests import Request
from danbao_core.engine.rows import SHARE, WRITE, Place
from danbao_core.engine.waiting import Waiting


class Footprint:
    """The rows that some commands lock, or remember their request in.

    It need not be complete: where commands meet all the same, as those of two processes do, one waits for the other's locks.
    """

    def __init__(self, commands: Iterable[Waiting] = ()) -> None:
        self._own: set[Place] = set()
        self._shared: set[Place] = set()
        for waiting in commands:
            self.add(waiting)

    def add(self, waiting: Waiting) -> None:
        """Takes in the rows of a command, as far as it has named them."""
        for place, hold in waiting.keys:
            if hold is SHARE:
                self._shared.add(place)
            elif hold is WRITE or place[0] is Request:
                self._own.add(place)

    def is_met_by(self, waiting: Waiting) -> bool:
        """Whether a command would have to wait for one of these, or these for it."""
        for place, hold in waiting.keys:
            if hold is SHARE:
                if place in self._own:
                    return True
            elif (hold is WRITE or place[0] is Request) and (place in self._own or place in self._shared):
                return True
        return False
