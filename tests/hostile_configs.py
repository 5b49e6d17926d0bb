"""Archives whose configuration files attack whoever reads them, or point elsewhere."""

import datetime as dt
from itertools import pairwise
from typing import Any

from tests.hostile_cases import Case, Outcome, of_files, with_files
from tests.model_zips import (
    MODEL,
    NETWORK,
    PROJECT,
    SNAPSHOT,
    TRAIN,
    Files,
    changed,
    model_files,
    text_of,
)

NETWORK_PATH = f"{TRAIN}/pytorch_config.yaml"
OWNED = "touch owned"


def project(name: str, says: str = "", outcome: Outcome = "refused", **changes: Any) -> Case:
    """A good model, but for some values of config.yaml."""
    files = {"config.yaml": text_of(changed(PROJECT, **changes))}
    return with_files(f"config.yaml: {name}", files, says, outcome)


def network(name: str, says: str = "", outcome: Outcome = "refused", **changes: Any) -> Case:
    """A good model, but for some values of pytorch_config.yaml."""
    files = {NETWORK_PATH: text_of(changed(NETWORK, **changes))}
    return with_files(f"pytorch_config.yaml: {name}", files, says, outcome)


# --- YAML -------------------------------------------------------------------------------------


def laughs(opening: str, joined: str) -> str:
    lines = [f"a: &a {opening}"]
    lines += [
        f"{here}: &{here} {joined.format(','.join([f'*{above}'] * 10))}"
        for above, here in pairwise("abcdefghi")
    ]
    return "\n".join(lines)


def colliding_keys(count: int) -> str:
    """Numbers that Python's dictionaries put into one place."""
    modulus = 2**61 - 1
    return "\n".join(f"{index * modulus}: 1" for index in range(1, count))


def yaml_texts() -> dict[str, str]:
    return {
        "object that runs a command": f"a: !!python/object/apply:os.system ['{OWNED}']",
        "object made new": f"a: !!python/object/new:os.system ['{OWNED}']",
        "module": "a: !!python/module:antigravity",
        "name": "a: !!python/name:os.system",
        "own tag": "%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system x",
        "billion laughs": laughs("[lol]", "[{}]"),
        "billion merges": laughs("{k: lol}", "{{<<: [{}]}}"),
        "merge of itself": "a: &a {<<: *a}",
        "list of itself": "a: &a [*a]",
        "10,000 brackets": "a: " + "[" * 10_000,
        "10,000 braces": "a: " + "{x: " * 10_000,
        "10,000 dashes": "- " * 10_000,
        "10,000 levels": "\n".join(" " * index + "a:" for index in range(1000)),
        "500,000 values": "a: [" + "1," * 500_000 + "1]",
        "100,000 keys": "\n".join(f"k{index}: 1" for index in range(100_000)),
        "colliding keys": colliding_keys(24_000),
        "million-digit number": "a: " + "9" * 1_000_000,
        "hexadecimal of a million digits": "a: 0x" + "f" * 1_000_000,
        "base 60": "a: 1" + ":59" * 300_000,
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


def yaml_cases() -> list[Case]:
    data = {name: text.encode("utf-8", "surrogatepass") for name, text in yaml_texts().items()}
    data |= raw_texts()
    where = ["config.yaml", NETWORK_PATH]
    return [
        with_files(f"YAML: {name}", {where[index % 2]: text})
        for index, (name, text) in enumerate(data.items())
    ]


# --- values -----------------------------------------------------------------------------------


def pointing_elsewhere() -> list[Case]:
    places = ["../..", "/etc", "a/../..", "..\\..", "a\0b", "a\nb", "x" * 5000]
    return [
        *(project(f"Task {place[:9]!r}", "Task", Task=place) for place in places),
        *(project(f"date {place[:9]!r}", "date", date=place) for place in places[:3]),
        project("Task that is a list", "Task", Task=["../.."]),
        project("Task that is a mapping", "Task", Task={"a": "../.."}),
        project("date as a number", "", "opened", date=20241030),
        project("date that YAML takes for one", "", "opened", date=dt.date(2024, 10, 30)),
        project("empty Task and date", "", "opened", Task="", date=""),
        project("project_path", "", "opened", project_path="../../.."),
        project("project_path with NUL", "", "opened", project_path="/a\0b"),
        project("project_path as a list", "", "opened", project_path=["/etc", "x" * 9999]),
        project("scorer", "", "opened", scorer="../../../etc/\x07passwd"),
        project("videos elsewhere", "", "opened", video_sets={"/etc/passwd": {"crop": "0, 1"}}),
        network("paths", "", "opened", metadata__project_path="/etc",
                metadata__pose_config_path="/etc/passwd"),
    ]  # fmt: skip


def of_wrong_kinds() -> list[Case]:
    nan, endless = float("nan"), float("inf")
    return [
        project("snapshotindex beyond all", "snapshotindex", snapshotindex=10**60),
        project("snapshotindex endless", "snapshotindex", snapshotindex=endless),
        project("snapshotindex a list", "snapshotindex", snapshotindex=[0] * 500),
        project("TrainingFraction endless", "", "opened", TrainingFraction=[endless]),
        project("TrainingFraction no number", "", "opened", TrainingFraction={"a": nan}),
        project("batch_size negative", "", "opened", batch_size=-5),
        project("batch_size endless", "", "opened", batch_size=endless),
        project("batch_size no number", "", "opened", batch_size=nan),
        project("iteration negative", "", "opened", iteration=-(10**50)),
        project("cropping to nowhere", "cropping", "repaired", cropping=True, x1=-9, x2=nan),
        project("skeleton of a thousand", "", "opened", skeleton=[["nose", "x"]] * 1000),
        project("skeleton in circles", "", "opened", skeleton=[[["nose"]], {"a": 1}, 5]),
        project("skeleton_color", "color", "repaired", skeleton_color="\n" * 500),
        project("multianimalproject", "", "opened", multianimalproject=[1]),
        network("metadata a list", "metadata", metadata=["x"]),
        network("model a text", "model", model="resnet"),
        network("heads a list", "heads", model__heads=["x"]),
        network("runner a number", "runner", runner=5),
        network("runner a list", "runner", runner=[{"load_weights_only": False}]),
        network("inference a text", "inference", inference="fast"),
        network("data a list", "data", data=["x"]),
        network("detector a text", "detector", detector="yes"),
        network("net_type a mapping", "", "opened", net_type={"a": "b" * 9999}),
    ]


def of_other_parts() -> list[Case]:
    where = "bodyparts"
    many = [f"part{index}" for index in range(2000)]
    six = ["nose", "ear", "tail"] * 2
    return [
        project("other body parts", "body parts", bodyparts=["paw", "ear", "tail"]),
        project("the same body parts twice", "twice", bodyparts=six),
        network("body parts that are no names", where, metadata__bodyparts=["a", None, 3.5]),
        network("body parts with a newline", where, metadata__bodyparts=["a", "b\nc", "d"]),
        network("body parts that point elsewhere", "", metadata__bodyparts=["../a", "b", "c\0"]),
        network("body parts that write from right to left", "",
                metadata__bodyparts=["a", "\u202eb", "c"]),
        network("body parts twice", where, metadata__bodyparts=["a", "a", "b"]),
        network("2,000 body parts", "", metadata__bodyparts=many),
        network("2,000 body parts and outputs", "", metadata__bodyparts=many,
                model__heads__bodypart__target_generator__num_heatmaps=2000),
        network("a body part of 100,000 letters", "",
                metadata__bodyparts=["nose", "ear", "x" * 100_000]),
        network("2,000 animals", "", metadata__individuals=many),
        network("one output too many", "outputs",
                model__heads__bodypart__target_generator__num_heatmaps=4),
        network("outputs without number", "", "opened",
                model__heads__bodypart__target_generator__num_heatmaps=float("inf")),
    ]  # fmt: skip


def of_unsafe_switches() -> list[Case]:
    weights = {"load_weights_only": False}
    compiled = {"compile": {"enabled": True, "backend": "inductor"}}
    detector = {"runner": weights, "device": "cuda:7", "inference": compiled}
    return [
        network("weights with code", "load_weights_only", "repaired", runner=weights),
        network("detector's weights with code", "load_weights_only", "repaired",
                detector=detector),
        network("compiler", "compile", "repaired", inference=compiled),
        network("another device", "device", "repaired", device="cuda:0"),
        network("a device that is none", "device", "repaired", device="\x1b[31m" * 99),
        network("resume from elsewhere", "", "opened", resume_training_from="/etc/passwd"),
        network("logger that calls home", "", "opened",
                logger={"type": "WandbLogger", "project_name": "x"}),
    ]  # fmt: skip


def of_other_homes() -> list[Case]:
    hub = "model_name"
    names = ["hf-hub:lab/resnet", "hf_hub:lab/resnet", "local-dir:/etc", "https://example.org/x",
             "/etc/passwd", "../../x", "lab/resnet"]  # fmt: skip
    backbone = {"type": "ResNet", "model_name": "resnet18"}
    kwargs = {
        "pretrained_cfg": {"url": "https://example.org/w.pt"},
        "pretrained_cfg_overlay": {"file": "/etc/passwd"},
        "checkpoint_path": "/etc/passwd",
        "weights": "https://example.org/w.pt",
        "cache_dir": "/etc",
    }
    return [
        *(network(f"backbone {name}", model__backbone=backbone | {hub: name}) for name in names),
        *(
            network(f"backbone with {key}", model__backbone=backbone | {key: value})
            for key, value in kwargs.items()
        ),
        network("backbone with inner kwargs",
                model__backbone=backbone | {"kwargs": {"checkpoint_path": "/etc/passwd"}}),
        network("backbone that is downloaded", "pretrained", "repaired",
                model__backbone=backbone | {"pretrained": True}),
        network("detector that is downloaded", "pretrained", "repaired",
                detector={"model": {"type": "FasterRCNN", "pretrained": True}}),
        network("backbone's type from elsewhere", "os.system",
                model__backbone=backbone | {"type": "os.system"}),
        network("crops of a terabyte", "top_down_crop",
                data__inference={"top_down_crop": {"width": 10**6, "height": 10**6}}),
        network("weights of a detector elsewhere",
                detector={"model": {"type": "SSDLite", "weights": "/etc/passwd"}}),
    ]  # fmt: skip


# --- what lies beside -------------------------------------------------------------------------


def of_leftovers() -> list[Case]:
    pickle = b"cos\nsystem\n(S'touch owned'\ntR."
    data = "training-datasets/iteration-0/UnaugmentedDataSet"
    beside: Files = {
        f"{data}/Documentation_data-openfield_95shuffle1.pickle": pickle,
        f"{data}/metadata.yaml": b"!!python/object/apply:os.system ['touch owned']",
        "sitecustomize.py": b"open('owned', 'w')",
        f"{TRAIN}/yaml.py": b"open('owned', 'w')",
        f"{TRAIN}/{SNAPSHOT}.so": b"\x7fELF",
        f"{MODEL}/test/results.h5": b"x",
    }
    unused = {
        f"{MODEL}/test/pose_cfg.yaml": b"a: !!python/name:os.system",
    }
    only = {k: v for k, v in model_files().items() if not k.endswith(".pt")}
    return [
        with_files("pickles and programs beside the model", beside, "", "opened"),
        with_files("hostile test/pose_cfg.yaml", unused, "test/pose_cfg.yaml", "repaired"),
        with_files("a second model", {f"{MODEL}-2/train/snapshot-1.pt": b"x"}, "folders"),
        of_files("no snapshot", only, "snapshot"),
        of_files("no network", {f"{TRAIN}/{SNAPSHOT}": b"x"}),
    ]


def config_cases() -> list[Case]:
    return [
        *pointing_elsewhere(),
        *of_wrong_kinds(),
        *of_other_parts(),
        *of_unsafe_switches(),
        *of_other_homes(),
        *of_leftovers(),
    ]
