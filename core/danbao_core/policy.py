"""Dated configuration: the periods, rates and bounds that the business may change, and since when each set is in force.

The defaults are in `policy.toml` beside this file; a deployment names its own file (`DANBAO_POLICY_FILE`), the same for every
server process. Each `[[policy]]` gives `effective_from`, a date-time with offset in business time, and every figure.
"""

import tomllib
from datetime import datetime
from importlib import resources
from pathlib import Path

import msgspec


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

    def __post_init__(self) -> None:
        if self.effective_from.tzinfo is None:
            raise ValueError("effective_from needs an offset, such as 2026-01-01T00:00:00+08:00")
        if not 0 <= self.merchant_fee_bps <= 10_000:
            raise ValueError("merchant_fee_bps must be from 0 to 10000")
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
