"""How `danbao explain` puts what is known of a payment into rows."""

from danbao.v1.disputes_pb2 import Dispute, DisputeStep
from danbao.v1.operations_pb2 import AuditEvent, GivenApproval, Hold, JournalEntry, PaymentStep, Timer, ToldEvent
from danbao.v1.payments_pb2 import Payment
from danbao.v1.verification_pb2 import Factor
from danbao_core.cli.explain import _row
from tests.rpc_requests import money

PAYMENT = Payment(name="payments/p", payer="accounts/ada", payee="accounts/shop")


def row(**fields: object) -> tuple[str, str, str]:
    step = PaymentStep(subject="payments/p")
    step.MergeFrom(PaymentStep(**fields))  # type: ignore[arg-type]
    return _row(step, PAYMENT)


def test_each_kind_of_step_has_a_row_in_the_words_of_the_payments_sides() -> None:
    entries = [
        JournalEntry(account="accounts/ada", purpose=JournalEntry.PURPOSE_AVAILABLE, amount=money(-100)),
        JournalEntry(purpose=JournalEntry.PURPOSE_ESCROW, amount=money(100)),
    ]
    assert row(done=AuditEvent(kind="payment.pay", caller="service:shop:shop"), entries=entries)[2] == (
        "payer available -1.00 CNY\nescrow +1.00 CNY"
    )
    assert row(done=AuditEvent(method="PaymentService/ShipPayment", caller="account:shop")) == (
        "ShipPayment",
        "account:payee",
        "",
    )
    assert row(subject="refunds/r", done=AuditEvent(method="refunds", memo="lost"))[0] == "refunds/r refunds: lost"
    assert row(event=ToldEvent(topic="payment.paid")) == ("  event payment.paid, not told yet", "", "")
    assert row(approval=GivenApproval(account="accounts/ada", factor=Factor.KIND_TOTP)) == (
        "approval by TOTP, not used",
        "payer",
        "",
    )
    held = Hold(account="accounts/shop", purpose=JournalEntry.PURPOSE_HELD, amount=money(100))
    assert row(hold=held)[2] == "1.00 CNY in payee held"
    assert row(subject="disputes/d", timer=Timer(what="SELLER_SILENT")) == ("disputes/d seller silent is due", "timer", "")
    said = DisputeStep(event=DisputeStep.EVENT_OFFER, actor=Dispute.PARTY_SELLER, amount=money(50), text="Half?", caller="a")
    assert row(subject="disputes/d", dispute_step=said)[0] == "dispute: offer by seller, 0.50 CNY: Half?"
