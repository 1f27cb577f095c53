"""The life of a dispute as tables: which step leads where, and whose step it is. Pure; every other combination is refused."""

from enum import IntEnum
from typing import Final

from danbao_core.errors import ActorNotAllowed, InvalidTransition


class DisputeState(IntEnum):
    """Where a dispute stands; the numbers are those of the contract."""

    AWAITING_SELLER = 1
    """The seller is to answer."""
    AWAITING_BUYER = 2
    """The seller refused, or offered something: the buyer takes that, asks for an award, or lets it be."""
    UNDER_REVIEW = 3
    """Both sides may show evidence for a while; an arbitrator is to decide."""
    DECIDED = 4
    """There is an award, against which one of the two may appeal once."""
    SETTLED = 5
    """The money went where it belongs."""
    CLOSED = 6
    """Nothing is awarded, and the payment goes on."""


class DisputeEvent(IntEnum):
    """What happens to a dispute; the numbers are those of the contract."""

    OPEN = 1
    ACCEPT = 2
    """The seller gives back all of it."""
    REJECT = 3
    OFFER = 4
    """The seller offers some of it."""
    ACCEPT_OFFER = 5
    ESCALATE = 6
    """The buyer asks for an award."""
    WITHDRAW = 7
    SUBMIT_EVIDENCE = 8
    DECIDE = 9
    APPEAL = 10
    WAIVE = 11
    """One side will not appeal."""
    ANNOUNCE = 21
    """A deadline is near."""
    SELLER_SILENT = 22
    """The seller did not answer in time: all of it goes back."""
    BUYER_SILENT = 23
    """The buyer did not answer in time: nothing goes back."""
    EVIDENCE_END = 24
    REMIND = 25
    """Arbitrators are reminded."""
    CALL_SUPERVISORS = 26
    """Supervisors are called, and again until there is an award."""
    APPEAL_END = 27
    COMPENSATE = 31
    """A compensation for which the fund was short is paid."""


class Party(IntEnum):
    """Who brings an event about; the numbers are those of the contract."""

    NOBODY = 0
    BUYER = 1
    SELLER = 2
    ARBITRATOR = 3
    SUPERVISOR = 4
    TIMER = 5
    """The core itself: what time brings about, and what it carries out afterwards."""

    @property
    def bit(self) -> int:
        """What stands for a side where both may be named at once."""
        return 1 << (self - 1)


class Reason(IntEnum):
    """Why a payment is disputed; the numbers are those of the contract."""

    NOT_RECEIVED = 1
    NOT_AS_DESCRIBED = 2
    DUPLICATE = 3
    UNAUTHORIZED = 4
    """Somebody else paid with the buyer's money."""
    OTHER = 5

    @property
    def bit(self) -> int:
        """What a payment remembers of having had such a dispute."""
        return 2 if self is Reason.UNAUTHORIZED else 1


class Outcome(IntEnum):
    """By what a dispute was settled; the numbers are those of the contract."""

    NOT_SETTLED = 0
    ACCEPTED = 1
    OFFER_ACCEPTED = 2
    DEFAULT_JUDGMENT = 3
    """The seller was silent."""
    AWARDED = 4


class DisputeCloseReason(IntEnum):
    """Why a dispute was closed without an award; the numbers are those of the contract."""

    NOT_CLOSED = 0
    WITHDRAWN = 1
    BUYER_SILENT = 2


TRANSITIONS: Final[dict[tuple[DisputeState, DisputeEvent], DisputeState]] = {
    (DisputeState.AWAITING_SELLER, DisputeEvent.ACCEPT): DisputeState.SETTLED,
    (DisputeState.AWAITING_SELLER, DisputeEvent.REJECT): DisputeState.AWAITING_BUYER,
    (DisputeState.AWAITING_SELLER, DisputeEvent.OFFER): DisputeState.AWAITING_BUYER,
    (DisputeState.AWAITING_SELLER, DisputeEvent.SUBMIT_EVIDENCE): DisputeState.AWAITING_SELLER,
    (DisputeState.AWAITING_SELLER, DisputeEvent.WITHDRAW): DisputeState.CLOSED,
    (DisputeState.AWAITING_SELLER, DisputeEvent.ANNOUNCE): DisputeState.AWAITING_SELLER,
    (DisputeState.AWAITING_SELLER, DisputeEvent.SELLER_SILENT): DisputeState.SETTLED,
    (DisputeState.AWAITING_BUYER, DisputeEvent.ACCEPT_OFFER): DisputeState.SETTLED,
    (DisputeState.AWAITING_BUYER, DisputeEvent.ESCALATE): DisputeState.UNDER_REVIEW,
    (DisputeState.AWAITING_BUYER, DisputeEvent.SUBMIT_EVIDENCE): DisputeState.AWAITING_BUYER,
    (DisputeState.AWAITING_BUYER, DisputeEvent.WITHDRAW): DisputeState.CLOSED,
    (DisputeState.AWAITING_BUYER, DisputeEvent.ANNOUNCE): DisputeState.AWAITING_BUYER,
    (DisputeState.AWAITING_BUYER, DisputeEvent.BUYER_SILENT): DisputeState.CLOSED,
    (DisputeState.UNDER_REVIEW, DisputeEvent.SUBMIT_EVIDENCE): DisputeState.UNDER_REVIEW,
    (DisputeState.UNDER_REVIEW, DisputeEvent.DECIDE): DisputeState.DECIDED,
    (DisputeState.UNDER_REVIEW, DisputeEvent.WITHDRAW): DisputeState.CLOSED,
    (DisputeState.UNDER_REVIEW, DisputeEvent.ANNOUNCE): DisputeState.UNDER_REVIEW,
    (DisputeState.UNDER_REVIEW, DisputeEvent.EVIDENCE_END): DisputeState.UNDER_REVIEW,
    (DisputeState.UNDER_REVIEW, DisputeEvent.REMIND): DisputeState.UNDER_REVIEW,
    (DisputeState.UNDER_REVIEW, DisputeEvent.CALL_SUPERVISORS): DisputeState.UNDER_REVIEW,
    (DisputeState.DECIDED, DisputeEvent.APPEAL): DisputeState.UNDER_REVIEW,
    (DisputeState.DECIDED, DisputeEvent.WAIVE): DisputeState.DECIDED,
    (DisputeState.DECIDED, DisputeEvent.WITHDRAW): DisputeState.CLOSED,
    (DisputeState.DECIDED, DisputeEvent.ANNOUNCE): DisputeState.DECIDED,
    (DisputeState.DECIDED, DisputeEvent.APPEAL_END): DisputeState.SETTLED,
    (DisputeState.SETTLED, DisputeEvent.COMPENSATE): DisputeState.SETTLED,
}

FINAL: Final[dict[tuple[DisputeState, DisputeEvent], DisputeState]] = {
    (DisputeState.UNDER_REVIEW, DisputeEvent.DECIDE): DisputeState.SETTLED,
    (DisputeState.DECIDED, DisputeEvent.WAIVE): DisputeState.SETTLED,
}
"""Where the same steps lead when nobody can appeal any more: a decision after the appeal, and the second side's waiver."""

_SIDES: Final = frozenset({Party.BUYER, Party.SELLER})
_TIME: Final = frozenset({Party.TIMER})

ACTORS: Final[dict[DisputeEvent, frozenset[Party]]] = {
    DisputeEvent.OPEN: frozenset({Party.BUYER}),
    DisputeEvent.ACCEPT: frozenset({Party.SELLER}),
    DisputeEvent.REJECT: frozenset({Party.SELLER}),
    DisputeEvent.OFFER: frozenset({Party.SELLER}),
    DisputeEvent.ACCEPT_OFFER: frozenset({Party.BUYER}),
    DisputeEvent.ESCALATE: frozenset({Party.BUYER}),
    DisputeEvent.WITHDRAW: frozenset({Party.BUYER}),
    DisputeEvent.SUBMIT_EVIDENCE: _SIDES,
    DisputeEvent.DECIDE: frozenset({Party.ARBITRATOR, Party.SUPERVISOR}),
    DisputeEvent.APPEAL: _SIDES,
    DisputeEvent.WAIVE: _SIDES,
    DisputeEvent.ANNOUNCE: _TIME,
    DisputeEvent.SELLER_SILENT: _TIME,
    DisputeEvent.BUYER_SILENT: _TIME,
    DisputeEvent.EVIDENCE_END: _TIME,
    DisputeEvent.REMIND: _TIME,
    DisputeEvent.CALL_SUPERVISORS: _TIME,
    DisputeEvent.APPEAL_END: _TIME,
    DisputeEvent.COMPENSATE: _TIME,
}

OPEN_STATES: Final = frozenset(DisputeState) - {DisputeState.SETTLED, DisputeState.CLOSED}
"""States in which the payment is disputed; something is due in each."""


def state_after(state: DisputeState, event: DisputeEvent, actor: Party, *, final: bool = False) -> DisputeState:
    """The state to which an event leads. Raises InvalidTransition or, where the step is another's, ActorNotAllowed."""
    after = TRANSITIONS.get((state, event))
    if after is None:
        raise InvalidTransition(state=state.name, event=event.name)
    if actor not in ACTORS[event]:
        raise ActorNotAllowed(actor=actor.name, event=event.name)
    return FINAL[state, event] if final else after
