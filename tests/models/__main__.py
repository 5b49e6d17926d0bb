"""Make models of every family and kind, compare each with DeepLabCut, and write docs/models.md.

Usage: python -m tests.models [NAME …] [--engine pytorch|tensorflow] [--anew]

Without names, all models that have no outcome yet are compared (with --anew: all), the smallest
networks first. Only those of one engine are: of TensorFlow where it is installed, else of PyTorch.
Outcomes are kept in results.json beside this file, one by one, so that what was broken off goes
on. Weights are drawn at random; none are downloaded.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tasks.pose.model.tensorflow_config import is_tensorflow_installed
from tasks.processes.environment import OFFLINE_ENVIRONMENT, count_usable_cpus, thread_limits
from tests.models.catalog import CASES, PYTORCH, TENSORFLOW, ModelCase
from tests.models.page import (
    DOCS_FILE,
    Outcomes,
    insert_tables,
    load_outcomes,
    read_outcome,
    save_outcomes,
)
from tests.support.paths import ROOT

_TIMEOUT_S = 1800


def main(arguments: list[str]) -> int:
    """Compare models and write what came out; returns how many are neither same nor refused."""
    parser = argparse.ArgumentParser(prog="python -m tests.models")
    names = [case.name for case in CASES]
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *names])
    parser.add_argument("--engine", choices=[PYTORCH, TENSORFLOW], default=_installed_engine())
    parser.add_argument("--anew", action="store_true")
    chosen = parser.parse_args(arguments)
    outcomes = load_outcomes()
    bad = 0
    for case in _choose_cases(chosen, outcomes):
        outcomes[case.name] = compare_model(case)
        save_outcomes(outcomes)
        DOCS_FILE.write_text(insert_tables(DOCS_FILE.read_text(encoding="utf-8")), encoding="utf-8")
        bad += outcomes[case.name]["outcome"] not in ("same", "refused")
        print(f"{case.name}: {outcomes[case.name]}", flush=True)
    return bad


def _installed_engine() -> str:
    return TENSORFLOW if is_tensorflow_installed() else PYTORCH


def _choose_cases(chosen: argparse.Namespace, outcomes: Outcomes) -> list[ModelCase]:
    cases = [case for case in CASES if case.engine == chosen.engine]
    if chosen.names:
        return [case for case in cases if case.name in chosen.names]
    open_cases = [case for case in cases if chosen.anew or case.name not in outcomes]
    return sorted(open_cases, key=lambda case: case.size)


def compare_model(case: ModelCase) -> dict[str, object]:
    """Compare one model in a new process."""
    with tempfile.TemporaryDirectory(prefix="dlcflow-models-") as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "tests.models.compare", case.name, folder]
        environment = {**os.environ, **OFFLINE_ENVIRONMENT, **thread_limits(count_usable_cpus())}
        try:
            with log.open("w") as file:
                status = subprocess.run(
                    command,
                    cwd=ROOT,
                    env=environment,
                    stdout=file,
                    stderr=file,
                    timeout=_TIMEOUT_S,
                    check=False,
                ).returncode
        except subprocess.TimeoutExpired:
            return {"outcome": "fails", "message": f"takes longer than {_TIMEOUT_S} seconds"}
        if status:
            lines = log.read_text(errors="replace").strip().splitlines()
            print("\n".join(lines[-40:]), file=sys.stderr, flush=True)
            return {"outcome": "fails", "message": lines[-1][:300] if lines else f"status {status}"}
        return read_outcome(Path(folder) / "outcome.json")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
