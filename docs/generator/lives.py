"""The diagrams of the site: the transition tables of the core, each as it is drawn."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, Final

from danbao_core.disputes import lifecycle as disputes
from danbao_core.payments import lifecycle as payments
from danbao_core.payments import refund_rows as refunds
from docs.generator.svg import Life, Move

_PAYER_AND_PAYEE: Final = {payments.Actor.PAYER: "payer", payments.Actor.PAYEE: "payee", payments.Actor.TIMER: "core"}
_PARTIES: Final = {
    disputes.Party.BUYER: "buyer",
    disputes.Party.SELLER: "seller",
    disputes.Party.ARBITRATOR: "arbitrator",
    disputes.Party.TIMER: "core",
}


def all_lives() -> dict[str, Life]:
    """Every diagram by the name of its file."""
    return {
        "escrow": _payment(payments.Mode.ESCROW, "A payment through escrow"),
        "instant": _payment(payments.Mode.INSTANT, "An instant payment"),
        "authorization": _payment(payments.Mode.AUTHORIZATION, "A payment that is authorized and captured"),
        "refund": _refund(),
        "dispute": _dispute(),
    }


def _payment(mode: payments.Mode, title: str) -> Life:
    moves = [
        Move(state.name, after.name, f"{_words(event)} · {_who(payments.ACTORS[event], _PAYER_AND_PAYEE)}")
        for (of, state, event), after in payments.TRANSITIONS.items()
        if of is mode
    ]
    met = {move.source for move in moves} | {move.target for move in moves}
    order = ("AWAITING_PAYMENT", "AUTHORIZED", "PAID", "SHIPPED", "SUCCEEDED", "FINISHED")
    column = [name for name in order if name in met]
    return Life(title, column, "AWAITING_PAYMENT", moves, right=payments.State.CLOSED.name)


def _refund() -> Life:
    moves = [Move(state.name, after.name, _words(event)) for (state, event), after in refunds.TRANSITIONS.items()]
    column = ["AWAITING_FUNDS", "PENDING", "SUCCEEDED"]
    return Life("A refund", column, "PENDING", moves, right="FAILED")


def _dispute() -> Life:
    moves = [
        *_dispute_moves(disputes.TRANSITIONS, ""),
        *_dispute_moves(disputes.FINAL, ", at last"),
    ]
    column = ["AWAITING_SELLER", "AWAITING_BUYER", "UNDER_REVIEW", "DECIDED"]
    return Life("A dispute", column, "AWAITING_SELLER", moves, left="SETTLED", right="CLOSED")


def _dispute_moves(
    table: dict[tuple[disputes.DisputeState, disputes.DisputeEvent], disputes.DisputeState], suffix: str
) -> Iterable[Move]:
    for (state, event), after in table.items():
        yield Move(state.name, after.name, f"{_words(event)}{suffix} · {_who(disputes.ACTORS[event], _PARTIES)}")


def _words(event: IntEnum) -> str:
    return event.name.lower().replace("_", " ")


def _who(actors: Iterable[IntEnum], names: Mapping[Any, str]) -> str:
    return ", ".join(name for actor, name in names.items() if actor in actors)
