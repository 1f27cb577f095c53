"""Devices that an account knows: those on which the person has shown, beside the password, something that they have."""

from datetime import datetime
from uuid import UUID

from danbao_core.engine import Book, Draft, Row, table
from danbao_core.people.person import Person


@table("device", rank=28, key=("account_id", "device_id"))
class Device(Row, frozen=True):
    """A device on which somebody logged in to an account."""

    account_id: UUID
    device_id: str
    """What the app calls it."""
    epoch: int
    """The person's epoch when it was last made known: what ends all sessions forgets all devices."""
    known_at: datetime
    version: int


def is_known(book: Book | Draft, person: Person, device_id: str) -> bool:
    """Whether the account knows a device; for commands that name its row."""
    device = book.get(Device, person.account_id, device_id)
    return device is not None and device.epoch == person.session_epoch


def make_known(draft: Draft, person: Person, device_id: str) -> None:
    """Has the account know a device; for commands that name its row, to be changed."""
    device = draft.get(Device, person.account_id, device_id)
    if device is None:
        draft.put(Device(person.account_id, device_id, person.session_epoch, draft.now, 1))
    elif device.epoch != person.session_epoch:
        draft.put(device.replace(epoch=person.session_epoch, known_at=draft.now, version=device.version + 1))
