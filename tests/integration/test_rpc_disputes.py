"""Disputes over the wire: every way through one, who may do and see what, and what is refused."""

from collections.abc import Callable
from typing import NamedTuple

import grpc
import pytest
from google.protobuf.message import Message

from danbao.v1 import accounts_pb2, disputes_pb2, operations_pb2, payments_pb2
from danbao_core.people.person import IdentityLevel
from tests import rpc_client
from tests.disputing import SCOPES, Dispute, Quarrel, Step, a_quarrel, an_arbitrator
from tests.people import PersonCaller, a_person
from tests.rpc_client import Caller, Core, a_merchant, an_account, audit_holds, available, nothing_changes, walked
from tests.rpc_requests import (
    UNKNOWN,
    a_payment,
    accept_dispute,
    accept_offer,
    advance_clock,
    appeal,
    changed,
    close,
    confirm,
    decide,
    escalate,
    freeze,
    money,
    offer,
    open_dispute,
    refund,
    reject_dispute,
    ship,
    submit_evidence,
    waive,
    withdraw_dispute,
)

core = rpc_client.core

NOT_FOUND = grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
INVALID = grpc.StatusCode.INVALID_ARGUMENT
DENIED = grpc.StatusCode.PERMISSION_DENIED
BUYER, SELLER = Dispute.PARTY_BUYER, Dispute.PARTY_SELLER
HOUR, DAY = 3_600, 24 * 3_600


def get(name: str) -> disputes_pb2.GetDisputeRequest:
    return disputes_pb2.GetDisputeRequest(name=name)


async def steps_of(caller: Caller, dispute: str) -> list[disputes_pb2.DisputeStep]:
    """What was done in a dispute, the first first."""
    return list(reversed(await walked(caller, disputes_pb2.ListDisputeStepsRequest(dispute=dispute), 2)))


# --- Ways through a dispute -------------------------------------------------------------------------------------------------


async def test_a_dispute_is_shown_to_both_sides_and_the_payment_stands_still(core: Core) -> None:
    quarrel = await a_quarrel(core, 1_000, ship)
    before = await quarrel.paid()
    opened = await quarrel.opened(400, text="It is broken.\nSee the picture.", reason=Dispute.REASON_NOT_AS_DESCRIBED)
    assert opened.name.startswith("disputes/")
    assert (opened.payment, opened.buyer, opened.seller) == (quarrel.payment, quarrel.buyer, quarrel.seller)
    assert (opened.state, opened.reason) == (Dispute.STATE_AWAITING_SELLER, Dispute.REASON_NOT_AS_DESCRIBED)
    assert (opened.amount, opened.after_release, opened.held) == (money(400), False, money(0))
    assert opened.respond_by.seconds == opened.create_time.seconds + 48 * HOUR
    assert not {"offer", "award", "evidence_end_time", "end_time"} & {field.name for field, _ in opened.ListFields()}
    for caller in (quarrel.as_buyer, quarrel.as_seller, core.operator, await an_arbitrator(core)):
        assert await caller.ask(get(opened.name)) == opened
    paid = await quarrel.paid()
    assert (before.dispute, paid.dispute, paid.awarded) == ("", opened.name, money(0))
    assert before.HasField("due_time")
    assert not paid.HasField("due_time")
    async with nothing_changes(core):
        for request in (confirm(quarrel.payment), refund(quarrel.payment)):
            refused = await core.operator.refused(request)
            assert (refused.code, refused.reason, refused.metadata["dispute"]) == (PRECONDITION, "DISPUTE_OPEN", opened.name)
    (step,) = await steps_of(quarrel.as_seller, opened.name)
    assert (step.number, step.event, step.actor, step.state) == (1, Step.EVENT_OPEN, BUYER, Dispute.STATE_AWAITING_SELLER)
    assert (step.text, step.amount, step.caller) == ("It is broken.\nSee the picture.", money(400), "")
    (told,) = await steps_of(core.operator, opened.name)
    assert told.caller == f"service:app:{quarrel.buyer.partition('/')[2]}"


async def test_the_seller_accepts(core: Core) -> None:
    quarrel = await a_quarrel(core)
    opened = await quarrel.opened()
    settled = await quarrel.as_seller.ask(accept_dispute(opened.name))
    assert (settled.state, settled.outcome) == (Dispute.STATE_SETTLED, Dispute.OUTCOME_ACCEPTED)
    assert (settled.award, settled.paid_back) == (money(1_000), money(1_000))
    assert (settled.fee_returned, settled.owed) == (money(0), money(0))
    assert settled.HasField("end_time")
    assert not settled.HasField("respond_by")
    assert await available(core, quarrel.buyer) == 1_000
    paid = await quarrel.paid()
    assert (paid.state, paid.close_reason) == (payments_pb2.Payment.STATE_CLOSED, payments_pb2.Payment.CLOSE_REASON_AWARDED)
    assert (paid.dispute, paid.awarded) == ("", money(1_000))


async def test_the_buyer_takes_an_offer(core: Core) -> None:
    quarrel = await a_quarrel(core, 1_000, ship)
    opened = await quarrel.opened()
    offered = await quarrel.as_seller.ask(offer(opened.name, 300, "Keep it for 7?"))
    assert (offered.state, offered.offer) == (Dispute.STATE_AWAITING_BUYER, money(300))
    assert not offered.HasField("award")
    settled = await quarrel.as_buyer.ask(accept_offer(opened.name))
    assert (settled.state, settled.outcome) == (Dispute.STATE_SETTLED, Dispute.OUTCOME_OFFER_ACCEPTED)
    assert (await available(core, quarrel.buyer), await available(core, quarrel.seller)) == (300, 689)  # 700 less 1.5 %
    events = [step.event for step in await steps_of(quarrel.as_buyer, opened.name)]
    assert events == [Step.EVENT_OPEN, Step.EVENT_OFFER, Step.EVENT_ACCEPT_OFFER]
    assert await audit_holds(core)


async def test_an_arbitrator_decides_and_both_accept_it(core: Core) -> None:
    quarrel = await a_quarrel(core)
    asked = await quarrel.in_review(600)
    assert asked.state == Dispute.STATE_UNDER_REVIEW
    assert asked.respond_by == asked.evidence_end_time
    decided = await (await an_arbitrator(core)).ask(decide(asked.name, 150, "Half of it came."))
    assert (decided.state, decided.award) == (Dispute.STATE_DECIDED, money(150))
    assert decided.respond_by.seconds == decided.update_time.seconds + 7 * DAY
    waived = await quarrel.as_buyer.ask(waive(asked.name))
    assert (waived.state, list(waived.waived_by)) == (Dispute.STATE_DECIDED, [BUYER])
    refused = await quarrel.as_buyer.refused(appeal(asked.name))
    assert (refused.code, refused.reason) == (PRECONDITION, "APPEAL_WAIVED")
    settled = await core.operator.ask(waive(asked.name, party=SELLER))
    assert (settled.state, settled.outcome, settled.paid_back) == (Dispute.STATE_SETTLED, Dispute.OUTCOME_AWARDED, money(150))
    assert list(settled.waived_by) == [BUYER, SELLER]
    decision = (await steps_of(quarrel.as_seller, asked.name))[3]
    assert (decision.event, decision.actor, decision.text) == (Step.EVENT_DECIDE, Dispute.PARTY_ARBITRATOR, "Half of it came.")
    assert decision.amount == money(150)


async def test_after_an_appeal_somebody_else_decides(core: Core) -> None:
    quarrel = await a_quarrel(core, 1_000, ship, confirm)
    first = await an_arbitrator(core)
    asked = await quarrel.in_review()
    assert (asked.after_release, asked.held) == (True, money(985))
    await first.ask(decide(asked.name, 0))
    appealed = await quarrel.as_buyer.ask(appeal(asked.name, "The carrier lost it."))
    assert (appealed.state, appealed.appealed_by) == (Dispute.STATE_UNDER_REVIEW, BUYER)
    refused = await (await an_arbitrator(core)).refused(decide(asked.name, 500))
    assert (refused.code, refused.reason) == (PRECONDITION, "ALREADY_DECIDED_BY_YOU")
    supervisor = await core.caller("disputes.decide", "disputes.supervise", service="supervision")
    settled = await supervisor.ask(decide(asked.name, 500))
    assert (settled.state, settled.paid_back, settled.fee_returned) == (Dispute.STATE_SETTLED, money(500), money(7))
    assert (await available(core, quarrel.buyer), await available(core, quarrel.seller)) == (500, 492)
    last = (await steps_of(core.operator, asked.name))[-1]
    assert (last.actor, last.caller) == (Dispute.PARTY_SUPERVISOR, "service:supervision")
    assert (await quarrel.paid()).state == payments_pb2.Payment.STATE_SUCCEEDED


async def test_the_buyer_withdraws_and_the_payment_goes_on(core: Core) -> None:
    quarrel = await a_quarrel(core, 1_000, ship)
    opened = await quarrel.opened()
    closed = await quarrel.as_buyer.ask(withdraw_dispute(opened.name, "It came after all."))
    assert (closed.state, closed.close_reason) == (Dispute.STATE_CLOSED, Dispute.CLOSE_REASON_WITHDRAWN)
    assert (await steps_of(quarrel.as_seller, opened.name))[-1].text == "It came after all."
    paid = await quarrel.paid()
    assert (paid.state, paid.dispute, paid.HasField("due_time")) == (payments_pb2.Payment.STATE_SHIPPED, "", True)
    assert (await quarrel.as_buyer.refused(open_dispute(quarrel.payment))).reason == "ALREADY_DISPUTED"
    again = await quarrel.opened(reason=Dispute.REASON_UNAUTHORIZED)
    found = await walked(quarrel.as_seller, disputes_pb2.ListDisputesRequest(payment=quarrel.payment), 1)
    assert [each.name for each in found] == [again.name, opened.name]


async def test_who_is_silent_loses(core: Core) -> None:
    silent_seller, silent_buyer = await a_quarrel(core), await a_quarrel(core, 1_000, ship)
    first, second = await silent_seller.opened(), await silent_buyer.opened()
    await silent_buyer.as_seller.ask(reject_dispute(second.name))
    await core.operator.ask(advance_clock(73 * HOUR))
    refused = await silent_seller.as_seller.refused(accept_dispute(first.name))
    assert (refused.code, refused.reason) == (PRECONDITION, "INVALID_TRANSITION")
    settled = await silent_seller.as_buyer.ask(get(first.name))
    assert (settled.state, settled.outcome) == (Dispute.STATE_SETTLED, Dispute.OUTCOME_DEFAULT_JUDGMENT)
    assert (await silent_buyer.as_buyer.refused(escalate(second.name))).reason == "INVALID_TRANSITION"
    closed = await silent_buyer.as_buyer.ask(get(second.name))
    assert (closed.state, closed.close_reason) == (Dispute.STATE_CLOSED, Dispute.CLOSE_REASON_BUYER_SILENT)
    by_time = (await steps_of(core.operator, first.name))[1:]
    assert [step.event for step in by_time] == [Step.EVENT_ANNOUNCE, Step.EVENT_SELLER_SILENT]
    assert {(step.actor, step.caller) for step in by_time} == {(Dispute.PARTY_TIMER, "timer")}


async def test_the_platform_compensates_who_did_not_authorize_it(core: Core) -> None:
    quarrel = await a_quarrel(core, 1_000)
    asked = await quarrel.in_review(reason=Dispute.REASON_UNAUTHORIZED)
    arbitrator = await an_arbitrator(core)
    decided = await arbitrator.ask(decide(asked.name, 700, compensation=money(200)))
    assert (decided.award, decided.award_compensation, decided.compensated) == (money(700), money(200), money(0))
    await quarrel.as_buyer.ask(waive(asked.name))
    settled = await quarrel.as_seller.ask(waive(asked.name))
    assert (settled.paid_back, settled.compensated) == (money(700), money(0))  # there is nothing in the fund
    short = disputes_pb2.ListDisputesRequest(awaiting_compensation=True)
    assert [each.name for each in await walked(core.operator, short)] == [asked.name]
    assert [each.name for each in await walked(quarrel.as_buyer, short)] == [asked.name]


# --- Who may see it ---------------------------------------------------------------------------------------------------------


async def test_strangers_are_told_that_there_is_nothing(core: Core) -> None:
    quarrel = await a_quarrel(core)
    shown = (await quarrel.opened()).name
    piece = await quarrel.as_buyer.ask(submit_evidence(shown))
    stranger = await core.caller(*SCOPES, account=await a_merchant(core), service="stranger")
    person = await a_person(core)
    asking: list[tuple[Message, str]] = [
        (get(shown), "DISPUTE_NOT_FOUND"),
        (disputes_pb2.ListDisputeStepsRequest(dispute=shown), "DISPUTE_NOT_FOUND"),
        (disputes_pb2.ListEvidenceRequest(dispute=shown), "DISPUTE_NOT_FOUND"),
        (disputes_pb2.GetEvidenceRequest(name=piece.name), "EVIDENCE_NOT_FOUND"),
        (disputes_pb2.ListDisputesRequest(payment=quarrel.payment), "PAYMENT_NOT_FOUND"),
        (disputes_pb2.ListDisputesRequest(account=quarrel.buyer), "ACCOUNT_NOT_FOUND"),
        (disputes_pb2.WatchDisputesRequest(dispute=shown), "DISPUTE_NOT_FOUND"),
        (disputes_pb2.WatchDisputesRequest(account=quarrel.buyer), "ACCOUNT_NOT_FOUND"),
        (open_dispute(quarrel.payment), "PAYMENT_NOT_FOUND"),
        (accept_dispute(shown), "DISPUTE_NOT_FOUND"),
        (reject_dispute(shown), "DISPUTE_NOT_FOUND"),
        (offer(shown, 1), "DISPUTE_NOT_FOUND"),
        (accept_offer(shown), "DISPUTE_NOT_FOUND"),
        (escalate(shown), "DISPUTE_NOT_FOUND"),
        (withdraw_dispute(shown), "DISPUTE_NOT_FOUND"),
        (submit_evidence(shown), "DISPUTE_NOT_FOUND"),
        (appeal(shown), "DISPUTE_NOT_FOUND"),
        (waive(shown), "DISPUTE_NOT_FOUND"),
    ]
    async with nothing_changes(core):
        for request, reason in asking:
            for caller in (stranger, person):
                refused = await caller.refused(request)
                assert (refused.code, refused.reason) == (NOT_FOUND, reason), request
    for caller in (stranger, person):
        assert not (await caller.ask(disputes_pb2.ListDisputesRequest())).disputes


async def test_what_there_is_not_is_not_found(core: Core) -> None:
    quarrel, other = await a_quarrel(core), await a_quarrel(core)
    piece = await quarrel.as_buyer.ask(submit_evidence((await quarrel.opened()).name))
    elsewhere = f"{(await other.opened()).name}/evidence/{piece.name.rpartition('/')[2]}"
    nowhere = f"disputes/{UNKNOWN}"
    for request, reason in (
        (get(nowhere), "DISPUTE_NOT_FOUND"),
        (disputes_pb2.GetEvidenceRequest(name=elsewhere), "EVIDENCE_NOT_FOUND"),
        (disputes_pb2.GetEvidenceRequest(name=f"{nowhere}/evidence/{UNKNOWN}"), "EVIDENCE_NOT_FOUND"),
        (disputes_pb2.ListDisputesRequest(payment=f"payments/{UNKNOWN}"), "PAYMENT_NOT_FOUND"),
        (decide(nowhere, 0), "DISPUTE_NOT_FOUND"),
    ):
        refused = await core.operator.refused(request)
        assert (refused.code, refused.reason) == (NOT_FOUND, reason), request


# --- What is refused --------------------------------------------------------------------------------------------------------


class World(NamedTuple):
    """Payments and disputes in each state, which tests that are refused leave as they are."""

    core: Core
    fresh: Quarrel
    """Nobody has disputed it."""
    instant: Quarrel
    """It succeeded; nor has anybody."""
    opened: Quarrel
    offered: Quarrel
    rejected: Quarrel
    reviewed: Quarrel
    decided: Quarrel
    names: dict[str, str]
    """The disputes', by the state of the quarrel."""
    arbitrator: Caller


@pytest.fixture(scope="module")
async def world(core: Core) -> World:
    fresh, opened, offered, rejected, reviewed, decided = [await a_quarrel(core) for _ in range(6)]
    instant = await a_quarrel(core, mode=payments_pb2.Payment.MODE_INSTANT)
    names = {"opened": (await opened.opened(600)).name}
    names["offered"] = (await offered.opened()).name
    await offered.as_seller.ask(offer(names["offered"], 1))
    names["rejected"] = (await rejected.opened()).name
    await rejected.as_seller.ask(reject_dispute(names["rejected"]))
    names["reviewed"] = (await reviewed.in_review(600, reason=Dispute.REASON_UNAUTHORIZED)).name
    names["decided"] = (await decided.decided(100)).name
    arbitrator = await an_arbitrator(core, "another")
    return World(core, fresh, instant, opened, offered, rejected, reviewed, decided, names, arbitrator)


Asking = Callable[[World], tuple[Caller, Message]]

REFUSED: dict[str, tuple[Asking, grpc.StatusCode, str]] = {
    "the seller opens": (lambda w: (w.fresh.as_seller, open_dispute(w.fresh.payment)), DENIED, "ACTOR_NOT_ALLOWED"),
    "more than was paid": (
        lambda w: (w.fresh.as_buyer, open_dispute(w.fresh.payment, 1_001)),
        PRECONDITION,
        "DISPUTE_EXCEEDS_REMAINING",
    ),
    "another currency": (
        lambda w: (w.fresh.as_buyer, open_dispute(w.fresh.payment, amount=money(1, "USD"))),
        INVALID,
        "CURRENCY_MISMATCH",
    ),
    "a second one": (lambda w: (w.opened.as_buyer, open_dispute(w.opened.payment)), PRECONDITION, "DISPUTE_OPEN"),
    "the buyer accepts": (lambda w: (w.opened.as_buyer, accept_dispute(w.names["opened"])), DENIED, "ACTOR_NOT_ALLOWED"),
    "the buyer rejects": (lambda w: (w.opened.as_buyer, reject_dispute(w.names["opened"])), DENIED, "ACTOR_NOT_ALLOWED"),
    "the buyer offers": (lambda w: (w.opened.as_buyer, offer(w.names["opened"], 1)), DENIED, "ACTOR_NOT_ALLOWED"),
    "the seller withdraws": (
        lambda w: (w.opened.as_seller, withdraw_dispute(w.names["opened"])),
        DENIED,
        "ACTOR_NOT_ALLOWED",
    ),
    "the seller escalates": (
        lambda w: (w.rejected.as_seller, escalate(w.names["rejected"])),
        DENIED,
        "ACTOR_NOT_ALLOWED",
    ),
    "the seller takes its offer": (
        lambda w: (w.offered.as_seller, accept_offer(w.names["offered"])),
        DENIED,
        "ACTOR_NOT_ALLOWED",
    ),
    "an offer that is none": (
        lambda w: (w.rejected.as_buyer, accept_offer(w.names["rejected"])),
        PRECONDITION,
        "INVALID_TRANSITION",
    ),
    "an offer of too much": (
        lambda w: (w.opened.as_seller, offer(w.names["opened"], 601)),
        PRECONDITION,
        "AWARD_EXCEEDS_DISPUTED",
    ),
    "an offer in dollars": (
        lambda w: (w.opened.as_seller, changed(offer(w.names["opened"], 1), offer={"amount": money(1, "USD")})),
        INVALID,
        "CURRENCY_MISMATCH",
    ),
    "escalate too early": (lambda w: (w.opened.as_buyer, escalate(w.names["opened"])), PRECONDITION, "INVALID_TRANSITION"),
    "respond twice": (lambda w: (w.rejected.as_seller, offer(w.names["rejected"], 1)), PRECONDITION, "INVALID_TRANSITION"),
    "decide too early": (lambda w: (w.arbitrator, decide(w.names["opened"], 1)), PRECONDITION, "INVALID_TRANSITION"),
    "decide twice": (lambda w: (w.arbitrator, decide(w.names["decided"], 1)), PRECONDITION, "INVALID_TRANSITION"),
    "award too much": (lambda w: (w.arbitrator, decide(w.names["reviewed"], 601)), PRECONDITION, "AWARD_EXCEEDS_DISPUTED"),
    "compensate too much": (
        lambda w: (w.arbitrator, decide(w.names["reviewed"], 500, compensation=money(101))),
        PRECONDITION,
        "AWARD_EXCEEDS_DISPUTED",
    ),
    "award dollars": (
        lambda w: (w.arbitrator, changed(decide(w.names["reviewed"], 1), award=money(1, "USD"))),
        INVALID,
        "CURRENCY_MISMATCH",
    ),
    "a side decides": (lambda w: (w.reviewed.as_buyer, decide(w.names["reviewed"], 600)), DENIED, "SCOPE_MISSING"),
    "appeal nothing": (lambda w: (w.reviewed.as_buyer, appeal(w.names["reviewed"])), PRECONDITION, "INVALID_TRANSITION"),
    "waive nothing": (lambda w: (w.reviewed.as_buyer, waive(w.names["reviewed"])), PRECONDITION, "INVALID_TRANSITION"),
    "an appeal for nobody": (lambda w: (w.core.operator, appeal(w.names["decided"])), INVALID, "PARTY_MISSING"),
    "a waiver for nobody": (lambda w: (w.core.operator, waive(w.names["decided"])), INVALID, "PARTY_MISSING"),
    "evidence of nobody": (lambda w: (w.core.operator, submit_evidence(w.names["opened"])), INVALID, "PARTY_MISSING"),
    "an appeal for the other side": (
        lambda w: (w.decided.as_buyer, appeal(w.names["decided"], party=SELLER)),
        DENIED,
        "ACTOR_NOT_ALLOWED",
    ),
    "evidence of the other side": (
        lambda w: (w.opened.as_seller, submit_evidence(w.names["opened"], party=BUYER)),
        DENIED,
        "ACTOR_NOT_ALLOWED",
    ),
    "evidence after the decision": (
        lambda w: (w.decided.as_buyer, submit_evidence(w.names["decided"])),
        PRECONDITION,
        "INVALID_TRANSITION",
    ),
    "close an account of a dispute": (lambda w: (w.core.operator, close(w.opened.seller)), PRECONDITION, "PAYMENTS_OPEN"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused(core: Core, world: World, name: str) -> None:
    asking, code, reason = REFUSED[name]
    caller, request = asking(world)
    async with nothing_changes(core):
        refused = await caller.refused(request)
    assert (refused.code, refused.reason) == (code, reason), refused


async def test_compensation_is_for_who_did_not_authorize_it(core: Core) -> None:
    asked = await (await a_quarrel(core)).in_review()
    async with nothing_changes(core):
        refused = await core.operator.refused(decide(asked.name, 1, compensation=money(1)))
    assert (refused.code, refused.reason) == (PRECONDITION, "COMPENSATION_NOT_POSSIBLE")


async def test_the_window_closes(core: Core) -> None:
    quarrel = await a_quarrel(core, mode=payments_pb2.Payment.MODE_INSTANT)
    await core.operator.ask(advance_clock(16 * DAY))
    async with nothing_changes(core):
        refused = await quarrel.as_buyer.refused(open_dispute(quarrel.payment))
    assert (refused.code, refused.reason) == (PRECONDITION, "DISPUTE_WINDOW_CLOSED")
    assert (await quarrel.opened(reason=Dispute.REASON_UNAUTHORIZED)).state == Dispute.STATE_AWAITING_SELLER


async def test_a_frozen_seller_gives_nothing_away_after_the_release(core: Core) -> None:
    quarrel = await a_quarrel(core, mode=payments_pb2.Payment.MODE_INSTANT)
    name = (await quarrel.opened()).name
    await core.operator.ask(freeze(quarrel.seller))
    async with nothing_changes(core):
        for request in (accept_dispute(name), offer(name, 1)):
            refused = await quarrel.as_seller.refused(request)
            assert (refused.code, refused.reason) == (PRECONDITION, "ACCOUNT_FROZEN")
    assert (await quarrel.as_seller.ask(reject_dispute(name))).state == Dispute.STATE_AWAITING_BUYER


# --- People -----------------------------------------------------------------------------------------------------------------


async def two_people(core: Core) -> tuple[PersonCaller, PersonCaller, str]:
    """Somebody who has paid somebody else, and the payment."""
    ada, bob = await a_person(core, funds_minor=1_000, level=IdentityLevel.II), await a_person(core, level=IdentityLevel.II)
    payment = await core.operator.ask(a_payment(ada.account, bob.account, 1_000))
    return ada, bob, str(payment.name)


async def test_people_quarrel_and_show_their_password_where_money_moves(core: Core) -> None:
    ada, bob, payment = await two_people(core)
    dispute = await ada.ask(open_dispute(payment))
    request = offer(dispute.name, 400)
    async with nothing_changes(core):
        asked = await bob.refused(request)
    assert (asked.code, asked.reason) == (PRECONDITION, "APPROVAL_REQUIRED")
    assert asked.metadata == {"factors": "PAYMENT_PASSWORD"}
    wrong = await bob.refused(changed(request, payment_password="111111"))
    assert (wrong.reason, wrong.metadata) == ("PASSWORD_WRONG", {"attempts_left": "2"})
    await bob.ask(changed(request, payment_password=bob.payment_password))
    assert (await ada.refused(accept_offer(dispute.name))).reason == "APPROVAL_REQUIRED"
    settled = await ada.ask(accept_offer(dispute.name, payment_password=ada.payment_password))
    assert settled.state == Dispute.STATE_SETTLED
    assert (await available(core, ada.account), await available(core, bob.account)) == (400, 600)
    for person in (ada, bob):
        assert [each.name for each in (await person.ask(disputes_pb2.ListDisputesRequest())).disputes] == [dispute.name]


async def test_people_accept_with_their_password_and_do_the_rest_without(core: Core) -> None:
    ada, bob, payment = await two_people(core)
    first = await ada.ask(open_dispute(payment))
    await ada.ask(submit_evidence(first.name))
    await ada.ask(withdraw_dispute(first.name))
    second = await ada.ask(open_dispute(payment, reason=Dispute.REASON_UNAUTHORIZED))
    assert (await bob.refused(accept_dispute(second.name))).reason == "APPROVAL_REQUIRED"
    settled = await bob.ask(accept_dispute(second.name, payment_password=bob.payment_password))
    assert settled.outcome == Dispute.OUTCOME_ACCEPTED


# --- Repeats, and who did what ----------------------------------------------------------------------------------------------


async def test_a_repeat_by_a_side_is_answered_like_the_first_call(core: Core) -> None:
    quarrel = await a_quarrel(core)
    request = open_dispute(quarrel.payment, 400)
    opened = await quarrel.as_buyer.ask(request)
    await quarrel.as_seller.ask(reject_dispute(opened.name))
    async with nothing_changes(core):
        assert await quarrel.as_buyer.answer(request) == (opened, True)
        refused = await quarrel.as_buyer.refused(changed(request, text="another"))
        assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    expires = await core.connection.fetchval("SELECT expires_at FROM request WHERE request_id = $1", request.request_id)
    assert expires is None


async def test_a_repeat_may_show_another_password(core: Core) -> None:
    ada, bob, payment = await two_people(core)
    dispute = await ada.ask(open_dispute(payment))
    request = accept_dispute(dispute.name, payment_password=bob.payment_password)
    settled = await bob.ask(request)
    assert await bob.answer(changed(request, payment_password=None)) == (settled, True)


async def test_who_did_what_names_the_dispute(core: Core) -> None:
    quarrel = await a_quarrel(core)
    opened = await quarrel.opened()
    await quarrel.as_seller.ask(accept_dispute(opened.name))
    facts = await walked(core.operator, operations_pb2.ListAuditEventsRequest(subject=opened.name), 10)
    assert (facts[0].kind, facts[0].method) == ("dispute.settle", "DisputeService/RespondDispute")
    assert "DisputeService/OpenDispute" in {fact.method for fact in facts}


async def test_a_debt_is_shown_and_repaid_first(core: Core) -> None:
    quarrel = await a_quarrel(core, mode=payments_pb2.Payment.MODE_INSTANT)
    other = await an_account(core)
    await core.operator.ask(a_payment(quarrel.seller, other, 985, mode=payments_pb2.Payment.MODE_INSTANT))
    opened = await quarrel.opened()
    assert opened.held == money(0)
    settled = await core.operator.ask(accept_dispute(opened.name))
    assert (settled.paid_back, settled.fee_returned, settled.owed) == (money(1_000), money(15), money(985))
    balances = (await core.operator.ask(accounts_pb2.ListBalancesRequest(name=quarrel.seller))).balances
    assert [each.owed.amount_minor for each in balances] == [985]
    assert await audit_holds(core)
