"""`danbao proposals`: what takes two operators."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from danbao_core.cli.completion import currencies
from danbao_core.cli.locate import DataOption, SecondOperatorOption, find_core, find_operators_core
from danbao_core.cli.output import CommandFailed, JsonOption, Output, run

if TYPE_CHECKING:
    from rich.table import Table

    from danbao.v1.operations_pb2 import Proposal

app = typer.Typer(help="List, make, approve and reject what takes two operators.", no_args_is_help=True)

ProposalName = Annotated[str, typer.Argument(metavar="NAME", help="proposals/UUID, as `danbao proposals list` shows.")]


@app.command("list")
def list_proposals(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the proposals that wait for another operator, newest first."""

    async def command(output: Output) -> None:
        from danbao.v1.operations_pb2 import Proposal

        async with find_core(data).client() as danbao:
            pending = danbao.operations.list_proposals(states=[Proposal.STATE_PENDING])
            proposals = [each async for each in pending]
        output.result({"proposals": [_as_dict(each) for each in proposals]}, _table(proposals))

    run(command, as_json=as_json)


@app.command()
def grant(
    service_key: Annotated[str, typer.Argument(metavar="KEY", help="serviceKeys/UUID that gets the scope.")],
    scope: Annotated[str, typer.Argument(help="What it may do from then on: payments.pay_any.")],
    reason: Annotated[str, typer.Option(help="Why; it is written down with the grant.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose a scope for a service key that one operator alone cannot give."""

    async def command(output: Output) -> None:
        from danbao.v1.operations_pb2 import CreateProposalRequest, Grant

        request = CreateProposalRequest(
            request_id=str(uuid4()), reason=reason, grant=Grant(service_key=service_key, scopes=[scope])
        )
        async with find_core(data).client() as danbao:
            _show(output, await danbao.operations.CreateProposal(request))

    run(command, as_json=as_json)


@app.command("pay-out-fees")
def pay_out_fees(
    amount: Annotated[str, typer.Argument(help="How much, such as 1250.00.")],
    currency: Annotated[str, typer.Argument(help="Such as CNY.", autocompletion=currencies)],
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="accounts/UUID of the operator's own.")],
    reason: Annotated[str, typer.Option(help="Why; it is written down with the movement.")],
    instrument: Annotated[
        str, typer.Option("--to", metavar="CARD", help="instruments/UUID of that account; a sandbox's till goes without.")
    ] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose to pay fees out: at most what they came to, less what refunds under way give back of them."""

    async def command(output: Output) -> None:
        from danbao.v1.common_pb2 import Money as MoneyMessage
        from danbao.v1.operations_pb2 import CreateProposalRequest, FeePayout
        from danbao_core.errors import CurrencyUnknown
        from danbao_core.money import Money

        try:
            money = Money.parse(amount, currency)
        except (ValueError, CurrencyUnknown):
            raise CommandFailed("AMOUNT_INVALID", f"{amount} {currency} is no amount of money such as 1250.00 CNY.") from None
        payout = FeePayout(
            account=account,
            instrument=instrument,
            amount=MoneyMessage(amount_minor=money.amount_minor, currency_code=money.currency),
        )
        async with find_core(data).client() as danbao:
            request = CreateProposalRequest(request_id=str(uuid4()), reason=reason, fee_payout=payout)
            _show(output, await danbao.operations.CreateProposal(request))

    run(command, as_json=as_json)


@app.command()
def approve(
    name: ProposalName, second_operator: SecondOperatorOption = False, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Approve what another operator proposed; it is carried out at once."""

    async def command(output: Output) -> None:
        from danbao.v1.operations_pb2 import ApproveProposalRequest

        async with find_operators_core(data, second_operator=second_operator).client() as danbao:
            _show(output, await danbao.operations.ApproveProposal(ApproveProposalRequest(request_id=str(uuid4()), name=name)))

    run(command, as_json=as_json)


@app.command()
def reject(
    name: ProposalName, second_operator: SecondOperatorOption = False, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """End a proposal without carrying it out; its proposer may do so, too."""

    async def command(output: Output) -> None:
        from danbao.v1.operations_pb2 import RejectProposalRequest

        async with find_operators_core(data, second_operator=second_operator).client() as danbao:
            _show(output, await danbao.operations.RejectProposal(RejectProposalRequest(request_id=str(uuid4()), name=name)))

    run(command, as_json=as_json)


def _show(output: Output, proposal: "Proposal") -> None:
    output.result({"proposal": _as_dict(proposal)}, _table([proposal]))


def _table(proposals: "list[Proposal]") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("Name", "State", "What", "Reason", "Proposed by", box=box.SIMPLE)
    for each in proposals:
        state = each.State.Name(each.state).removeprefix("STATE_").lower()
        table.add_row(each.name, state, _in_words(each), escape(each.reason), each.proposer)
    return table


def _in_words(proposal: "Proposal") -> str:
    from danbao.v1.operations_pb2 import AdjustmentSide
    from danbao_core.money import Money

    def side(of: AdjustmentSide) -> str:
        named = AdjustmentSide.PlatformBalance.Name(of.platform_balance).removeprefix("PLATFORM_BALANCE_")
        return of.account or named.lower()

    match proposal.WhichOneof("terms"):
        case "adjustment":
            wanted = proposal.adjustment
            amount = Money(wanted.amount.amount_minor, wanted.amount.currency_code)
            return f"{amount} from {side(wanted.debit)} to {side(wanted.credit)}"
        case "grant":
            return f"{' '.join(proposal.grant.scopes)} for {proposal.grant.service_key}"
        case "fee_payout":
            payout = proposal.fee_payout
            amount = Money(payout.amount.amount_minor, payout.amount.currency_code)
            return f"{amount} of fees to {payout.instrument or payout.account}"
        case "factor_recovery":
            return f"removal of the authenticator of {proposal.factor_recovery.account}"
        case _:
            return f"{proposal.open_item_settlement.open_item} to {side(proposal.open_item_settlement.credit)}"


def _as_dict(proposal: "Proposal") -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(proposal, preserving_proto_field_name=True)
