"""The channels of this installation, as its settings name them."""

import contextlib
from collections.abc import AsyncIterator, Mapping

import aiohttp

from danbao_core.notifications.port import Channel, KeptOutlet, Outlet
from danbao_core.notifications.sms_gateway import SmsGateway
from danbao_core.settings import Mode, Settings

Outlets = Mapping[Channel, Outlet]


@contextlib.asynccontextmanager
async def outlets_of(settings: Settings) -> AsyncIterator[Outlets]:
    """Whom messages are handed to, by channel; a channel that is not set up is missing. A sandbox keeps all of them."""
    if settings.mode is Mode.SANDBOX:
        yield dict.fromkeys(Channel, KeptOutlet())
        return
    async with contextlib.AsyncExitStack() as stack:
        outlets: dict[Channel, Outlet] = {}
        if settings.sms_url is not None:
            session = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
            key = settings.sms_key.get_secret_value()
            outlets[Channel.SMS] = SmsGateway(session, settings.sms_url.get_secret_value(), key)
        elif settings.smpp_url is not None:
            from danbao_core.notifications.smpp import SmppOutlet  # noqa: PLC0415  # a runtime of its own that few need

            smpp = SmppOutlet(settings.smpp_url.get_secret_value(), settings.sms_sender)
            stack.push_async_callback(smpp.close)
            outlets[Channel.SMS] = smpp
        if settings.smtp_url is not None:
            from danbao_core.notifications.mail import MailOutlet  # noqa: PLC0415  # a tenth of a second

            outlets[Channel.EMAIL] = MailOutlet(settings.smtp_url.get_secret_value(), settings.mail_from)
        yield outlets
