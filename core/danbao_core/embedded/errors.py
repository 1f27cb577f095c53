"""Why a server of the sandbox could not be started."""


class StartError(Exception):
    """Something could not be started; the message says what failed and what to do."""
