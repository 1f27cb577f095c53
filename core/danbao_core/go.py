"""The word to begin, for processes that `danbao up` starts before all is prepared for them."""

import os
import sys


def wait_for_go(go_fd: int | None) -> None:
    """Returns when a byte comes from there, or at once where there is nothing to wait at; ends the process where none will."""
    if go_fd is None:
        return
    with os.fdopen(go_fd, "rb", buffering=0) as pipe:
        if not pipe.read(1):
            sys.exit("error: the supervisor is gone")
