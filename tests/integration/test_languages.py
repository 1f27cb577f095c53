"""People are written to in their language: the one that they stated, or else what is spoken where their number is from."""

from typing import Any

import pytest

from danbao.v1 import accounts_pb2
from tests import rpc_client
from tests.people import a_person, a_phone, a_stranger, messages_to, registered
from tests.rpc_client import Core, an_account, nothing_changes
from tests.rpc_requests import changed, register, set_payment_password, update_account

core = rpc_client.core


async def _text(core: Core, phone: str) -> str:
    return str((await messages_to(core, phone))[0].text)


@pytest.mark.parametrize(
    ("fields", "begins"),
    [({"language": "fr"}, "[Danbao] {code} est votre code"), ({}, "【担保】验证码 {code}")],
)
async def test_who_registers_is_written_to_in_their_language(core: Core, fields: dict[str, Any], begins: str) -> None:
    phone = a_phone()
    await a_stranger(core).ask(register(phone, **fields))
    [message] = await messages_to(core, phone)
    assert message.text.startswith(begins.format(**message.parameters))


async def test_an_account_keeps_the_language_of_its_registration(core: Core) -> None:
    phone = a_phone()
    tokens = await registered(core, phone, language="es")
    ada = core.operator.with_token(tokens.access_token)
    assert (await ada.ask(accounts_pb2.GetAccountRequest(name=tokens.account))).language == "es"
    await ada.ask(set_payment_password("280463"))
    assert "contraseña de pago" in await _text(core, phone)


async def test_a_person_changes_their_language(core: Core) -> None:
    ada = await a_person(core)
    assert (await ada.ask(update_account(ada.account, "en"))).language == "en"
    async with nothing_changes(core):
        request = update_account(ada.account, "fr")
        assert (await ada.refused(changed(request, update_mask=None))).violations
        assert (await ada.refused(changed(request, language="tlh"))).violations
    await ada.ask(update_account(ada.account, "en"))
    assert (await ada.ask(accounts_pb2.GetAccountRequest(name=ada.account))).language == "en"


async def test_a_language_is_changed_of_ones_own_account_alone(core: Core) -> None:
    ada, other = await a_person(core), await an_account(core)
    async with nothing_changes(core):
        assert (await ada.refused(update_account(other, "en"))).reason == "ACCOUNT_NOT_FOUND"
    assert (await core.operator.ask(update_account(other, "en"))).language == "en"


async def test_an_account_is_made_with_a_language(core: Core) -> None:
    request = accounts_pb2.CreateAccountRequest(
        request_id="french",
        kind=accounts_pb2.Account.KIND_MERCHANT,
        display_name="Chez Ada",
        currency_codes=["EUR"],
        language="fr",
    )
    assert (await core.operator.ask(request)).language == "fr"
