"""A stage's key changes with what its answer depends on, and with nothing else."""

import sys
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tasks.pose import cache_keys as module
from tasks.pose.cache_keys import StageKeys, compute_network_digest, compute_stage_keys
from tasks.pose.finishing import build_label_style
from tasks.pose.settings import PoseSettings
from tests.support.records import DIGEST, example_model

ALL = set(StageKeys.__dataclass_fields__)
AFTER_POSES = ALL - {"estimate"}
DRAWN = {"previews", "labeled"}


def keys(
    changes: dict[str, Any] | None = None,
    model: dict[str, Any] | None = None,
    sha256: str = DIGEST,
    network: str = "n",
    suffix: str = ".mp4",
    names: tuple[str, ...] = ("m", "s3://lab/in/m.mp4"),
    times: tuple[str, ...] = (),
) -> StageKeys:
    settings = PoseSettings.model_validate(changes or {})
    ours = example_model(**(model or {}))
    return compute_stage_keys(
        sha256, suffix, ours, network, settings, build_label_style(ours, settings), names, times
    )


def changed(one: StageKeys) -> set[str]:
    usual = asdict(keys())
    return {name for name, key in asdict(one).items() if key != usual[name]}


SETTINGS: list[tuple[dict[str, Any], set[str]]] = [
    ({"crop": {"left": 0, "top": 0, "width": 8, "height": 8}}, ALL),
    ({"precision": "half"}, ALL),
    ({"follow": "auto"}, ALL),
    ({"follow_window": 256}, set()),  # nothing follows
    ({"crop_coordinates": "frame"}, {"exports"}),
    ({"movement": True}, {"exports"}),
    ({"refine_frames": 5}, {"exports"}),
    ({"nwb": True, "nwb_metadata": "lab.yaml"}, {"exports"}),
    ({"window_length": 7}, AFTER_POSES),
    ({"window_length": 0}, AFTER_POSES),
    ({"p_cutoff": 0.5}, {"quality", *DRAWN}),
    ({"displayed_body_parts": ["nose"]}, DRAWN),
    ({"color_map": "viridis"}, DRAWN),
    ({"color_map": "rainbow"}, {"previews"}),
    ({"color_map": "colorblind"}, {"labeled"}),
    ({"histogram": "together"}, {"previews"}),
    ({"quality": {"low_look": 0.11}}, {"quality"}),
    ({"times": {"column": "t"}}, {"exports"}),
    ({"dot_size": 9}, {"labeled"}),
    ({"keypoints_only": True}, {"labeled"}),
    ({"output_frame_rate": 12.5}, {"labeled"}),
    ({"draw_skeleton": True}, {"labeled"}),
    ({"trail_points": 3}, {"labeled"}),
    ({"labels": "none"}, {"labeled"}),
    ({"labels": "legend"}, {"labeled"}),
    ({"precision": "full"}, ALL),
    ({"color_by": "individual"}, {"labeled"}),
    ({"annotations_format": "csv"}, set()),
    ({"link_hours": 0}, set()),
    ({"spread_from": 2}, set()),
    # They choose the model, which is a part of the keys itself.
    ({"shuffle": 2}, set()),
    ({"snapshot": "best"}, set()),
]


@pytest.mark.parametrize(("changes", "expected"), SETTINGS)
def test_settings_touch_their_stages_alone(changes: dict[str, Any], expected: set[str]) -> None:
    assert changed(keys(changes)) == expected


def test_a_times_file_touches_what_has_its_times() -> None:
    dated = {"previews", "labeled", "exports"}
    assert changed(keys(times=("s3://lab/in/m_times.csv", "10", "e"))) == dated
    usual = asdict(keys(times=("a",)))
    column = asdict(keys({"times": {"column": "t"}}, times=("a",)))
    assert {name for name in ALL if column[name] != usual[name]} == dated
    for labels in ("none", "legend"):
        without, with_times = (keys({"labels": labels}, times=times) for times in ((), ("a",)))
        assert without.labeled == with_times.labeled


def test_frames_to_correct_are_chosen_again_where_what_is_bad_or_drawn_is_another() -> None:
    usual = asdict(keys({"refine_frames": 5}))["exports"]
    for changes in ({"p_cutoff": 0.5}, {"quality": {"jump_length": 0.2}}, {"dot_size": 9}):
        assert asdict(keys({"refine_frames": 5, **changes}))["exports"] != usual
    same = keys({"refine_frames": 5, "quality": {"low_look": 0.2}})
    assert asdict(same)["exports"] == usual


def test_every_setting_is_looked_at_here() -> None:
    tried = {name for changes, _ in SETTINGS for name in changes}
    assert tried == set(PoseSettings.model_fields)


def test_a_movie_s_name_stands_in_the_exported_files_alone() -> None:
    assert changed(keys(names=("m-2", "s3://lab/other/m.mp4"))) == {"exports"}


def test_the_side_of_a_window_that_follows_touches_all() -> None:
    auto, fixed = keys({"follow": "auto"}), keys({"follow": "auto", "follow_window": 256})
    assert all(asdict(auto)[name] != asdict(fixed)[name] for name in ALL)


def test_no_filter_is_no_filter_whichever_way_it_is_said() -> None:
    assert keys({"window_length": 0}) == keys({"window_length": 1})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"snapshot_sha256": "f" * 64}, ALL),
        ({"detector_sha256": "f" * 64}, ALL),
        ({"body_parts": ("a", "b", "c")}, ALL),
        ({"batch_size": 4}, ALL),
        ({"task": "other"}, ALL),  # the scorer, which every file names, is made of it
        ({"skeleton": ()}, {"labeled"}),
        ({"alpha": 0.3}, DRAWN),
        ({"name": "copy.zip", "sha256": "f" * 64, "size": 5}, set()),  # zipped anew
        ({"warnings": ("a sentence",), "repairs": ("another",)}, set()),
    ],
)
def test_of_a_model_all_counts_that_touches_poses(
    change: dict[str, Any], expected: set[str]
) -> None:
    assert changed(keys(model=change)) == expected


def test_other_content_is_all_new() -> None:
    assert changed(keys(sha256="f" * 64)) == ALL
    assert changed(keys(network="other")) == ALL
    assert changed(keys(suffix=".isxb")) == ALL
    assert changed(keys(suffix=".MP4")) == set()


def test_a_network_is_the_same_wherever_its_project_lies(tmp_path: Path) -> None:
    digests = []
    for name, layers in (("one", 18), ("two", 18), ("three", 50)):
        folder = tmp_path / name / "dlc-models-pytorch" / "train"
        folder.mkdir(parents=True)
        text = f"layers: {layers}\npath: {tmp_path / name}/x\n"
        (folder / "pytorch_config.yaml").write_text(text)
        (tmp_path / name / "config.yaml").write_text(f"alphavalue: {layers}\n")
        digests.append(compute_network_digest(tmp_path / name))
    assert digests[0] == digests[1] != digests[2]


def test_all_libraries_of_a_stage_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version of one that the code imports, or that DeepLabCut's network needs, counts."""
    named: dict[str, tuple[str, ...]] = {}
    kept = module.compute_code_digest

    def noting(stage: str, *libraries: str) -> str:
        named[stage] = libraries
        return kept(stage, *libraries)

    monkeypatch.setattr(module, "compute_code_digest", noting)
    keys()
    assert "matplotlib" in named["tasks.pose.finishing"]
    distributions = metadata.packages_distributions()
    for stage, libraries in named.items():
        imported = {
            words[1]
            for name in module._find_imported_modules(stage)
            for statement in module._tokenize_statements(name)
            for words in [[word for word in statement if word not in ("indent", "dedent")]]
            if words[:1] in (["import"], ["from"])
        }
        foreign = imported - sys.stdlib_module_names - {"tasks"} - HARMLESS
        needed = {distributions[name][0].lower() for name in foreign if name in distributions}
        assert needed <= set(libraries), stage


HARMLESS = {"pydantic", "pydantic_core", "yaml", "matplotlib"}
"""They check settings and read files; where matplotlib draws, it is named by hand."""

CACHED = (
    module.compute_code_digest,
    module._tokenize_statements,
    module._digest_module,
    module._list_modules,
)


class TestCode:
    @pytest.fixture(autouse=True)
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(module, "_TASKS_FOLDER", tmp_path)
        tmp_path = tmp_path / "pose"
        tmp_path.mkdir()
        (tmp_path / "filter.py").write_text(
            "def f():\n    from tasks.pose.room.tables import g\n    return g()\n"
        )
        (tmp_path / "room").mkdir()
        (tmp_path / "room" / "tables.py").write_text("import json\n\ndef g():\n    return 1\n")
        (tmp_path / "other.py").write_text("X = 1\n")
        return tmp_path

    def digest(self) -> str:
        for cached in CACHED:
            cached.cache_clear()
        return module.compute_code_digest("tasks.pose.filter", "numpy")

    def test_counts_wherever_it_is_imported(self, package: Path) -> None:
        before = self.digest()
        (package / "room" / "tables.py").write_text("def g():\n    return 2\n")
        assert self.digest() != before

    def test_words_do_not_count(self, package: Path) -> None:
        before = self.digest()
        text = (package / "room" / "tables.py").read_text()
        commented = text.replace("g():\n", 'g():\n    """One."""\n    # as ever\n')
        (package / "room" / "tables.py").write_text(commented)
        (package / "other.py").write_text("X = 2\n")
        assert self.digest() == before

    def test_libraries_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = self.digest()
        monkeypatch.setattr("importlib.metadata.version", lambda _name: "0")
        assert self.digest() != before

    @pytest.fixture(autouse=True)
    def afterwards(self, package: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        yield
        monkeypatch.undo()
        for cached in CACHED:
            cached.cache_clear()
