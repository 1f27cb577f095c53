"""`danbao replay`: orders of the past, taken through escrow."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from danbao_core.cli.completion import currencies
from danbao_core.cli.locate import DataOption, find_core
from danbao_core.cli.output import CommandFailed, JsonOption, Output, in_words, run

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from danbao_client import Danbao
    from danbao_core.cli.orders import Order
    from danbao_core.cli.replayer import Tally

_GOES_ON: Final = "Run the same command again: it goes on where it stopped and does nothing twice."
_DEADLINE_SECONDS: Final = 30.0
_PATIENCE_SECONDS: Final = 60
"""Long enough for any part of a sandbox to be started again."""


def replay(
    file: Annotated[
        Path, typer.Argument(help="CSV with the columns order_no, customer, date, quantity and amount_CODE (as amount_usd).")
    ],
    merchant: Annotated[str, typer.Option(metavar="NAME", help="Who sells; the account is made at the first run.")],
    currency: Annotated[
        str, typer.Option(metavar="CODE", help="ISO 4217 code of the amounts, such as USD.", autocompletion=currencies)
    ],
    data: DataOption = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1024, help="Most purchases of one date at once.")] = 64,
    patience: Annotated[
        int, typer.Option(min=1, metavar="SECONDS", help="How long to try again while the core does not answer.")
    ] = _PATIENCE_SECONDS,
    as_json: JsonOption = False,
) -> None:
    """Take orders of the past through escrow: create, pay, ship, confirm; buyers are made and topped up as they appear.

    The orders are taken by date: the first one stands for now, and between dates the sandbox clock moves forward. The same
    command again, within 30 days, changes nothing and moves no clock; after a run that was stopped, it goes on from there.
    """

    async def command(output: Output) -> None:
        orders = _checked(file, currency)
        client = find_core(data).client(deadline_seconds=min(_DEADLINE_SECONDS, patience), patience_seconds=patience)
        began_at = time.monotonic()
        async with client as danbao:
            tally = await _replayed(output, danbao, orders, merchant, currency, concurrency)
        _show(output, tally, currency, time.monotonic() - began_at)

    run(command, as_json=as_json, when_stopped=_GOES_ON)


def _checked(file: Path, currency: str) -> "list[Order]":
    from danbao_core.cli.orders import OrdersInvalid, read_orders

    try:
        return read_orders(file, currency)
    except OrdersInvalid as error:
        raise CommandFailed("ORDERS_INVALID", f"{error} Nothing was sent.") from None


async def _replayed(
    output: Output, danbao: "Danbao", orders: "list[Order]", merchant: str, currency: str, concurrency: int
) -> "Tally":
    from danbao_client import DanbaoError
    from danbao_core.cli.replayer import Replayer

    with _progress_bar(output) as progress:
        task = progress.add_task("Replaying", total=len(orders))
        replayer = Replayer(danbao, merchant, currency, concurrency, on_order=lambda: progress.advance(task))
        try:
            return await replayer.run(orders)
        except DanbaoError as error:
            raise CommandFailed(error.reason or error.code.name, f"{in_words(error)}. {_GOES_ON}") from None


def _progress_bar(output: Output) -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
        console=output.progress,
    )


def _show(output: Output, tally: "Tally", currency: str, seconds: float) -> None:
    per_second = round(tally.succeeded / seconds, 1)
    answer = {
        "succeeded": tally.succeeded,
        "refused": tally.refused,
        "refused_by_reason": dict(sorted(tally.refused_by_reason.items())),
        "takings_minor": tally.takings_minor,
        "fees_minor": tally.fees_minor,
        "seconds": round(seconds, 3),
        "payments_per_second": per_second,
    }
    output.result(answer, _table(tally, currency, seconds, per_second))


def _table(tally: "Tally", currency: str, seconds: float, per_second: float) -> "Table":
    from rich import box
    from rich.table import Table

    from danbao_core.money import Money

    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("Payments that succeeded", f"{tally.succeeded:,}")
    for reason, count in sorted(tally.refused_by_reason.items()):
        table.add_row(f"Refused: {reason}", f"{count:,}")
    table.add_row("The merchant's takings", str(Money(tally.takings_minor, currency)))
    table.add_row("The platform's fees", str(Money(tally.fees_minor, currency)))
    table.add_row("Takings and fees", str(Money(tally.takings_minor + tally.fees_minor, currency)))
    table.add_row("Time", f"{seconds:.1f} s")
    table.add_row("Payments per second", f"{per_second:,}")
    return table
