#!/usr/bin/env bash
# imageio-ffmpeg 0.8.1, PyAV 18.0.0
#
# Behavior: imageio_ffmpeg.read_frames yields 57 frames for a movie of 30 with a variable frame rate,
# while count_frames_and_secs of the same library reports 30. ffmpeg repeats pictures to fill the
# gaps in time, so every index after the first gap means another frame than for PyAV or OpenCV.
# Expected: the frames of the file, each once; and two functions of one library that agree.
#
# Seen:
#   pyav 30, count_frames_and_secs 30, read_frames 57
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3.11 -m venv venv
venv/bin/pip install --quiet imageio-ffmpeg==0.8.1 av==18.0.0 numpy==2.4.6
venv/bin/python - <<'PY'
from fractions import Fraction

import av
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

with av.open("movie.mp4") as container:
    true = sum(1 for _ in container.decode(video=0))
counted, _ = imageio_ffmpeg.count_frames_and_secs("movie.mp4")
frames = imageio_ffmpeg.read_frames("movie.mp4")
next(frames)  # the metadata
read = sum(1 for _ in frames)
print(f"pyav {true}, count_frames_and_secs {counted}, read_frames {read}")
assert true == counted == 30 and read == 57
PY
