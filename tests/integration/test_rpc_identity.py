"""Who a person is, over the wire: confirmations by channels, levels, what others see of it, and who may ask."""

import asyncio
from itertools import count
from typing import Any

import grpc
import pytest
from stdnum.cn import ric

from danbao.v1 import identity_pb2
from danbao.v1.identity_pb2 import Identity
from danbao_core.people.channels import SandboxProvider
from tests import rpc_client
from tests.leaks import must_not_be_stored
from tests.people import PersonCaller, a_person
from tests.rpc_client import Core, a_core, an_account, id_of, nothing_changes, outcome
from tests.rpc_requests import changed, close, verify

core = rpc_client.core

NAME, NUMBER = "张三", "11010519491231002X"
OTHER_NUMBER = "360426199101010071"

_orders = count(1)
_numbers: dict[str, str] = {}

PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


def of(person: PersonCaller, **fields: Any) -> identity_pb2.VerifyIdentityRequest:
    """A request to verify a person by a number that nobody else has."""
    if person.account not in _numbers:
        first = f"11010519491231{next(_orders):03}"
        _numbers[person.account] = first + ric.calc_check_digit(f"{first}0")
    return verify(person.account, **{"number": _numbers[person.account], **fields})


def known(account: str) -> identity_pb2.GetIdentityRequest:
    return identity_pb2.GetIdentityRequest(account=account)


async def test_what_is_verified_is_masked_and_sealed(core: Core) -> None:
    ada = await a_person(core)
    assert await ada.ask(known(ada.account)) == Identity()
    answer = await ada.ask(of(ada, real_name=f"  {NAME} ", number=NUMBER))
    assert answer == Identity(
        level=Identity.LEVEL_I,
        channels=[Identity.CHANNEL_PUBLIC_SECURITY],
        real_name="张*",
        document=Identity.DOCUMENT_RESIDENT_ID,
        number="1****************X",
    )
    assert await ada.ask(known(ada.account)) == answer
    assert await core.operator.ask(known(ada.account)) == answer
    await must_not_be_stored(core.connection, NAME, NUMBER, ada.phone)


async def test_levels_follow_channels(core: Core) -> None:
    ada = await a_person(core)
    levels = [(await ada.ask(of(ada, channel=channel))).level for channel in (1, 2, 3, 4, 5, 6)]
    assert levels == [1, 1, 2, 2, 3, 3]


async def test_face_to_face_is_level_iii_and_not_for_the_person_to_say(core: Core) -> None:
    ada = await a_person(core)
    request = of(ada, channel=Identity.CHANNEL_FACE_TO_FACE)
    bound = await core.caller("accounts.write", account=ada.account)
    async with nothing_changes(core):
        for caller in (ada, bound):
            refused = await caller.refused(request)
            assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "CONFIRMED_BY_OTHERS")
    assert (await core.operator.ask(request)).level == Identity.LEVEL_III


async def test_a_channel_counts_once(core: Core) -> None:
    ada = await a_person(core)
    first = await ada.ask(of(ada))
    request = of(ada)
    assert await ada.ask(request) == first
    assert (await core.connection.fetchval("SELECT version FROM person WHERE account_id = $1", id_of(ada.account))) == 2


async def test_a_repeat_is_answered_like_the_first_call(core: Core) -> None:
    ada = await a_person(core)
    request = of(ada)
    first = await ada.answer(request)
    assert await ada.answer(request) == (first.message, True)
    again = await ada.refused(changed(request, channel=Identity.CHANNEL_BANK))
    assert again.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    "fields",
    [
        {"real_name": "李四"},
        {"number": OTHER_NUMBER},
        {"document": Identity.DOCUMENT_PASSPORT, "number": "E12345678"},
        {"real_name": "张三丰"},
    ],
    ids=["name", "number", "document", "longer name"],
)
async def test_every_channel_confirms_the_same_person(core: Core, fields: dict[str, object]) -> None:
    ada = await a_person(core)
    await ada.ask(of(ada))
    async with nothing_changes(core):
        for channel in (Identity.CHANNEL_BANK, Identity.CHANNEL_PUBLIC_SECURITY):
            refused = await ada.refused(of(ada, channel=channel, **fields))
            assert (refused.code, refused.reason, refused.metadata) == (PRECONDITION, "IDENTITY_MISMATCH", {})


async def test_what_a_channel_does_not_confirm_is_not_stored(core: Core) -> None:
    ada = await a_person(core)
    async with nothing_changes(core):
        refused = await ada.refused(of(ada, real_name=SandboxProvider.NO))
        assert (refused.code, refused.reason) == (PRECONDITION, "IDENTITY_NOT_CONFIRMED")
        refused = await ada.refused(of(ada, real_name=SandboxProvider.UNREACHABLE))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "CHANNEL_UNAVAILABLE")
        assert refused.metadata == {"channel": "PUBLIC_SECURITY"}


@pytest.mark.parametrize("number", ["110105194912310021", "11010519491331002X", "99010519491231002X", "E12345678", "11010"])
async def test_wrong_numbers_are_refused(core: Core, number: str) -> None:
    ada = await a_person(core)
    async with nothing_changes(core):
        refused = await ada.refused(of(ada, number=number))
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "IDENTITY_NUMBER_INVALID")
        assert number not in str(refused)


async def test_names_and_numbers_that_break_the_contract(core: Core) -> None:
    ada = await a_person(core)
    for fields, field in (
        ({"real_name": ""}, "real_name"),
        ({"real_name": "张"}, "real_name"),
        ({"real_name": "x" * 65}, "real_name"),
        ({"real_name": "张\0三"}, "real_name"),
        ({"number": ""}, "number"),
        ({"number": NUMBER.lower()}, "number"),
        ({"number": f"{NUMBER} "}, "number"),
        ({"channel": 0}, "channel"),
        ({"channel": 8}, "channel"),
        ({"document": 0}, "document"),
        ({"document": 4}, "document"),
    ):
        refused = await ada.refused(of(ada, **fields))
        assert set(refused.violations) == {field}, fields


async def test_channels_in_parallel_all_count(core: Core) -> None:
    ada = await a_person(core)
    answers = await asyncio.gather(*(ada.ask(of(ada, channel=channel)) for channel in (1, 2, 3, 4, 5)))
    assert sorted(answer.level for answer in answers) == [1, 1, 2, 2, 3]
    assert list((await ada.ask(known(ada.account))).channels) == [1, 2, 3, 4, 5]


async def test_two_names_in_parallel_and_one_wins(core: Core) -> None:
    ada = await a_person(core)
    both = [of(ada, real_name=NAME), of(ada, real_name="李四", channel=Identity.CHANNEL_BANK)]
    outcomes = await asyncio.gather(*(outcome(ada.ask(each)) for each in both))
    (refused,) = [each for each in outcomes if isinstance(each, rpc_client.Refused)]
    assert refused.reason == "IDENTITY_MISMATCH"
    assert len((await ada.ask(known(ada.account))).channels) == 1


async def test_a_permit_is_the_same_whichever_issue_it_is(core: Core) -> None:
    people = [await a_person(core) for _ in range(7)]
    numbers = ("H12345678", "H1234567801", "H1234567802", "H12345678", "H1234567803", "H1234567801")
    for each, number in zip(people, numbers, strict=False):
        await each.ask(verify(each.account, document=Identity.DOCUMENT_PERMIT, number=number))
    last = verify(people[6].account, document=Identity.DOCUMENT_PERMIT, number="H1234567804")
    assert (await people[6].refused(last)).reason == "TOO_MANY_ACCOUNTS"
    await people[6].ask(verify(people[6].account, document=Identity.DOCUMENT_PERMIT, number="M1234567804"))


async def test_a_document_verifies_six_accounts_and_no_more(core: Core) -> None:
    people = [await a_person(core) for _ in range(8)]
    outcomes = await asyncio.gather(*(outcome(each.ask(of(each, number=OTHER_NUMBER))) for each in people[:7]))
    (refused,) = [each for each in outcomes if isinstance(each, rpc_client.Refused)]
    assert (refused.code, refused.reason, refused.metadata) == (PRECONDITION, "TOO_MANY_ACCOUNTS", {"most": "6"})
    async with nothing_changes(core):
        assert (await people[7].refused(of(people[7], number=OTHER_NUMBER))).reason == "TOO_MANY_ACCOUNTS"
    verified = next(each for each, found in zip(people, outcomes, strict=False) if isinstance(found, Identity))
    await verified.ask(of(verified, number=OTHER_NUMBER, channel=Identity.CHANNEL_BANK))


async def test_who_may_ask(core: Core) -> None:
    ada, bob = await a_person(core), await a_person(core)
    key_of_bob = await core.caller("accounts.write", "accounts.read", account=bob.account)
    no_person = await an_account(core)
    async with nothing_changes(core):
        for caller in (bob, key_of_bob):
            for request in (of(ada), known(ada.account)):
                refused = await caller.refused(request)
                assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND")
        for request in (verify(no_person), known(no_person)):
            assert (await core.operator.refused(request)).reason == "PERSON_NOT_FOUND"
    service = await core.caller("accounts.write")
    assert (await service.ask(of(ada))).level == Identity.LEVEL_I


async def test_a_closed_account_is_not_verified(core: Core) -> None:
    ada = await a_person(core)
    await ada.ask(close(ada.account))
    async with nothing_changes(core):
        assert (await ada.refused(of(ada))).reason == "ACCOUNT_CLOSED"


async def test_a_live_core_without_a_provider_refuses(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await a_person(core)
    monkeypatch.setattr("danbao_core.server.Server._sandbox", property(lambda _: False))
    async with a_core(core.settings.database_url, token=core.operator.token) as live:
        caller = PersonCaller(live.channel, ada.token)
        refused = await caller.refused(of(ada))
        assert (refused.code, refused.reason) == (PRECONDITION, "IDENTITY_PROVIDER_MISSING")
