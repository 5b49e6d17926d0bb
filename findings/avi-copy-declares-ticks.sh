#!/usr/bin/env bash
# imageio-ffmpeg 0.8.1 (ffmpeg 9.0.2), opencv-python-headless 4.14.0.94, PyAV 18.0.0
#
# Behavior: "ffmpeg -i movie.mp4 -c copy movie.avi" of a 30-frame movie with a variable frame rate
# writes an AVI that declares 1368 frames: one for each tick of its clock. OpenCV reports 1368 as the
# frame count; 30 can be read. ffmpeg prints no warning.
# Expected: a copy of 30 packets declares 30 frames, or the muxer refuses times that it cannot store.
#
# Seen:
#   mp4: opencv counts 30, reads 30
#   avi: opencv counts 1368, reads 30, pyav declares 1368
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3.11 -m venv venv
venv/bin/pip install --quiet imageio-ffmpeg==0.8.1 opencv-python-headless==4.14.0.94 av==18.0.0 numpy==2.4.6
venv/bin/python - <<'PY'
import subprocess
from fractions import Fraction

import av
import cv2
import imageio_ffmpeg
import numpy as np

tick, time = Fraction(1, 1000), 0
with av.open("movie.mp4", "w") as container:
    stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
    stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
    stream.time_base = stream.codec_context.time_base = tick
    for number in range(30):
        frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), 40 + 3 * number, np.uint8), format="rgb24")
        frame.pts, frame.time_base = time, tick
        time += 40 if number % 10 else 400
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))

copied = subprocess.run(
    [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-i", "movie.mp4", "-c", "copy", "movie.avi"],
    check=True, capture_output=True, text=True,
)


def frames(path):
    capture, read = cv2.VideoCapture(path), 0
    counted = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    while capture.read()[0]:
        read += 1
    return counted, read


with av.open("movie.avi") as container:
    declared = container.streams.video[0].frames
mp4, avi = frames("movie.mp4"), frames("movie.avi")
print(f"mp4: opencv counts {mp4[0]}, reads {mp4[1]}")
print(f"avi: opencv counts {avi[0]}, reads {avi[1]}, pyav declares {declared}")
assert copied.stderr == "", copied.stderr
assert mp4 == (30, 30) and avi == (1368, 30) and declared == 1368
PY
