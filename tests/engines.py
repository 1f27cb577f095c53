"""What tests of engines submit, and what they look at then."""

import asyncio
from collections.abc import Iterable
from typing import Any

from danbao_core.accounts import Account, Balance, Purpose, balance_id
from danbao_core.audit import audit
from danbao_core.engine import Command, Engine
from danbao_core.money import Money
from danbao_core.payments import CreatePayment, Mode
from tests.builders import origin, stored


def transfer(
    payer: Account, payee: Account, amount_minor: int = 1, *, mode: Mode = Mode.INSTANT, **changes: Any
) -> CreatePayment:
    """A payment that is paid at once; `changes` as `origin` takes them."""
    amount = Money(amount_minor, "CNY")
    return CreatePayment(origin=origin(**changes), payer_id=payer.id, payee_id=payee.id, amount=amount, mode=mode, pay=True)


async def outcomes_of(*racing: tuple[Engine, Command[Any]]) -> list[Any]:
    """What comes of commands that are submitted at once."""
    submitted = (engine.submit(command) for engine, command in racing)
    found: list[Any] = await asyncio.gather(*submitted, return_exceptions=True)
    return found


async def together(engine: Engine, commands: Iterable[Command[Any]]) -> list[Any]:
    """Outcomes of commands that are submitted to one engine at once, so that they meet in batches."""
    return await outcomes_of(*((engine, command) for command in commands))


async def available(engine: Engine, account: Account) -> int:
    """What an account can spend, in minor units."""
    spendable, _ = await money(engine, account)
    return spendable


async def money(engine: Engine, account: Account) -> tuple[int, int]:
    """What an account can spend, and what it holds."""
    purposes = (Purpose.AVAILABLE, Purpose.HELD)
    spendable, held = [await stored(engine, Balance, balance_id(account.id, "CNY", purpose)) for purpose in purposes]
    return spendable.amount_minor, held.amount_minor


async def breaches(database_url: str) -> list[str]:
    """What the audit finds wrong."""
    return [check.breach for check in await audit(database_url) if check.breach is not None]


async def between_transactions(engine: Engine) -> Any:
    """The connection of an idle engine, without the transaction that waits there for the next batch."""
    assert engine._main.connection is not None
    await engine._main.connection.execute("ROLLBACK")
    return engine._main.connection
