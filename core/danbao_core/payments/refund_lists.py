"""Reading many refunds, newest first."""

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from danbao_core import sql
from danbao_core.engine.reads import Found, fetch_found, finding, from_record, newest
from danbao_core.payments.refund_rows import Refund, RefundState

if TYPE_CHECKING:
    import asyncpg


class Of(Enum):
    """Whose refunds are read; each is a query of its own, so that each has its index."""

    ALL = ""
    PAYER = "refunds_of_payer"
    PAYEE = "refunds_of_payee"
    EITHER = "refunds_of_party"
    PAYMENT = "refunds_of_payment"


class RefundFilter(NamedTuple):
    """Which refunds are read; empty states are all of them."""

    of: Of = Of.ALL
    id: UUID | None = None
    """Of the account, or of the payment; given but for ALL."""
    states: Sequence[RefundState] = ()


_SOUGHT: Final = "state = ANY($4::smallint[])"


def text_of(of: Of) -> str:
    """The query for what is sought among the refunds of $5."""
    return finding(_SOUGHT, newest(Refund.table) if of is Of.ALL else sql.load("danbao_core.payments", of.value))


async def list_refunds(pool: "asyncpg.Pool[Any]", wanted: RefundFilter, *, before: UUID | None, limit: int) -> Found[Refund]:
    """At most `limit` refunds whose ids are smaller than `before`, by descending id, among the first MOST_LOOKED_AT
    of these."""
    arguments = [list(wanted.states or RefundState), *(() if wanted.of is Of.ALL else (wanted.id,))]
    return await fetch_found(pool, from_record(Refund), text_of(wanted.of), *arguments, before=before, limit=limit)
