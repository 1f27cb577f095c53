"""What is stored of a person: shown to them alone, and erased once the account is closed."""

import asyncio
import json
from collections.abc import Iterator

import grpc
import pytest
from stdnum.cn import ric

from danbao.v1 import accounts_pb2, identity_pb2, verification_pb2
from danbao.v1.identity_pb2 import Identity
from danbao_core.people import factors
from danbao_core.people.messages import letter
from tests import rpc_client
from tests.leaks import must_not_be_logged, must_not_be_stored
from tests.log_lines import Lines, log_lines
from tests.people import (
    PersonCaller,
    a_minute_later,
    a_person,
    a_phone,
    a_stranger,
    another_session,
    approval_of,
    keyring_of,
    logged_in,
    registered,
)
from tests.rpc_client import Core, an_account, audit_holds, id_of, nothing_changes, outcome
from tests.rpc_requests import a_request_id, bind, close, complete, erase, log_in, open_wallet, register, unbind, verify

core = rpc_client.core

NAME, NUMBER, CARD = "欧阳娜娜", "360426199101010071", "6222021234567894567"


@pytest.fixture
def lines() -> Iterator[Lines]:
    with log_lines() as written:
        yield written


def export(account: str) -> identity_pb2.ExportPersonalDataRequest:
    return identity_pb2.ExportPersonalDataRequest(account=account)


async def somebody(core: Core, phone: str = "") -> tuple[PersonCaller, identity_pb2.Instrument]:
    """A person with a name, a card, a message and an authenticator."""
    ada = await a_person(core, phone=phone)
    await ada.ask(verify(ada.account, real_name=NAME, number=NUMBER))
    card = await ada.ask(bind(ada.account, CARD, payment_password=ada.payment_password))
    keyring = keyring_of(core)
    sent, factor_id = letter(keyring, ada.phone, "code", code="493027"), id_of(ada.account)
    await core.connection.execute(
        "INSERT INTO message (id, channel, address_hash, address, template, parameters, created_at) "
        "VALUES ($1, 1, $2, $3, 'code', $4, now())",
        sent.id,
        sent.address_hash,
        sent.address,
        sent.parameters,
    )
    await core.connection.execute(
        "INSERT INTO factor VALUES ($1, $2, 2, 2, $3, 'my phone', 0, 1, now(), now(), 1)",
        factor_id,
        id_of(ada.account),
        keyring.seal(factors.new_secret(), "factor", "secret", factor_id),
    )
    return ada, card


async def test_a_person_is_shown_everything_and_nobody_else_is(core: Core) -> None:
    ada, card = await somebody(core)
    await ada.ask(unbind(card.name))
    data = await ada.ask(export(ada.account))
    assert (data.account, data.phone, data.display_name) == (ada.account, ada.phone, "Ada")
    assert (data.real_name, data.document, data.number) == (NAME, Identity.DOCUMENT_RESIDENT_ID, NUMBER)
    assert [(each.name, each.last_four) for each in data.instruments] == [(card.name, CARD[-4:])]
    assert data.device_ids == [ada.device_id]
    bob = await a_person(core)
    assert (await bob.refused(export(ada.account))).reason == "ACCOUNT_NOT_FOUND"
    service = await core.caller("accounts.read", "accounts.write", account=ada.account)
    assert (await service.refused(export(ada.account))).reason == "SCOPE_MISSING"


async def test_nothing_of_a_person_is_stored_or_logged_in_clear(core: Core, lines: Lines) -> None:
    ada, _ = await somebody(core)
    await ada.ask(export(ada.account))
    await ada.refused(bind(ada.account, CARD, payment_password="135792"))
    await ada.refused(verify(ada.account, real_name="Nobody", number=NUMBER))
    await ada.refused(verify(ada.account, real_name=NAME, number=NUMBER[:-1] + "9"))
    secrets = (NAME, NUMBER, CARD, ada.phone, ada.payment_password, ada.login_password, "493027", "135792")
    await must_not_be_stored(core.connection, *secrets)
    assert lines.of("rpc")
    must_not_be_logged(
        [json.dumps({**json.loads(line), "peer": "", "timestamp": "", "milliseconds": 0}) for line in lines], *secrets
    )


async def test_only_a_closed_account_is_erased(core: Core) -> None:
    ada, _ = await somebody(core)
    async with nothing_changes(core):
        refused = await ada.refused(erase(ada.account))
        assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ACCOUNT_NOT_CLOSED")


async def test_what_is_erased_is_gone_and_what_was_paid_stays(core: Core) -> None:
    ada, card = await somebody(core)
    elsewhere = await another_session(core, ada, "device-elsewhere")
    await ada.ask(close(ada.account))
    external = await core.operator.ask(accounts_pb2.GetAccountRequest(name=ada.account))
    erased = await ada.ask(erase(ada.account))
    assert (erased.name, erased.display_name, erased.state) == (ada.account, "(erased)", external.state)
    for caller in (ada, elsewhere):
        refused = await caller.refused(export(ada.account))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "SESSION_ENDED")
    assert await core.operator.ask(identity_pb2.GetIdentityRequest(account=ada.account)) == Identity()
    assert not (await core.operator.ask(identity_pb2.ListInstrumentsRequest(account=ada.account))).instruments
    account_id = id_of(ada.account)
    (person,) = await core.connection.fetch("SELECT * FROM person WHERE account_id = $1", account_id)
    kept = {"account_id", "session_epoch", "changed_at", "created_at", "updated_at", "version"}
    assert {name for name, value in person.items() if value} - kept == set()
    (found,) = await core.connection.fetch("SELECT * FROM instrument WHERE account_id = $1", account_id)
    assert (found["token"], found["issuer_prefix"], found["last_four"]) == ("", "", "")
    assert found["unbound_at"] is not None
    assert not await core.connection.fetch("SELECT FROM instrument_ref WHERE instrument_id = $1", id_of(card.name))
    for table in ("device", "session"):
        assert not await core.connection.fetch(f"SELECT FROM {table} WHERE account_id = $1 AND device_id <> ''", account_id)
    assert not await core.connection.fetch("SELECT FROM factor WHERE account_id = $1 AND secret IS NOT NULL", account_id)
    for phone_hash in keyring_of(core).lookups("phone", ada.phone):
        assert not await core.connection.fetch(
            "SELECT FROM phone_ref WHERE phone_hash = $1 AND account_id IS NOT NULL", phone_hash
        )
        assert not await core.connection.fetch("SELECT FROM message WHERE address_hash = $1 AND parameters <> ''", phone_hash)
    assert not await core.connection.fetch("SELECT FROM identity_ref WHERE account_ids LIKE '%' || $1 || '%'", str(account_id))
    await must_not_be_stored(core.connection, ada.device_id, "device-elsewhere", ada.phone, NAME, NUMBER, CARD)
    assert await audit_holds(core)


async def test_nothing_is_left_of_somebody_who_lived_a_little(core: Core) -> None:
    phone, device, other = a_phone(), "the-first-device-of-hers", "another-device-of-hers"
    tokens = await registered(core, phone, device_id=device)
    ada, account = core.operator.with_token(tokens.access_token), tokens.account
    await a_stranger(core).refused(log_in(phone, device_id=device, login_password="a wrong password"))
    await a_minute_later(core)
    await logged_in(core, phone, device_id=other)
    await a_minute_later(core)
    await ada.ask(verify(account, real_name="王小明", number=NUMBER))
    asking = verification_pb2.CreateChallengeRequest
    await ada.ask(
        asking(request_id=a_request_id(), change_factors=asking.ChangeFactorsPurpose(), factor=verification_pb2.Factor.KIND_SMS)
    )
    await ada.ask(close(account))
    await core.operator.ask(erase(account))
    await must_not_be_stored(core.connection, phone, device, other, "王小明")


async def test_what_operators_were_answered_is_gone_too(core: Core) -> None:
    name = "Zhang Sanfeng of Wudang"
    ada = await registered(core, a_phone(), display_name=name)
    await core.operator.ask(open_wallet(ada.account, "USD"))
    await core.operator.ask(close(ada.account))
    await core.operator.ask(erase(ada.account))
    await must_not_be_stored(core.connection, name)
    assert await audit_holds(core)


async def test_erasing_again_changes_nothing(core: Core) -> None:
    ada, _ = await somebody(core)
    await ada.ask(close(ada.account))
    request = erase(ada.account)
    erased = await core.operator.ask(request)
    rows = "SELECT string_agg(p::text, ' ' ORDER BY account_id) FROM person p"
    before = await core.connection.fetchval(rows)
    assert await core.operator.answer(request) == (erased, True)
    assert await core.operator.ask(erase(ada.account)) == erased
    assert await core.connection.fetchval(rows) == before


async def test_others_stay_as_they_are(core: Core) -> None:
    ada, _ = await somebody(core)
    bob, card = await somebody(core)
    await ada.ask(close(ada.account))
    before = await bob.ask(export(bob.account))
    await ada.ask(erase(ada.account))
    assert await bob.ask(export(bob.account)) == before
    assert (await bob.ask(identity_pb2.ListInstrumentsRequest(account=bob.account))).instruments == [card]
    assert await core.connection.fetchval("SELECT count(*) FROM device WHERE account_id = $1", id_of(bob.account)) == 1


async def test_who_registers_on_the_same_device_meanwhile_goes_on(core: Core) -> None:
    device, phone = "the-tablet-of-a-family", a_phone()
    ada = await registered(core, a_phone(), device_id=device)
    challenge = await a_stranger(core).ask(register(phone, device_id=device))
    approval = await approval_of(core, challenge, phone)
    caller = core.operator.with_token(ada.access_token)
    await caller.ask(close(ada.account))
    await caller.ask(erase(ada.account))
    tokens = await a_stranger(core).ask(complete(approval, device))
    assert tokens.account != ada.account


async def test_a_document_that_was_erased_verifies_another_account(core: Core) -> None:
    number = "11010519491231020" + ric.calc_check_digit("110105194912310200")
    people = [await a_person(core) for _ in range(7)]
    for each in people[:6]:
        await each.ask(verify(each.account, number=number))
    assert (await people[6].refused(verify(people[6].account, number=number))).reason == "TOO_MANY_ACCOUNTS"
    await people[0].ask(close(people[0].account))
    await people[0].ask(erase(people[0].account))
    await people[6].ask(verify(people[6].account, number=number))


async def test_erased_while_a_session_calls(core: Core) -> None:
    ada, _ = await somebody(core)
    await ada.ask(close(ada.account))
    calls = [ada.ask(open_wallet(ada.account, "USD")) for _ in range(10)]
    erasing = [core.operator.ask(erase(ada.account)) for _ in range(3)]
    outcomes = await asyncio.gather(*(outcome(each) for each in [*calls[:5], *erasing, *calls[5:]]))
    assert {each.reason for each in outcomes if isinstance(each, rpc_client.Refused)} <= {"ACCOUNT_CLOSED", "SESSION_ENDED"}
    assert [each.display_name for each in outcomes if isinstance(each, accounts_pb2.Account)] == ["(erased)"] * 3
    assert (await ada.refused(export(ada.account))).reason == "SESSION_ENDED"


async def test_who_may_erase(core: Core) -> None:
    ada, _ = await somebody(core)
    bob, nobody = await a_person(core), await an_account(core)
    await ada.ask(close(ada.account))
    key_of_bob = await core.caller("accounts.write", account=bob.account)
    async with nothing_changes(core):
        for caller in (bob, key_of_bob):
            assert (await caller.refused(erase(ada.account))).reason == "ACCOUNT_NOT_FOUND"
        assert (await core.operator.refused(erase(nobody))).reason == "PERSON_NOT_FOUND"
