"""What is deployed by docker-compose.yml: settings that exist, nothing open that should not be, metrics that are exported."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from prometheus_client.registry import Collector
from ruamel.yaml import YAML

from danbao_core.engine.metrics import EngineMetrics
from danbao_core.keyring import Keyring
from danbao_core.metrics_page import registry_of
from danbao_core.rpc.interceptor import SERVICES as INTERCEPTED
from danbao_core.rpc.seen import RpcMetrics
from danbao_core.rpc.status import CODES
from danbao_core.settings import Settings
from danbao_workers.bank_metrics import BankMetrics
from danbao_workers.event_numbers import EventNumbers
from danbao_workers.postman import Postman
from danbao_workers.sweep import Lateness
from danbao_workers.worker import WorkerMetrics
from danbao_workers.works import WORKS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


PROMETHEUS_METRICS: dict[str, set[str]] = {"up": set(), "ALERTS": {"alertstate"}}
TARGET_LABELS = {"job", "instance"}


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


# --- docker-compose.yml -----------------------------------------------------------------------------------------------------

COMPOSE = read_yaml(ROOT / "docker-compose.yml")
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("danbao:")}

EXAMPLE = dict(line.split("=", 1) for line in (DEPLOY / "example.env").read_text().splitlines() if line[:1].isalpha())


def variables_in(text: str) -> set[str]:
    return set(re.findall(r"(?<!\$)\$\{(\w+)", text))


def settings_of(service: str) -> dict[str, str]:
    """The environment of one of our services as its process sees it, with the variables of example.env."""
    values = EXAMPLE | {"DANBAO_HASH_KEY": "5a" * 32}
    environment: dict[str, str] = SERVICES[service]["environment"]
    return {name: re.sub(r"\$\{(\w+)[^}]*\}", lambda found: values[found[1]], value) for name, value in environment.items()}


def test_every_setting_of_ours_is_one() -> None:
    known = {f"DANBAO_{name.upper()}" for name in Settings.model_fields}
    known |= {"DANBAO_ADDRESS", "DANBAO_TLS_CA"}
    assert set(OURS) == {"migrate", "server", "worker"}
    for name, service in OURS.items():
        assert set(service["environment"]) <= known, name


def test_the_channels_are_those_of_the_settings_and_of_servers_and_workers() -> None:
    lines = (DEPLOY / "channels.example.env").read_text().splitlines()
    named = dict(line[1:].split("=", 1) for line in lines if line.startswith("#DANBAO_"))
    assert set(named) == {"DANBAO_SMS_URL", "DANBAO_SMS_KEY", "DANBAO_SMPP_URL", "DANBAO_SMS_SENDER"} | {
        "DANBAO_SMTP_URL",
        "DANBAO_MAIL_FROM",
    }
    for service in ("server", "worker"):
        assert SERVICES[service]["env_file"] == [{"path": "deploy/channels.env", "required": False}]
    of_one = {name: value for name, value in named.items() if name not in ("DANBAO_SMS_URL", "DANBAO_SMS_KEY")}
    given = {name.removeprefix("DANBAO_").lower(): value for name, value in (settings_of("worker") | of_one).items()}
    assert Settings.model_validate(given).sends_messages


@pytest.mark.parametrize("service", ["server", "worker"])
def test_the_settings_are_accepted(service: str) -> None:
    given = {name.removeprefix("DANBAO_").lower(): value for name, value in settings_of(service).items()}
    settings = Settings.model_validate({name: value for name, value in given.items() if name in Settings.model_fields})
    assert settings.mode.value == "live"
    assert settings.has_tls == (service == "server")
    assert not settings.insecure


def test_the_logins_are_those_that_the_init_script_makes() -> None:
    made = re.findall(r"CREATE ROLE (\w+) LOGIN PASSWORD :'(\w+)_password'", (DEPLOY / "postgres" / "logins.sql").read_text())
    assert made == [("danbao_owner", "owner"), ("danbao_app", "app"), ("danbao_backup", "backup")]
    backup = SERVICES["backup"]["environment"]
    assert (backup["PGHOST"], backup["PGUSER"], backup["PGPASSWORD"]) == ("postgres", "danbao_backup", "${DB_BACKUP_PASSWORD}")
    for service, login in (("migrate", "owner"), ("server", "app"), ("worker", "app")):
        password = f"${{DB_{login.upper()}_PASSWORD}}"
        expected = f"postgresql://danbao_{login}:{password}@postgres/danbao"
        assert OURS[service]["environment"]["DANBAO_DATABASE_URL"] == expected
    assert SERVICES["postgres"]["environment"]["POSTGRES_DB"] == "danbao"


def test_all_that_compose_asks_for_is_in_the_example_and_made_by_the_script() -> None:
    asked = variables_in((ROOT / "docker-compose.yml").read_text())
    asked |= {secret["environment"] for secret in COMPOSE["secrets"].values()}
    assert asked == set(EXAMPLE)
    script = (DEPLOY / "prepare.sh").read_text()
    assert all(re.search(rf"\b{name}\b", script) for name in asked)
    assert all(value in ("change-me", "10001:10001", "") for value in EXAMPLE.values()), "no secret is committed"


def test_every_image_has_a_version() -> None:
    for name, service in SERVICES.items():
        _, _, tag = service["image"].rpartition(":")
        assert re.search(r"\d", tag), name
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert {service["image"] for service in OURS.values()} == {f"danbao:{version[1]}"}
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert bases == ["python:3.13-slim"] * 2


def test_only_grpc_and_envoy_are_published_beyond_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.pop("server") == ["50051:50051"]
    assert published.pop("envoy") == ["8443:8443"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert [name for name, service in SERVICES.items() if "web" in service["networks"]] == ["server", "envoy"]
    assert SERVICES["envoy"]["networks"] == ["web", "outside"]
    sends = {"worker"}  # messages and webhooks; nothing reaches it from outside
    assert all(SERVICES[name]["networks"] == ["inside"] for name in SERVICES.keys() - sends if "ports" not in SERVICES[name])


def test_every_service_is_bounded_and_comes_back() -> None:
    for name, service in SERVICES.items():
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
        if name not in ("migrate", "server"):  # the server's is the image's
            assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
    assert SERVICES["server"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_every_mounted_file_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./") and source not in ("./deploy/certs", "./deploy/keys"):  # made by the script
                assert (ROOT / source).exists(), source
            elif not source.startswith("./"):
                assert source in COMPOSE["volumes"], source


def test_the_script_makes_a_keyring_whose_first_key_is_the_hash_key(tmp_path: Path) -> None:
    for _ in range(2):  # a second run renews the certificate, and nothing else
        subprocess.run([DEPLOY / "prepare.sh", "--folder", tmp_path], check=True, capture_output=True, timeout=60)
        made = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
        ring = Keyring.load(tmp_path / "keys" / "keyring.toml", b"")
        without_file = Keyring.load(None, bytes.fromhex(made["DANBAO_HASH_KEY"]))
        assert ring.open(without_file.seal("text", "a place"), "a place") == "text"
    assert (tmp_path / "keys" / "keyring.toml").stat().st_mode & 0o077 == 0


def test_the_image_has_our_folders_and_not_ours_to_give() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY ((?:[\w./]+ )+)\S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source for sources in copied for source in sources.split()}
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert all((ROOT / source).exists() for source in sources)
    assert not any(source.startswith("deploy") for source in sources)


# --- Envoy ------------------------------------------------------------------------------------------------------------------


def found_in(node: Any, name: str) -> list[Any]:
    """Every value under this name, however deep."""
    if isinstance(node, dict):
        return [value for key, value in node.items() if key == name] + found_in(list(node.values()), name)
    return [found for each in node for found in found_in(each, name)] if isinstance(node, list) else []


ENVOY = read_yaml(DEPLOY / "envoy" / "envoy.yaml")
ROUTES = found_in(ENVOY, "routes")[0]


def test_envoy_knows_the_whole_contract() -> None:
    (descriptors,) = found_in(ENVOY, "proto_descriptor")
    assert f"./protos/contract.binpb:{descriptors}:ro" in SERVICES["envoy"]["volumes"]
    files = FileDescriptorSet.FromString((ROOT / "protos" / "contract.binpb").read_bytes()).file
    known = {f"{file.package}.{service.name}" for file in files for service in file.service}
    assert known == set(INTERCEPTED) == set(found_in(ENVOY, "services")[0])
    details = {f"{file.package}.{message.name}" for file in files for message in file.message_type}
    assert {"google.rpc.ErrorInfo", "google.rpc.BadRequest", "google.rpc.RetryInfo", "google.rpc.ResourceInfo"} <= details


def test_envoy_ends_no_stream_and_every_other_call() -> None:
    stream, one = ROUTES
    for service in INTERCEPTED.values():
        for method in service.methods:
            path = f"/{service.full_name}/{method.name}"
            streams = method.client_streaming or method.server_streaming
            assert bool(re.fullmatch(stream["match"]["safe_regex"]["regex"], path)) == streams, path
            assert path.startswith(one["match"]["prefix"])
    assert stream["route"]["timeout"] == "0s"
    assert float(stream["route"]["idle_timeout"].rstrip("s")) >= 4 * Settings.model_fields["watch_heartbeat_seconds"].default
    assert one["route"]["timeout"] != "0s"


def test_envoy_refuses_before_its_memory_is_used_up() -> None:
    (heap,) = found_in(ENVOY, "max_heap_size_bytes")
    assert SERVICES["envoy"]["deploy"]["resources"]["limits"]["memory"] == "512m"
    assert heap <= 0.8 * 512 * 1024**2


def test_envoy_speaks_tls_on_both_sides_and_is_believed_by_the_server_alone() -> None:
    (listener,) = ENVOY["static_resources"]["listeners"]
    (cluster,) = ENVOY["static_resources"]["clusters"]
    ports = [found_in(each, "port_value")[0] for each in (listener, cluster)]
    assert [f"{port}:{port}" for port in ports] == SERVICES["envoy"]["ports"] + SERVICES["server"]["ports"]
    assert found_in(listener, "filter_chains")[0][0]["transport_socket"]["name"] == "envoy.transport_sockets.tls"
    assert found_in(cluster, "sni") == ["server"], "which deploy/prepare.sh puts into every certificate"
    (web,) = COMPOSE["networks"]["web"]["ipam"]["config"]
    assert OURS["server"]["environment"]["DANBAO_PROXIES"] == web["subnet"]
    assert "DANBAO_PROXIES" not in OURS["worker"]["environment"]


# --- Alerts and the dashboard -----------------------------------------------------------------------------------------------

ALERTS = [rule for group in read_yaml(DEPLOY / "prometheus" / "alerts.yml")["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "danbao.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

EXPRESSIONS = [(rule["alert"], rule["expr"]) for rule in ALERTS] + [
    (panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]
]


def of_workers() -> tuple[Collector, ...]:
    """What a worker that leads exports of its own."""
    lateness = Lateness()
    for work in WORKS:
        lateness.tell(work, ())
    none: Any = None
    return WorkerMetrics(lambda: 0, Counter(), lateness), BankMetrics(None), EventNumbers(), Postman(none, none, {})


def exported() -> dict[str, dict[str, set[str]]]:
    """Every sample that a server or a worker exports, with its labels and, where they are known, their values."""
    samples: dict[str, dict[str, set[str]]] = {}
    rpc = RpcMetrics()
    for code in ("OK", *(each.name for each in CODES.values())):
        rpc.of("PaymentService/CreatePayment").calls[code, ""] = 1
    for family in registry_of(EngineMetrics(lambda: 0), rpc, *of_workers()).collect():
        for sample in family.samples:
            labels = samples.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    for name, known in PROMETHEUS_METRICS.items():
        samples.setdefault(name, {label: set() for label in known})
    return samples


def selectors_in(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """The metrics that an expression asks for. Raises ValueError where it is no PromQL."""
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)
        elif isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(expression.replace("$__rate_interval", "1m")), visit)
    yield from found


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_only_exported_metrics_are_asked_for(title: str, expression: str) -> None:
    samples = exported()
    for selector in selectors_in(expression):
        assert selector.name in samples, title
        labels = samples[str(selector.name)]
        for matcher in selector.matchers.matchers:
            assert matcher.name in labels.keys() | TARGET_LABELS, (title, matcher.name)
            values = labels.get(matcher.name, set())
            if values and matcher.op == promql_parser.MatchOp.Equal:
                assert matcher.value in values, (title, matcher.value)
    grouped = {name.strip() for names in re.findall(r"\bby \(([^)]*)\)", expression) for name in names.split(",")}
    asked = {label for selector in selectors_in(expression) for label in samples[str(selector.name)]}
    assert grouped <= asked | TARGET_LABELS, title


def test_every_metric_of_the_engine_and_of_workers_is_on_the_dashboard() -> None:
    shown = {str(selector.name) for _, expression in EXPRESSIONS for selector in selectors_in(expression)}
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    families = {
        family.name + ("_total" if family.type == "counter" else "")
        for collector in (EngineMetrics(lambda: 0), *of_workers())
        for family in collector.collect()
    }
    assert families <= shown


def test_every_alert_says_what_is_the_matter_and_what_to_do() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names)
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "action", "runbook"}
        labels = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        kept = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
        assert labels <= ({"instance"} | {name.strip() for names in kept for name in names.split(",")}), rule["alert"]


def test_the_runbook_has_a_section_for_every_alert_and_no_other() -> None:
    page = Path("docs/operations/runbook.md")
    sections = re.findall(r"^## (\w+)\n\n\*(\w+)\.\*", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert sections == [(rule["alert"], rule["labels"]["severity"].capitalize()) for rule in ALERTS]
    for rule in ALERTS:
        assert rule["annotations"]["runbook"] == f"{page}#{rule['alert'].lower()}"


def test_the_queue_alert_is_about_half_of_the_queue() -> None:
    (rule,) = (rule for rule in ALERTS if rule["alert"] == "DanbaoQueueFilling")
    assert rule["expr"].endswith(f"> {Settings.model_fields['queue_max'].default // 2}")


def test_prometheus_and_grafana_find_each_other_and_the_core() -> None:
    prometheus = read_yaml(DEPLOY / "prometheus" / "prometheus.yml")
    targets = [
        target for job in prometheus["scrape_configs"] for static in job["static_configs"] for target in static["targets"]
    ]
    assert targets == ["server:9464", "worker:9464"]
    for service in ("server", "worker"):
        assert OURS[service]["environment"]["DANBAO_METRICS_LISTEN"] == "0.0.0.0:9464"
    assert {job["job_name"] for job in prometheus["scrape_configs"]} == {"danbao-server", "danbao-worker"}
    (source,) = read_yaml(DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    asked = {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    assert asked == {source["uid"]}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
