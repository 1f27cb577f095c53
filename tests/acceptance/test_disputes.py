"""`danbao disputes`: what an arbitrator sees and decides."""

import asyncio
from pathlib import Path

from danbao.v1.disputes_pb2 import Dispute
from danbao.v1.payments_pb2 import CreatePaymentRequest
from tests.acceptance.sandbox import Sandbox, danbao
from tests.rpc_requests import (
    UNKNOWN,
    a_file,
    appeal,
    escalate,
    money,
    open_dispute,
    reject_dispute,
    submit_evidence,
)

ADA, SHOP = "accounts/00000000-0000-8000-8000-0000000b0ee1", "accounts/00000000-0000-8000-8000-00000000540b"
PICTURE = b"\x89PNG, nearly"


async def test_an_arbitrator_reads_and_decides(sandbox: Sandbox, tmp_path: Path) -> None:
    files, elsewhere = tmp_path / "files", tmp_path / "taken"
    elsewhere.write_text("a file, not a folder")
    async with sandbox.client() as client:
        payment = await client.payments.CreatePayment(
            CreatePaymentRequest(payer=ADA, payee=SHOP, amount=money(2_000, "USD"), pay=True)
        )
        opened = await client.disputes.OpenDispute(open_dispute(payment.name, text="It is [broken]"))
        name = opened.name
        file = submit_evidence(name, file=a_file(PICTURE, file_name="broken.exe"), party=Dispute.PARTY_BUYER)
        await client.disputes.SubmitEvidence(file)
        await client.disputes.RespondDispute(reject_dispute(name, text="It was not"))
        await client.disputes.EscalateDispute(escalate(name))
        listed, shown, refused, unknown = await asyncio.gather(
            sandbox.danbao("disputes", "list", "--state", "under-review", "--min", "20 USD", "--max", "20 USD", "--of", ADA),
            danbao("disputes", "show", name, "--save", files, "--data", sandbox.folder),
            sandbox.danbao("disputes", "decide", name, "--award", "5.001", "--text", "a part"),
            sandbox.danbao("disputes", "show", UNKNOWN),
        )
        assert [each["name"] for each in listed.answer["disputes"]] == [name], listed.err
        assert shown.code == 0, shown.err
        for expected in ("20.00 USD of payments/", "under review until", "It is [broken]", "It was not", "image/png, 12 bytes"):
            assert expected in shown.out, expected
        [saved] = files.iterdir()
        assert (saved.name, saved.read_bytes()) == ("01-buyer.png", PICTURE), "not under the name that its sender gave it"
        assert (refused.code, refused.answer["error"]["reason"]) == (1, "AMOUNT_INVALID")
        assert (unknown.code, unknown.answer["error"]["reason"]) == (1, "DISPUTE_NOT_FOUND")
        decided = await sandbox.danbao("disputes", "decide", name, "--award", "5.00", "--text", "a part")
        assert decided.answer["dispute"]["state"] == "STATE_DECIDED", decided.err
        await client.disputes.AppealDispute(appeal(name, party=Dispute.PARTY_BUYER))
        again = await sandbox.danbao("disputes", "decide", name, "--award", "7.00", "--text", "more")
        settled = await sandbox.danbao("disputes", "decide", name, "--award", "7.00", "--text", "more", "--second-operator")
    assert (again.code, again.answer["error"]["reason"]) == (1, "ALREADY_DECIDED_BY_YOU")
    assert settled.answer["dispute"]["paid_back"] == {"amount_minor": "700", "currency_code": "USD"}, settled.err
    whole, there, nowhere = await asyncio.gather(
        sandbox.danbao("disputes", "show", name),
        sandbox.danbao("disputes", "show", name, "--save", files),
        sandbox.danbao("disputes", "show", name, "--save", elsewhere),
    )
    assert [step["event"].removeprefix("EVENT_") for step in whole.answer["steps"]] == [
        *("OPEN", "SUBMIT_EVIDENCE", "REJECT", "ESCALATE", "DECIDE", "APPEAL", "DECIDE"),
    ]
    assert whole.answer["evidence"][0]["party"] == "PARTY_BUYER"
    for failed in (there, nowhere):
        assert (failed.code, failed.answer["error"]["reason"]) == (1, "FILE_NOT_WRITTEN")
