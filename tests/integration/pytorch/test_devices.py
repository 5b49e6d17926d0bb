"""The devices of this machine, as PyTorch knows them."""

from pathlib import Path

import pytest

from tasks.environment_variables import DEVICE_LOCKS
from tasks.pose.network.device_locks import CPU, Device, find_devices


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DEVICE_LOCKS.name, str(tmp_path / "slots"))
    return tmp_path / "slots"


def test_without_a_gpu_the_processors_are_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_devices() == find_devices("cpu") == [CPU]


class TestGpus:
    """With PyTorch's account of two GPUs in place of real ones."""

    @pytest.fixture(autouse=True)
    def two(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch

        class Properties:
            def __init__(self, index: int) -> None:
                self.uuid = f"uuid{index}"

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_properties", Properties)

    def test_each_is_known_by_its_own_id(self) -> None:
        assert find_devices() == [Device("cuda:0", "gpu-uuid0"), Device("cuda:1", "gpu-uuid1")]

    def test_one_can_be_asked_for(self) -> None:
        assert find_devices("cuda:1") == [Device("cuda:1", "gpu-uuid1")]
        assert find_devices("cpu") == [CPU]

    def test_an_engine_may_use_the_first_alone(self) -> None:
        assert find_devices(only_first=True) == [Device("cuda:0", "gpu-uuid0")]
