"""A shop that sells with escrow: the buyer's money waits until the goods are there, and goes back where they never come.

    DANBAO_KEY=dbk_... SHOP_ACCOUNT=accounts/... python shop.py     # http://127.0.0.1:8000; ../README.md says more

The core tells by webhooks what became of the shop's payments; one that was paid is shipped at once.
"""

import os
import secrets
import sqlite3
from contextlib import suppress
from html import escape

from aiohttp import web
from aiohttp.typedefs import Handler

from danbao.v1.payments_pb2 import Payment, Shipment
from danbao_client import Danbao, DanbaoError, InvalidTransition, Money, RefundInProgress, webhooks

GOODS = {"tea": Money("12.50", "USD"), "teapot": Money("48.00", "USD")}

TABLES = """
CREATE TABLE IF NOT EXISTS orders (no TEXT PRIMARY KEY, item TEXT, payment TEXT, state TEXT);
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY);     -- those that we know, for the core may send one twice
CREATE TABLE IF NOT EXISTS webhook (secret TEXT);
"""

PAGE = """<!doctype html><title>Corner Shop</title><h1>Corner Shop</h1>
<form method=post action=/orders>Account <input name=buyer size=50 required>
<select name=item>{goods}</select> <button>Order</button></form>
<table><tr><th>Order<th>Item<th>State<th>Payment{orders}</table>"""


class Shop:
    """The shop's side: it knows its orders, and asks the core for everything that is about money."""

    def __init__(self, danbao: Danbao, account: str, url: str, database: str) -> None:
        self.danbao = danbao
        self.account = account
        self.url = url
        self.db = sqlite3.connect(database)
        self.db.executescript(TABLES)

    async def open(self) -> None:
        """Has the core tell of the shop's payments. It shows the endpoint's secret once, so that is kept."""
        if not self.db.execute("SELECT 1 FROM webhook").fetchone():
            made = await self.danbao.notifications.create_webhook_endpoint(
                account=self.account, url=f"{self.url}/webhooks", topics=["payment.*"]
            )
            with self.db:
                self.db.execute("INSERT INTO webhook VALUES (?)", [made.secret])

    async def close(self) -> None:
        await self.danbao.close()
        self.db.close()

    async def page(self, request: web.Request) -> web.Response:
        """What there is to buy, and what was ordered."""
        goods = "".join(f"<option value={item}>{item}, {price}" for item, price in GOODS.items())
        rows = self.db.execute("SELECT no, item, state, payment FROM orders ORDER BY rowid DESC")
        orders = "".join("<tr>" + "".join(f"<td>{escape(str(each))}" for each in row) for row in rows)
        return web.Response(text=PAGE.format(goods=goods, orders=orders), content_type="text/html")

    async def order(self, request: web.Request) -> web.Response:
        """Takes an order: the buyer has half an hour to pay the payment that is answered."""
        wanted = await request.post()
        item, buyer, no = str(wanted.get("item")), str(wanted.get("buyer")), secrets.token_hex(6)
        if item not in GOODS:
            raise web.HTTPBadRequest
        with self.db:  # before the payment, of which the core may tell at any time from then on
            self.db.execute("INSERT INTO orders VALUES (?, ?, '', 'NEW')", [no, item])
        payment = await self.danbao.payments.create(
            payer=buyer, payee=self.account, amount=GOODS[item], order_no=no, subject=item, request_id=f"order-{no}"
        )
        with self.db:
            self.db.execute("UPDATE orders SET payment = ? WHERE no = ?", [payment.name, no])
        return web.json_response({"order": no, "payment": payment.name}, status=201)

    async def refund(self, request: web.Request) -> web.Response:
        """Gives everything back. Twice is once: the request id is the order's."""
        no = request.match_info["no"]
        order = self.db.execute("SELECT payment FROM orders WHERE no = ?", [no]).fetchone()
        if order is None:
            raise web.HTTPNotFound
        refund = await self.danbao.payments.create_refund(payment=order[0], reason="Sent back", request_id=f"refund-{no}")
        return web.json_response({"order": no, "refund": refund.name}, status=202)

    async def told(self, request: web.Request) -> web.Response:
        """A webhook: something happened to a payment. What fails here the core sends again, so nothing is lost."""
        (secret,) = self.db.execute("SELECT secret FROM webhook").fetchone()
        try:
            event = webhooks.verify(await request.read(), request.headers, secret)
        except webhooks.WebhookError:
            raise web.HTTPBadRequest from None
        known = self.db.execute("SELECT 1 FROM events WHERE id = ?", [event.id]).fetchone()
        if isinstance(event.data, Payment) and not known:
            payment = event.data
            if event.topic == "payment.paid":
                goods = Shipment(method=Shipment.METHOD_EXPRESS, carrier="SF", tracking_no=f"SF{payment.order_no}")
                with suppress(InvalidTransition, RefundInProgress):  # called off meanwhile, as the next event tells
                    await self.danbao.payments.ship(payment.name, shipment=goods, request_id=f"ship-{payment.order_no}")
            with self.db:  # both or nothing
                self.db.execute("INSERT OR IGNORE INTO events VALUES (?)", [event.id])
                state = Payment.State.Name(payment.state).removeprefix("STATE_")
                self.db.execute("UPDATE orders SET state = ? WHERE no = ?", [state, payment.order_no])
        return web.Response(status=204)


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What the core refuses, in its words: a buyer without money, an order that has gone back already."""
    try:
        return await handler(request)
    except DanbaoError as error:
        return web.json_response({"reason": error.reason, "message": str(error)}, status=409)


async def app(danbao: Danbao, account: str, url: str, database: str) -> web.Application:
    """The shop of an account, which the core reaches by a URL, with its orders in a file."""
    shop = Shop(danbao, account, url, database)
    made = web.Application(middlewares=[refusals])
    made.add_routes(
        [
            web.get("/", shop.page),
            web.post("/orders", shop.order),
            web.post("/orders/{no}/refund", shop.refund),
            web.post("/webhooks", shop.told),
        ]
    )
    made.on_startup.append(lambda _: shop.open())
    made.on_cleanup.append(lambda _: shop.close())
    return made


async def main() -> web.Application:
    """The shop as its environment says."""
    given = os.environ
    danbao = Danbao.connect(given.get("DANBAO_ADDRESS", "127.0.0.1:50051"), key=given["DANBAO_KEY"])
    url = given.get("SHOP_URL", "http://127.0.0.1:8000")
    return await app(danbao, given["SHOP_ACCOUNT"], url, given.get("SHOP_DATABASE", "shop.db"))


if __name__ == "__main__":
    web.run_app(main(), host="127.0.0.1", port=8000)
