"""What the machine of `payments_machine.py` does with payouts, of merchants by schedule and of the platform's fees."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import rule

from danbao_core.accounts import Purpose, balance_id
from danbao_core.fundings import Funding
from danbao_core.ledger import Entry
from danbao_core.money import Money
from danbao_core.payouts import Cadence, FinishPayout, PayOut, Payout, PayoutSchedule, SetPayoutSchedule, Skip
from danbao_core.proposals import ApproveProposal, CreateProposal, FeePayout
from danbao_core.sandbox import BankBehaviour
from tests.builders import BY_BANK, by, origin
from tests.property.fundings_machine import FundingRules
from tests.property.payments_model import BEGAN, CURRENCIES, DAY
from tests.property.payouts_model import HOUR, ExpectedPayout, ExpectedSchedule, PayoutsModel

PAYOUT_STEPS: Final = {FinishPayout, PayOut, SetPayoutSchedule}
PAID_OUT: Final = {
    *(f"payout {state}" for state in ("PENDING", "SUCCEEDED", "FAILED")),
    *(f"skipped {skip.name}" for skip in Skip if skip not in (Skip.NONE, Skip.BANK_MISSING, Skip.ACCOUNT_CLOSED)),
    "fees paid out",
    "fees exceeded",
}
"""What is to become of payouts."""


class PayoutRules(PayoutsModel, FundingRules):
    """Setting schedules, what workers do when they come by, and paying fees out."""

    freeze_account: Callable[..., None]
    purchase_and_refund: Callable[..., Any]
    time_passes: Callable[[int], None]

    @rule(
        who=st.sampled_from([2, 3, 2, 3, 0, 4]),
        currency=st.sampled_from(CURRENCIES),
        cadence=st.sampled_from([*Cadence, Cadence.THRESHOLD]),
        weekday=st.integers(1, 7),
        least=st.sampled_from([1, 300]),
        by_card=st.booleans(),
    )
    def schedule_payouts(self, who: int, currency: str, cadence: Cadence, weekday: int, least: int, by_card: bool) -> None:
        self._schedule(who, currency, cadence, weekday, least, by_card=by_card)

    def _schedule(self, who: int, currency: str, cadence: Cadence, weekday: int, least: int, *, by_card: bool) -> UUID | None:
        account = self.accounts[who]
        command = SetPayoutSchedule(
            origin=origin(),
            account_id=account,
            currency=currency,
            cadence=cadence,
            weekday=weekday if cadence is Cadence.WEEKLY else 0,
            least_minor=least,
            instrument_id=self.cards[account] if by_card else None,
            ways=BY_BANK,
        )
        row, outcome = self.attempt(command)
        assert outcome == self._foresee_schedule(account, currency, by_card=by_card)
        if row is None:
            return None
        has = self.wallets[account, currency]
        schedule = self.schedules.setdefault(row.id, ExpectedSchedule(account, currency, has))
        schedule.cadence, schedule.weekday, schedule.least = cadence.name, command.weekday, least
        schedule.card, schedule.due = command.instrument_id, schedule.due_after(self.now)
        return row.id

    def _foresee_schedule(self, account: UUID, currency: str, *, by_card: bool) -> str:
        asking = self._foresee_asking(account, currency, 1, by_card=by_card)
        merchant = account in self.merchants or asking not in ("OK", "INSTRUMENT_NOT_FOUND")
        return asking if merchant else "PAYOUTS_FOR_MERCHANTS"

    @rule(number=st.integers(0, 3), bank=st.sampled_from(BankBehaviour))
    def payout_worker(self, number: int, bank: BankBehaviour) -> None:
        """Comes by at a schedule, whether it is due or not, and at the payout that is under way."""
        for which in (list(self.schedules)[number:] or list(self.schedules))[:1]:
            schedule = self.schedules[which]
            if schedule.open is not None:
                self._finish(schedule.open)
            self._pay_out(which, bank)

    def _pay_out(self, which: UUID, bank: BankBehaviour) -> None:
        schedule = self.schedules[which]
        self.behave(bank)
        _, outcome = self.attempt(PayOut(origin=origin(), schedule_id=which, ways=BY_BANK))
        self.behave(BankBehaviour.ACCEPT)
        assert outcome == "OK"
        if schedule.due is None or schedule.due > self.now:
            return
        schedule.skip, schedule.due = self._skips(schedule), schedule.due_after(self.now)
        if schedule.skip != "NONE":
            self.went_back.add(f"skipped {schedule.skip}")
            if schedule.skip == "ACCOUNT_CLOSED":
                schedule.cadence, schedule.weekday, schedule.due = "NEVER", 0, None
            return
        amount = self.wallets[schedule.account, schedule.currency]
        funding = self._withdrawn(schedule.account, schedule.currency, amount, schedule.card, bank)
        (payout,) = (each.id for each in self.core.all(Payout) if each.id not in self.payouts)
        expected = self.payouts[payout] = ExpectedPayout(schedule, amount, funding)
        schedule.carried = 0
        if self.fundings[funding].open:
            schedule.open = payout
        else:
            expected.state = self.fundings[funding].state
        self.went_back.add(f"payout {expected.state}")

    def _withdrawn(self, account: UUID, currency: str, amount: int, card: UUID | None, bank: BankBehaviour) -> UUID:
        """The withdrawal by which somebody else's command has paid so much out."""
        (funding,) = (each.id for each in self.core.all(Funding) if each.id not in self.fundings)
        self._asked_for(funding, "WITHDRAWAL", account, currency, amount, card)
        self._answered_at_once(funding, bank)
        return funding

    @rule(number=st.integers(0, 3))
    def finish_payout(self, number: int) -> None:
        """A worker, at one that is under way or, as well it may be, over."""
        for payout in (list(self.payouts)[::-1][number:] or list(self.payouts))[:1]:
            self._finish(payout)

    def _finish(self, payout: UUID) -> None:
        _, outcome = self.attempt(FinishPayout(origin=origin(), payout_id=payout))
        assert outcome == "OK"
        expected = self.payouts[payout]
        if expected.state == "PENDING" and not self.fundings[expected.funding].open:
            expected.state, expected.schedule.open = self.fundings[expected.funding].state, None
            self.went_back.add(f"payout {expected.state}")

    @rule(
        who=st.sampled_from([2, 3]),
        currency=st.sampled_from(["CNY", "USD"]),
        amount=st.integers(1, 600),
        bank=st.sampled_from(BankBehaviour),
        by_card=st.booleans(),
        trouble=st.sampled_from(["", "freeze", "unbind", "refund", "again"]),
    )
    def pay_out_after_an_hour(
        self, who: int, currency: str, amount: int, bank: BankBehaviour, by_card: bool, trouble: str
    ) -> None:
        """What is rarely reached by chance: there is money, a payout is due, and something is in its way."""
        self.top_up(who, currency, amount)
        which = self._schedule(who, currency, Cadence.THRESHOLD, 1, 1, by_card=by_card)
        if which is None:
            return
        account = self.accounts[who]
        if trouble == "freeze":
            self.freeze_account(account, freeze=True)
        if trouble == "unbind":
            self.change_card(who, 0)
        if trouble == "refund":
            self.purchase_and_refund(who, currency, amount, "SUCCEEDED", None, poor=True, later=0, carried_out=False)
        self.time_passes(HOUR)
        self._pay_out(which, bank)
        if trouble == "again":
            self.top_up(who, currency, amount)
            self.time_passes(HOUR)
            self._pay_out(which, bank)
        if trouble == "freeze":
            self.freeze_account(account, freeze=False)

    # --- Fees ---

    @rule(
        who=st.sampled_from([2, 3, 2, 3, 2, 3, 0, 4]),
        currency=st.sampled_from(["CNY", "CNY", *CURRENCIES]),
        percent=st.sampled_from([0, 1, 50, 100, 100, 101]),
        bank=st.sampled_from(BankBehaviour),
        by_card=st.booleans(),
        later=st.sampled_from([0, 0, DAY]),
    )
    def pay_fees_out(self, who: int, currency: str, percent: int, bank: BankBehaviour, by_card: bool, later: int) -> None:
        """So much of what fees have come to, to the account of the operator's own."""
        account = self.accounts[who]
        amount = -(-max(1, self._earned(currency)) * percent // 100)
        card = self.cards[account] if by_card else None
        terms = FeePayout(account_id=account, amount=Money(amount, currency), instrument_id=card)
        proposal, outcome = self.attempt(CreateProposal(origin=by(self.operators[0]), terms=terms, reason="x"))
        assert outcome == self._foresee_fees(account, currency, amount, by_card=by_card)
        if proposal is None:
            self.went_back.add(outcome.lower().replace("_", " "))
            return
        if later:
            self.time_passes(later)
        self.behave(bank)
        approval = ApproveProposal(origin=by(self.operators[1]), proposal_id=proposal.id, ways=BY_BANK)
        _, outcome = self.attempt(approval)
        self.behave(BankBehaviour.ACCEPT)
        if account in self.frozen:
            assert outcome == "ACCOUNT_FROZEN"
        elif self._waiting(account, currency):
            assert outcome == "REFUNDS_WAITING"
        elif self.wallets[account, currency] < min(amount, self.owed[account, currency]):
            assert outcome == "INSUFFICIENT_FUNDS"
        else:
            assert outcome == "OK"
            self.platform["FEES", currency] -= amount
            self._give(account, currency, amount)
            self._withdrawn(account, currency, amount, card, bank)
            self.went_back.add("fees paid out")

    def _foresee_fees(self, account: UUID, currency: str, amount: int, *, by_card: bool) -> str:
        moving = self._foresee_moving(account, currency, amount)
        if moving != "OK":
            return moving
        if account not in self.merchants:
            return "PAYOUTS_FOR_MERCHANTS"
        if by_card and not self._card_is_bound(account):
            return "INSTRUMENT_NOT_FOUND"
        return "FEES_EXCEEDED" if amount > self._earned(currency) else "OK"

    # --- What must hold at any time ---

    def check_payouts(self) -> None:
        """The core's rows against the model, and payouts against the entries that they are of."""
        for schedule in self.core.all(PayoutSchedule):
            foreseen = self.schedules[schedule.id]
            due = None if schedule.due_at is None else int(schedule.due_at.timestamp()) - BEGAN
            assert (schedule.cadence.name, schedule.weekday, due) == (foreseen.cadence, foreseen.weekday, foreseen.due)
            assert (schedule.least_minor, schedule.instrument_id) == (foreseen.least, foreseen.card)
            assert (schedule.covered_minor, schedule.open_payout_id) == (foreseen.carried, foreseen.open)
            assert schedule.skip.name == foreseen.skip
        payouts = list(self.core.all(Payout))
        assert {each.id for each in payouts} == self.payouts.keys()
        for payout in payouts:
            expected = self.payouts[payout.id]
            assert (payout.state.name, payout.amount_minor) == (expected.state, expected.amount)
            assert (payout.carried_minor, payout.funding_id) == (expected.carried, expected.funding)
        if payouts:
            self._check_entries_of(payouts)

    def _check_entries_of(self, payouts: list[Payout]) -> None:
        """Each begins where the one before it ended, and is all that came since then."""
        wallets = {balance_id(each.account_id, each.currency, Purpose.AVAILABLE): each.schedule_id for each in payouts}
        came: dict[UUID, dict[int, int]] = {each.schedule_id: {} for each in payouts}
        for entry in self.core.all(Entry):
            if entry.balance_id in wallets:
                came[wallets[entry.balance_id]][entry.version] = entry.amount_minor
        ended: dict[UUID, int] = {}
        for payout in sorted(payouts, key=lambda each: each.until_version):
            entries, after, until = came[payout.schedule_id], payout.after_version, payout.until_version
            assert after == ended.get(payout.schedule_id, after)
            assert payout.carried_minor + sum(entries[each] for each in range(after + 1, until + 1)) == payout.amount_minor
            assert entries[until + 1] == -payout.amount_minor
            ended[payout.schedule_id] = until + 1
