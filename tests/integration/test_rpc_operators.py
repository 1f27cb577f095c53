"""Two operators over the wire: one alone can neither adjust nor grant. And the open items that they settle."""

import asyncio

import grpc
import pytest

from danbao.v1 import accounts_pb2, operations_pb2, payments_pb2
from tests import rpc_client
from tests.rpc_client import Caller, Core, a_merchant, an_account, an_operator_token, audit_holds, available, id_of, outcome
from tests.rpc_requests import (
    a_fee_payout,
    a_grant,
    a_payment,
    a_settlement,
    a_top_up,
    a_transfer,
    advance_clock,
    an_adjustment,
    approve,
    cancel,
    changed,
    create_key,
    reject,
    revoke,
    rotate,
)

core = rpc_client.core
State = operations_pb2.Proposal.State


@pytest.fixture(scope="module")
async def otto(core: Core) -> Caller:
    """A second operator; the first one is `core.operator`."""
    return core.operator.with_token(await an_operator_token(core.settings.database_url))


async def owed(core: Core, account: str) -> int:
    balances = (await core.operator.ask(accounts_pb2.ListBalancesRequest(name=account))).balances
    return int(balances[0].owed.amount_minor)


# --- One alone --------------------------------------------------------------------------------------------------------------


async def test_one_operator_alone_cannot_adjust(core: Core, otto: Caller) -> None:
    ada = await an_account(core, funds_minor=1_000)
    own_key = (await core.operator.ask(create_key("operations", service="olga2"))).token
    proposal = await core.operator.ask(an_adjustment(ada, "FEES", 400))
    assert proposal.state == State.STATE_PENDING
    assert proposal.adjustment.debit.account == ada
    assert proposal.adjustment.amount.amount_minor == 400

    for caller in (core.operator, core.operator.with_token(own_key)):
        refused = await caller.refused(approve(proposal.name))
        assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SECOND_OPERATOR_NEEDED")
    assert await available(core, ada) == 1_000

    approved = await otto.ask(approve(proposal.name))

    assert approved.state == State.STATE_APPROVED
    assert approved.proposer != approved.decider
    assert await available(core, ada) == 600
    assert await core.operator.ask(operations_pb2.GetProposalRequest(name=proposal.name)) == approved
    assert await audit_holds(core)


async def test_one_operator_alone_cannot_grant(core: Core, otto: Caller) -> None:
    ada, shop = await an_account(core, funds_minor=1_000), await a_merchant(core)
    refused = await core.operator.refused(create_key("payments.write", "payments.pay_any"))
    assert (refused.reason, refused.metadata["scope"]) == ("SCOPE_NEEDS_GRANT", "payments.pay_any")
    made = await core.operator.ask(create_key("payments.write"))
    checkout = core.operator.with_token(made.token)
    assert (await checkout.refused(a_transfer(ada, shop))).reason == "SCOPE_MISSING"

    proposal = await core.operator.ask(a_grant(made.service_key.name))
    assert (await core.operator.refused(approve(proposal.name))).reason == "SECOND_OPERATOR_NEEDED"
    assert (await checkout.refused(a_transfer(ada, shop))).reason == "SCOPE_MISSING"

    await otto.ask(approve(proposal.name))
    await checkout.ask(a_transfer(ada, shop))  # at once, whatever the server remembered of the key


async def test_one_operator_alone_gets_no_token_of_the_others_keys(core: Core, otto: Caller) -> None:
    mine, others = await core.operator.ask(create_key("operations")), await otto.ask(create_key("operations"))
    assert mine.service_key.root != others.service_key.root
    refused = await core.operator.refused(rotate(others.service_key.name))
    assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "KEY_OF_ANOTHER_OPERATOR")
    await core.operator.ask(rotate(mine.service_key.name))
    await core.operator.ask(revoke(others.service_key.name))  # that much anybody may, who sees it misused


async def test_a_revoked_second_operator_approves_nothing(core: Core, otto: Caller) -> None:
    token = await an_operator_token(core.settings.database_url)
    third = core.operator.with_token(token)
    proposal = await core.operator.ask(an_adjustment("BANK_CLEARING", "COMPENSATION"))
    await core.operator.ask(revoke(f"serviceKeys/{id_of('x/' + token.split('_')[1])}"))
    assert (await third.refused(approve(proposal.name))).reason == "KEY_REVOKED"


async def test_one_operator_alone_pays_no_fees_out(core: Core, otto: Caller) -> None:
    company, ada = await a_merchant(core), await an_account(core, funds_minor=1_000)
    await otto.ask(approve((await core.operator.ask(an_adjustment(ada, "FEES", 700))).name))
    request = a_fee_payout(company, 600)
    proposal = await core.operator.ask(request)
    assert proposal.fee_payout == request.fee_payout
    assert (await core.operator.refused(approve(proposal.name))).reason == "SECOND_OPERATOR_NEEDED"
    await otto.ask(approve(proposal.name))
    [funding] = (await core.operator.ask(accounts_pb2.ListFundingsRequest(account=company))).fundings
    assert (funding.state, funding.amount.amount_minor) == (accounts_pb2.Funding.STATE_SUCCEEDED, 600)
    refused = await core.operator.refused(a_fee_payout(company, 1_000_000))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "FEES_EXCEEDED")
    assert await audit_holds(core)


# --- What becomes of proposals ----------------------------------------------------------------------------------------------


async def test_two_approvals_at_once_move_the_money_once(core: Core, otto: Caller) -> None:
    ada = await an_account(core)
    for _ in range(5):
        before = await available(core, ada)
        proposal = await core.operator.ask(an_adjustment("FEES", ada, 7))
        outcomes = await asyncio.gather(*(outcome(otto.ask(approve(proposal.name))) for _ in range(4)))
        refused = [each.reason for each in outcomes if isinstance(each, rpc_client.Refused)]
        assert refused == ["PROPOSAL_NOT_PENDING"] * 3
        assert await available(core, ada) == before + 7


async def test_an_approval_against_a_rejection_has_one_outcome(core: Core, otto: Caller) -> None:
    ada = await an_account(core)
    for _ in range(5):
        before = await available(core, ada)
        proposal = await core.operator.ask(an_adjustment("FEES", ada, 7))
        outcomes = await asyncio.gather(
            outcome(otto.ask(approve(proposal.name))), outcome(core.operator.ask(reject(proposal.name)))
        )
        assert sum(isinstance(each, rpc_client.Refused) for each in outcomes) == 1
        kept = await otto.ask(operations_pb2.GetProposalRequest(name=proposal.name))
        assert await available(core, ada) == before + 7 * (kept.state == State.STATE_APPROVED)


async def test_an_approval_that_is_sent_again_is_answered_again(core: Core, otto: Caller) -> None:
    ada = await an_account(core)
    wanted = an_adjustment("FEES", ada, 9)
    proposal, again = await core.operator.answer(wanted), await core.operator.answer(wanted)
    assert (again.message, again.replayed) == (proposal.message, True)
    approval = approve(proposal.message.name)
    approved, again = await otto.answer(approval), await otto.answer(approval)
    assert (again.message, again.replayed) == (approved.message, True)
    assert await available(core, ada) == 9


async def test_proposals_are_listed_by_state(core: Core, otto: Caller) -> None:
    pending = [(await core.operator.ask(an_adjustment("FEES", "BANK_CLEARING", 1))).name for _ in range(3)]
    rejected = (await core.operator.ask(an_adjustment("FEES", "BANK_CLEARING", 1))).name
    await otto.ask(reject(rejected))
    listed = await otto.ask(operations_pb2.ListProposalsRequest(states=[State.STATE_PENDING], page_size=2))
    rest = await otto.ask(
        operations_pb2.ListProposalsRequest(states=[State.STATE_PENDING], page_size=2, page_token=listed.next_page_token)
    )
    names = [each.name for each in (*listed.proposals, *rest.proposals)]
    assert names[:3] == pending[::-1]
    both = await otto.ask(operations_pb2.ListProposalsRequest())
    assert both.proposals[0].name == rejected


async def test_a_proposal_that_nobody_approved_in_a_week_is_over(core: Core, otto: Caller) -> None:
    proposal = await core.operator.ask(an_adjustment("FEES", "BANK_CLEARING", 1))
    await core.operator.ask(advance_clock(7 * 86_400))
    refused = await otto.refused(approve(proposal.name))
    assert (refused.reason, refused.metadata["state"]) == ("PROPOSAL_NOT_PENDING", "EXPIRED")
    kept = await otto.ask(operations_pb2.GetProposalRequest(name=proposal.name))
    assert (kept.state, kept.decide_time) == (State.STATE_EXPIRED, proposal.expire_time)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": ""},
        {"reason": "a\nb"},
        {"reason": "x" * 257},
        {"adjustment": None},
        {"adjustment": operations_pb2.Adjustment()},
    ],
)
async def test_a_proposal_without_reason_or_terms_is_no_proposal(core: Core, wrong: dict[str, object]) -> None:
    refused = await core.operator.refused(changed(an_adjustment("FEES", "COMPENSATION"), **wrong))
    assert refused.reason == "FIELD_INVALID"


async def test_nobody_else_sees_or_makes_proposals(core: Core) -> None:
    merchant = await core.caller("accounts.read", "payments.write")
    for request in (an_adjustment("FEES", "COMPENSATION"), operations_pb2.ListProposalsRequest()):
        assert (await merchant.refused(request)).reason == "SCOPE_MISSING"


# --- Debts and open items ---------------------------------------------------------------------------------------------------


async def test_what_an_account_owes_is_shown_and_repaid_first(core: Core, otto: Caller) -> None:
    ada, shop = await an_account(core, funds_minor=10_000), await a_merchant(core)
    proposal = await core.operator.ask(an_adjustment(shop, "BANK_CLEARING", 5_000))
    await otto.ask(approve(proposal.name))
    assert (await available(core, shop), await owed(core, shop)) == (0, 5_000)

    await asyncio.gather(*(core.operator.ask(a_transfer(ada, shop, 1_000)) for _ in range(6)))  # 985 each, less the fee

    assert (await available(core, shop), await owed(core, shop)) == (6 * 985 - 5_000, 0)
    lines = await core.operator.ask(
        accounts_pb2.ListEntriesRequest(account=shop, currency_code="CNY", purposes=[accounts_pb2.Entry.PURPOSE_RECEIVABLE])
    )
    assert lines.entries[-1].kind == "proposal.adjust"
    assert lines.entries[-1].subject == proposal.name
    assert await audit_holds(core)


async def test_money_for_a_closed_account_is_found_and_settled(core: Core, otto: Caller) -> None:
    ada, shop, heir = await an_account(core, funds_minor=700), await a_merchant(core), await an_account(core)
    payment = await core.operator.ask(a_payment(ada, shop, 700, mode=payments_pb2.Payment.MODE_ESCROW))
    await core.connection.execute("UPDATE account SET state = 2, version = version + 1 WHERE id = $1", id_of(ada))
    await core.operator.ask(cancel(payment.name))

    listed = await otto.ask(operations_pb2.ListOpenItemsRequest(states=[operations_pb2.OpenItem.STATE_OPEN]))
    (item,) = [each for each in listed.open_items if each.account == ada]
    assert item.amount.amount_minor == 700
    assert await audit_holds(core)

    proposal = await otto.ask(a_settlement(item.name, heir))
    await core.operator.ask(approve(proposal.name))

    settled = await otto.ask(operations_pb2.GetOpenItemRequest(name=item.name))
    assert settled.state == operations_pb2.OpenItem.STATE_SETTLED
    assert settled.settlement_journal.startswith("journals/")
    assert await available(core, heir) == 700
    open_items = await otto.ask(operations_pb2.ListOpenItemsRequest(states=[operations_pb2.OpenItem.STATE_OPEN]))
    assert item.name not in [each.name for each in open_items.open_items]
    assert await audit_holds(core)


async def test_a_top_up_repays_a_debt_that_came_into_being_beside_it(core: Core, otto: Caller) -> None:
    """Whoever comes first: what the wallet has and owes in the end is the same."""
    for _ in range(5):
        ada = await an_account(core)
        proposal = await core.operator.ask(an_adjustment(ada, "FEES", 50))
        await asyncio.gather(otto.ask(approve(proposal.name)), core.operator.ask(a_top_up(ada, 80)))
        assert (await available(core, ada), await owed(core, ada)) == (30, 0)
