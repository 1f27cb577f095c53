"""`danbao.accounts`. Written by `make protos`: change the protos, not this file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from danbao.v1 import accounts_pb2, identity_pb2, statements_pb2, verification_pb2
from danbao_client.files import chunks_of
from danbao_client.money import AnyMoney
from danbao_client.pages import Pages
from danbao_client.rpc import Rpc, WatchRpc
from danbao_client.service import Service
from danbao_client.values import AnyMask, request_of


class Accounts(Service):
    """Accounts, their wallets (one per currency) and the money that comes in from outside or goes out.

    A service key that is bound to an account sees and changes that account alone; any other is answered NOT_FOUND.
    """

    descriptor = accounts_pb2.DESCRIPTOR.services_by_name["AccountService"]

    CreateAccount: Rpc[accounts_pb2.CreateAccountRequest, accounts_pb2.Account]
    GetAccount: Rpc[accounts_pb2.GetAccountRequest, accounts_pb2.Account]
    GetAccountByExternalId: Rpc[accounts_pb2.GetAccountByExternalIdRequest, accounts_pb2.Account]
    ListAccounts: Rpc[accounts_pb2.ListAccountsRequest, accounts_pb2.ListAccountsResponse]
    UpdateAccount: Rpc[accounts_pb2.UpdateAccountRequest, accounts_pb2.Account]
    OpenWallet: Rpc[accounts_pb2.OpenWalletRequest, accounts_pb2.Account]
    CloseAccount: Rpc[accounts_pb2.CloseAccountRequest, accounts_pb2.Account]
    ListBalances: Rpc[accounts_pb2.ListBalancesRequest, accounts_pb2.ListBalancesResponse]
    ListEntries: Rpc[accounts_pb2.ListEntriesRequest, accounts_pb2.ListEntriesResponse]
    ExportStatement: WatchRpc[statements_pb2.ExportStatementRequest, statements_pb2.FileChunk]
    TopUp: Rpc[accounts_pb2.TopUpRequest, accounts_pb2.Funding]
    Withdraw: Rpc[accounts_pb2.WithdrawRequest, accounts_pb2.Funding]
    GetFunding: Rpc[accounts_pb2.GetFundingRequest, accounts_pb2.Funding]
    ListFundings: Rpc[accounts_pb2.ListFundingsRequest, accounts_pb2.ListFundingsResponse]
    VerifyIdentity: Rpc[identity_pb2.VerifyIdentityRequest, identity_pb2.Identity]
    GetIdentity: Rpc[identity_pb2.GetIdentityRequest, identity_pb2.Identity]
    BindInstrument: Rpc[identity_pb2.BindInstrumentRequest, identity_pb2.Instrument]
    ListInstruments: Rpc[identity_pb2.ListInstrumentsRequest, identity_pb2.ListInstrumentsResponse]
    UnbindInstrument: Rpc[identity_pb2.UnbindInstrumentRequest, identity_pb2.Instrument]
    GetLimits: Rpc[identity_pb2.GetLimitsRequest, identity_pb2.GetLimitsResponse]
    ExportPersonalData: Rpc[identity_pb2.ExportPersonalDataRequest, identity_pb2.PersonalData]
    ErasePersonalData: Rpc[identity_pb2.ErasePersonalDataRequest, accounts_pb2.Account]
    SetPaymentPassword: Rpc[identity_pb2.SetPaymentPasswordRequest, identity_pb2.PasswordChange]
    ChangePassword: Rpc[identity_pb2.ChangePasswordRequest, identity_pb2.PasswordChange]
    StartPasswordReset: Rpc[identity_pb2.StartPasswordResetRequest, verification_pb2.Challenge]
    ResetPassword: Rpc[identity_pb2.ResetPasswordRequest, identity_pb2.PasswordChange]
    ChangePhone: Rpc[identity_pb2.ChangePhoneRequest, identity_pb2.PhoneChange]
    ChangeEmail: Rpc[identity_pb2.ChangeEmailRequest, identity_pb2.EmailChange]

    async def create(
        self,
        *,
        kind: accounts_pb2.Account.Kind.ValueType,
        display_name: str,
        currency_codes: Sequence[str],
        external_id: str = "",
        language: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Account:
        """Opens an account with one wallet per named currency.

        - `kind`: What the account is for.
        - `display_name`: Name shown to the other side of a payment, 1 to 128 characters without control characters.
        - `currency_codes`: ISO 4217 codes of the wallets to open: 1 to 16, each once.
        - `external_id`: The caller's own number for the account, at most 64 printable ASCII characters, unique among all
          accounts for ever (a second one is refused with EXTERNAL_ID_TAKEN, which names the account that has it). May be
          empty.
        - `language`: In which language its owner is written to: `zh-CN`, `en`, `fr` or `es`; may be empty, see Account.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            accounts_pb2.CreateAccountRequest,
            kind=kind,
            display_name=display_name,
            currency_codes=currency_codes,
            external_id=external_id,
            language=language,
            request_id=request_id,
        )
        return await self.CreateAccount(request, deadline_seconds=deadline_seconds)

    async def get(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Account:
        """Answers an account, whatever its state.

        - `name`: `accounts/{uuid}`.
        """
        request = request_of(
            accounts_pb2.GetAccountRequest,
            name=name,
        )
        return await self.GetAccount(request, deadline_seconds=deadline_seconds)

    async def get_by_external_id(
        self,
        *,
        external_id: str,
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Account:
        """Answers the account that was created with the caller's own number for it.

        - `external_id`: The number that the account was created with.
        """
        request = request_of(
            accounts_pb2.GetAccountByExternalIdRequest,
            external_id=external_id,
        )
        return await self.GetAccountByExternalId(request, deadline_seconds=deadline_seconds)

    def list(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        kinds: Sequence[accounts_pb2.Account.Kind.ValueType] = (),
        states: Sequence[accounts_pb2.Account.State.ValueType] = (),
        deadline_seconds: float | None = None,
    ) -> Pages[accounts_pb2.ListAccountsResponse, accounts_pb2.Account]:
        """Lists accounts, newest first; see "Lists" at the head of common.proto. For keys that are bound to no account: others
        are refused with NOT_YOUR_ACCOUNT.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `kinds`: Only accounts of these kinds; of any where none is named.
        - `states`: Only accounts in these states; in any where none is named.
        """
        request = request_of(
            accounts_pb2.ListAccountsRequest,
            page_size=page_size,
            page_token=page_token,
            kinds=kinds,
            states=states,
        )
        return Pages(self.ListAccounts, request, "accounts", deadline_seconds)

    async def update(
        self,
        name: str,
        *,
        update_mask: AnyMask | None = None,
        language: str | None = None,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Account:
        """Changes the fields of an account that `update_mask` names. Refused with ACCOUNT_CLOSED.

        - `name`: `accounts/{uuid}`.
        - `update_mask`: What changes: `language`. Left out, the fields that are given.
        - `language`: In which language its owner is written to: `zh-CN`, `en`, `fr` or `es`; may be empty, see Account.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            accounts_pb2.UpdateAccountRequest,
            name=name,
            update_mask=update_mask,
            language=language,
            request_id=request_id,
        )
        return await self.UpdateAccount(request, deadline_seconds=deadline_seconds)

    async def open_wallet(
        self,
        name: str,
        *,
        currency_code: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Account:
        """Adds a wallet in one more currency. Repeating it for a currency that the account has changes nothing. A frozen
        account is refused with ACCOUNT_FROZEN.

        - `name`: `accounts/{uuid}`.
        - `currency_code`: ISO 4217 code of the wallet to open.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            accounts_pb2.OpenWalletRequest,
            name=name,
            currency_code=currency_code,
            request_id=request_id,
        )
        return await self.OpenWallet(request, deadline_seconds=deadline_seconds)

    async def close(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Account:
        """Closes an account for good: nothing can be paid by it or to it from then on. Refused with PAYMENTS_OPEN while a
        payment of the account is under way, with FUNDINGS_OPEN while a funding of it is pending, with REFUNDS_OPEN while a
        refund to it or by it is under way, with DISPUTES_OPEN while a dispute of it is open, with BALANCE_NOT_ZERO while a
        wallet holds money, with ACCOUNT_FROZEN while it is frozen; a merchant's also with TAKINGS_TOO_RECENT until 60 days
        have passed since money of a payment last reached it, because claims may follow (metadata `possible_from` says when
        it is possible). Closing a closed account changes nothing.

        - `name`: `accounts/{uuid}`.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            accounts_pb2.CloseAccountRequest,
            name=name,
            request_id=request_id,
        )
        return await self.CloseAccount(request, deadline_seconds=deadline_seconds)

    def list_balances(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> Pages[accounts_pb2.ListBalancesResponse, accounts_pb2.WalletBalance]:
        """Lists what every wallet of the account holds, by currency.

        - `name`: `accounts/{uuid}`.
        """
        request = request_of(
            accounts_pb2.ListBalancesRequest,
            name=name,
        )
        return Pages(self.ListBalances, request, "balances", deadline_seconds)

    def list_entries(
        self,
        *,
        account: str,
        currency_code: str,
        page_size: int = 0,
        page_token: str = "",
        purposes: Sequence[accounts_pb2.Entry.Purpose.ValueType] = (),
        deadline_seconds: float | None = None,
    ) -> Pages[accounts_pb2.ListEntriesResponse, accounts_pb2.Entry]:
        """Lists what moved a wallet's money, newest first, with what it held after each movement; see "Lists" at the head of
        common.proto.

        - `account`: `accounts/{uuid}` of the wallet's owner.
        - `currency_code`: ISO 4217 code of the wallet. The account must have it: WALLET_MISSING otherwise.
        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `purposes`: Which of the wallet's balances; AVAILABLE where none is named. Of several the entries come balance
          after balance, in the order of the purposes' numbers, each newest first.
        """
        request = request_of(
            accounts_pb2.ListEntriesRequest,
            account=account,
            currency_code=currency_code,
            page_size=page_size,
            page_token=page_token,
            purposes=purposes,
        )
        return Pages(self.ListEntries, request, "entries", deadline_seconds)

    def export_statement(
        self,
        *,
        account: str,
        currency_code: str,
        format: statements_pb2.FileFormat.ValueType,
        month: str = "",
        first_day: str = "",
        last_day: str = "",
        language: str = "",
        deadline_seconds: float | None = None,
    ) -> AsyncGenerator[statements_pb2.FileChunk, None]:
        """Makes a file of a wallet's statement: what it could spend at first, each movement of that with what it could spend
        afterwards, what came in and went out in all, and what it could spend at the end. It is of one moment, whatever
        moves meanwhile. The other side of a payment is shown by its display name, of a person the first character only.
        Refused with STATEMENT_TOO_LONG (metadata `lines`, `most`) where a PDF would have too many lines, with EXPORTS_BUSY
        while the caller has four under way.

        - `account`: `accounts/{uuid}` of the wallet's owner.
        - `currency_code`: ISO 4217 code of the wallet. The account must have it: WALLET_MISSING otherwise.
        - `format`: What kind of file.
        - `month`: A whole month in Asia/Shanghai, "2026-10". Either this or both days.
        - `first_day`: The first day in Asia/Shanghai, "2026-10-01".
        - `last_day`: The last day, which is included. At most 366 days together.
        - `language`: Of the words in it: "zh-CN", "en", "fr" or "es"; empty for "zh-CN".
        """
        request = request_of(
            statements_pb2.ExportStatementRequest,
            account=account,
            currency_code=currency_code,
            format=format,
            month=month,
            first_day=first_day,
            last_day=last_day,
            language=language,
        )
        return chunks_of(self.ExportStatement, request, deadline_seconds)

    async def top_up(
        self,
        *,
        account: str,
        amount: AnyMoney,
        instrument: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Funding:
        """Brings money in from outside. It is booked when the bank has said yes, and not before. From a card the bank is asked
        after the call: the funding is answered as STATE_PENDING. Without one money comes from a sandbox's till at once,
        unless SetBankBehaviour asks for another answer; a live core refuses that with BANK_MISSING. Where the bank says no,
        the funding becomes STATE_FAILED, which is no error. A frozen account is refused with ACCOUNT_FROZEN, a card that is
        not bound to the account with INSTRUMENT_NOT_FOUND.

        - `account`: `accounts/{uuid}` of the wallet's owner.
        - `amount`: How much, more than zero, in a currency of which the account has a wallet.
        - `instrument`: From which card of the account; empty for the till of a sandbox.
        - `request_id`: Makes a retry safe, for ever; see the head of common.proto. Left out, the client makes one, and
          keeps it when it sends the request again.
        """
        request = request_of(
            accounts_pb2.TopUpRequest,
            account=account,
            amount=amount,
            instrument=instrument,
            request_id=request_id,
        )
        return await self.TopUp(request, deadline_seconds=deadline_seconds)

    async def withdraw(
        self,
        *,
        account: str,
        amount: AnyMoney,
        payment_password: str = "",
        approval: str = "",
        instrument: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Funding:
        """Pays money out, to a card or, in a sandbox, over the till, as TopUp brings it in. The account holds it until the
        bank has answered; where the bank says no, it can be spent again and the funding becomes STATE_FAILED, which is no
        error. Refused with INSUFFICIENT_FUNDS where the wallet cannot spend as much, with ACCOUNT_FROZEN for a frozen
        account, with REFUNDS_WAITING while the wallet lacks money for refunds that it owes, and with BANK_MISSING by a live
        core without a bank. A key that is bound to no account needs the scope `fundings.withdraw_any`, too (SCOPE_MISSING).
        A person needs a card of theirs, the payment password and, as for payments, an approval (APPROVAL_REQUIRED,
        LIMIT_EXCEEDED); refused with CHANGED_TOO_RECENTLY (metadata `possible_from`) in the 24 hours after a change of a
        factor, the phone or a password.

        - `account`: `accounts/{uuid}` of the wallet's owner.
        - `amount`: How much, more than zero, in a currency of which the account has a wallet.
        - `payment_password`: The payment password, where a person calls.
        - `approval`: `approvals/{uuid}` for PURPOSE_WITHDRAW, where a person calls and the amount asks for it
          (APPROVAL_REQUIRED).
        - `instrument`: To which card of the account; a person names one. Empty for the till of a sandbox.
        - `request_id`: Makes a retry safe, for ever; see the head of common.proto. Left out, the client makes one, and
          keeps it when it sends the request again.
        """
        request = request_of(
            accounts_pb2.WithdrawRequest,
            account=account,
            amount=amount,
            payment_password=payment_password,
            approval=approval,
            instrument=instrument,
            request_id=request_id,
        )
        return await self.Withdraw(request, deadline_seconds=deadline_seconds)

    async def get_funding(
        self,
        name: str,
        *,
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Funding:
        """Answers one funding.

        - `name`: `fundings/{uuid}`.
        """
        request = request_of(
            accounts_pb2.GetFundingRequest,
            name=name,
        )
        return await self.GetFunding(request, deadline_seconds=deadline_seconds)

    def list_fundings(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        account: str = "",
        deadline_seconds: float | None = None,
    ) -> Pages[accounts_pb2.ListFundingsResponse, accounts_pb2.Funding]:
        """Lists fundings, newest first; see "Lists" at the head of common.proto. A key that is bound to an account is shown
        those of its account.

        - `page_size`: Most items of the page: 0 means 50, more than 500 means 500. It may differ from page to page.
        - `page_token`: `next_page_token` of the page before; empty for the first page.
        - `account`: `accounts/{uuid}`: only its fundings. Empty for those of all accounts or, for a key that is bound to
          one, of that.
        """
        request = request_of(
            accounts_pb2.ListFundingsRequest,
            page_size=page_size,
            page_token=page_token,
            account=account,
        )
        return Pages(self.ListFundings, request, "fundings", deadline_seconds)

    async def verify_identity(
        self,
        *,
        account: str,
        channel: identity_pb2.Identity.Channel.ValueType,
        real_name: str,
        document: identity_pb2.Identity.Document.ValueType,
        number: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> identity_pb2.Identity:
        """Has a channel confirm who the account's person is; three channels lead to level II, five or one face to face to
        level III. What is confirmed must be the same name and number each time (IDENTITY_MISMATCH); a channel that has
        confirmed them before changes nothing. Refused with IDENTITY_NUMBER_INVALID for a number that its document cannot
        have, with IDENTITY_NOT_CONFIRMED where the channel says no, with CHANNEL_UNAVAILABLE where it does not answer, with
        TOO_MANY_ACCOUNTS where the document has verified six accounts, with ACCOUNT_CLOSED, and by a live core whom nobody
        confirms identities for with IDENTITY_PROVIDER_MISSING. Face to face is confirmed by a key that is bound to no
        account, not by the person (CONFIRMED_BY_OTHERS). In a sandbox every channel says yes but to the name "Nobody" (no),
        and "Nobody Answers" (CHANNEL_UNAVAILABLE, as if it could not be reached).

        - `account`: `accounts/{uuid}`.
        - `channel`: Who is to confirm it.
        - `real_name`: The name as the document has it.
        - `document`: What the number is of.
        - `number`: The number of the document.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            identity_pb2.VerifyIdentityRequest,
            account=account,
            channel=channel,
            real_name=real_name,
            document=document,
            number=number,
            request_id=request_id,
        )
        return await self.VerifyIdentity(request, deadline_seconds=deadline_seconds)

    async def get_identity(
        self,
        *,
        account: str,
        deadline_seconds: float | None = None,
    ) -> identity_pb2.Identity:
        """Answers what is known of who the account's person is, masked.

        - `account`: `accounts/{uuid}`.
        """
        request = request_of(
            identity_pb2.GetIdentityRequest,
            account=account,
        )
        return await self.GetIdentity(request, deadline_seconds=deadline_seconds)

    async def bind_instrument(
        self,
        *,
        account: str,
        card_number: str,
        payment_password: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> identity_pb2.Instrument:
        """Binds a bank card, whose number goes to the bank and is not kept. Needs the payment password of a person; merchants'
        cards are bound by their service keys. Refused with CARD_NUMBER_INVALID, with CARD_DECLINED where the bank does not
        take the card, with BANK_UNAVAILABLE where it does not answer, with INSTRUMENT_BOUND where the account has it
        already, with ACCOUNT_CLOSED, and by a live core without a bank with BANK_MISSING.

        - `account`: `accounts/{uuid}`.
        - `card_number`: The number of the card: 12 to 19 digits, checked by Luhn. It is no part of what tells two requests
          apart.
        - `payment_password`: The payment password, where a person calls.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            identity_pb2.BindInstrumentRequest,
            account=account,
            card_number=card_number,
            payment_password=payment_password,
            request_id=request_id,
        )
        return await self.BindInstrument(request, deadline_seconds=deadline_seconds)

    def list_instruments(
        self,
        *,
        account: str,
        deadline_seconds: float | None = None,
    ) -> Pages[identity_pb2.ListInstrumentsResponse, identity_pb2.Instrument]:
        """Lists the cards that are bound to an account, newest first.

        - `account`: `accounts/{uuid}`.
        """
        request = request_of(
            identity_pb2.ListInstrumentsRequest,
            account=account,
        )
        return Pages(self.ListInstruments, request, "instruments", deadline_seconds)

    async def unbind_instrument(
        self,
        name: str,
        *,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> identity_pb2.Instrument:
        """Unbinds a card; unbinding it again changes nothing.

        - `name`: `instruments/{uuid}`.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            identity_pb2.UnbindInstrumentRequest,
            name=name,
            request_id=request_id,
        )
        return await self.UnbindInstrument(request, deadline_seconds=deadline_seconds)

    async def get_limits(
        self,
        *,
        account: str,
        currency_code: str,
        deadline_seconds: float | None = None,
    ) -> identity_pb2.GetLimitsResponse:
        """Answers what the account's person may still spend in a currency.

        - `account`: `accounts/{uuid}`.
        - `currency_code`: Of which currency.
        """
        request = request_of(
            identity_pb2.GetLimitsRequest,
            account=account,
            currency_code=currency_code,
        )
        return await self.GetLimits(request, deadline_seconds=deadline_seconds)

    async def export_personal_data(
        self,
        *,
        account: str,
        deadline_seconds: float | None = None,
    ) -> identity_pb2.PersonalData:
        """Answers who the caller is, as it is stored, unmasked; see PersonalData for where the rest is.

        - `account`: `accounts/{uuid}`.
        """
        request = request_of(
            identity_pb2.ExportPersonalDataRequest,
            account=account,
        )
        return await self.ExportPersonalData(request, deadline_seconds=deadline_seconds)

    async def erase_personal_data(
        self,
        *,
        account: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> accounts_pb2.Account:
        """Erases who the person behind a closed account is: phone, names, numbers, cards, devices and passwords go, and all
        sessions end; what the account paid and was paid stays. Refused with ACCOUNT_NOT_CLOSED. Erasing again changes
        nothing.

        - `account`: `accounts/{uuid}`.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            identity_pb2.ErasePersonalDataRequest,
            account=account,
            request_id=request_id,
        )
        return await self.ErasePersonalData(request, deadline_seconds=deadline_seconds)

    async def set_payment_password(
        self,
        *,
        payment_password: str,
        login_password: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> identity_pb2.PasswordChange:
        """Sets the payment password for the first time. Refused with PASSWORD_ALREADY_SET afterwards.

        - `payment_password`: Six digits, neither all the same nor counting up or down (PASSWORD_TOO_COMMON).
        - `login_password`: The login password, which shows who asks.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            identity_pb2.SetPaymentPasswordRequest,
            payment_password=payment_password,
            login_password=login_password,
            request_id=request_id,
        )
        return await self.SetPaymentPassword(request, deadline_seconds=deadline_seconds)

    async def change_password(
        self,
        *,
        kind: identity_pb2.PasswordKind.ValueType,
        old_password: str,
        new_password: str,
        approval: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> identity_pb2.PasswordChange:
        """Changes a password, with the old one and an approval by a factor. Withdrawals and transfers to new payees rest for
        24 hours after it; a new login password ends all other sessions, and all other devices are forgotten. A wrong old
        password is refused with PASSWORD_WRONG, and counted before the approval is looked at.

        - `kind`: Which one.
        - `old_password`: The one in force.
        - `new_password`: The new one.
        - `approval`: `approvals/{uuid}` for PURPOSE_CHANGE_PASSWORD; by TOTP or a recovery code where an authenticator is
          in force (APPROVAL_REQUIRED).
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            identity_pb2.ChangePasswordRequest,
            kind=kind,
            old_password=old_password,
            new_password=new_password,
            approval=approval,
            request_id=request_id,
        )
        return await self.ChangePassword(request, deadline_seconds=deadline_seconds)

    async def start_password_reset(
        self,
        *,
        phone: str,
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> verification_pb2.Challenge:
        """Asks for a challenge to set a password anew: the code goes to the phone, or TOTP where it is enrolled. For a number
        that is not known the answer looks like one or the other, and nothing is sent.

        - `phone`: The person's number in E.164.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            identity_pb2.StartPasswordResetRequest,
            phone=phone,
            request_id=request_id,
        )
        return await self.StartPasswordReset(request, deadline_seconds=deadline_seconds)

    async def reset_password(
        self,
        *,
        approval: str,
        kind: identity_pb2.PasswordKind.ValueType,
        new_password: str,
        number: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> identity_pb2.PasswordChange:
        """Sets a password anew, with the approval of that challenge and the number of the document by which the person was
        verified (IDENTITY_MISMATCH, the third of which in a day locks resets for 3 hours: PASSWORD_LOCKED). Unlocks the
        password, ends all sessions and forgets all devices; withdrawals and transfers to new payees rest for 24 hours after
        it.

        - `approval`: `approvals/{uuid}` for PURPOSE_RESET_PASSWORD.
        - `kind`: Which password.
        - `new_password`: The new one.
        - `number`: The number of the document by which the person was verified; empty for a person who never was.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            identity_pb2.ResetPasswordRequest,
            approval=approval,
            kind=kind,
            new_password=new_password,
            number=number,
            request_id=request_id,
        )
        return await self.ResetPassword(request, deadline_seconds=deadline_seconds)

    async def change_phone(
        self,
        *,
        approval: str,
        phone: str,
        login_password: str,
        factor_approval: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> identity_pb2.PhoneChange:
        """Changes the phone number. Refused with PHONE_TAKEN; withdrawals and transfers to new payees rest for 24 hours after
        it.

        - `approval`: `approvals/{uuid}` for PURPOSE_CHANGE_PHONE: the code went to the new number.
        - `phone`: The new number in E.164, the same as in the challenge.
        - `login_password`: The login password.
        - `factor_approval`: `approvals/{uuid}` for PURPOSE_CHANGE_FACTORS by TOTP or a recovery code, where an
          authenticator is in force: without it the call is refused with APPROVAL_REQUIRED.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            identity_pb2.ChangePhoneRequest,
            approval=approval,
            phone=phone,
            login_password=login_password,
            factor_approval=factor_approval,
            request_id=request_id,
        )
        return await self.ChangePhone(request, deadline_seconds=deadline_seconds)

    async def change_email(
        self,
        *,
        login_password: str,
        email: str = "",
        approval: str = "",
        request_id: str = "",
        deadline_seconds: float | None = None,
    ) -> identity_pb2.EmailChange:
        """Changes the e-mail address, to which what happens is told where the preferences of the account ask for it, or
        removes it. The phone and the address before are told.

        - `login_password`: The login password.
        - `email`: The new address, the same as in the challenge; empty to remove the one that there is.
        - `approval`: `approvals/{uuid}` for PURPOSE_CHANGE_EMAIL: the code went to the new address. Empty where the address
          is removed.
        - `request_id`: Makes a retry safe; see the head of common.proto. Left out, the client makes one, and keeps it when
          it sends the request again.
        """
        request = request_of(
            identity_pb2.ChangeEmailRequest,
            login_password=login_password,
            email=email,
            approval=approval,
            request_id=request_id,
        )
        return await self.ChangeEmail(request, deadline_seconds=deadline_seconds)
