#!/usr/bin/env bash
# opencv-python-headless 4.14.0.94, imageio-ffmpeg 0.8.1 (ffmpeg 9.0.2)
#
# Behavior: a rotation can stand in the MP4 container or in the H.264 stream itself (a "display
# orientation" message). ffmpeg turns the picture for both, OpenCV only for the first, so one movie
# of 160 x 120 has x and y exchanged between two tools. A stream copy carries the second along.
# Expected: both tools honor or both ignore it, as they agree on the container's.
#
# Seen (height x width):
#   in the container: opencv 160x120, ffmpeg 160x120
#   in the stream:    opencv 120x160, ffmpeg 160x120
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3.11 -m venv venv
venv/bin/pip install --quiet opencv-python-headless==4.14.0.94 imageio-ffmpeg==0.8.1 numpy==2.4.6
venv/bin/python - <<'PY'
import subprocess

import cv2
import imageio_ffmpeg
import numpy as np


def ffmpeg(*arguments):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=1", "-c:v", "libx264",
       "-pix_fmt", "yuv420p", "plain.mp4")
ffmpeg("-display_rotation", "90", "-i", "plain.mp4", "-c", "copy", "container.mp4")
ffmpeg("-i", "plain.mp4", "-c", "copy",
       "-bsf:v", "h264_metadata=display_orientation=insert:rotate=90", "stream.mp4")


def shapes(path):
    ok, picture = cv2.VideoCapture(path).read()
    assert ok
    png = ffmpeg("-i", path, "-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-")
    return picture.shape[:2], cv2.imdecode(np.frombuffer(png, np.uint8), 1).shape[:2]


container, stream = shapes("container.mp4"), shapes("stream.mp4")
for name, (opencv, other) in (("container:", container), ("stream:   ", stream)):
    print(f"in the {name} opencv {opencv[0]}x{opencv[1]}, ffmpeg {other[0]}x{other[1]}")
assert container == ((160, 120), (160, 120))
assert stream == ((120, 160), (160, 120))
PY
