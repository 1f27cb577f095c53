"""The command `danbao`, put together from one module per command."""

import typer

from danbao_core.cli import disputes, keyring, keys, proposals
from danbao_core.cli.audit import audit
from danbao_core.cli.backup import backup, restore
from danbao_core.cli.bench.command import bench
from danbao_core.cli.demo import demo
from danbao_core.cli.explain import explain
from danbao_core.cli.health import health
from danbao_core.cli.jwks import jwks
from danbao_core.cli.migrate import migrate
from danbao_core.cli.reconcile import reconcile
from danbao_core.cli.replay import replay
from danbao_core.cli.sandbox_bank import sandbox_bank
from danbao_core.cli.serve import serve
from danbao_core.cli.statement import statement
from danbao_core.cli.status.command import status
from danbao_core.cli.up import up

app = typer.Typer(
    name="danbao",
    help="An escrow payment core: one command starts it, gRPC talks to it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (up, serve, migrate, audit, reconcile, replay, demo, health, status, bench, jwks, statement, explain):
    app.command()(command)
app.command()(backup)
app.command()(restore)
app.command("sandbox-bank")(sandbox_bank)
app.add_typer(keys.app, name="keys")
app.add_typer(keyring.app, name="keyring")
app.add_typer(proposals.app, name="proposals")
app.add_typer(disputes.app, name="disputes")
