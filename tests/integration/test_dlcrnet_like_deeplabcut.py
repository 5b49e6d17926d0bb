"""DLCRNet, whose modules keep features of a batch: each batch has DeepLabCut's own poses.

Its backbone leaves the features of two banks on itself, where each lane has its own; so it runs
packed and in lanes. New multi-animal projects use it.
"""

import os
import subprocess
import sys

import pytest

from tasks.processes.environment import thread_limits
from tests.support.paths import ROOT

PROGRAM = """
import copy, sys, tempfile
from pathlib import Path
import numpy as np
import torch
from deeplabcut.pose_estimation_pytorch.apis import utils
from deeplabcut.pose_estimation_pytorch.config.pose import PoseConfig, TestConfig
from deeplabcut.pose_estimation_pytorch.models import PoseModel
from tasks.pose.model.archive import unpack_model
from tasks.pose.network.batch_lanes import predict_in_lanes
from tasks.pose.network.pytorch.network import TorchNetwork
from tests.support.blob_movies import draw_blobs
from tests.support.model_zips import format_yaml, write_zip
from tests.support.torch_models import ModelKind, build_project, calibrate_model, to_plain_values

name, folder = sys.argv[1], Path(sys.argv[2])
torch.set_num_threads(2)
project = build_project(ModelKind())
made = PoseConfig.build(project, "pytorch_config.yaml", top_down=False, net_type=name)
config = made.to_dict()
torch.manual_seed(1)
network = PoseModel.build(copy.deepcopy(config["model"]), pretrained_backbone=False)
model = calibrate_model(network)
frames = np.stack([draw_blobs(4 * index, 2) for index in range(14)])
pictures = torch.from_numpy(frames[:4] / 255).float().sub(0.45).div(0.22).permute(0, 3, 1, 2)
with torch.no_grad():  # few and clear peaks
    heatmap = model(pictures)["bodypart"]["heatmap"]
    parts = model.heads["bodypart"].heatmap_head.modules()
    last = [part for part in parts if isinstance(part, torch.nn.ConvTranspose2d)][-1]
    last.bias.sub_(float(torch.quantile(heatmap.flatten(), 0.999))).mul_(8 / float(heatmap.std()))
    last.weight.mul_(8 / float(heatmap.std()))
state = folder / "snapshot-007.pt"
torch.save({"model": model.state_dict(), "metadata": {"epoch": 7}}, state)
place = "dlc-models-pytorch/iteration-0/smallNov1-trainset95shuffle1"
archive = write_zip(folder / "model.zip", {
    "config.yaml": format_yaml(project),
    f"{place}/train/pytorch_config.yaml": format_yaml(to_plain_values(config)),
    f"{place}/train/snapshot-007.pt": state.read_bytes(),
    f"{place}/test/pose_cfg.yaml": format_yaml(to_plain_values(TestConfig.build(config).to_dict())),
})
unpack_model(archive, archive.name, folder / "project")
plain = PoseConfig.from_dict(to_plain_values(config))
runner = utils.get_pose_inference_runner(plain, state, batch_size=4, device="cpu")
right = np.stack([one["bodyparts"][..., :3] for one in runner.inference(list(frames))])
ours = TorchNetwork(folder / "project", "cpu")
ours.begin_movie(frames[0])
batches = [frames[start : start + 4] for start in range(0, len(frames), 4)]  # the last has two
found = [one["bodyparts"] for _, one in predict_in_lanes(ours.predict, batches, ours.lanes)]
assert ours.lanes.count == 2, ours.lanes
assert ours.loaded.execution == "prepared", ours.loaded
lacks = [np.where(np.isnan(a) | (a < 0), -1, a) for a in (np.concatenate(found), right)]
print("differs by", np.abs(lacks[0] - lacks[1]).max(), "found", (right[..., 2] > 0).sum())
np.testing.assert_allclose(lacks[0][..., :2], lacks[1][..., :2], atol=1e-2)
np.testing.assert_allclose(lacks[0][..., 2], lacks[1][..., 2], atol=1e-4)
assert (right[..., 2] > 0).sum() > 10
"""


@pytest.mark.parametrize("network", ["dlcrnet_stride16_ms5"])
def test_every_batch_has_deeplabcuts_poses(network: str, tmp_path: object) -> None:
    command = [sys.executable, "-c", PROGRAM, network, str(tmp_path)]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | thread_limits(2),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
