"""`python -m danbao_core.testing FOLDER LISTENING_FD` starts the host of a test run and returns; see `host.py`."""

import os
import sys


def main() -> None:
    """Goes on in the background: whoever started it need not be the last to leave, nor wait for it."""
    folder, listening_fd = sys.argv[1:]
    if os.fork():
        os._exit(0)
    from danbao_core.testing import host  # noqa: PLC0415 - after the fork, which libraries with threads do not bear

    host.main(folder, int(listening_fd))


if __name__ == "__main__":
    main()
