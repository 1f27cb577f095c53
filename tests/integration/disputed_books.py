"""Disputes in every state, in a currency of their own; part of the books of `audited_books.py`."""

from typing import Any
from uuid import UUID

from danbao_core.disputes import Party, Reason
from danbao_core.engine import Engine
from danbao_core.payments import Mode
from tests import builders, disputes

DAY = 86_400


async def disputes_of_every_kind(engine: Engine) -> dict[str, UUID]:
    """Before the release and after it, settled in each way, closed in each way, and open in each state."""
    wallets = ("CHF",)
    buyer = await builders.an_account(engine, currencies=wallets, funds_minor=100_000, display_name="Bea")
    shop = await builders.a_merchant(engine, currencies=wallets, funds_minor=5)
    poor = await builders.a_merchant(engine, currencies=wallets)
    purchase: dict[str, Any] = {"payer": buyer, "payee": shop, "currency": "CHF"}
    await disputes.a_fund(engine, 150, "CHF")

    silent = await disputes.a_dispute(engine, await builders.a_paid_payment(engine, **purchase))
    unanswered = await disputes.rejected(
        engine, await disputes.a_dispute(engine, await builders.a_confirmed_payment(engine, **purchase), 400)
    )
    await builders.later(engine, 3 * DAY)
    silent, unanswered = [await disputes.caught_up(engine, each) for each in (silent, unanswered)]

    split_payment = await builders.a_shipped_payment(engine, **purchase)
    await builders.a_refund(engine, split_payment, 100)
    split = await disputes.offer_accepted(
        engine, await disputes.offered(engine, await disputes.a_dispute(engine, split_payment, 500), 300)
    )
    accepted = await disputes.accepted(
        engine, await disputes.a_dispute(engine, await builders.a_confirmed_payment(engine, **purchase))
    )
    lacking = await builders.a_confirmed_payment(engine, **(purchase | {"payee": poor}))
    await builders.a_withdrawal(engine, poor, 700, "CHF")
    owing = await disputes.accepted(engine, await disputes.a_dispute(engine, lacking, 600))
    withdrawn = await disputes.withdrawn(
        engine, await disputes.a_dispute(engine, await builders.a_paid_payment(engine, **purchase))
    )
    taken = await builders.a_paid_payment(engine, **purchase, mode=Mode.INSTANT)
    covered = await disputes.under_review(engine, await disputes.a_dispute(engine, taken, 900, Reason.UNAUTHORIZED))
    covered = await disputes.waived(engine, await disputes.decided(engine, covered, 500, 150))
    captured = await builders.captured(engine, await builders.an_authorized_payment(engine, **purchase), 800)
    uncovered = await disputes.under_review(engine, await disputes.a_dispute(engine, captured, 800, Reason.UNAUTHORIZED))
    uncovered = await disputes.waived(engine, await disputes.decided(engine, uncovered, 700, 100))
    appealed = await disputes.under_review(
        engine, await disputes.a_dispute(engine, await builders.a_confirmed_payment(engine, **purchase), 500)
    )
    appealed = await disputes.appealed(engine, await disputes.decided(engine, appealed, 500))
    appealed = await disputes.decided(engine, appealed, 333, by=disputes.arbitrator("bert"))

    stopped = await builders.a_shipped_payment(engine, **purchase)
    awaiting_seller = await disputes.a_dispute(engine, stopped, 800)
    held_of = await builders.a_confirmed_payment(engine, **purchase)
    awaiting_buyer = await disputes.offered(engine, await disputes.a_dispute(engine, held_of, 800), 200)
    in_escrow = [await builders.a_paid_payment(engine, **purchase) for _ in range(2)]
    reviewed, in_doubt = [await disputes.under_review(engine, await disputes.a_dispute(engine, each)) for each in in_escrow]
    shown, shown_file = [await disputes.shown(engine, reviewed, Party.SELLER, content) for content in (b"", disputes.FILE)]
    in_doubt = await disputes.waived(engine, await disputes.decided(engine, in_doubt, 0), Party.SELLER)
    rows: dict[str, Any] = {
        "silent": silent,
        "unanswered": unanswered,
        "split": split,
        "split_payment": split_payment,
        "accepted": accepted,
        "owing": owing,
        "withdrawn_dispute": withdrawn,
        "covered": covered,
        "uncovered": uncovered,
        "appealed": appealed,
        "stopped": stopped,
        "awaiting_seller": awaiting_seller,
        "held_of": held_of,
        "awaiting_buyer": awaiting_buyer,
        "reviewed": reviewed,
        "shown": shown,
        "shown_file": shown_file,
        "in_doubt": in_doubt,
    }
    return {name: row.id for name, row in rows.items()} | {
        "disputed_shop": shop.id,
        "disputer": buyer.id,
        "owing_shop": poor.id,
    }
