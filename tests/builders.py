"""What tests begin with, made through the engine by the commands that everybody uses.

    merchant = await a_merchant(engine)
    payment = await a_shipped_payment(engine, payee=merchant, amount_minor=2_000)

Every builder makes what it is not given. Nothing here is bound to a service key: the system itself asks.
"""

import math
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from danbao_core.accounts import Account, AccountKind, CreateAccount, FreezeAccount, Purpose, UnfreezeAccount
from danbao_core.bank.ways import Ways
from danbao_core.engine import Book, Command, Decision, Engine, Key, Origin, Row
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import InvalidTransition
from danbao_core.fundings import Funding, SettleFunding, TopUp, Withdraw
from danbao_core.money import Money
from danbao_core.payments import (
    CancelPayment,
    CapturePayment,
    CarryOutRefund,
    ConfirmPayment,
    CorrectShipment,
    CreatePayment,
    CreateRefund,
    ExtendConfirmation,
    Mode,
    Payment,
    PayPayment,
    Refund,
    Shipment,
    ShipmentMethod,
    ShipPayment,
    VoidPayment,
)
from danbao_core.proposals import Adjustment, ApproveProposal, CreateProposal, Proposal, RejectProposal, Side, Terms
from danbao_core.sandbox import AdvanceClock, BankBehaviour, ClockReading, SetBankBehaviour
from danbao_core.service_keys import CreateServiceKey, ServiceKey

R = TypeVar("R", bound=msgspec.Struct)
S = TypeVar("S", bound=Row)

BY_BANK = Ways(bank=True)
"""What makes a funding of a card ask its bank."""

EXPRESS = Shipment(ShipmentMethod.EXPRESS, carrier="SF", tracking_no="SF1000000000001")

_order_numbers = count(1)


def origin(**changes: Any) -> Origin:
    """The system itself, with a request id that was never used before."""
    facts: dict[str, Any] = {
        "caller": "service:test",
        "method": "Test/Test",
        "request_id": uuid4().hex,
        "content": b"content",
        "received_at": datetime.now(UTC),
    }
    return Origin(**(facts | changes))


def an_order_no() -> str:
    """An order number that no other payment of this process has."""
    return f"order-{next(_order_numbers)}"


async def carried_out(engine: Engine, command: Command[R]) -> R:
    """The result of a command. Raises the Refusal where it is refused."""
    return (await engine.submit(command)).result


async def later(engine: Engine, seconds: int) -> ClockReading:
    """Moves the sandbox's clock forward."""
    return await carried_out(engine, AdvanceClock(origin=origin(), by_seconds=seconds))


# --- Accounts ---------------------------------------------------------------------------------------------------------------


async def an_account(
    engine: Engine,
    kind: AccountKind = AccountKind.PERSONAL,
    currencies: tuple[str, ...] = ("CNY",),
    funds_minor: int = 0,
    display_name: str = "Ada",
    external_id: str = "",
) -> Account:
    """An account with `funds_minor` in each of its wallets."""
    command = CreateAccount(
        origin=origin(), kind=kind, display_name=display_name, currencies=currencies, external_id=external_id
    )
    account = await carried_out(engine, command)
    if funds_minor:
        for currency in currencies:
            await a_funding(engine, account, funds_minor, currency)
    return account


async def a_merchant(engine: Engine, currencies: tuple[str, ...] = ("CNY",), funds_minor: int = 0) -> Account:
    """An account that pays fees on what it takes."""
    return await an_account(engine, AccountKind.MERCHANT, currencies, funds_minor, display_name="Bookshop")


async def a_funding(engine: Engine, account: Account, amount_minor: int = 10_000, currency: str = "CNY") -> Funding:
    """Money from outside for an account."""
    return await carried_out(engine, TopUp(origin=origin(), account_id=account.id, amount=Money(amount_minor, currency)))


async def a_withdrawal(engine: Engine, account: Account, amount_minor: int = 1_000, currency: str = "CNY") -> Funding:
    """Money of an account that goes out."""
    return await carried_out(engine, Withdraw(origin=origin(), account_id=account.id, amount=Money(amount_minor, currency)))


async def the_bank(engine: Engine, behaviour: BankBehaviour) -> None:
    """Says how the sandbox's bank answers from now on."""
    await carried_out(engine, SetBankBehaviour(origin=origin(), behaviour=behaviour))


async def settled(engine: Engine, funding: Funding, *, accepted: bool) -> Funding:
    """A pending funding after the bank's answer."""
    return await carried_out(engine, SettleFunding(origin=origin(), funding_id=funding.id, accepted=accepted))


async def frozen(engine: Engine, account: Account) -> Account:
    """The account after an operator froze it."""
    return await carried_out(engine, FreezeAccount(origin=origin(), account_id=account.id, reason="a test"))


async def unfrozen(engine: Engine, account: Account) -> Account:
    """The account after an operator ended its freeze."""
    return await carried_out(engine, UnfreezeAccount(origin=origin(), account_id=account.id, reason="a test"))


# --- Payments ---------------------------------------------------------------------------------------------------------------


async def a_payment(
    engine: Engine,
    payer: Account | None = None,
    payee: Account | None = None,
    amount_minor: int = 1_000,
    currency: str = "CNY",
    mode: Mode = Mode.ESCROW,
    order_no: str | None = None,
    **facts: Any,
) -> Payment:
    """A payment that waits to be paid, from a payer who can, to a merchant; `facts` as CreatePayment takes them."""
    payer = payer or await an_account(engine, currencies=(currency,), funds_minor=amount_minor)
    payee = payee or await a_merchant(engine, currencies=(currency,))
    command = CreatePayment(
        origin=origin(),
        payer_id=payer.id,
        payee_id=payee.id,
        amount=Money(amount_minor, currency),
        mode=mode,
        order_no=an_order_no() if order_no is None else order_no,
        **facts,
    )
    return await carried_out(engine, command)


async def a_paid_payment(engine: Engine, **facts: Any) -> Payment:
    """An escrow payment whose money is in escrow, or with `mode=Mode.INSTANT` one whose money arrived."""
    return await a_payment(engine, pay=True, **facts)


async def a_shipped_payment(engine: Engine, **facts: Any) -> Payment:
    """An escrow payment whose goods are under way."""
    return await shipped(engine, await a_paid_payment(engine, **facts))


async def a_confirmed_payment(engine: Engine, **facts: Any) -> Payment:
    """An escrow payment whose money was released."""
    return await confirmed(engine, await a_shipped_payment(engine, **facts))


async def a_cancelled_payment(engine: Engine, **facts: Any) -> Payment:
    """An escrow payment whose money went back."""
    return await cancelled(engine, await a_paid_payment(engine, **facts))


async def a_finished_payment(engine: Engine, **facts: Any) -> Payment:
    """A payment whose refund window is over; the clock moves past it."""
    return await timed_out(engine, await a_confirmed_payment(engine, **facts))


async def an_expired_payment(engine: Engine, **facts: Any) -> Payment:
    """A payment that nobody paid in time; the clock moves past it."""
    return await timed_out(engine, await a_payment(engine, **facts))


async def paid(engine: Engine, payment: Payment) -> Payment:
    """The payment after its payer paid."""
    return await carried_out(engine, PayPayment(origin=origin(), payment_id=payment.id))


async def shipped(engine: Engine, payment: Payment, shipment: Shipment = EXPRESS) -> Payment:
    """The payment after its payee shipped."""
    return await carried_out(engine, ShipPayment(origin=origin(), payment_id=payment.id, shipment=shipment))


async def confirmed(engine: Engine, payment: Payment) -> Payment:
    """The payment after its payer confirmed."""
    return await carried_out(engine, ConfirmPayment(origin=origin(), payment_id=payment.id))


async def cancelled(engine: Engine, payment: Payment) -> Payment:
    """The payment after it was called off."""
    return await carried_out(engine, CancelPayment(origin=origin(), payment_id=payment.id))


async def an_authorized_payment(engine: Engine, **facts: Any) -> Payment:
    """An authorization whose money the payer's account holds."""
    return await a_payment(engine, mode=Mode.AUTHORIZATION, pay=True, **facts)


async def captured(engine: Engine, payment: Payment, amount_minor: int | None = None) -> Payment:
    """The authorization after its payee captured all of it, or so much."""
    amount = None if amount_minor is None else Money(amount_minor, payment.currency)
    return await carried_out(engine, CapturePayment(origin=origin(), payment_id=payment.id, amount=amount))


async def voided(engine: Engine, payment: Payment) -> Payment:
    """The authorization after its payee gave it up."""
    return await carried_out(engine, VoidPayment(origin=origin(), payment_id=payment.id))


async def corrected(engine: Engine, payment: Payment, shipment: Shipment) -> Payment:
    """The payment after its payee corrected the shipment."""
    return await carried_out(engine, CorrectShipment(origin=origin(), payment_id=payment.id, shipment=shipment))


async def extended(engine: Engine, payment: Payment) -> Payment:
    """The payment after its payer took longer to confirm."""
    return await carried_out(engine, ExtendConfirmation(origin=origin(), payment_id=payment.id))


# --- Refunds ----------------------------------------------------------------------------------------------------------------


async def a_refund(engine: Engine, payment: Payment, amount_minor: int | None = None, **facts: Any) -> Refund:
    """A refund of all that is left of a payment, or of so much; `facts` as CreateRefund takes them."""
    amount = None if amount_minor is None else Money(amount_minor, payment.currency)
    return await carried_out(engine, CreateRefund(origin=origin(), payment_id=payment.id, amount=amount, **facts))


async def stepped(engine: Engine, refund: Refund) -> Refund:
    """The refund after a worker took its next step."""
    return await carried_out(engine, CarryOutRefund(origin=origin(), refund_id=refund.id))


async def refunded(engine: Engine, payment: Payment, amount_minor: int | None = None, **facts: Any) -> Refund:
    """A refund that gave back all that is left of a payment, or so much."""
    return await stepped(engine, await a_refund(engine, payment, amount_minor, **facts))


# --- Operators --------------------------------------------------------------------------------------------------------------


async def an_operator(engine: Engine) -> ServiceKey:
    """The key of an operator, made on the machine."""
    return await carried_out(engine, an_operators_key())


def an_operators_key() -> CreateServiceKey:
    """The making of a key that descends from no other."""
    scopes = frozenset({"operations"})
    return CreateServiceKey(origin=origin(), service="operator", scopes=scopes, secret_hash=uuid4().bytes * 2)


def by(key: ServiceKey) -> Origin:
    """A request that is made with a key."""
    return origin(
        caller=key.caller,
        key_id=key.id,
        secret_hash=key.secret_hash,
        account_id=key.account_id,
        scopes=frozenset(key.scopes.split()),
    )


async def a_proposal(engine: Engine, terms: Terms) -> Proposal:
    """What an operator proposes."""
    command = CreateProposal(origin=by(await an_operator(engine)), terms=terms, reason="a mistake")
    return await carried_out(engine, command)


async def approved(engine: Engine, terms: Terms) -> Proposal:
    """What one operator proposed and another approved."""
    proposal = await a_proposal(engine, terms)
    return await carried_out(engine, ApproveProposal(origin=by(await an_operator(engine)), proposal_id=proposal.id))


async def rejected(engine: Engine, terms: Terms) -> Proposal:
    """What one operator proposed and another rejected."""
    proposal = await a_proposal(engine, terms)
    return await carried_out(engine, RejectProposal(origin=by(await an_operator(engine)), proposal_id=proposal.id))


def an_adjustment(debit: Account | Purpose, credit: Account | Purpose, amount_minor: int = 100) -> Adjustment:
    """The terms of an adjustment between wallets and platform balances."""

    def side(of: Account | Purpose) -> Side:
        return Side(of) if isinstance(of, Purpose) else Side(Purpose.AVAILABLE, of.id)

    return Adjustment(debit=side(debit), credit=side(credit), amount=Money(amount_minor, "CNY"))


# --- Time and what is stored ------------------------------------------------------------------------------------------------


async def timed_out(engine: Engine, payment: Payment) -> Payment:
    """The payment after the clock moved past its due date and somebody came too late to cancel it."""
    reading = await later(engine, 1)
    if payment.due_at is not None and payment.due_at > reading.time:
        await later(engine, math.ceil((payment.due_at - reading.time).total_seconds()))
    with pytest.raises(InvalidTransition):
        await cancelled(engine, payment)
    return await stored(engine, Payment, payment.id)


async def stored(engine: Engine, row_type: type[S], *key: Any) -> S:
    """The committed row with this key."""
    async with asyncpg.create_pool(engine._database_url, min_size=1, max_size=1) as pool:
        row = await fetch_row(pool, row_type, *key)
    assert row is not None
    return row


class _Written(msgspec.Struct, frozen=True):
    """How many rows were written."""

    count: int


class Put(Command[_Written], frozen=True):
    """Writes rows as they are: new ones, and next versions of those that there are."""

    result_type = _Written
    rows: tuple[Row, ...]

    def keys(self, book: Book) -> list[Key]:
        return [type(row).key(*row.key_values) for row in self.rows]

    def decide(self, book: Book) -> Decision[_Written]:
        return Decision(_Written(len(self.rows)), self.rows)


async def put(engine: Engine, *rows: Row) -> None:
    """Carries out a Put."""
    await engine.submit(Put(origin=origin(), rows=rows))
