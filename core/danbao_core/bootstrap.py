"""What stands ready in every sandbox: two operators' keys, and a buyer and a shop for a first payment.

What is there already is left alone, so a later start changes nothing.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import asyncpg

from danbao_core.accounts import Account, AccountKind, CreateAccount
from danbao_core.clock import system_wall_clock
from danbao_core.engine import Engine, Origin
from danbao_core.engine.reads import fetch_row
from danbao_core.errors import Refusal
from danbao_core.fundings import TopUp
from danbao_core.money import Money
from danbao_core.policy import PolicySchedule
from danbao_core.service_keys import SCOPES, CreateServiceKey, ServiceKey, Token

SAMPLE_BUYER: Final = UUID("00000000-0000-8000-8000-0000000b0ee1")
"""A person with money, the payer of the first payment."""
SAMPLE_SHOP: Final = UUID("00000000-0000-8000-8000-00000000540b")
"""A merchant, its payee."""
OPERATORS: Final = ("operator", "second-operator")
"""The services that the operators' keys belong to; the keys' files are named after them."""
SAMPLE_FUNDS: Final = Money(1_000_00, "USD")


class OperatorKeyUnusable(Exception):
    """An operator's key at hand does not open this database; the message says what to do."""


async def prepare_sandbox(database_url: str, operator_keys: Iterable[str]) -> None:
    """Makes the operators' keys and the sample accounts where they are missing.

    Raises OperatorKeyUnusable where a key was revoked or was given another secret.
    """
    tokens = {service: _token(key) for service, key in zip(OPERATORS, operator_keys, strict=True)}
    engine = Engine(database_url, policies=PolicySchedule.load())
    await engine.start()
    try:
        async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
            for service, token in tokens.items():
                await _ensure_operator_key(engine, pool, service, token)
            await _ensure_account(engine, pool, SAMPLE_BUYER, AccountKind.PERSONAL, "Ada")
            await _ensure_account(engine, pool, SAMPLE_SHOP, AccountKind.MERCHANT, "Corner Shop")
        # Remembered for ever, like every funding: a repeat is answered and books nothing.
        await engine.submit(TopUp(origin=_origin("sample funds"), account_id=SAMPLE_BUYER, amount=SAMPLE_FUNDS))
    finally:
        await engine.stop()


def _token(key: str) -> Token:
    try:
        return Token.parse(key)
    except Refusal:
        raise OperatorKeyUnusable(
            "operator.key or second-operator.key holds no operator's key: restore it, or remove it for a new one"
        ) from None


async def _ensure_operator_key(engine: Engine, pool: "asyncpg.Pool", service: str, token: Token) -> None:
    key = await fetch_row(pool, ServiceKey, token.key_id)
    if key is None:
        command = CreateServiceKey(
            origin=_origin(), id=token.key_id, service=service, scopes=SCOPES, secret_hash=token.secret_hash
        )
        key = (await engine.submit(command)).result
    try:
        key.must_accept(token.secret_hash, system_wall_clock())
    except Refusal as refusal:
        raise OperatorKeyUnusable(
            f"the sandbox's {service} key does not work any more ({refusal}): remove the file {service}.key for a new one"
        ) from None


async def _ensure_account(engine: Engine, pool: "asyncpg.Pool", account_id: UUID, kind: AccountKind, name: str) -> None:
    if await fetch_row(pool, Account, account_id) is None:
        command = CreateAccount(
            origin=_origin(), id=account_id, kind=kind, display_name=name, currencies=(SAMPLE_FUNDS.currency,)
        )
        await engine.submit(command)


def _origin(request_id: str = "") -> Origin:
    return Origin(caller="core", method="up", request_id=request_id, received_at=system_wall_clock())
