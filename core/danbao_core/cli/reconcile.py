"""`danbao reconcile`: the bank's statements against the books."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from danbao_core.cli.locate import DataOption, find_core
from danbao_core.cli.output import CommandFailed, JsonOption, Output, run

if TYPE_CHECKING:
    from rich.table import Table

    from danbao.v1.common_pb2 import Money
    from danbao.v1.operations_pb2 import Reconciliation, ReconciliationDifference
    from danbao_client import Danbao

_DAYS_SHOWN = 7
_PAUSE_SECONDS = 0.2


def reconcile(
    day: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="Have the worker reconcile this day now, and wait until it has.")
    ] = "",
    settle: Annotated[str, typer.Option(metavar="NAME", help="Explain this difference (differences/UUID) by --note.")] = "",
    note: Annotated[str, typer.Option(help="What the difference comes from; it is written down.")] = "",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait for the day.")] = 60.0,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the last days and every open difference between the bank and the books.

    The exit code is 1 while a difference is open.
    """

    async def command(output: Output) -> None:
        from danbao.v1.operations_pb2 import ListReconciliationsRequest, ReconciliationDifference

        async with find_core(data).client() as danbao:
            if settle:
                if not note:
                    raise CommandFailed("NOTE_MISSING", "Say with --note what the difference comes from.")
                await danbao.operations.settle_difference(settle, note=note)
            if day:
                with output.progress.status(f"Reconciling {day} ..."):
                    await _reconciled(danbao, day, timeout)
            newest = ListReconciliationsRequest(page_size=_DAYS_SHOWN)
            days = list((await danbao.operations.ListReconciliations(newest)).reconciliations)
            states = [ReconciliationDifference.STATE_OPEN]
            found = [each async for each in danbao.operations.list_reconciliation_differences(states=states)]
        answer = {"days": [_as_dict(each) for each in days], "differences": [_as_dict(each) for each in found]}
        output.result(answer, _days(days), _differences(found) if found else "No open difference.")
        if found:
            raise typer.Exit(1)

    run(command, as_json=as_json)


async def _reconciled(danbao: "Danbao", day: str, timeout_seconds: float) -> None:
    """Returns when the worker has reconciled a day. Raises CommandFailed where it has not in time, and DanbaoError."""
    import asyncio

    asked = await danbao.operations.start_reconciliation(day=day)
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                async for each in danbao.operations.list_reconciliations():
                    if each.name == asked.name and each.state == each.STATE_DONE:
                        return
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        message = f"{day} waits still: does a worker run, and does the bank answer? The worker's log says."
        raise CommandFailed("RECONCILIATION_PENDING", message) from None


def _days(days: "list[Reconciliation]") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table("Day", "State", "Bank", "Books", "Unmatched that day", box=box.SIMPLE)
    for each in days:
        state = each.State.Name(each.state).removeprefix("STATE_").lower()
        table.add_row(each.day, state, str(each.lines), str(each.entries), str(each.differences))
    return table


def _differences(found: "list[ReconciliationDifference]") -> "Table":
    from rich import box
    from rich.table import Table

    table = Table("Name", "Day", "What", "Way", "Transfer", "Books", "Bank", box=box.SIMPLE)
    for each in found:
        kind = each.Kind.Name(each.kind).removeprefix("KIND_").lower().replace("_", " ")
        movement = each.Movement.Name(each.movement).removeprefix("MOVEMENT_").lower()
        here, there = (_in_words(getattr(each, side)) if each.HasField(side) else "" for side in ("here", "there"))
        table.add_row(each.name, each.day, kind, movement, each.transfer_id, here, there)
    return table


def _in_words(money: "Money") -> str:
    from danbao_core.money import Money as Amount

    return str(Amount(money.amount_minor, money.currency_code))


def _as_dict(message: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(message, preserving_proto_field_name=True)
