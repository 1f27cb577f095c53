"""What `danbao up` runs: Postgres, Valkey, the servers and the worker, each kept alive, all ending
together.

The supervisor is the only parent, forks from its main thread alone and never imports grpc, which
does not bear a fork.
"""

from danbao_core.supervisor.endpoint import Endpoint, NotRunning, read_endpoint
from danbao_core.supervisor.listen import ListenAddress
from danbao_core.supervisor.roles import Role, default_roles
from danbao_core.supervisor.supervisor import Report, Supervisor

__all__ = [
    "Endpoint",
    "ListenAddress",
    "NotRunning",
    "Report",
    "Role",
    "Supervisor",
    "default_roles",
    "read_endpoint",
]
