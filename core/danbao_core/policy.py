"""Dated configuration: the periods, rates and bounds that the business may change, and since when each set is in force.

The defaults are in `policy.toml` beside this file; a deployment names its own file (`DANBAO_POLICY_FILE`), the same for every
server process. Each `[[policy]]` gives `effective_from`, a date-time with offset in business time, and every figure.
"""

import tomllib
from datetime import datetime
from importlib import resources
from pathlib import Path

import msgspec


class Caps(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be paid at most, in minor units, of one payment and in all over a time; None where there is no cap."""

    payment_minor: int | None = None
    day_minor: int | None = None
    year_minor: int | None = None
    life_minor: int | None = None

    def __post_init__(self) -> None:
        if any(cap is not None and cap < 0 for cap in (self.payment_minor, self.day_minor, self.year_minor, self.life_minor)):
            raise ValueError("a cap must be 0 or more")


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What people may pay in one currency, by what they show for it and by how surely it is known who they are."""

    password: Caps = Caps()
    """With the payment password alone."""
    second_factor: Caps = Caps()
    """With the payment password and a code by SMS or of an authenticator."""
    totp: Caps = Caps()
    """With the payment password and a code of an authenticator, at identity level III; what nobody may exceed."""
    level_none: Caps = Caps()
    level_1: Caps = Caps()
    level_2: Caps = Caps()
    level_3: Caps = Caps()


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One set of figures. Seconds are business time."""

    effective_from: datetime
    merchant_fee_bps: int
    """What the platform keeps of a payment to a merchant, in basis points."""
    expire_seconds: int
    """Time to pay, where the request names none."""
    ship_by_seconds: int
    """Time to ship after payment; then the money returns."""
    confirm_express_seconds: int
    """Time to confirm after an express shipment; then time confirms."""
    confirm_virtual_seconds: int
    """The same, for goods that are not carried."""
    confirm_pick_up_seconds: int
    """The same, for goods that the payer fetches."""
    extend_confirmation_seconds: int
    """By how much the payer may extend the time to confirm, once."""
    hold_seconds: int
    """Time to capture an authorization; then the money returns."""
    refund_window_seconds: int
    """Time after success in which refunds are possible."""
    proposal_seconds: int
    """Time in which a second operator may approve a proposal."""
    payee_close_wait_seconds: int
    """Time after money of a payment last reached a merchant in which its account does not close: claims may follow."""
    rest_after_change_seconds: int = 86_400
    """Time after a change of a factor, the phone or a password in which withdrawals and new payees wait."""
    refund_funds_seconds: int = 604_800
    """Time in which a payee may come by the money for a refund; then the refund fails."""
    refunds_per_payment: int = 50
    """How many refunds a payment can have, those that failed among them."""
    factor_recovery_wait_seconds: int = 86_400
    """Time between the proposal to remove somebody's factors and its approval, in which they may object."""
    dispute_window_seconds: int = 1_296_000
    """Time after success in which a payment can be disputed: 15 days."""
    dispute_unauthorized_window_seconds: int = 5_184_000
    """The same, where nobody authorized the payment: 60 days."""
    dispute_seller_seconds: int = 172_800
    """Time for the seller to answer; then all of it goes back: 48 hours."""
    dispute_buyer_seconds: int = 259_200
    """Time for the buyer to answer the seller; then nothing goes back: 72 hours."""
    dispute_evidence_seconds: int = 259_200
    """Time for evidence in a review: 72 hours."""
    dispute_remind_seconds: int = 432_000
    """Time from the beginning of a review until arbitrators are reminded: 5 days."""
    dispute_supervise_seconds: int = 604_800
    """Time from the beginning of a review until supervisors are called: 7 days."""
    dispute_supervise_again_seconds: int = 86_400
    """Time until they are called again: 24 hours."""
    dispute_appeal_seconds: int = 604_800
    """Time to appeal against an award: 7 days."""
    dispute_announce_seconds: int = 43_200
    """How long before it a deadline is announced: 12 hours."""
    dispute_resume_seconds: int = 86_400
    """What a payment's own timer has at least when its dispute has ended: 24 hours."""
    dispute_evidence_per_party: int = 20
    """How often each side may show something."""
    limits: dict[str, Limits] = msgspec.field(default_factory=dict)
    """By currency; where there are none nothing is capped, and no second factor asked for."""

    def __post_init__(self) -> None:
        if self.effective_from.tzinfo is None:
            raise ValueError("effective_from needs an offset, such as 2026-01-01T00:00:00+08:00")
        if not 0 <= self.merchant_fee_bps <= 10_000:
            raise ValueError("merchant_fee_bps must be from 0 to 10000")
        for name in ("refunds_per_payment", "dispute_evidence_per_party"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0")
        if not self.dispute_evidence_seconds < self.dispute_remind_seconds < self.dispute_supervise_seconds:
            raise ValueError(
                "dispute_evidence_seconds must be less than dispute_remind_seconds, and that than dispute_supervise_seconds"
            )
        for name in self.__struct_fields__:
            if name.endswith("_seconds") and getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0")


class PolicySchedule:
    """Policies in the order in which they come into force."""

    def __init__(self, policies: list[Policy]) -> None:
        if not policies:
            raise ValueError("a policy file needs at least one [[policy]]")
        self._policies = sorted(policies, key=lambda policy: policy.effective_from, reverse=True)

    def at(self, now: datetime) -> Policy:
        """The policy in force at a business time; the first one also before it began."""
        for policy in self._policies:
            if policy.effective_from <= now:
                return policy
        return self._policies[-1]

    @classmethod
    def load(cls, file: Path | None = None) -> "PolicySchedule":
        """The schedule in a TOML file; the defaults without one. Raises ValueError that says what is wrong in it."""
        source = file or resources.files("danbao_core").joinpath("policy.toml")
        try:
            document = tomllib.loads(source.read_text(encoding="utf-8"))
            return cls(msgspec.convert(document.get("policy", []), list[Policy]))
        except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise ValueError(f"policy file {source}: {error}") from error
