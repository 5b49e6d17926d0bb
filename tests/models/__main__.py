"""Make models of every family and kind, compare each with DeepLabCut, and write docs/models.md.

Usage: python -m tests.models [NAME …] [--engine pytorch|tensorflow] [--anew]

Without names, all models that have no outcome yet are compared (with --anew: all), the smallest
networks first. Only those of one engine are: of TensorFlow where it is installed, else of PyTorch.
Outcomes are kept in results.json beside this file, one by one, so that what was broken off goes
on. Weights are drawn at random; none are downloaded.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tasks.pose.model.tensorflow_config import is_tensorflow_installed
from tests.models.catalog import CASES, PYTORCH, TENSORFLOW, ModelCase
from tests.models.page import (
    DOCS_FILE,
    Outcomes,
    insert_tables,
    load_outcomes,
    read_outcome,
    save_outcomes,
)
from tests.support.templates import run_copy


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
        return [case for name in chosen.names for case in cases if case.name == name]
    untried = [case for case in cases if chosen.anew or case.name not in outcomes]
    return sorted(untried, key=lambda case: case.size)


def compare_model(case: ModelCase) -> dict[str, object]:
    """Compare one model in a new process, which has loaded DeepLabCut and nothing else."""
    with tempfile.TemporaryDirectory(prefix="dlcflow-models-") as folder:
        ended = run_copy("tests.models.compare", case.name, folder)
        if ended.returncode:
            lines = ended.stderr.strip().splitlines()
            print("\n".join(lines[-40:]), file=sys.stderr, flush=True)
            message = lines[-1][:300] if lines else f"status {ended.returncode}"
            return {"outcome": "fails", "message": message}
        return read_outcome(Path(folder) / "outcome.json")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
