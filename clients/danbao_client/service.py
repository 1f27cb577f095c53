"""What all services of the client have in common."""

from typing import ClassVar

from google.protobuf.descriptor import ServiceDescriptor

from danbao_client.rpc import CallSettings, Rpc, StreamRpc, Stubs, WatchRpc


class Service:
    """One service: an attribute for each RPC, under the contract's name, which takes its request as a message.

    Beside them stands, in `services`, a method for each with a parameter for each field.
    """

    descriptor: ClassVar[ServiceDescriptor]

    def __init__(self, stubs: Stubs, settings: CallSettings) -> None:
        self._settings = settings
        for method in self.descriptor.methods:
            kind = StreamRpc if method.client_streaming else WatchRpc if method.server_streaming else Rpc
            setattr(self, method.name, kind(stubs, method, settings))
