"""Evidence over the wire: a text, a file of up to 1 MiB with its SHA-256, or both; it stays, and both sides see it."""

from hashlib import sha256

import grpc
import pytest

from danbao.v1 import disputes_pb2
from tests import rpc_client
from tests.disputing import Dispute, Quarrel, a_quarrel, an_arbitrator
from tests.rpc_client import Core, nothing_changes, walked
from tests.rpc_requests import UNKNOWN, a_file, advance_clock, changed, submit_evidence

core = rpc_client.core

BUYER, SELLER = Dispute.PARTY_BUYER, Dispute.PARTY_SELLER
INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
MIB = 1_048_576


def get(name: str) -> disputes_pb2.GetEvidenceRequest:
    return disputes_pb2.GetEvidenceRequest(name=name)


async def a_disputed(core: Core) -> tuple[Quarrel, str]:
    """A quarrel, and the name of its dispute."""
    quarrel = await a_quarrel(core)
    return quarrel, (await quarrel.opened()).name


async def test_a_file_comes_back_as_it_was(core: Core) -> None:
    quarrel, dispute = await a_disputed(core)
    content = bytes(range(256)) * (MIB // 256)
    request = submit_evidence(dispute, "The parcel,\tas it came:\nempty.", file=a_file(content, file_name="包裹.png"))
    made = await quarrel.as_buyer.ask(request)
    assert made.name.startswith(f"{dispute}/evidence/")
    assert (made.party, made.text, made.file.content) == (BUYER, "The parcel,\tas it came:\nempty.", b"")
    assert (made.file.file_name, made.file.media_type, made.file.size_bytes) == ("包裹.png", "image/png", MIB)
    for caller in (quarrel.as_buyer, quarrel.as_seller, await an_arbitrator(core), core.operator):
        found = await caller.ask(get(made.name))
        assert sha256(found.file.content).digest() == found.file.sha256 == sha256(content).digest()
        found.file.content = b""
        assert found == made
    assert await quarrel.as_buyer.answer(request) == (made, True)


async def test_both_sides_list_that_of_both_without_the_files(core: Core) -> None:
    quarrel, dispute = await a_disputed(core)
    text = await quarrel.as_buyer.ask(submit_evidence(dispute, "Nothing came."))
    file = await core.operator.ask(submit_evidence(dispute, "", party=SELLER, file=a_file()))
    assert (text.party, text.HasField("file"), file.party, file.text) == (BUYER, False, SELLER, "")
    listing = disputes_pb2.ListEvidenceRequest(dispute=dispute)
    for caller in (quarrel.as_buyer, quarrel.as_seller, core.operator):
        assert await walked(caller, listing, 1) == [file, text]
    shown = await quarrel.as_seller.ask(disputes_pb2.GetDisputeRequest(name=dispute))
    assert (shown.buyer_evidence_count, shown.seller_evidence_count) == (1, 1)
    steps = await walked(quarrel.as_seller, disputes_pb2.ListDisputeStepsRequest(dispute=dispute), 2)
    assert [(step.event, step.actor) for step in steps[:2]] == [
        (disputes_pb2.DisputeStep.EVENT_SUBMIT_EVIDENCE, SELLER),
        (disputes_pb2.DisputeStep.EVENT_SUBMIT_EVIDENCE, BUYER),
    ]


NOWHERE = submit_evidence(f"disputes/{UNKNOWN}", "", party=BUYER)
BROKEN: dict[str, tuple[disputes_pb2.SubmitEvidenceRequest, str, set[str]]] = {
    "nothing": (NOWHERE, "EVIDENCE_MISSING", {""}),
    "an empty file": (changed(NOWHERE, file=a_file(b"")), "FIELD_INVALID", {"file.content"}),
    "too large a file": (changed(NOWHERE, file=a_file(bytes(MIB + 1))), "EVIDENCE_TOO_LARGE", {"file.content"}),
    "too long a text": (changed(NOWHERE, text="長" * 4_001), "FIELD_INVALID", {"text"}),
    "a film": (changed(NOWHERE, file=a_file(media_type="video/mp4")), "EVIDENCE_TYPE_UNKNOWN", {"file.media_type"}),
    "no hash": (changed(NOWHERE, file=a_file(sha256=b"")), "FIELD_INVALID", {"file.sha256"}),
    "no file name": (changed(NOWHERE, file=a_file(file_name="")), "FIELD_INVALID", {"file.file_name"}),
    "a path": (changed(NOWHERE, file=a_file(file_name="../passwd")), "FIELD_INVALID", {"file.file_name"}),
    "a card in the file's name": (
        changed(NOWHERE, file=a_file(file_name="4111111111111111.png")),
        "CARD_NUMBER_IN_TEXT",
        {"file.file_name"},
    ),
    "an arbitrator's": (changed(NOWHERE, text="x", party=Dispute.PARTY_ARBITRATOR), "FIELD_INVALID", {"party"}),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_no_evidence(core: Core, name: str) -> None:
    request, reason, fields = BROKEN[name]
    async with nothing_changes(core):
        refused = await core.operator.refused(request)
    assert (refused.code, refused.reason, set(refused.violations)) == (INVALID, reason, fields)


async def test_a_file_that_is_another_is_refused(core: Core) -> None:
    quarrel, dispute = await a_disputed(core)
    async with nothing_changes(core):
        refused = await quarrel.as_seller.refused(submit_evidence(dispute, file=a_file(sha256=bytes(32))))
    assert (refused.code, refused.reason) == (INVALID, "EVIDENCE_HASH_MISMATCH")


async def test_twenty_on_each_side(core: Core) -> None:
    quarrel, dispute = await a_disputed(core)
    for number in range(20):
        await quarrel.as_buyer.ask(submit_evidence(dispute, f"{number}"))
    async with nothing_changes(core):
        refused = await quarrel.as_buyer.refused(submit_evidence(dispute))
    assert (refused.code, refused.reason, refused.metadata) == (PRECONDITION, "TOO_MUCH_EVIDENCE", {"most": "20"})
    assert (await quarrel.as_seller.ask(submit_evidence(dispute))).party == SELLER


async def test_after_its_time(core: Core) -> None:
    quarrel = await a_quarrel(core)
    dispute = (await quarrel.in_review()).name
    await quarrel.as_seller.ask(submit_evidence(dispute))
    await core.operator.ask(advance_clock(72 * 3_600))
    refused = await quarrel.as_seller.refused(submit_evidence(dispute))
    assert (refused.code, refused.reason) == (PRECONDITION, "EVIDENCE_CLOSED")
    later = await quarrel.as_seller.ask(disputes_pb2.GetDisputeRequest(name=dispute))
    assert later.respond_by.seconds == later.evidence_end_time.seconds + 4 * 24 * 3_600  # the arbitrators' seven days
    assert (later.seller_evidence_count, later.state) == (1, Dispute.STATE_UNDER_REVIEW)
