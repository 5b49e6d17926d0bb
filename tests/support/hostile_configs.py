"""Archives whose configuration files attack whoever reads them, or point elsewhere."""

import datetime as dt
from itertools import pairwise
from typing import Any

from tests.support.hostile_cases import HostileCase, Outcome, make_case, make_case_with_files
from tests.support.model_zips import (
    MODEL_FOLDER,
    NETWORK_CONFIG,
    PROJECT_CONFIG,
    SNAPSHOT_NAME,
    TRAIN_FOLDER,
    Files,
    copy_with_changes,
    format_yaml,
    model_files,
)

NETWORK_PATH = f"{TRAIN_FOLDER}/pytorch_config.yaml"
ATTACK_COMMAND = "touch owned"


def make_project_case(
    name: str, says: str = "", outcome: Outcome = "refused", **changes: Any
) -> HostileCase:
    """A good model, but for some values of config.yaml."""
    files = {"config.yaml": format_yaml(copy_with_changes(PROJECT_CONFIG, **changes))}
    return make_case_with_files(f"config.yaml: {name}", files, says, outcome)


def make_network_case(
    name: str, says: str = "", outcome: Outcome = "refused", **changes: Any
) -> HostileCase:
    """A good model, but for some values of pytorch_config.yaml."""
    files = {NETWORK_PATH: format_yaml(copy_with_changes(NETWORK_CONFIG, **changes))}
    return make_case_with_files(f"pytorch_config.yaml: {name}", files, says, outcome)


# --- YAML -------------------------------------------------------------------------------------


def build_alias_bomb(opening: str, joined: str) -> str:
    lines = [f"a: &a {opening}"]
    lines += [
        f"{here}: &{here} {joined.format(','.join([f'*{above}'] * 10))}"
        for above, here in pairwise("abcdefghi")
    ]
    return "\n".join(lines)


def build_colliding_keys(count: int) -> str:
    """Numbers that Python's dictionaries put into one place."""
    modulus = 2**61 - 1
    return "\n".join(f"{index * modulus}: 1" for index in range(1, count))


def yaml_texts() -> dict[str, str]:
    return {
        "object that runs a command": f"a: !!python/object/apply:os.system ['{ATTACK_COMMAND}']",
        "object made new": f"a: !!python/object/new:os.system ['{ATTACK_COMMAND}']",
        "module": "a: !!python/module:antigravity",
        "name": "a: !!python/name:os.system",
        "own tag": "%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system x",
        "billion laughs": build_alias_bomb("[lol]", "[{}]"),
        "billion merges": build_alias_bomb("{k: lol}", "{{<<: [{}]}}"),
        "merge of itself": "a: &a {<<: *a}",
        "list of itself": "a: &a [*a]",
        "10,000 brackets": "a: " + "[" * 10_000,
        "10,000 braces": "a: " + "{x: " * 10_000,
        "10,000 dashes": "- " * 10_000,
        "10,000 levels": "\n".join(" " * index + "a:" for index in range(1000)),
        "500,000 values": "a: [" + "1," * 500_000 + "1]",
        "100,000 keys": "\n".join(f"k{index}: 1" for index in range(100_000)),
        "colliding keys": build_colliding_keys(24_000),
        "million-digit number": "a: " + "9" * 1_000_000,
        "hexadecimal of a million digits": "a: 0x" + "f" * 1_000_000,
        "digits of a megabyte": "a: " + "9_" * 300_000 + "9",
        "a scalar of two megabytes": "a: '" + "x" * (2 * 2**20) + "'",
        "a key of 500,000 letters": "x" * 500_000 + ": 1",
        "a megabyte of comment": "# " + "x" * (2**20 - 100),
        "duplicate keys": "Task: a\nTask: b",
        "duplicate keys deep down": "a: {b: [{c: 1, c: 2}]}",
        "keys that are lists": "? [a, b]\n: 1",
        "tabs": "a:\n\t- b",
        "two documents": "a: 1\n---\na: 2",
        "impossible date": "a: 2020-13-45",
        "binary that is none": "a: !!binary '\x7f\x7f'",
        "an unknown alias": "a: *b",
        "a text": "just words",
        "a list": "- a\n- b",
        "nothing": "",
        "NUL": "a: b\0c",
        "half a character": 'a: "\\ud800"',
        "right to left": "\u202eTask: a: b",
    }


def raw_texts() -> dict[str, bytes]:
    return {
        "UTF-8 cut in a character": b"Task: \xf0\x9f\n\x00",
        "odd UTF-16": b"\xff\xfeT\0a",
        "UTF-32": "Task: a".encode("utf-32"),
        "UTF-16 without a mark": "Task: a".encode("utf-16-le"),
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10,
    }


def yaml_cases() -> list[HostileCase]:
    data = {name: text.encode("utf-8", "surrogatepass") for name, text in yaml_texts().items()}
    data |= raw_texts()
    where = ["config.yaml", NETWORK_PATH]
    return [
        make_case_with_files(f"YAML: {name}", {where[index % 2]: text})
        for index, (name, text) in enumerate(data.items())
    ]


# --- values -----------------------------------------------------------------------------------


def path_cases() -> list[HostileCase]:
    places = ["../..", "/etc", "a/../..", "..\\..", "a\0b", "a\nb", "x" * 5000]
    return [
        *(make_project_case(f"Task {place[:9]!r}", "Task", Task=place) for place in places),
        *(make_project_case(f"date {place[:9]!r}", "date", date=place) for place in places[:3]),
        make_project_case("Task that is a list", "Task", Task=["../.."]),
        make_project_case("Task that is a mapping", "Task", Task={"a": "../.."}),
        make_project_case("date as a number", "", "opened", date=20241030),
        make_project_case("date that YAML takes for one", "", "opened", date=dt.date(2024, 10, 30)),
        make_project_case("empty Task and date", "", "opened", Task="", date=""),
        make_project_case("project_path", "", "opened", project_path="../../.."),
        make_project_case("project_path with NUL", "", "opened", project_path="/a\0b"),
        make_project_case(
            "project_path as a list", "", "opened", project_path=["/etc", "x" * 9999]
        ),
        make_project_case("scorer", "", "opened", scorer="../../../etc/\x07passwd"),
        make_project_case(
            "videos elsewhere", "", "opened", video_sets={"/etc/passwd": {"crop": "0, 1"}}
        ),
        make_network_case(
            "paths",
            "",
            "opened",
            metadata__project_path="/etc",
            metadata__pose_config_path="/etc/passwd",
        ),
    ]


def wrong_type_cases() -> list[HostileCase]:
    nan, endless = float("nan"), float("inf")
    return [
        make_project_case(
            "snapshotindex beyond all", "one snapshot", "repaired", snapshotindex=10**60
        ),
        make_project_case(
            "snapshotindex endless", "one snapshot", "repaired", snapshotindex=endless
        ),
        make_project_case(
            "snapshotindex a list", "one snapshot", "repaired", snapshotindex=[0] * 500
        ),
        make_project_case("TrainingFraction endless", "", "opened", TrainingFraction=[endless]),
        make_project_case("TrainingFraction no number", "", "opened", TrainingFraction={"a": nan}),
        make_project_case("batch_size negative", "", "opened", batch_size=-5),
        make_project_case("batch_size endless", "", "opened", batch_size=endless),
        make_project_case("batch_size no number", "", "opened", batch_size=nan),
        make_project_case("iteration negative", "", "opened", iteration=-(10**50)),
        make_project_case(
            "cropping to nowhere", "cropping", "repaired", cropping=True, x1=-9, x2=nan
        ),
        make_project_case("skeleton of a thousand", "", "opened", skeleton=[["nose", "x"]] * 1000),
        make_project_case("skeleton in circles", "", "opened", skeleton=[[["nose"]], {"a": 1}, 5]),
        make_project_case("skeleton_color", "color", "repaired", skeleton_color="\n" * 500),
        make_project_case("multianimalproject", "", "opened", multianimalproject=[1]),
        make_network_case("metadata a list", "metadata", metadata=["x"]),
        make_network_case("model a text", "model", model="resnet"),
        make_network_case("heads a list", "heads", model__heads=["x"]),
        make_network_case("runner a number", "runner", runner=5),
        make_network_case("runner a list", "runner", runner=[{"load_weights_only": False}]),
        make_network_case("inference a text", "inference", inference="fast"),
        make_network_case("data a list", "data", data=["x"]),
        make_network_case("detector a text", "detector", detector="yes"),
        make_network_case("net_type a mapping", "", "opened", net_type={"a": "b" * 9999}),
    ]


def body_part_cases() -> list[HostileCase]:
    where = "bodyparts"
    many = [f"part{index}" for index in range(2000)]
    six = ["nose", "ear", "tail"] * 2
    return [
        make_project_case("other body parts", "body parts", bodyparts=["paw", "ear", "tail"]),
        make_project_case("the same body parts twice", "twice", bodyparts=six),
        make_network_case(
            "body parts that are no names", where, metadata__bodyparts=["a", None, 3.5]
        ),
        make_network_case(
            "body parts with a newline", where, metadata__bodyparts=["a", "b\nc", "d"]
        ),
        make_network_case(
            "body parts that point elsewhere", "", metadata__bodyparts=["../a", "b", "c\0"]
        ),
        make_network_case(
            "body parts that write from right to left",
            "",
            metadata__bodyparts=["a", "\u202eb", "c"],
        ),
        make_network_case("body parts twice", where, metadata__bodyparts=["a", "a", "b"]),
        make_network_case("2,000 body parts", "", metadata__bodyparts=many),
        make_network_case(
            "2,000 body parts and outputs",
            "",
            metadata__bodyparts=many,
            model__heads__bodypart__target_generator__num_heatmaps=2000,
        ),
        make_network_case(
            "a body part of 100,000 letters", "", metadata__bodyparts=["nose", "ear", "x" * 100_000]
        ),
        make_network_case("2,000 animals", "", metadata__individuals=many),
        make_network_case(
            "one output too many",
            "outputs",
            model__heads__bodypart__target_generator__num_heatmaps=4,
        ),
        make_network_case(
            "outputs without number",
            "",
            "opened",
            model__heads__bodypart__target_generator__num_heatmaps=float("inf"),
        ),
    ]


def unsafe_switch_cases() -> list[HostileCase]:
    weights = {"load_weights_only": False}
    compiled = {"compile": {"enabled": True, "backend": "inductor"}}
    detector = {"runner": weights, "device": "cuda:7", "inference": compiled}
    return [
        make_network_case("weights with code", "load_weights_only", "repaired", runner=weights),
        make_network_case(
            "detector's weights with code", "load_weights_only", "repaired", detector=detector
        ),
        make_network_case("compiler", "compile", "repaired", inference=compiled),
        make_network_case("another device", "device", "repaired", device="cuda:0"),
        make_network_case("a device that is none", "device", "repaired", device="\x1b[31m" * 99),
        make_network_case(
            "resume from elsewhere", "", "opened", resume_training_from="/etc/passwd"
        ),
        make_network_case(
            "logger that calls home",
            "",
            "opened",
            logger={"type": "WandbLogger", "project_name": "x"},
        ),
    ]


def foreign_source_cases() -> list[HostileCase]:
    hub = "model_name"
    names = [
        "hf-hub:lab/resnet",
        "hf_hub:lab/resnet",
        "local-dir:/etc",
        "https://example.org/x",
        "/etc/passwd",
        "../../x",
        "lab/resnet",
    ]
    backbone = {"type": "ResNet", "model_name": "resnet18"}
    kwargs = {
        "pretrained_cfg": {"url": "https://example.org/w.pt"},
        "pretrained_cfg_overlay": {"file": "/etc/passwd"},
        "checkpoint_path": "/etc/passwd",
        "weights": "https://example.org/w.pt",
        "cache_dir": "/etc",
    }
    return [
        *(
            make_network_case(f"backbone {name}", model__backbone=backbone | {hub: name})
            for name in names
        ),
        *(
            make_network_case(f"backbone with {key}", model__backbone=backbone | {key: value})
            for key, value in kwargs.items()
        ),
        make_network_case(
            "backbone with inner kwargs",
            model__backbone=backbone | {"kwargs": {"checkpoint_path": "/etc/passwd"}},
        ),
        make_network_case(
            "backbone that is downloaded",
            "pretrained",
            "repaired",
            model__backbone=backbone | {"pretrained": True},
        ),
        make_network_case(
            "detector that is downloaded",
            "pretrained",
            "repaired",
            detector={"model": {"type": "FasterRCNN", "pretrained": True}},
        ),
        make_network_case(
            "backbone's type from elsewhere",
            "os.system",
            model__backbone=backbone | {"type": "os.system"},
        ),
        make_network_case(
            "crops of a terabyte",
            "top_down_crop",
            data__inference={"top_down_crop": {"width": 10**6, "height": 10**6}},
        ),
        make_network_case(
            "weights of a detector elsewhere",
            detector={"model": {"type": "SSDLite", "weights": "/etc/passwd"}},
        ),
    ]


# --- what lies beside -------------------------------------------------------------------------


def leftover_cases() -> list[HostileCase]:
    pickle = b"cos\nsystem\n(S'touch owned'\ntR."
    data = "training-datasets/iteration-0/UnaugmentedDataSet"
    beside: Files = {
        f"{data}/Documentation_data-openfield_95shuffle1.pickle": pickle,
        f"{data}/metadata.yaml": b"!!python/object/apply:os.system ['touch owned']",
        "sitecustomize.py": b"open('owned', 'w')",
        f"{TRAIN_FOLDER}/yaml.py": b"open('owned', 'w')",
        f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}.so": b"\x7fELF",
        f"{MODEL_FOLDER}/test/results.h5": b"x",
    }
    unused = {
        f"{MODEL_FOLDER}/test/pose_cfg.yaml": b"a: !!python/name:os.system",
    }
    only = {k: v for k, v in model_files().items() if not k.endswith(".pt")}
    return [
        make_case_with_files("pickles and programs beside the model", beside, "", "opened"),
        make_case_with_files(
            "hostile test/pose_cfg.yaml", unused, "test/pose_cfg.yaml", "repaired"
        ),
        make_case_with_files(
            "a second model", {f"{MODEL_FOLDER}-2/train/snapshot-1.pt": b"x"}, "folders"
        ),
        make_case("no snapshot", only, "snapshot"),
        make_case("no network", {f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}": b"x"}),
    ]


def config_cases() -> list[HostileCase]:
    return [
        *path_cases(),
        *wrong_type_cases(),
        *body_part_cases(),
        *unsafe_switch_cases(),
        *foreign_source_cases(),
        *leftover_cases(),
    ]
