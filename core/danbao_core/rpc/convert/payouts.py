"""Payouts."""

from danbao.v1 import payouts_pb2
from danbao_core.bank.ways import Ways
from danbao_core.engine import Origin
from danbao_core.errors import FieldInvalid, Violation
from danbao_core.payouts import Cadence, Payout, PayoutSchedule, SetPayoutSchedule
from danbao_core.rpc.convert.parts import id_of, money, optional_id_of, timestamp
from danbao_core.statements.settlement import Sort, Sum


def set_payout_schedule(request: payouts_pb2.SetPayoutScheduleRequest, origin: Origin, ways: Ways) -> SetPayoutSchedule:
    """The command for a request. Raises FieldInvalid."""
    cadence = Cadence(request.cadence)
    if bool(request.weekday) != (cadence is Cadence.WEEKLY):
        raise FieldInvalid([Violation("weekday", "names a day of the week with CADENCE_WEEKLY, and with no other")])
    return SetPayoutSchedule(
        origin=origin,
        account_id=id_of(request.account),
        currency=request.least.currency_code,
        cadence=cadence,
        weekday=request.weekday,
        least_minor=request.least.amount_minor,
        instrument_id=optional_id_of(request.instrument),
        ways=ways,
    )


def payout_schedule(row: PayoutSchedule) -> payouts_pb2.PayoutSchedule:
    """The resource for a row."""
    return payouts_pb2.PayoutSchedule(
        name=row.name,
        account=f"accounts/{row.account_id}",
        cadence=payouts_pb2.PayoutSchedule.Cadence.ValueType(row.cadence),
        weekday=row.weekday,
        least=money(row.least_minor, row.currency),
        instrument="" if row.instrument_id is None else f"instruments/{row.instrument_id}",
        due_time=timestamp(row.due_at),
        skip=payouts_pb2.PayoutSchedule.Skip.ValueType(row.skip),
        skip_time=timestamp(row.skipped_at),
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
    )


def payout(row: Payout) -> payouts_pb2.Payout:
    """The resource for a row."""
    return payouts_pb2.Payout(
        name=row.name,
        account=f"accounts/{row.account_id}",
        state=payouts_pb2.Payout.State.ValueType(row.state),
        amount=money(row.amount_minor, row.currency),
        carried=money(row.carried_minor, row.currency),
        first_sequence=row.after_version + 1,
        last_sequence=row.until_version,
        funding=f"fundings/{row.funding_id}",
        due_time=timestamp(row.due_at),
        create_time=timestamp(row.created_at),
        update_time=timestamp(row.updated_at),
    )


def settlement_report(row: Payout, sums: dict[Sort, Sum]) -> payouts_pb2.SettlementReport:
    """What a payout is made of."""
    report = payouts_pb2.SettlementReport(
        payout=row.name, amount=money(row.amount_minor, row.currency), carried=money(row.carried_minor, row.currency)
    )
    for sort, each in sums.items():
        message = payouts_pb2.SettlementReport.Sum(amount=money(each.amount_minor, row.currency), count=each.number)
        getattr(report, sort.value).CopyFrom(message)
    return report
