"""Somebody has lost their authenticator: two operators and a day between them get them back in."""

from collections.abc import AsyncIterator

import grpc
import pytest

from danbao.v1 import operations_pb2, verification_pb2
from tests.factors import (
    App,
    Clock,
    a_core_with,
    approved_by_sms,
    approved_by_totp,
    confirm_totp,
    enrol,
    enrolled,
    messages,
    to_change_factors,
)
from tests.people import PersonCaller, a_person
from tests.rpc_client import Caller, Connection, Core, a_machine_token
from tests.rpc_requests import UNKNOWN, a_request_id, advance_clock, approve, reject
from tests.shared_postgres import SharedServer

PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
CLOCK = Clock()


@pytest.fixture(scope="module")
async def core(postgres: SharedServer, administrator: Connection) -> AsyncIterator[Core]:
    """One server for the module, by a clock of ours."""
    async with a_core_with(CLOCK, administrator, postgres) as running:
        yield running


@pytest.fixture(autouse=True)
def real_time() -> None:
    CLOCK.reset()


@pytest.fixture
async def ada(core: Core) -> PersonCaller:
    return await a_person(core)


@pytest.fixture
async def other(core: Core) -> Caller:
    """Another operator."""
    token = await a_machine_token(core.settings.database_url, {"operations"}, service="another")
    return core.operator.with_token(token)


def a_recovery(account: str) -> operations_pb2.CreateProposalRequest:
    terms = operations_pb2.FactorRecovery(account=account)
    return operations_pb2.CreateProposalRequest(
        request_id=a_request_id(), reason="the phone fell into a river", factor_recovery=terms
    )


async def test_a_lost_authenticator_goes_after_a_day_by_two_operators(core: Core, ada: PersonCaller, other: Caller) -> None:
    await enrolled(ada, CLOCK)
    proposal = await core.operator.ask(a_recovery(ada.account))
    assert proposal.factor_recovery.account == ada.account
    assert (await messages(core, ada))[-1] == "factor_recovery_proposed"
    waits = await other.refused(approve(proposal.name))
    assert (waits.code, waits.reason) == (PRECONDITION, "PROPOSAL_WAITS")
    await core.operator.ask(advance_clock(86_399 - 60))
    assert (await other.refused(approve(proposal.name))).metadata == waits.metadata
    await core.operator.ask(advance_clock(61))
    assert (await core.operator.refused(approve(proposal.name))).reason == "SECOND_OPERATOR_NEEDED"
    done = await other.ask(approve(proposal.name))
    assert done.state == operations_pb2.Proposal.STATE_APPROVED
    factors = (await ada.ask(verification_pb2.ListFactorsRequest())).factors
    assert [each.kind for each in factors] == [verification_pb2.Factor.KIND_SMS]
    assert (await messages(core, ada))[-1] == "factor_recovery_done"
    changed_at = await core.connection.fetchval("SELECT changed_at FROM person WHERE account_id::text = $1", ada.account[9:])
    assert changed_at.timestamp() == done.decide_time.ToDatetime().replace(tzinfo=changed_at.tzinfo).timestamp()
    assert (await ada.ask(enrol())).secret  # by the phone they have, nothing more


async def test_an_authenticator_that_was_enrolled_meanwhile_was_not_lost(core: Core, ada: PersonCaller, other: Caller) -> None:
    app = await enrolled(ada, CLOCK)
    proposal = await core.operator.ask(a_recovery(ada.account))
    await core.operator.ask(advance_clock(3_600))
    made = await ada.ask(enrol(await approved_by_totp(ada, to_change_factors(), app)))
    another = App(made.factor.name, made.secret, CLOCK)
    await ada.ask(confirm_totp(another.factor, another.next_code()))
    await core.operator.ask(advance_clock(86_400))
    assert (await other.refused(approve(proposal.name))).reason == "FACTOR_MISSING"
    await approved_by_totp(ada, to_change_factors(), another)


async def test_the_person_is_protected_by_a_rejection(core: Core, ada: PersonCaller, other: Caller) -> None:
    app = await enrolled(ada, CLOCK)
    proposal = await core.operator.ask(a_recovery(ada.account))
    await other.ask(reject(proposal.name))
    await core.operator.ask(advance_clock(86_400))
    assert (await other.refused(approve(proposal.name))).reason == "PROPOSAL_NOT_PENDING"
    factors = (await ada.ask(verification_pb2.ListFactorsRequest())).factors
    assert [each.name for each in factors] == ["", app.factor]


async def test_there_must_be_somebody_with_an_authenticator(core: Core, ada: PersonCaller) -> None:
    assert (await core.operator.refused(a_recovery(f"accounts/{UNKNOWN}"))).reason == "PERSON_NOT_FOUND"
    assert (await core.operator.refused(a_recovery(ada.account))).reason == "FACTOR_MISSING"


async def test_the_phone_alone_removes_no_authenticator(core: Core, ada: PersonCaller) -> None:
    app = await enrolled(ada, CLOCK)
    approval = await approved_by_sms(core, ada, to_change_factors())
    request = verification_pb2.RemoveFactorRequest(request_id=a_request_id(), name=app.factor, approval=approval)
    assert (await ada.refused(request)).metadata == {"factors": "TOTP"}
