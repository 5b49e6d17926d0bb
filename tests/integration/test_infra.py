"""What `infra/` says: work pools as Prefect's workers read them, the image, the compose file."""

import asyncio
import copy
import re
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
import yaml

import tasks
from deployments import worker
from deployments.definitions import ANALYSIS_RUN_VARIABLES, LIGHT_RUN_VARIABLES
from deployments.deploy import QUEUE_PRIORITIES
from tasks.environment_variables import INBOX
from tests.support.paths import ROOT

INFRA = ROOT / "infra"
POOLS = sorted((INFRA / "work-pools").glob("*.yaml"))
PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")
PREFECTS_OWN = {"PREFECT__FLOW_RUN_ID", "PREFECT_API_URL", "PREFECT_UI_URL"}
"""A run's environment from its worker's settings."""


def read(name: str) -> Any:
    return yaml.safe_load((INFRA / name).read_text(encoding="utf-8"))


def template(kind: str) -> Any:
    return read(f"work-pools/{kind}.yaml")["base_job_template"]


def configuration(worker: Any, kind: str, **values: Any) -> Any:
    """What a worker makes of a pool's template, and of a deployment's job variables."""
    from prefect.client.schemas.objects import Flow, FlowRun
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings

    flow = Flow(id=uuid4(), name="pose-estimation", labels={})
    run = FlowRun(id=uuid4(), flow_id=flow.id, name="mouse1, mouse2 · openfield")
    addresses = {PREFECT_API_URL: "http://server:4200/api", PREFECT_UI_URL: "https://prefect.lab"}
    with temporary_settings(addresses):
        making = worker.from_template_and_values(copy.deepcopy(template(kind)), values)
        made = asyncio.run(making)
        made.prepare_for_flow_run(run, flow=flow)
    return made


@pytest.mark.parametrize("path", POOLS, ids=lambda path: path.stem)
def test_a_template_uses_the_variables_that_it_declares(path: Path) -> None:
    pool = read(f"work-pools/{path.name}")
    variables = pool["base_job_template"]["variables"]
    used = set(PLACEHOLDER.findall(yaml.safe_dump(pool["base_job_template"]["job_configuration"])))
    assert used == set(variables["properties"])
    assert pool["type"] == path.stem


@pytest.mark.parametrize("path", POOLS, ids=lambda path: path.stem)
def test_defaults_are_what_a_template_allows(path: Path) -> None:
    variables = template(path.stem)["variables"]
    jsonschema.Draft202012Validator.check_schema(variables)
    fields = variables["properties"].items()
    jsonschema.validate({k: v["default"] for k, v in fields if "default" in v}, variables)
    assert all(field.get("title") for _, field in fields)


@pytest.mark.parametrize("path", POOLS, ids=lambda path: path.stem)
def test_runs_tell_twice_a_minute_that_they_are_alive(path: Path) -> None:
    environment = template(path.stem)["variables"]["properties"]["env"]["default"]
    assert environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert environment["PREFECT_CLIENT_RETRY_EXTRA_CODES"] == worker.SERVER_ERROR


def test_a_process_gets_the_environment_of_its_worker_and_ours() -> None:
    from prefect.workers.process import ProcessJobConfiguration

    made = configuration(ProcessJobConfiguration, "process", env={"AWS_PROFILE": "lab"})
    assert made.env.keys() > {*PREFECTS_OWN, "PATH", "AWS_PROFILE"}
    assert made.env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


def test_a_container_gets_the_gpus_and_the_shared_slots() -> None:
    worker = pytest.importorskip("prefect_docker.worker", reason="prefect-docker is not here")
    made = configuration(worker.DockerWorkerJobConfiguration, "docker", env={"FOO": "1"})
    assert made.env.keys() > {*PREFECTS_OWN, "FOO", "AWS_CONFIG_FILE"}
    assert made.env["DLCFLOW_SLOTS"] == "/scratch/slots"
    assert "dlcflow-scratch:/scratch" in made.volumes
    (request,) = made.container_create_kwargs["device_requests"]
    docker = pytest.importorskip("docker.types")
    assert docker.DeviceRequest(**request)["Capabilities"] == [["gpu"]]


@pytest.mark.parametrize("asked", [LIGHT_RUN_VARIABLES, ANALYSIS_RUN_VARIABLES])
def test_runs_without_a_gpu_ask_for_what_their_pool_can_give(asked: dict[str, Any]) -> None:
    for kind, values in asked.items():
        variables = template(kind)["variables"]
        jsonschema.validate(values, variables | {"additionalProperties": False})


@pytest.mark.parametrize(
    "asked",
    [{"gpus": 1}, LIGHT_RUN_VARIABLES["kubernetes"], ANALYSIS_RUN_VARIABLES["kubernetes"]],
    ids=["pose", "light", "analysis"],
)
def test_kubernetes_would_take_the_job(asked: dict[str, Any]) -> None:
    worker = pytest.importorskip("prefect_kubernetes.worker", reason="it is not here")
    schemas = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not here")
    chosen = {"nvidia.com/gpu.product": "NVIDIA-A100"}
    values = {**asked, "node_selector": chosen, "store_secret": "lab", "env": {"FOO": "1"}}
    made = configuration(worker.KubernetesWorkerJobConfiguration, "kubernetes", **values)
    pod = made.job_manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {each["name"] for each in container["env"]} > {*PREFECTS_OWN, "FOO", "TMPDIR"}
    assert container["resources"]["limits"]["nvidia.com/gpu"] == asked["gpus"]
    assert container["envFrom"][0]["secretRef"]["name"] == "lab"
    assert pod["nodeSelector"] == chosen
    # Prefect's worker asks for these two, and Kubernetes passes over them.
    del pod["parallelism"], pod["completions"]
    schemas.validate(made.job_manifest, "1.30", strict=True)


def test_images_are_those_of_this_version() -> None:
    named = [
        template(kind)["variables"]["properties"]["image"] for kind in ("docker", "kubernetes")
    ]
    images = {each["default"] for each in named}
    services = read("compose.yaml")["services"].values()
    images |= {each["image"] for each in services if "postgres" not in each["image"]}
    assert images == {f"dlcflow:{tasks.__version__}"}
    for file in ("prefect-server.yaml", "dlcflow.yaml"):
        text = (INFRA / "kubernetes" / file).read_text(encoding="utf-8")
        assert set(re.findall(r"\b\d+\.\d+\.\d+$", text, re.MULTILINE)) == {tasks.__version__}


def test_prefect_has_one_version_everywhere() -> None:
    pinned = re.search(r'"prefect==(\S+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pinned is not None
    assert version("prefect") == pinned[1]
    named = {
        ROOT / "deployments" / "prefect.yaml": r"^prefect-version: (\S+)$",
        INFRA / "README.md": r"--from prefect==(\S+) --with",
        INFRA / "kubernetes" / "prefect-worker.yaml": r"prefectTag: (\S+)-python3\.11-kubernetes",
    }
    for file, sign in named.items():
        assert re.findall(sign, file.read_text(encoding="utf-8"), re.MULTILINE) == [pinned[1]]


def test_the_image_is_made_of_what_is_there() -> None:
    lines = (INFRA / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--" not in line]
    ignored = (INFRA / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for path in chain.from_iterable(copies):
        assert (ROOT / path).exists()
        assert f"!{path}" in ignored


def test_the_image_has_the_uv_of_the_makefile() -> None:
    pinned = re.search(r"^UV_VERSION := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert pinned is not None
    assert f"uv=={pinned[1]}\n" in (INFRA / "Dockerfile").read_text(encoding="utf-8")


def test_compose_asks_for_what_the_example_names() -> None:
    text = (INFRA / "compose.yaml").read_text(encoding="utf-8")
    example = (INFRA / "example.env").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+)", text))
    asked |= set(re.findall(r"^ +(AWS_\w+):$", text, re.MULTILINE))
    assert asked == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


def test_compose_waits_for_what_each_part_needs() -> None:
    services = read("compose.yaml")["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            healthy = how["condition"] == "service_healthy"
            assert not healthy or "healthcheck" in services[needed], f"{name} waits in vain"
    (device,) = services["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert services["server"]["ports"] == ["127.0.0.1:4200:4200"]


def test_compose_starts_our_worker_and_gives_it_time_to_end() -> None:
    service = read("compose.yaml")["services"]["worker"]
    *words, grace = service["command"]
    assert words == ["python", "-m", "deployments.worker", "--grace"]
    minutes = re.fullmatch(r"(\d+)m", service["stop_grace_period"])
    assert minutes is not None
    assert float(grace) + worker.CLEANUP_SECONDS < 60 * int(minutes[1])


@pytest.mark.parametrize("name", ["receiver", "page"])
def test_what_is_served_in_a_cluster_knows_the_inbox_and_is_asked_where_it_listens(
    name: str,
) -> None:
    documents = yaml.safe_load_all((INFRA / "kubernetes" / "dlcflow.yaml").read_text("utf-8"))
    (pod,) = [
        each["spec"]["template"]["spec"]
        for each in documents
        if each["kind"] == "Deployment" and each["metadata"]["name"] == f"dlcflow-{name}"
    ]
    (container,) = pod["containers"]
    assert by_name(container["env"])[INBOX.name]["value"].startswith("s3://")
    port = container["command"][container["command"].index("--port") + 1]
    for probe in ("startupProbe", "readinessProbe"):
        asked = by_name(container["ports"])[container[probe]["httpGet"]["port"]]
        assert str(asked["containerPort"]) == port


def test_in_a_cluster_links_of_notifications_and_of_run_records_begin_alike() -> None:
    server = by_name(read("kubernetes/prefect-server.yaml")["server"]["env"])
    started = by_name(read("kubernetes/prefect-worker.yaml")["worker"]["extraEnvVars"])
    assert started["PREFECT_UI_URL"] == server["PREFECT_UI_URL"]
    ours = (INFRA / "kubernetes" / "dlcflow.yaml").read_text("utf-8")
    assert f'PREFECT_UI_URL, value: "{server["PREFECT_UI_URL"]["value"]}"' in ours


def test_workers_for_containers_take_each_queue_once_and_have_a_limit() -> None:
    commands = re.findall(r"^worker --.*$", (INFRA / "README.md").read_text("utf-8"), re.MULTILINE)
    taken = chain.from_iterable(re.findall(r"--work-queue (\w+)", each) for each in commands)
    assert sorted(taken) == sorted(QUEUE_PRIORITIES)
    assert all("--limit " in each for each in commands)


def by_name(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in entries}
