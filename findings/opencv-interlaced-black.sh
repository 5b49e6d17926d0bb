#!/usr/bin/env bash
# opencv-python-headless 4.14.0.94, PyAV 18.0.0, imageio-ffmpeg 0.8.1 (only for its ffmpeg)
#
# Behavior: OpenCV's VideoCapture returns True and an almost black picture for every frame of an
# H.264 movie that is flagged interlaced. The conversion to BGR fails inside OpenCV; a line on
# standard error is the only sign.
# Expected: the picture, as PyAV decodes it from the same file, or False from read().
#
# Seen:
#   opencv: 25 of 25 frames read, mean brightness 0.0
#   pyav:   25 frames, mean brightness 114.5
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3.11 -m venv venv
venv/bin/pip install --quiet opencv-python-headless==4.14.0.94 av==18.0.0 imageio-ffmpeg==0.8.1 numpy==2.4.6
venv/bin/python - 2>stderr.txt <<'PY' || { tail -n 5 stderr.txt; exit 1; }
import subprocess

import av
import cv2
import imageio_ffmpeg
import numpy as np

subprocess.run(
    [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi",
     "-i", "testsrc2=size=160x120:rate=25:duration=1", "-c:v", "libx264", "-pix_fmt", "yuv420p",
     "-flags", "+ilme+ildct", "-x264opts", "tff=1", "movie.mp4"],
    check=True,
)
capture, seen = cv2.VideoCapture("movie.mp4"), []
while True:
    ok, picture = capture.read()
    if not ok:
        break
    seen.append(picture.mean())
with av.open("movie.mp4") as container:
    true = [frame.to_ndarray(format="bgr24").mean() for frame in container.decode(video=0)]
print(f"opencv: {len(seen)} of 25 frames read, mean brightness {np.mean(seen):.1f}")
print(f"pyav:   {len(true)} frames, mean brightness {np.mean(true):.1f}")
assert len(seen) == len(true) == 25
assert max(seen) < 1 and min(true) > 50
PY
