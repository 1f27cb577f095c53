"""Accounts and fundings."""

from danbao.v1 import accounts_pb2
from danbao_core.accounts import Account, AccountKind, CloseAccount, CreateAccount, OpenWallet, Purpose, UpdateAccount
from danbao_core.bank.ways import Ways
from danbao_core.engine import Origin
from danbao_core.errors import FieldInvalid, Violation
from danbao_core.fundings import Funding, TopUp, Withdraw
from danbao_core.ids import resource_name
from danbao_core.ledger import Line
from danbao_core.people.proofs import Proofs
from danbao_core.rpc.convert.parts import id_of, money, money_of, optional_id_of, timestamp


def create_account(request: accounts_pb2.CreateAccountRequest, origin: Origin) -> CreateAccount:
    """The command for a request."""
    return CreateAccount(
        origin=origin,
        kind=AccountKind(request.kind),
        display_name=request.display_name,
        currencies=tuple(request.currency_codes),
        external_id=request.external_id,
        language=request.language,
    )


def update_account(request: accounts_pb2.UpdateAccountRequest, origin: Origin) -> UpdateAccount:
    """The command for a request, whose mask names the one field that there is to change."""
    return UpdateAccount(origin=origin, account_id=id_of(request.name), language=request.language)


def open_wallet(request: accounts_pb2.OpenWalletRequest, origin: Origin) -> OpenWallet:
    """The command for a request."""
    return OpenWallet(origin=origin, account_id=id_of(request.name), currency=request.currency_code)


def close_account(request: accounts_pb2.CloseAccountRequest, origin: Origin) -> CloseAccount:
    """The command for a request."""
    return CloseAccount(origin=origin, account_id=id_of(request.name))


def top_up(request: accounts_pb2.TopUpRequest, origin: Origin, ways: Ways) -> TopUp:
    """The command for a request."""
    return TopUp(
        origin=origin,
        account_id=id_of(request.account),
        amount=money_of(request.amount),
        instrument_id=optional_id_of(request.instrument),
        ways=ways,
    )


def withdraw(request: accounts_pb2.WithdrawRequest, origin: Origin, proofs: Proofs, ways: Ways) -> Withdraw:
    """The command for a request. Raises FieldInvalid for a person's that names no card."""
    if origin.by_person and not request.instrument:
        raise FieldInvalid([Violation("instrument", "must name the card to which a person withdraws")])
    return Withdraw(
        origin=origin,
        account_id=id_of(request.account),
        amount=money_of(request.amount),
        proofs=proofs,
        instrument_id=optional_id_of(request.instrument),
        ways=ways,
    )


def account(row: Account) -> accounts_pb2.Account:
    """The resource for a row."""
    return accounts_pb2.Account(
        name=row.name,
        kind=accounts_pb2.Account.Kind.ValueType(row.kind),
        state=accounts_pb2.Account.State.ValueType(row.state),
        display_name=row.display_name,
        currency_codes=row.currencies.split(),
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
        external_id=row.external_id,
        plan=_plan(row) if row.kind is AccountKind.MERCHANT else None,
        language=row.language,
    )


def _plan(row: Account) -> accounts_pb2.MerchantPlan:
    """Both fees are left unset where the row has none."""
    plan = accounts_pb2.MerchantPlan(fee_bps=row.fee_bps)
    if row.next_fee_at is not None:
        plan.next.MergeFrom(
            accounts_pb2.MerchantPlan.Change(fee_bps=row.next_fee_bps, effective_time=timestamp(row.next_fee_at))
        )
    return plan


def entry(line: Line, purpose: Purpose, currency: str) -> accounts_pb2.Entry:
    """The message for a line of a statement."""
    return accounts_pb2.Entry(
        purpose=accounts_pb2.Entry.Purpose.ValueType(purpose),
        sequence=line.version,
        amount=money(line.amount_minor, currency),
        balance_after=money(line.balance_after_minor, currency),
        journal=f"journals/{line.journal_id}",
        kind=line.kind,
        subject=resource_name(line.kind, line.subject_id),
        create_time=timestamp(line.created_at),
    )


def funding(row: Funding) -> accounts_pb2.Funding:
    """The resource for a row."""
    return accounts_pb2.Funding(
        name=row.name,
        kind=accounts_pb2.Funding.Kind.ValueType(row.kind),
        state=accounts_pb2.Funding.State.ValueType(row.state),
        account=f"accounts/{row.account_id}",
        amount=money(row.amount_minor, row.currency),
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
        failure_reason=accounts_pb2.Funding.FailureReason.ValueType(row.failure_reason),
        instrument=f"instruments/{row.instrument_id}" if row.instrument_id else "",
    )
