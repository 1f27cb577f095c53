"""`danbao explain`: all that is known of one payment."""

from datetime import UTC
from typing import TYPE_CHECKING, Annotated

import typer

from danbao_core.cli.locate import DataOption, find_core
from danbao_core.cli.output import JsonOption, Output, run

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from rich.table import Table

    from danbao.v1.common_pb2 import Money
    from danbao.v1.disputes_pb2 import DisputeStep
    from danbao.v1.operations_pb2 import ExplainPaymentResponse, JournalEntry, PaymentStep
    from danbao.v1.payments_pb2 import Payment


def explain(
    payment: Annotated[str, typer.Argument(metavar="PAYMENT", help="payments/UUID, or the UUID alone.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell all that is known of a payment, in order of time: who did what, every journal with its entries, every event, every
    approval, what is set aside and what time will bring about. It changes nothing.
    """

    async def command(output: Output) -> None:
        from google.protobuf.json_format import MessageToDict

        from danbao.v1.operations_pb2 import ExplainPaymentRequest

        request = ExplainPaymentRequest(name=payment if "/" in payment else f"payments/{payment}")
        async with find_core(data).client() as danbao:
            answer = await danbao.operations.ExplainPayment(request)
        output.result(
            MessageToDict(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True),
            _head(answer.payment),
            _table(answer),
            *(["[bold]More happened than is shown[/bold]: ListAuditEvents has all of it."] if answer.truncated else []),
        )

    run(command, as_json=as_json)


def _head(payment: "Payment") -> str:
    state = payment.State.Name(payment.state).removeprefix("STATE_").lower().replace("_", " ")
    return f"[bold]{payment.name}[/bold]: {_amount(payment.amount)}, {state}; payer {payment.payer}, payee {payment.payee}"


def _table(answer: "ExplainPaymentResponse") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("Time (Asia/Shanghai)", "What", "Who", "Money", box=box.SIMPLE)
    for step in answer.steps:
        what, who, money = _row(step, answer.payment)
        table.add_row(_moment(step.time), escape(what), escape(who), money)
    return table


def _row(step: "PaymentStep", payment: "Payment") -> tuple[str, str, str]:
    """What happened or will, who did it, and what moved or is set aside."""
    from danbao.v1.verification_pb2 import Factor

    match step.WhichOneof("what"):
        case "done":
            done = step.done
            what = done.kind or f"{_subject(step, payment)}{done.method.partition('/')[2] or done.method}"
            memo = f": {done.memo}" if done.memo else ""
            return what + memo, _sides(done.caller, payment), "\n".join(_entry(entry, payment) for entry in step.entries)
        case "event":
            return f"  event {step.event.topic}{'' if step.event.told else ', not told yet'}", "", ""
        case "approval":
            given = step.approval
            factor = Factor.Kind.Name(given.factor).removeprefix("KIND_")
            used = "used" if given.HasField("use_time") else "not used"
            return f"approval by {factor}, {used}", _sides(given.account, payment), ""
        case "dispute_step":
            return _dispute_step(step.dispute_step), _sides(step.dispute_step.caller, payment), ""
        case "hold":
            place = _place(step.hold.account, step.hold.purpose, payment)
            return "set aside since then", "", f"{_amount(step.hold.amount)} in {place}"
        case _:
            return f"{_subject(step, payment)}{step.timer.what.lower().replace('_', ' ')} is due", "timer", ""


def _dispute_step(step: "DisputeStep") -> str:
    """What was done in a dispute, by whom, for how much and why."""
    from danbao.v1.disputes_pb2 import Dispute

    event = step.Event.Name(step.event).removeprefix("EVENT_").lower().replace("_", " ")
    who = Dispute.Party.Name(step.actor).removeprefix("PARTY_").lower()
    amount = f", {_amount(step.amount)}" if step.HasField("amount") else ""
    text = f": {step.text}" if step.text else ""
    return f"dispute: {event} by {who}{amount}{text}"


def _subject(step: "PaymentStep", payment: "Payment") -> str:
    """What it is about, where that is not the payment itself."""
    return "" if step.subject == payment.name else f"{step.subject} "


def _entry(entry: "JournalEntry", payment: "Payment") -> str:
    sign = "+" if entry.amount.amount_minor > 0 else ""
    return f"{_place(entry.account, entry.purpose, payment)} {sign}{_amount(entry.amount)}"


def _place(account: str, purpose: "JournalEntry.Purpose.ValueType", payment: "Payment") -> str:
    from danbao.v1.operations_pb2 import JournalEntry

    named = JournalEntry.Purpose.Name(purpose).removeprefix("PURPOSE_").lower().replace("_", " ")
    return f"{_sides(account, payment)} {named}".strip()


def _sides(text: str, payment: "Payment") -> str:
    """A caller or an account, with the two sides of the payment by what they are."""
    for side, name in (("payer", payment.payer), ("payee", payment.payee)):
        text = text.replace(name, side).replace(name.partition("/")[2], side)
    return text


def _amount(money: "Money") -> str:
    from danbao_core.money import Money

    return str(Money(money.amount_minor, money.currency_code))


def _moment(time: "Timestamp") -> str:
    from danbao_core.clock import SHANGHAI

    return f"{time.ToDatetime(UTC).astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"
