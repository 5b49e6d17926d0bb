"""Which encoder; a GPU's is tried with a double that fails as real ones do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import pytest

from tasks.pose.drawing import encoders
from tasks.pose.drawing.encoders import choose_encoder, encode_with_fallback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NO_DEVICE = PermissionError(1, "Operation not permitted", 'avcodec_open2("h264_nvenc")')


def forget() -> None:
    encoders._can_nvenc_encode.cache_clear()
    encoders._gpu_used.clear()
    encoders._gpu_failed.clear()


@pytest.fixture(autouse=True)
def tried_anew() -> Iterator[None]:
    forget()
    yield
    forget()


def answering(answer: int | Exception) -> Callable[..., int]:
    def encoded(name: str, options: Mapping[str, str], width: int, height: int) -> int:
        assert (name, options["rc"]) == ("h264_nvenc", "vbr")
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
    monkeypatch.setattr(encoders, "_count_encoded_pictures", answering(answer))
    found = choose_encoder(640, 480)
    assert found.name == "libx264"
    assert found.options["bf"] == "0"


def test_a_gpu_that_encodes_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_count_encoded_pictures", answering(3))
    found = choose_encoder(640, 480)
    assert found.name == "h264_nvenc"
    assert found.options["bf"] == "0"


def test_each_size_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []

    def encoded(_name: str, _options: Any, width: int, height: int) -> int:
        sizes.append((width, height))
        return 3 if width <= 4096 else 0

    monkeypatch.setattr(encoders, "_count_encoded_pictures", encoded)
    names = [choose_encoder(width, 480).name for width in (640, 8192, 640, 8192)]
    assert names == ["h264_nvenc", "libx264"] * 2
    assert sizes == [(640, 480), (8192, 480)]


def test_what_is_tried_is_what_an_encoder_gives() -> None:
    options = choose_encoder(64, 48).options
    assert encoders._count_encoded_pictures("libx264", options, 64, 48) == 3
    with pytest.raises((av.FFmpegError, ValueError)):
        encoders._count_encoded_pictures("libx264", {**options, "preset": "none such"}, 64, 48)


def test_a_gpu_that_fails_later_is_left_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_count_encoded_pictures", answering(3))
    tried: list[str] = []

    def fail() -> None:
        tried.append(choose_encoder(640, 480).name)
        raise av.error.ExternalError(-1, "Generic error in an external library")

    for _ in range(2):
        with pytest.raises(av.FFmpegError):
            encode_with_fallback(fail)
    assert tried == ["h264_nvenc", "libx264", "libx264"]


def test_what_fails_without_a_gpu_is_not_tried_again() -> None:
    tried: list[int] = []

    def fail() -> None:
        tried.append(1)
        raise av.error.InvalidDataError(-1, "Invalid data found when processing input")

    with pytest.raises(av.FFmpegError):
        encode_with_fallback(fail)
    assert tried == [1]
