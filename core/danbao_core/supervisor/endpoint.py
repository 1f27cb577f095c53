"""`endpoint.json`: where other commands and test suites find a running sandbox."""

import json
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from danbao_core.supervisor.files import write_private

_NAME = "endpoint.json"


class NotRunning(Exception):
    """No sandbox runs on the folder; the message says how to start one."""


@dataclass(frozen=True)
class Endpoint:
    """How to reach a running sandbox. `pids` has a list for each of supervisor, postgres, valkey,
    server, worker and bank; `metrics` has the URL of each server's and worker's page for Prometheus.
    """

    address: str
    operator_key: str
    second_operator_key: str
    database_url: str
    valkey_url: str
    pids: dict[str, list[int]]
    metrics: list[str] = field(default_factory=list)
    bank_url: str = ""

    def to_json(self, indent: int | None = None) -> str:
        """One JSON object; on one line unless an indent is given."""
        return json.dumps(asdict(self), indent=indent)


def read_endpoint(folder: Path) -> Endpoint:
    """The sandbox that runs on `folder`. Raises NotRunning when there is none, or it is not ready
    yet.
    """
    path = folder / _NAME
    try:
        endpoint = Endpoint(**json.loads(path.read_text(encoding="utf-8")))
        alive = any(map(_is_alive, endpoint.pids["supervisor"]))
    except FileNotFoundError:
        alive, endpoint = False, None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NotRunning(f"{path} cannot be read: {error}.") from error
    if endpoint is None or not alive:
        start = shlex.join(["danbao", "up", "--data", str(folder)])  # to be pasted into a shell
        raise NotRunning(f"No danbao is running on {folder}. Start one: {start}")
    return endpoint


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def write_endpoint(folder: Path, endpoint: Endpoint) -> None:
    """Publishes it (mode 0600): a reader sees the file before or after, never half of it."""
    write_private(folder / _NAME, endpoint.to_json(indent=2) + "\n")


def remove_endpoint(folder: Path) -> None:
    """Takes it back; does nothing when there is none."""
    (folder / _NAME).unlink(missing_ok=True)
