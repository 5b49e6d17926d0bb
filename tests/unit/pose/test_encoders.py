"""Which encoder, and how finely; a GPU's is tried with a double that fails as real ones do."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from tasks.pose import encoders
from tasks.pose.encoders import FINEST, SAMPLE, encoder_for, quantizer_for
from tasks.pose.movies import open_movie
from tests.movie_files import write_movie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

NO_DEVICE = PermissionError(1, "Operation not permitted", 'avcodec_open2("h264_nvenc")')


@pytest.fixture(autouse=True)
def tried_anew() -> Iterator[None]:
    encoders._nvenc_works.cache_clear()
    yield
    encoders._nvenc_works.cache_clear()


def pictures(noise: float, size: tuple[int, int] = (160, 120)) -> Iterator[np.ndarray]:
    """A still ramp under a camera's noise."""
    rng = np.random.default_rng(3)
    ramp = np.add.outer(np.arange(size[1]), np.arange(size[0]))[..., None] / 2
    while True:
        noisy = ramp + rng.normal(0, noise, ramp.shape)
        yield np.repeat(noisy.clip(0, 255), 3, axis=2).astype(np.uint8)


def test_the_more_noise_the_coarser() -> None:
    clean, noisy, wild = (quantizer_for(islice(pictures(n), SAMPLE)) for n in (0, 6, 40))
    assert clean == FINEST < noisy < wild < 40


@pytest.mark.parametrize("size", [(160, 120), (161, 121)], ids=str)
def test_planes_and_images_have_one_quantizer(tmp_path: Path, size: tuple[int, int]) -> None:
    movie = write_movie(tmp_path / "m.mp4", SAMPLE, codec="mpeg4", width=size[0], height=size[1])
    found = list(open_movie(movie).pictures())
    images = quantizer_for(image() for _, image in found)
    planes = quantizer_for(image() if planes is None else planes for planes, image in found)
    assert abs(images - planes) <= 1


def test_a_movie_of_one_frame_has_a_quantizer() -> None:
    assert quantizer_for(islice(pictures(0), 1)) >= FINEST
    assert quantizer_for([]) == FINEST


def answering(answer: int | Exception) -> Callable[..., int]:
    def encoded(name: str, options: Mapping[str, str], width: int, height: int) -> int:
        assert (name, options["qp"]) == ("h264_nvenc", str(FINEST))
        if isinstance(answer, Exception):
            raise answer
        return answer

    return encoded


@pytest.mark.parametrize(
    "answer",
    [
        av.error.PermissionError(*NO_DEVICE.args[:2]),
        av.error.ExternalError(-1, "Generic error in an external library"),
        ValueError("no such encoder"),
        0,
        2,
    ],
    ids=["no driver", "no encoder on the GPU", "not in FFmpeg", "nothing comes", "too little"],
)
def test_x264_encodes_where_no_gpu_does(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    monkeypatch.setattr(encoders, "_encoded", answering(answer))
    found = encoder_for(640, 480, 23)
    assert found.name == "libx264"
    assert (found.options["qp"], found.options["bf"]) == ("23", "0")


def test_a_gpu_that_encodes_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_encoded", answering(3))
    found = encoder_for(640, 480, 23)
    assert found.name == "h264_nvenc"
    assert (found.options["qp"], found.options["bf"]) == ("23", "0")


def test_each_size_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []

    def encoded(_name: str, _options: Any, width: int, height: int) -> int:
        sizes.append((width, height))
        return 3 if width <= 4096 else 0

    monkeypatch.setattr(encoders, "_encoded", encoded)
    names = [encoder_for(width, 480).name for width in (640, 8192, 640, 8192)]
    assert names == ["h264_nvenc", "libx264"] * 2
    assert sizes == [(640, 480), (8192, 480)]


def test_what_is_tried_is_what_an_encoder_gives() -> None:
    options = encoder_for(64, 48).options
    assert encoders._encoded("libx264", options, 64, 48) == 3
    with pytest.raises((av.FFmpegError, ValueError)):
        encoders._encoded("libx264", {**options, "preset": "none such"}, 64, 48)
