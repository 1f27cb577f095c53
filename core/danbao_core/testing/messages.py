"""What a sandbox would have sent to people."""

from danbao.v1 import sandbox_pb2
from danbao_core.testing.calls import Calls


class Messages:
    """Messages by address: a phone number in E.164, or an e-mail address."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def to(self, address: str) -> list[sandbox_pb2.SentMessage]:
        """What went to an address, newest first, 100 at most.

        A code that was asked for is there once the call was answered; what people are told of afterwards comes a moment later.
        """
        request = sandbox_pb2.ListSentMessagesRequest(address=address)
        return list(self._calls("SandboxService", "ListSentMessages", request, sandbox_pb2.ListSentMessagesResponse).messages)

    def code(self, address: str) -> str:
        """The newest code that went to an address. Raises LookupError where none did."""
        for message in self.to(address):
            if "code" in message.parameters:
                return message.parameters["code"]
        raise LookupError(f"no code went to {address}")
