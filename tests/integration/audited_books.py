"""Healthy books, rich in all that the audit looks at, and breaches planted in copies of them.

healthy, books, broken, draft = audited_books.healthy, ...       # in a test module that asks for these fixtures
"""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest

from danbao_core.accounts import Account, Purpose
from danbao_core.audit import Check
from danbao_core.callers import CallerGuard
from danbao_core.engine import Engine
from danbao_core.ledger import OpenItemState, list_open_items
from danbao_core.money import MAX_AMOUNT_MINOR
from danbao_core.payments import Mode, Shipment, ShipmentMethod
from danbao_core.policy import PolicySchedule
from danbao_core.proposals import Grant, OpenItemSettlement, Side
from danbao_core.sandbox import BankBehaviour
from tests import builders, payouts
from tests.integration.bank_books import fundings_of_cards
from tests.integration.disputed_books import disputes_of_every_kind
from tests.shared_postgres import SharedServer, a_database

Connection = Any

NOBODY = UUID("00000000-0000-7000-8000-00000000dead")
"""An id that nothing has."""


async def a_story(engine: Engine) -> dict[str, UUID]:
    """Payments of every mode in every state, in three currencies, and who takes part; the ids by name.

    Those that time ends come first, because each moves the clock.
    """
    wallets = ("CNY", "USD")
    ada = await builders.an_account(engine, currencies=wallets, funds_minor=1_000_000, external_id="ada")
    bob = await builders.an_account(engine, currencies=wallets, funds_minor=1_000_000, display_name="Bob", external_id="bob")
    shop = await builders.a_merchant(engine, currencies=wallets)
    cleo = await builders.an_account(engine, funds_minor=1_000_000, display_name="Cleo")
    purchase: dict[str, Any] = {"payer": ada, "payee": shop}
    booking: dict[str, Any] = {"payer": cleo, "payee": shop}
    payments = {
        "finished": await builders.a_finished_payment(engine, **purchase),
        "expired": await builders.an_expired_payment(engine, **purchase),
        "hold_expired": await builders.timed_out(engine, await builders.an_authorized_payment(engine, **booking)),
        "capture_finished": await builders.timed_out(
            engine, await builders.captured(engine, await builders.an_authorized_payment(engine, **booking), 100)
        ),
        "waiting": await builders.a_payment(engine, **purchase, order_no=""),
        "paid": await builders.a_paid_payment(engine, **purchase),
        "also_paid": await builders.a_paid_payment(engine, **purchase),
        "shipped": await builders.a_shipped_payment(engine, **purchase, amount_minor=1_999),
        "succeeded": await builders.a_confirmed_payment(engine, **purchase, currency="USD"),
        "cancelled": await builders.a_cancelled_payment(engine, **purchase),
        "called_off": await builders.cancelled(engine, await builders.a_payment(engine, **purchase)),
        "transfer": await builders.a_paid_payment(engine, payer=ada, payee=bob, mode=Mode.INSTANT),
        "authorized": await builders.an_authorized_payment(engine, **booking, amount_minor=700),
        "captured": await builders.captured(engine, await builders.an_authorized_payment(engine, **booking), 601),
        "captured_whole": await builders.captured(engine, await builders.an_authorized_payment(engine, **booking)),
        "voided": await builders.voided(engine, await builders.an_authorized_payment(engine, **booking)),
        "unauthorized": await builders.a_payment(engine, **booking, mode=Mode.AUTHORIZATION),
        "corrected": await builders.corrected(
            engine,
            await builders.extended(engine, await builders.a_shipped_payment(engine, **purchase, currency="USD")),
            Shipment(ShipmentMethod.PICK_UP),
        ),
        "in_person": await builders.a_paid_payment(engine, **purchase, mode=Mode.INSTANT, currency="USD", order_no=""),
    }
    await the_largest_amounts(engine)
    await money_of_closed_accounts(engine)
    fundings = await fundings_of_every_kind(engine)
    funding = await builders.a_funding(engine, bob)
    ids = {name: payment.id for name, payment in payments.items()}
    ids |= await what_takes_two_operators(engine)
    ids |= await refunds_of_every_kind(engine)
    ids |= await payouts_of_every_kind(engine)
    ids |= await fundings_of_cards(engine)
    ids |= await disputes_of_every_kind(engine)
    return (
        ids
        | fundings
        | {"ada": ada.id, "bob": bob.id, "cleo": cleo.id, "shop": shop.id, "funding": funding.id, "nobody": NOBODY}
    )


async def the_largest_amounts(engine: Engine) -> None:
    """Sums over these payments take more than 64 bits."""
    rich = await builders.an_account(engine, currencies=("JPY",), funds_minor=MAX_AMOUNT_MINOR)
    for _ in range(2):
        await builders.a_cancelled_payment(engine, payer=rich, amount_minor=MAX_AMOUNT_MINOR, currency="JPY")
    await builders.a_confirmed_payment(engine, payer=rich, amount_minor=MAX_AMOUNT_MINOR, currency="JPY")


async def closed_by_force(engine: Engine, *accounts: Account) -> None:
    """Closes accounts although CloseAccount refuses it."""
    connection = await asyncpg.connect(engine._database_url)
    ids = [account.id for account in accounts]
    await connection.execute("UPDATE account SET state = 2, version = version + 1 WHERE id = ANY($1)", ids)
    await connection.close()


async def money_of_closed_accounts(engine: Engine) -> None:
    """A release and a capture to a payee and a return to a payer whose accounts are closed.

    CloseAccount refuses that, so it is written into the database: what the ledger then does is what is audited.
    """
    leaving_shop = await builders.a_merchant(engine)
    shipped = await builders.a_shipped_payment(engine, payee=leaving_shop)
    authorized = await builders.an_authorized_payment(engine, payee=leaving_shop)
    leaving_payer = await builders.an_account(engine, funds_minor=500)
    paid = await builders.a_paid_payment(engine, payer=leaving_payer, amount_minor=500)
    await closed_by_force(engine, leaving_shop, leaving_payer)
    await builders.confirmed(engine, shipped)
    await builders.captured(engine, authorized, 400)
    await builders.cancelled(engine, paid)


async def what_takes_two_operators(engine: Engine) -> dict[str, UUID]:
    """Adjustments, among them one that leaves a debt, which takings and a return repay in part; grants; open items settled."""
    debtor = await builders.a_merchant(engine, funds_minor=100)
    buyer = await builders.an_account(engine, funds_minor=10_000)
    paid = await builders.a_paid_payment(engine, payer=debtor, payee=buyer, amount_minor=50)
    terms = builders.an_adjustment(debtor, Purpose.FEES, 2_000)
    debt = await builders.approved(engine, terms)
    await builders.a_paid_payment(engine, payer=buyer, payee=debtor, amount_minor=1_000, mode=Mode.INSTANT)
    await builders.cancelled(engine, paid)
    fund = await builders.approved(engine, builders.an_adjustment(Purpose.BANK_CLEARING, Purpose.COMPENSATION, 500))
    await builders.approved(engine, builders.an_adjustment(Purpose.COMPENSATION, buyer, 200))
    rejected = await builders.rejected(engine, terms)
    pending = await builders.a_proposal(engine, terms)
    key = await builders.an_operator(engine)
    await builders.approved(engine, Grant(key_id=key.id, scopes=("payments.pay_any",)))
    async with asyncpg.create_pool(engine._database_url, min_size=1, max_size=1) as pool:
        items = (await list_open_items(pool, [OpenItemState.OPEN], before=None, limit=10)).rows
    for item, credit in zip(items, (Side(Purpose.AVAILABLE, buyer.id), Side(Purpose.FEES)), strict=False):
        await builders.approved(engine, OpenItemSettlement(open_item_id=item.id, credit=credit))
    return {
        "debtor": debtor.id,
        "debt": debt.id,
        "fund": fund.id,
        "rejected": rejected.id,
        "pending": pending.id,
        "settled_item": items[0].id,
        "item": items[-1].id,
        "operator": key.id,
    }


async def refunds_of_every_kind(engine: Engine) -> dict[str, UUID]:
    """Refunds in every state and of both sources, in a currency of their own; among them one to who has left."""
    wallets = ("GBP",)
    payer = await builders.an_account(engine, currencies=wallets, funds_minor=100_000, display_name="Eve")
    shop = await builders.a_merchant(engine, currencies=wallets, funds_minor=5)
    poor = await builders.a_merchant(engine, currencies=wallets)
    purchase: dict[str, Any] = {"payer": payer, "payee": shop, "currency": "GBP"}

    lacking = await builders.a_confirmed_payment(engine, **(purchase | {"payee": poor}))
    await builders.a_withdrawal(engine, poor, 985, "GBP")
    unpaid = await builders.a_refund(engine, lacking, 100)
    await builders.later(engine, 7 * 86_400)
    unpaid = await builders.stepped(engine, unpaid)
    awaiting = await builders.a_refund(engine, lacking, 300)

    half = await builders.a_paid_payment(engine, **purchase)
    done, pending = await builders.refunded(engine, half, 300), await builders.a_refund(engine, half, 200)
    called_off = await builders.a_paid_payment(engine, **purchase)
    superseded = await builders.a_refund(engine, called_off, 200)
    await builders.cancelled(engine, called_off)
    kept = await builders.a_shipped_payment(engine, **purchase)
    of_escrow = await builders.a_refund(engine, kept, 400)
    await builders.confirmed(engine, kept)
    given = await builders.a_confirmed_payment(engine, **purchase)
    back, held = await builders.refunded(engine, given, 333), await builders.a_refund(engine, given, 333)
    await builders.refunded(engine, await builders.a_paid_payment(engine, **purchase))
    all_back = await builders.a_confirmed_payment(engine, **purchase)
    await builders.refunded(engine, all_back)
    leaving = await builders.an_account(engine, currencies=wallets, funds_minor=1_000)
    left = await builders.a_confirmed_payment(engine, **(purchase | {"payer": leaving}))
    await closed_by_force(engine, leaving)
    await builders.refunded(engine, left, 400)
    payments = {"lacking": lacking, "half": half, "kept": kept, "given": given, "all_back": all_back}
    refunds = {
        "unpaid": unpaid,
        "awaiting": awaiting,
        "done": done,
        "pending_refund": pending,
        "superseded": superseded,
        "of_escrow": of_escrow,
        "back": back,
        "held": held,
    }
    return {name: row.id for name, row in (payments | refunds).items()} | {"poor": poor.id, "giver": shop.id}


async def payouts_of_every_kind(engine: Engine) -> dict[str, UUID]:
    """A payout that a bank accepted, one that it refused, and one to which none has answered; and a schedule without any."""
    shop = await builders.a_merchant(engine, currencies=("EUR",), funds_minor=900)
    schedule = await payouts.a_schedule(engine, shop, currency="EUR")
    ids = {"schedule": schedule.id, "idle_schedule": (await payouts.a_schedule(engine, await builders.a_merchant(engine))).id}
    answers = (BankBehaviour.ACCEPT, BankBehaviour.DECLINE, BankBehaviour.NO_ANSWER)
    for name, behaviour in zip(("payout", "refused_payout", "pending_payout"), answers, strict=True):
        await builders.the_bank(engine, behaviour)
        paid = await payouts.paid_out(engine, schedule)
        async with asyncpg.create_pool(engine._database_url, min_size=1, max_size=1) as pool:
            ids[name] = await pool.fetchval("SELECT id FROM payout WHERE schedule_id = $1 ORDER BY id DESC LIMIT 1", paid.id)
        await builders.the_bank(engine, BankBehaviour.ACCEPT)
        await builders.a_funding(engine, shop, 500, "EUR")
    return ids


async def fundings_of_every_kind(engine: Engine) -> dict[str, UUID]:
    """Fundings in every state, answered at once and later, of dora, whom an operator froze meanwhile, and of who has left."""
    dora = await builders.an_account(engine, funds_minor=10_000, display_name="Dora")
    withdrawn = await builders.a_withdrawal(engine, dora, 100)
    await builders.the_bank(engine, BankBehaviour.DECLINE)
    declined = [await builders.a_funding(engine, dora, 200), await builders.a_withdrawal(engine, dora, 300)]
    await builders.the_bank(engine, BankBehaviour.NO_ANSWER)
    answered = [
        (await builders.a_funding(engine, dora, 1), True),
        (await builders.a_funding(engine, dora, 2), False),
        (await builders.a_withdrawal(engine, dora, 3), True),
        (await builders.a_withdrawal(engine, dora, 4), False),
    ]
    topping_up, withdrawing = await builders.a_funding(engine, dora, 500), await builders.a_withdrawal(engine, dora, 600)
    leaving = await builders.an_account(engine)
    await builders.the_bank(engine, BankBehaviour.ACCEPT)
    await builders.a_funding(engine, leaving, 700)
    await builders.the_bank(engine, BankBehaviour.NO_ANSWER)
    left = [(await builders.a_withdrawal(engine, leaving, 700), False), (await builders.a_funding(engine, leaving, 8), True)]
    await builders.the_bank(engine, BankBehaviour.ACCEPT)
    await builders.frozen(engine, dora)
    await closed_by_force(engine, leaving)
    for funding, accepted in answered + left:
        await builders.settled(engine, funding, accepted=accepted)
    named = {"withdrawn": withdrawn, "declined": declined[1], "topping_up": topping_up, "withdrawing": withdrawing}
    return {name: funding.id for name, funding in named.items()} | {"dora": dora.id, "left": leaving.id}


class Books(NamedTuple):
    """A database that can be copied, and what is in it."""

    database: str
    ids: dict[str, UUID]


@pytest.fixture(scope="module")
async def healthy(postgres: SharedServer, administrator: Connection) -> AsyncIterator[Books]:
    """The story in a database to which nobody is connected."""
    async with a_database(administrator, postgres) as url:
        engine = Engine(url, policies=PolicySchedule.load(), guard=CallerGuard())
        await engine.start()
        try:
            ids = await a_story(engine)
        finally:
            await engine.stop()
        connection = await asyncpg.connect(url)
        ids["event"] = await connection.fetchval("SELECT id FROM outbox ORDER BY sequence LIMIT 1")
        ids["pay"] = await connection.fetchval("SELECT id FROM journal WHERE subject_id = $1", ids["paid"])
        ids["wallet"] = await connection.fetchval(
            "SELECT id FROM balance WHERE account_id = $1 AND currency = 'CNY' AND purpose = 1", ids["ada"]
        )
        ids["pocket"] = await connection.fetchval(
            "SELECT id FROM balance WHERE account_id = $1 AND currency = 'CNY' AND purpose = 2", ids["ada"]
        )
        await connection.close()
        yield Books(url.partition("?")[0].rpartition("/")[2], ids)


@pytest.fixture
async def books(postgres: SharedServer, administrator: Connection, healthy: Books) -> AsyncIterator[str]:
    """The URL of a copy."""
    async with a_database(administrator, postgres, healthy.database) as url:
        yield url


def breaches(checks: list[Check]) -> dict[str, str]:
    """What does not hold, in the order in which it is found."""
    return {check.invariant: check.breach for check in checks if check.breach is not None}


# --- Breaches ---------------------------------------------------------------------------------------------------------------


class Plant(NamedTuple):
    """A change that breaks an invariant. `sql` and `breach` name the story's ids in braces."""

    invariant: str
    sql: str
    breach: str
    """The words that name the row."""
    also: tuple[str, ...] = ()
    """What cannot hold either, then."""


BREACH = Plant(
    "payment_matches_times", "UPDATE payment SET paid_at = NULL WHERE id = '{paid}'", "payment {paid} of mode 1 is PAID"
)

DROP_CHECKS = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
    FROM pg_constraint
    WHERE contype = 'c' AND connamespace = 'public'::regnamespace
"""
"""So that what the schema itself refuses can be planted, too."""


async def planted(connection: Connection, plant: Plant, ids: dict[str, UUID]) -> None:
    for row in await connection.fetch(DROP_CHECKS):
        await connection.execute(row[0])
    await connection.execute(plant.sql.format(**ids))


@pytest.fixture
async def broken(books: str, healthy: Books) -> str:
    """The URL of a copy with one breach."""
    connection = await asyncpg.connect(books)
    await planted(connection, BREACH, healthy.ids)
    await connection.close()
    return books


@pytest.fixture
async def draft(postgres: SharedServer, healthy: Books) -> AsyncIterator[Connection]:
    """A transaction on the story's database that is undone at the end: a copy that costs nothing."""
    connection = await asyncpg.connect(postgres.url_of(healthy.database))
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()
