"""What a person shows for moving money, read and hashed before the decision."""

from typing import TYPE_CHECKING, Any

from danbao_core.engine import Origin
from danbao_core.engine.reads import fetch_row
from danbao_core.keyring import Keyring
from danbao_core.people.passwords import payment_proof
from danbao_core.people.person import Person
from danbao_core.people.proofs import NO_PROOFS, Proofs
from danbao_core.rpc.convert.parts import optional_id_of

if TYPE_CHECKING:
    import asyncpg


async def proofs_of(
    pool: "asyncpg.Pool[Any]", keyring: Keyring, origin: Origin, payment_password: str, approval: str = ""
) -> Proofs:
    """The proofs in a person's request; a service shows none, whatever its request says. Raises SealBroken."""
    if not origin.by_person or origin.account_id is None:
        return NO_PROOFS
    person = await fetch_row(pool, Person, origin.account_id) if payment_password else None
    password = None if person is None else payment_proof(keyring, person, payment_password)
    return Proofs(password, optional_id_of(approval))
