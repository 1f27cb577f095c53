"""`danbao.payments`. Written by `make protos`: change the protos, not this file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from danbao.v1 import payments_pb2
from danbao_client.bulk import PaymentsInBulk
from danbao_client.money import AnyMoney
from danbao_client.pages import Pages
from danbao_client.rpc import Rpc, StreamRpc, WatchRpc
from danbao_client.values import AnyDuration, AnyTime, request_of
from danbao_client.watching import Watch


class Payments(PaymentsInBulk):
    """Payments from one account to another: at once, through escrow, or authorized first and captured later.

    AWAITING_PAYMENT -pay-> PAID -ship-> SHIPPED -confirm-> SUCCEEDED -refund window ends-> FINISHED      (escrow)
                     -pay-> SUCCEEDED                                                                    (instant)
                     -pay-> AUTHORIZED -capture-> SUCCEEDED                                              (authorization)
                     -cancel / expiry-> CLOSED
    PAID -cancel / not shipped in time-> CLOSED, and everything held returns to the payer
    AUTHORIZED -void / not captured in time-> CLOSED, likewise
    PAID, SHIPPED, SUCCEEDED -everything given back by refunds-> CLOSED
    PAID, SHIPPED, SUCCEEDED -a dispute is settled-> SUCCEEDED or, where nothing is left for the payee, CLOSED (disputes.proto)

    A service key that is bound to an account acts as that account: it sees the payments that the account pays or is paid
    by, any other is answered NOT_FOUND. An unbound key acts for both sides. A transition that the payment's state does not
    declare is refused with INVALID_TRANSITION, one that belongs to the other side with ACTOR_NOT_ALLOWED.

    While the payer's account is frozen, paying and confirming are refused with ACCOUNT_FROZEN (an operator's key may
    confirm), and so is creating a payment with the payer's own key; all else goes on. A frozen payee is paid like any
    other.
    """

    descriptor = payments_pb2.DESCRIPTOR.services_by_name["PaymentService"]

    CreatePayment: Rpc[payments_pb2.CreatePaymentRequest, payments_pb2.Payment]
    GetPayment: Rpc[payments_pb2.GetPaymentRequest, payments_pb2.Payment]
    GetPaymentByOrderNo: Rpc[payments_pb2.GetPaymentByOrderNoRequest, payments_pb2.Payment]
    ListPayments: Rpc[payments_pb2.ListPaymentsRequest, payments_pb2.ListPaymentsResponse]
    PayPayment: Rpc[payments_pb2.PayPaymentRequest, payments_pb2.Payment]
    ShipPayment: Rpc[payments_pb2.ShipPaymentRequest, payments_pb2.Payment]
    CorrectShipment: Rpc[payments_pb2.CorrectShipmentRequest, payments_pb2.Payment]
    ExtendConfirmation: Rpc[payments_pb2.ExtendConfirmationRequest, payments_pb2.Payment]
    ConfirmPayment: Rpc[payments_pb2.ConfirmPaymentRequest, payments_pb2.Payment]
    CapturePayment: Rpc[payments_pb2.CapturePaymentRequest, payments_pb2.Payment]
    VoidPayment: Rpc[payments_pb2.VoidPaymentRequest, payments_pb2.Payment]
    CancelPayment: Rpc[payments_pb2.CancelPaymentRequest, payments_pb2.Payment]
    CreateRefund: Rpc[payments_pb2.CreateRefundRequest, payments_pb2.Refund]
    GetRefund: Rpc[payments_pb2.GetRefundRequest, payments_pb2.Refund]
    ListRefunds: Rpc[payments_pb2.ListRefundsRequest, payments_pb2.ListRefundsResponse]
    BatchCreatePayments: Rpc[payments_pb2.BatchCreatePaymentsRequest, payments_pb2.BatchCreatePaymentsResponse]
    StreamPayments: StreamRpc[payments_pb2.StreamPaymentsRequest, payments_pb2.StreamPaymentsResponse]
    WatchPayments: WatchRpc[payments_pb2.WatchPaymentsRequest, payments_pb2.WatchPaymentsResponse]

    async def create(
        self,
        *,
        payer: str,
        payee: str,
        amount: AnyMoney,
        mode: payments_pb2.Payment.Mode.ValueType | None = None,
        order_no: str = "",
        subject: str = "",
        metadata: Mapping[str, str] | None = None,
        expire_after: AnyDuration | None = None,
        pay: bool = False,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Payment:
        """Creates a payment, and with `pay` also pays it in the same commit.

        - `payer`: `accounts/{uuid}` of the one who pays. Not the payee's.
        - `payee`: `accounts/{uuid}` of the one who is paid.
        - `amount`: How much, more than zero, in a currency of which both have a wallet.
        - `mode`: The way the money takes; unspecified means ESCROW.
        - `order_no`: The payee's number for the order, at most 64 printable ASCII characters, unique for the payee for ever
          (a second one is refused with ORDER_NO_TAKEN, which names the payment that has it). May be empty, and is where a
          person in a session who is not the payee creates the payment (ORDER_NO_OF_PAYEE).
        - `subject`: What is paid for, shown to both sides, at most 256 characters without control characters.
        - `metadata`: The caller's own facts: at most 20 pairs, keys of 1 to 40 and values of at most 500 characters,
          without NUL.
        - `expire_after`: Time to pay before the payment expires: 1 minute to 15 days, 30 minutes where absent.
        - `pay`: Also pay in the same commit. Needs the scope `payments.pay` on a key that is bound to the payer, or
          `payments.pay_any`. A person is refused with APPROVAL_REQUIRED: they create the payment, see what they pay, and
          pay it by PayPayment.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            payments_pb2.CreatePaymentRequest,
            payer=payer,
            payee=payee,
            amount=amount,
            mode=mode,
            order_no=order_no,
            subject=subject,
            metadata=metadata,
            expire_after=expire_after,
            pay=pay,
            request_id=request_id,
        )
        return await self.CreatePayment(request, deadline_seconds=deadline_seconds)

    async def get(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Payment:
        """Answers one payment as it is now.

        - `name`: `payments/{uuid}`.
        """
        request = request_of(
            payments_pb2.GetPaymentRequest,
            name=name,
        )
        return await self.GetPayment(request, deadline_seconds=deadline_seconds)

    async def get_by_order_no(
        self,
        *,
        payee: str,
        order_no: str,
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Payment:
        """Answers the payment that has the payee's number for the order.

        - `payee`: `accounts/{uuid}` of the one who is paid.
        - `order_no`: The payee's number for the order.
        """
        request = request_of(
            payments_pb2.GetPaymentByOrderNoRequest,
            payee=payee,
            order_no=order_no,
        )
        return await self.GetPaymentByOrderNo(request, deadline_seconds=deadline_seconds)

    def list(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        account: str = "",
        side: payments_pb2.ListPaymentsRequest.Side.ValueType | None = None,
        states: Sequence[payments_pb2.Payment.State.ValueType] = (),
        modes: Sequence[payments_pb2.Payment.Mode.ValueType] = (),
        created_from: AnyTime | None = None,
        created_before: AnyTime | None = None,
        deadline_seconds: float | None = None,
    ) -> Pages[payments_pb2.ListPaymentsResponse, payments_pb2.Payment]:
        """Lists payments, newest first; see "Lists" at the head of common.proto. A key that is bound to an account is shown
        those that the account pays or is paid by.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `account`: `accounts/{uuid}`: only its payments. Empty for those of all accounts or, for a key that is bound to
          one, of that.
        - `side`: Only payments in which the account is on this side. Needs an account, or a key that is bound to one.
        - `states`: Only payments in these states; in any where none is named.
        - `modes`: Only payments of these modes; of any where none is named.
        - `created_from`: Only payments created at that moment or later (business time, from 1970 to the year 9000, to the
          microsecond).
        - `created_before`: Only payments created before that moment (business time, from 1970 to the year 9000, to the
          microsecond).
        """
        request = request_of(
            payments_pb2.ListPaymentsRequest,
            page_size=page_size,
            page_token=page_token,
            account=account,
            side=side,
            states=states,
            modes=modes,
            created_from=created_from,
            created_before=created_before,
        )
        return Pages(self.ListPayments, request, "payments", deadline_seconds)

    async def pay(
        self,
        name: str,
        *,
        payment_password: str = "",
        approval: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Payment:
        """Takes the money from what the payer can spend: into escrow, to the payee where the mode is INSTANT, or into what the
        payer's own account holds where it is AUTHORIZATION. Needs the scope `payments.pay` on a key that is bound to the
        payer, or `payments.pay_any`. Refused with REFUNDS_WAITING while the wallet lacks money for refunds that the payer
        owes.

        A person needs the payment password and, by the amount, the day's total and their identity level, an approval
        (APPROVAL_REQUIRED). Refused with LIMIT_EXCEEDED (metadata `limit`, `used_minor`, `cap_minor`, `currency`) where no
        proof would do, also to services that pay from a person's account, and with CHANGED_TOO_RECENTLY (metadata
        `possible_from`) where it is INSTANT or AUTHORIZATION to a payee whom the person never paid, in the 24 hours after a
        change of a factor, the phone or a password.

        - `name`: `payments/{uuid}`.
        - `payment_password`: The payment password, where a person calls. Refused with PASSWORD_WRONG (metadata
          `attempts_left`) and PASSWORD_LOCKED.
        - `approval`: `approvals/{uuid}` for PURPOSE_PAY, where a person calls and the amount, or the day's, asks for it:
          without one the call is refused with APPROVAL_REQUIRED, whose metadata `factors` names those that would do, and
          succeeds once it has one.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            payments_pb2.PayPaymentRequest,
            name=name,
            payment_password=payment_password,
            approval=approval,
            request_id=request_id,
        )
        return await self.PayPayment(request, deadline_seconds=deadline_seconds)

    async def ship(
        self,
        name: str,
        *,
        shipment: payments_pb2.Shipment,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Payment:
        """The payee says that the goods are on their way; the time in which the payer confirms begins.

        - `name`: `payments/{uuid}`.
        - `shipment`: How the goods are sent.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            payments_pb2.ShipPaymentRequest,
            name=name,
            shipment=shipment,
            request_id=request_id,
        )
        return await self.ShipPayment(request, deadline_seconds=deadline_seconds)

    async def correct_shipment(
        self,
        name: str,
        *,
        shipment: payments_pb2.Shipment,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Payment:
        """The payee corrects how the goods are sent while they are on their way; the time in which the payer confirms begins
        anew, by the new method and longer by the extension that the payer took before. Possible once: a second time is
        refused with ALREADY_CORRECTED.

        - `name`: `payments/{uuid}`.
        - `shipment`: How the goods are really sent: all of it, not only what changes.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            payments_pb2.CorrectShipmentRequest,
            name=name,
            shipment=shipment,
            request_id=request_id,
        )
        return await self.CorrectShipment(request, deadline_seconds=deadline_seconds)

    async def extend_confirmation(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Payment:
        """The payer takes 3 days longer to confirm. Possible once: a second time is refused with ALREADY_EXTENDED.

        - `name`: `payments/{uuid}`.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            payments_pb2.ExtendConfirmationRequest,
            name=name,
            request_id=request_id,
        )
        return await self.ExtendConfirmation(request, deadline_seconds=deadline_seconds)

    async def confirm(
        self,
        name: str,
        *,
        payment_password: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Payment:
        """The payer says that the goods are there; the money leaves escrow for the payee, less the fee. A person needs the
        payment password.

        - `name`: `payments/{uuid}`.
        - `payment_password`: The payment password, where a person calls.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            payments_pb2.ConfirmPaymentRequest,
            name=name,
            payment_password=payment_password,
            request_id=request_id,
        )
        return await self.ConfirmPayment(request, deadline_seconds=deadline_seconds)

    async def capture(
        self,
        name: str,
        *,
        amount: AnyMoney | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Payment:
        """The payee takes what was authorized, or part of it, less the fee on that part; the rest returns to the payer in the
        same commit. Possible once; more than was authorized is refused with CAPTURE_EXCEEDS_AUTHORIZATION.

        - `name`: `payments/{uuid}`.
        - `amount`: How much, more than zero and at most what is authorized, in the payment's currency; all of it where
          absent.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            payments_pb2.CapturePaymentRequest,
            name=name,
            amount=amount,
            request_id=request_id,
        )
        return await self.CapturePayment(request, deadline_seconds=deadline_seconds)

    async def void(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Payment:
        """The payee gives up what was authorized; all of it returns to the payer, who cannot void an authorization.

        - `name`: `payments/{uuid}`.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            payments_pb2.VoidPaymentRequest,
            name=name,
            request_id=request_id,
        )
        return await self.VoidPayment(request, deadline_seconds=deadline_seconds)

    async def cancel(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Payment:
        """Calls the payment off before shipment, by either side; what is held returns to the payer. What is authorized is
        voided instead.

        - `name`: `payments/{uuid}`.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            payments_pb2.CancelPaymentRequest,
            name=name,
            request_id=request_id,
        )
        return await self.CancelPayment(request, deadline_seconds=deadline_seconds)

    async def create_refund(
        self,
        *,
        payment: str,
        amount: AnyMoney | None = None,
        reason: str = "",
        instrument: str = "",
        payment_password: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Refund:
        """Reserves some of a payment, or all that is left of it, to go back to the payer, and answers it PENDING or
        AWAITING_FUNDS; it is carried out afterwards. Possible while the payment is PAID or SHIPPED, and until `due_time`
        when it is SUCCEEDED (then REFUND_WINDOW_CLOSED). Together the refunds that have not failed give back at most what
        was paid (REFUND_EXCEEDS_REMAINING), and there are at most 50 (TOO_MANY_REFUNDS). For the payee, and for services on
        the payee's behalf; a payer is refused with ACTOR_NOT_ALLOWED. A person needs the payment password. Of what the
        payee has got, a frozen payee's own key or session gives nothing back (ACCOUNT_FROZEN).

        While everything that is held is to go back, shipping and confirming are refused with REFUND_IN_PROGRESS. Cancelling
        returns all that is held at once, and refunds that no bank has been asked for fail as SUPERSEDED. The request id is
        kept for ever.

        - `payment`: `payments/{uuid}`.
        - `amount`: How much, more than zero, in the payment's currency; all that is left where absent.
        - `reason`: Why, shown to both sides, at most 256 characters without control characters.
        - `instrument`: `instruments/{uuid}`: a card that is bound to the payer's account (else INSTRUMENT_NOT_FOUND), to
          which a bank brings the money; refused with BANK_MISSING by a core without a bank. Where the bank refuses, or the
          card is unbound before it is asked, the money goes to the payer's wallet, as it does where this is empty.
        - `payment_password`: The payment password, where a person calls.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            payments_pb2.CreateRefundRequest,
            payment=payment,
            amount=amount,
            reason=reason,
            instrument=instrument,
            payment_password=payment_password,
            request_id=request_id,
        )
        return await self.CreateRefund(request, deadline_seconds=deadline_seconds)

    async def get_refund(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> payments_pb2.Refund:
        """Answers one refund as it is now.

        - `name`: `payments/{uuid}/refunds/{uuid}`, or `payments/-/refunds/{uuid}` where it is not known of which payment.
        """
        request = request_of(
            payments_pb2.GetRefundRequest,
            name=name,
        )
        return await self.GetRefund(request, deadline_seconds=deadline_seconds)

    def list_refunds(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        payment: str = "",
        account: str = "",
        side: payments_pb2.ListRefundsRequest.Side.ValueType | None = None,
        states: Sequence[payments_pb2.Refund.State.ValueType] = (),
        deadline_seconds: float | None = None,
    ) -> Pages[payments_pb2.ListRefundsResponse, payments_pb2.Refund]:
        """Lists refunds, newest first; see "Lists" at the head of common.proto. A key that is bound to an account is shown
        those that the account gets or gives.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `payment`: `payments/{uuid}`: only its refunds. Not together with an account or a side.
        - `account`: `accounts/{uuid}`: only the refunds of its payments. Empty for those of all accounts or, for a key that
          is bound to one, of that.
        - `side`: Only refunds in which the account is on this side. Needs an account, or a key that is bound to one.
        - `states`: Only refunds in these states; in any where none is named.
        """
        request = request_of(
            payments_pb2.ListRefundsRequest,
            page_size=page_size,
            page_token=page_token,
            payment=payment,
            account=account,
            side=side,
            states=states,
        )
        return Pages(self.ListRefunds, request, "refunds", deadline_seconds)

    async def batch_create(
        self,
        *,
        requests: Sequence[payments_pb2.CreatePaymentRequest],
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> payments_pb2.BatchCreatePaymentsResponse:
        """Creates 1 to 256 payments in one commit: all of them or, where one is refused, none. In the order of the request,
        each sees what the ones before it did (the same payer's balance, an order number). A refusal is that of the first
        payment that is refused and says which it is: metadata `item` counts from 0, and the paths of fields begin with
        `requests[item]`. For services: people in sessions are refused with SERVICE_NEEDED.

        - `requests`: 1 to 256 payments, at most 2 MiB together; the rules of CreatePaymentRequest hold for each, but that
          its `request_id` must be empty: the batch has one for all.
        - `request_id`: Makes a retry of the whole batch safe; see the head of common.proto. Left out, the client makes one,
          and keeps it when it sends the request again.
        """
        request = request_of(
            payments_pb2.BatchCreatePaymentsRequest,
            requests=requests,
            request_id=request_id,
        )
        return await self.BatchCreatePayments(request, deadline_seconds=deadline_seconds)

    def watch(
        self,
        *,
        account: str = "",
        payment: str = "",
        cursor: str = "",
    ) -> Watch[payments_pb2.WatchPaymentsResponse]:
        """Tells what happens to payments and their refunds, as it happens: one message for each event, in one order that is
        the same for every caller, in which the events of a payment and its refunds stand as they happened. A refund of a
        part leaves the payment's state as it is, so its own events (`refund.succeeded`) are all that tells of it;
        GetPayment has the sums. A key that is bound to an account, and a person, are told of the payments that the account
        pays or is paid by.

        Every message has a cursor; with the last one that was read, another call goes on behind it, over any server, and
        misses nothing. Where nothing happens for 15 seconds (a setting) a message comes that has only a cursor, and so does
        one at the start of a call without a cursor. Events are kept for 90 days (wall time): older cursors are refused,
        OUT_OF_RANGE with CURSOR_EXPIRED, and what is none of ours with CURSOR_INVALID. Who does not read as fast as it
        happens is cut off, ABORTED with WATCH_TOO_SLOW, and goes on from the last cursor. A server that stops ends it with
        UNAVAILABLE. Refused with WATCHES_BUSY while the caller has 64 open at the same server.

        - `account`: `accounts/{uuid}`: only its payments. Empty for those of all accounts or, for a key that is bound to
          one, of that.
        - `payment`: `payments/{uuid}`: only this one and its refunds. Empty for any.
        - `cursor`: Behind which event to begin: the `cursor` of an earlier message, `beginning` for all that is kept, or
          empty for what happens from now on. A cursor says where in the order of all events, and is good with any filter,
          for any caller.
        """
        request = request_of(
            payments_pb2.WatchPaymentsRequest,
            account=account,
            payment=payment,
            cursor=cursor,
        )
        return Watch(self.WatchPayments, request, self._settings)
