"""`danbao disputes`: what arbitrators need: which disputes wait, what both sides say and show, and the award."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from danbao_core.cli.locate import DataOption, SecondOperatorOption, find_core, find_operators_core
from danbao_core.cli.output import CommandFailed, JsonOption, Output, run

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from rich.table import Table

    from danbao.v1.disputes_pb2 import Dispute, DisputeStep, Evidence
    from danbao_client import Danbao
    from danbao_core.money import Money

app = typer.Typer(help="List, read and decide disputes.", no_args_is_help=True)

DisputeName = Annotated[str, typer.Argument(metavar="DISPUTE", help="disputes/UUID, or the UUID alone.")]

_ENDED: Final = ("settled", "closed")


class StateOption(StrEnum):
    """As `--state` takes them."""

    AWAITING_SELLER = "awaiting-seller"
    AWAITING_BUYER = "awaiting-buyer"
    UNDER_REVIEW = "under-review"
    DECIDED = "decided"
    SETTLED = "settled"
    CLOSED = "closed"


class ReasonOption(StrEnum):
    """As `--reason` takes them."""

    NOT_RECEIVED = "not-received"
    NOT_AS_DESCRIBED = "not-as-described"
    DUPLICATE = "duplicate"
    UNAUTHORIZED = "unauthorized"
    OTHER = "other"


@app.command("list")
def list_disputes(  # noqa: PLR0913, PLR0917  # typer makes an option of each
    states: Annotated[
        list[StateOption] | None, typer.Option("--state", help="In this state; may be repeated. Those that are open without.")
    ] = None,
    reasons: Annotated[
        list[ReasonOption] | None, typer.Option("--reason", help="For this reason; may be repeated. For any without.")
    ] = None,
    respond_before: Annotated[
        datetime | None, typer.Option(metavar="TIME", help="With a deadline before this (UTC), as in 2026-11-30T12:00:00.")
    ] = None,
    least: Annotated[
        str, typer.Option("--min", metavar="AMOUNT", help='About at least so much in its currency, as in "100.00 CNY".')
    ] = "",
    most: Annotated[str, typer.Option("--max", metavar="AMOUNT", help='About at most so much, as in "5000 CNY".')] = "",
    of: Annotated[str, typer.Option(metavar="NAME", help="Of payments/UUID, or of accounts/UUID on either side.")] = "",
    awaiting_compensation: Annotated[
        bool, typer.Option("--awaiting-compensation", help="Settled, and waiting for the platform's fund.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List disputes: those that are open, the next deadline first; others newest first."""

    async def command(output: Output) -> None:
        from danbao.v1.disputes_pb2 import Dispute, ListDisputesRequest

        queue = not awaiting_compensation and not any(state.value in _ENDED for state in states or ())
        async with find_core(data).client() as danbao:
            disputes = danbao.disputes.list(
                payment=of if of.startswith("payments/") else "",
                account="" if of.startswith("payments/") else of,
                states=[Dispute.State.Value(f"STATE_{state.name}") for state in states or ()],
                reasons=[Dispute.Reason.Value(f"REASON_{reason.name}") for reason in reasons or ()],
                respond_before=respond_before and respond_before.replace(tzinfo=UTC),
                min_amount=_amount_of("--min", least),
                max_amount=_amount_of("--max", most),
                awaiting_compensation=awaiting_compensation,
                order=ListDisputesRequest.ORDER_RESPOND_BY if queue else ListDisputesRequest.ORDER_UNSPECIFIED,
            )
            found = [each async for each in disputes]
        output.result({"disputes": [_as_dict(each) for each in found]}, _table(found))

    run(command, as_json=as_json)


@app.command()
def show(
    name: DisputeName,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the files of both sides into this folder, which is made.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a dispute: what was done, by whom and why, and what both sides show."""

    async def command(output: Output) -> None:
        full_name = _full(name)
        async with find_core(data).client() as danbao:
            dispute = await danbao.disputes.get(full_name)
            steps = [each async for each in danbao.disputes.list_steps(dispute=full_name)][::-1]
            evidence = [each async for each in danbao.disputes.list_evidence(dispute=full_name)][::-1]
            saved = {} if save is None else await _saved(danbao, evidence, save)
        answer = {
            "dispute": _as_dict(dispute),
            "steps": [_as_dict(step) for step in steps],
            "evidence": [_as_dict(each) | ({"saved": saved[each.name]} if each.name in saved else {}) for each in evidence],
        }
        output.result(answer, _head(dispute), _timeline(steps), _evidence_table(evidence, saved))

    run(command, as_json=as_json)


@app.command()
def decide(
    name: DisputeName,
    award: Annotated[str, typer.Option(metavar="AMOUNT", help="What the buyer gets, as in 58.00; the rest is the seller's.")],
    text: Annotated[str, typer.Option(help="Why; both sides read it.")],
    compensation: Annotated[
        str, typer.Option(metavar="AMOUNT", help="What the platform's fund adds for the buyer, where it is UNAUTHORIZED.")
    ] = "",
    second_operator: SecondOperatorOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide a dispute that is under review, with an arbitrator's key in DANBAO_KEY. After an appeal somebody else decides than
    before.
    """

    async def command(output: Output) -> None:
        async with find_operators_core(data, second_operator=second_operator).client() as danbao:
            dispute = await danbao.disputes.get(_full(name))
            currency = dispute.amount.currency_code
            decided = await danbao.disputes.decide(
                dispute.name,
                award=_message(_parsed("--award", award, currency)),
                compensation=_message(_parsed("--compensation", compensation, currency)) if compensation else None,
                text=text,
            )
        output.result({"dispute": _as_dict(decided)}, _head(decided))

    run(command, as_json=as_json)


# --- Amounts and names ------------------------------------------------------------------------------------------------------


_WITH_THOUSANDS: Final = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
"""As in 1,250.00. Another comma may be that of decimals, and 12,50 must not become 1250."""


def _full(name: str) -> str:
    return name if "/" in name else f"disputes/{name}"


def _amount_of(option: str, text: str) -> Any:
    """An amount with its currency, None where none is given. Raises CommandFailed."""
    if not text:
        return None
    figure, _, currency = text.partition(" ")
    return _message(_parsed(option, figure, currency))


def _parsed(option: str, figure: str, currency: str) -> "Money":
    """Raises CommandFailed for what is no amount of the currency."""
    from danbao_core.errors import CurrencyUnknown
    from danbao_core.money import MAX_AMOUNT_MINOR, Money

    try:
        money = Money.parse(figure.replace(",", "") if _WITH_THOUSANDS.fullmatch(figure) else figure, currency)
    except CurrencyUnknown:
        raise CommandFailed(
            "AMOUNT_INVALID", f'{option}: {currency!r} is no currency; an amount is written as in "100.00 CNY".'
        ) from None
    except ValueError as error:
        raise CommandFailed("AMOUNT_INVALID", f"{option}: {error}.") from None
    if abs(money.amount_minor) > MAX_AMOUNT_MINOR:
        raise CommandFailed("AMOUNT_INVALID", f"{option}: {figure} is out of range.")
    return money


def _message(money: "Money") -> Any:
    from danbao.v1.common_pb2 import Money

    return Money(amount_minor=money.amount_minor, currency_code=money.currency)


# --- Files ------------------------------------------------------------------------------------------------------------------


async def _saved(danbao: "Danbao", evidence: "list[Evidence]", folder: Path) -> dict[str, str]:
    """Writes the files of both sides, numbered, and answers where each is. Raises CommandFailed or DanbaoError.

    A file is called by us: its own name is its sender's, and is only shown. One that is there is not replaced.
    """
    import hashlib

    saved: dict[str, str] = {}
    for number, each in enumerate(evidence, start=1):
        if not each.HasField("file"):
            continue
        file = (await danbao.disputes.get_evidence(each.name)).file
        if hashlib.sha256(file.content).digest() != file.sha256:
            raise CommandFailed("EVIDENCE_HASH_MISMATCH", f"The file of {each.name} is not the one that was submitted.")
        path = folder / f"{number:02}-{_word(each, 'party')}{_ENDINGS.get(file.media_type, '.bin')}"
        _write(path, file.content)
        saved[each.name] = str(path)
    return saved


_ENDINGS: Final = {
    "image/png": ".png",
    "image/jpeg": ".jpeg",
    "image/webp": ".webp",
    "application/pdf": ".pdf",
    "text/plain": ".txt",
}


def _write(path: Path, content: bytes) -> None:
    """Writes a new file, in a folder that is made where it is not there. Raises CommandFailed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise CommandFailed("FILE_NOT_WRITTEN", f"{path} cannot be written: {error.strerror}.") from None


# --- What people see --------------------------------------------------------------------------------------------------------


def _table(disputes: "list[Dispute]") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table("Dispute", "State", "Reason", "About", "Respond by (UTC)", box=box.SIMPLE)
    for each in disputes:
        table.add_row(each.name, _word(each, "state"), _word(each, "reason"), _money(each, "amount"), _time(each.respond_by))
    return table


def _head(dispute: "Dispute") -> str:
    lines = [
        f"[bold]{dispute.name}[/bold]: {_money(dispute, 'amount')} of {dispute.payment}, {_word(dispute, 'reason')}; "
        f"{_word(dispute, 'state')}" + (f" until {_time(dispute.respond_by)} UTC" if dispute.HasField("respond_by") else ""),
        f"buyer {dispute.buyer}, seller {dispute.seller}",
    ]
    facts = (("offer", "offered"), ("award", "awarded to the buyer"), ("award_compensation", "compensation"), ("held", "held"))
    said = [f"{what}: {_money(dispute, field)}" for field, what in facts if getattr(dispute, field).amount_minor]
    settled = (("paid_back", "paid back"), ("owed", "owed by the seller"), ("compensated", "compensated"))
    said += [f"{what}: {_money(dispute, field)}" for field, what in settled if getattr(dispute, field).amount_minor]
    return "\n".join([*lines, *([", ".join(said)] if said else [])])


def _timeline(steps: "list[DisputeStep]") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("Time (UTC)", "What", "By", "Then", "Amount", "Why", box=box.SIMPLE)
    for step in steps:
        amount = _money(step, "amount")
        if step.compensation.amount_minor:
            amount = f"{amount} + {_money(step, 'compensation')}"
        who = f"{_word(step, 'actor')} ({step.caller})" if step.caller else _word(step, "actor")
        table.add_row(
            _time(step.create_time), _word(step, "event"), escape(who), _word(step, "state"), amount, escape(step.text)
        )
    return table


def _evidence_table(evidence: "list[Evidence]", saved: dict[str, str]) -> "Table | str":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    if not evidence:
        return "Neither side shows anything."
    table = Table("Evidence", "Time (UTC)", "By", "Text", "File", box=box.SIMPLE)
    for number, each in enumerate(evidence, start=1):
        file = ""
        if each.HasField("file"):
            told = each.file
            lines = [told.file_name, f"{told.media_type}, {told.size_bytes:,} bytes", told.sha256.hex()]
            file = "\n".join([*lines, *([f"saved as {saved[each.name]}"] if each.name in saved else [])])
        table.add_row(f"{number}", _time(each.create_time), _word(each, "party"), escape(each.text), escape(file))
    return table


def _word(message: Any, field: str) -> str:
    """The value of an enum, as people say it."""
    kind = message.DESCRIPTOR.fields_by_name[field].enum_type
    value = kind.values_by_number.get(getattr(message, field))
    if value is None:
        return str(getattr(message, field))
    prefix = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return str(value.name).removeprefix(prefix).lower().replace("_", " ")


def _money(message: Any, field: str) -> str:
    """An amount; nothing where there is none."""
    if not message.HasField(field):
        return ""
    from danbao_core.money import Money

    money = getattr(message, field)
    return str(Money(money.amount_minor, money.currency_code))


def _time(time: "Timestamp") -> str:
    return f"{time.ToDatetime(UTC):%Y-%m-%d %H:%M}" if time.seconds else ""


def _as_dict(message: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(message, preserving_proto_field_name=True)
