"""What of the TensorFlow engine needs no TensorFlow: how batches are made up, and refusals."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tasks.errors import BadInput, Retriable
from tasks.pose.model.tensorflow_config import is_tensorflow_installed
from tasks.pose.network.interface import LoadedModel
from tasks.pose.network.loader import load_network
from tasks.pose.network.tensorflow_network import TensorFlowNetwork
from tasks.pose.network.tensorflow_poses import SinglePoseFinder
from tests.support.paths import ROOT

SIZE = 3


class FullError(Exception):
    """Stands for TensorFlow's own."""


class Session:
    """Remembers what it was fed with; a frame's only part is where its first pixel says."""

    def __init__(self) -> None:
        self.fed: list[list[int]] = []
        self.full = False

    def run(self, outputs: str, feed_dict: dict[str, NDArray[np.uint8]]) -> list[Any]:
        if self.full:
            raise FullError("OOM when allocating tensor")
        marks = feed_dict["frames"][:, 0, 0, 0]
        self.fed.append(marks.tolist())
        row, column, likelihood = marks + 0.5, marks * 2, marks / 255
        return [np.stack([row, column, likelihood], axis=1).astype(np.float32)]


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def network(session: Session) -> TensorFlowNetwork:
    made = TensorFlowNetwork.__new__(TensorFlowNetwork)
    finder = SinglePoseFinder({"all_joints_names": ["nose"]}, "DLC")
    finder._session, finder._inputs, finder._outputs = session, "frames", "poses"
    made._finder = finder
    made._tensorflow = SimpleNamespace(errors=SimpleNamespace(ResourceExhaustedError=FullError))
    made._size = SIZE
    made.loaded = LoadedModel("DLC", "snapshot-1", "cpu", "deeplabcut", ())
    return made


def frames(*marks: int) -> NDArray[np.uint8]:
    found = np.zeros((len(marks), 4, 6, 3), np.uint8)
    found[:, 0, 0, 0] = marks
    return found


def test_the_last_batch_is_filled_up_with_frames_of_the_one_before(
    network: TensorFlowNetwork, session: Session
) -> None:
    assert network.begin_movie(frames(1)[0]) == SIZE
    found = [network.predict(batch) for batch in (frames(1, 2, 3), frames(4))]
    assert session.fed == [[1, 2, 3], [4, 2, 3]]
    assert [len(poses) for poses in found] == [3, 1]


def test_nothing_of_a_movie_is_left_for_the_next(
    network: TensorFlowNetwork, session: Session
) -> None:
    network.begin_movie(frames(1)[0])
    network.predict(frames(1, 2, 3))
    network.begin_movie(frames(7)[0])
    network.predict(frames(7))
    assert session.fed[-1] == [7, 0, 0]


def test_poses_are_x_y_likelihood_in_double_precision(network: TensorFlowNetwork) -> None:
    network.begin_movie(frames(51)[0])
    table = network.build_table([network.predict(frames(51))])
    expected = [("DLC", "nose", coord) for coord in ("x", "y", "likelihood")]
    assert table.columns.equals(pd.MultiIndex.from_tuples(expected))
    assert set(table.dtypes) == {np.dtype(np.float64)}
    np.testing.assert_allclose(table.to_numpy(), [[102, 51.5, 0.2]], rtol=1e-6)


def test_a_full_device_is_worth_another_try(network: TensorFlowNetwork, session: Session) -> None:
    network.begin_movie(frames(1)[0])
    session.full = True
    with pytest.raises(Retriable, match="a batch of 3 frames of 6×4 pixels"):
        network.predict(frames(1, 2, 3))


@pytest.mark.skipif(is_tensorflow_installed(), reason="TensorFlow is in this environment")
def test_without_tensorflow_the_remedy_is_told(tmp_path: Path) -> None:
    (tmp_path / "dlc-models").mkdir()
    with pytest.raises(BadInput, match="run `make setup-tensorflow`"):
        load_network(tmp_path, None)


def test_the_module_loads_without_tensorflow() -> None:
    heavy = "{'tensorflow', 'torch', 'deeplabcut'} & set(sys.modules)"
    code = f"import sys; import tasks.pose.network.tensorflow_network; print({heavy})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "set()"
