"""Commands: what a caller wants done, as data, and the pure decision about it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

from danbao_core.engine.rows import Key, Row
from danbao_core.errors import Refusal
from danbao_core.ids import IdSequence, uuid7

if TYPE_CHECKING:
    from danbao_core.engine.book import Book

R = TypeVar("R", bound=msgspec.Struct)


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants something done, and how; it is written down with what was done."""

    caller: str
    """Who owns the request ids, such as "service:checkout" or "core" for the system itself."""
    method: str
    """The RPC, or the job."""
    peer: str = ""
    """The network address that it came from."""
    request_id: str = ""
    """Makes a repeat safe; empty where nothing is to be remembered."""
    content: bytes = b""
    """A keyed hash of what was asked for, which tells a repeat from another request with the same id."""
    key_id: UUID | None = None
    """The service key that the caller proved to have; None for a person and for the system itself."""
    secret_hash: bytes = b""
    """The hash of the secret that it showed."""
    session_id: UUID | None = None
    """The session in which a person calls; None for service keys and for the system itself."""
    session_epoch: int = 0
    """The person's epoch when the session's token was made: it ends all sessions at once."""
    account_id: UUID | None = None
    """The account to which the key is bound, or that of the person."""
    scopes: frozenset[str] = frozenset()
    """What the caller may do."""
    public: bool = False
    """Whether the caller showed no token, because the call needs none."""
    received_at: datetime
    """Wall time at which it arrived."""
    traceparent: str = ""
    """Where the call is sampled, what continues its trace (W3C Trace Context)."""

    @property
    def by_system(self) -> bool:
        """Whether nobody from outside asks."""
        return self.key_id is None and self.session_id is None and not self.public

    @property
    def by_person(self) -> bool:
        """Whether a person asks, in a session."""
        return self.session_id is not None


class Decision(msgspec.Struct, Generic[R], frozen=True):
    """What a command comes to: its result and the rows that change.

    With `refusal` the changes are committed and the caller is refused all the same: what came due before the command, or an
    attempt that counts, stays.
    """

    result: R
    changes: Sequence[Row] = ()
    refusal: Refusal | None = None


def refused_after(caught_up: Sequence[Row], result: R, refusal: Refusal) -> Decision[R]:
    """What a refused command comes to that has caught up first: what came due before it stays done. Raises the refusal where
    nothing did."""
    if not caught_up:
        raise refusal
    return Decision(result, caught_up, refusal)


class Command(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """Something to be done in one commit. Immutable; both methods are pure. Every subclass repeats `frozen=True`."""

    result_type: ClassVar[type[msgspec.Struct]]
    """What a decision answers; a repeat is answered from its stored form."""
    keeps_request_for_ever: ClassVar[bool] = False
    """Whether the request id outlives the retention, because money crossed the border of the system."""

    alone: ClassVar[bool] = False
    """Whether it has a batch for itself, because it reads what is under way in other rows, which a batch would not show."""

    origin: Origin
    id: UUID = msgspec.field(default_factory=uuid7)
    """The command's identity; the ids of the rows that it makes are counted up from it."""

    @property
    def size(self) -> int:
        """How many decisions it counts for where batches and queues are bounded."""
        return 1

    def keys(self, book: "Book") -> Iterable[Key]:
        """The rows that the decision needs, as far as the rows loaded so far tell; asked again until nothing is new."""
        raise NotImplementedError

    def decide(self, book: "Book") -> Decision[R]:
        """What the command comes to, given the rows that it named. Raises a Refusal, which leaves nothing behind."""
        raise NotImplementedError

    def ids(self) -> IdSequence:
        """Ids for new rows, the same ones whenever the decision is made again."""
        return IdSequence(self.id)


AnyCommand = Command[Any]


class Guard(Protocol):
    """Checks, in the commit itself, that the caller of a command may still call."""

    def keys(self, origin: Origin) -> Iterable[Key]:
        """The rows that tell."""

    def check(self, origin: Origin, book: "Book") -> None:
        """Raises the Refusal, if any."""
