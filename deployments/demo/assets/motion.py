"""The mouse's motion: it runs along the walls, pauses, looks around, and its body follows."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deployments.demo.assets.arena import FPS

Floats = npt.NDArray[np.float32]

SPINE_NODES = 41
TAIL_NODES = 22
_SUBSTEPS = 4
_TIME_STEP = 1 / FPS / _SUBSTEPS
_SHOULDER_NODE = 17
_REAR_NODES = 8
_SPINE_POSITIONS = np.linspace(0, 1, SPINE_NODES)


@dataclass(frozen=True)
class Pose:
    """The mouse in one frame; all points in pixels.

    Attributes:
        spine: From the tip of the nose to the base of the tail, (41, 2).
        tail: From its base to its tip, (22, 2).
        paws: Left fore, right fore, left hind, right hind, (4, 2).
        girth: Width relative to the average, 1 for a walking mouse.
        velocity: Pixels per second, (2,).
    """

    spine: Floats
    tail: Floats
    paws: Floats
    girth: float
    velocity: Floats


@dataclass
class _Walker:
    """The state of the walk: lengths in pixels, angles in radians, times in seconds."""

    rng: np.random.Generator
    half: float
    length: float
    shoulder: npt.NDArray[np.float64]
    heading: float
    target: npt.NDArray[np.float64]
    wall_position: float
    patrol: int
    cruise: float = 0.0
    bout: float = 0.0
    speed: float = 0.0
    turn: float = 0.0
    wander: float = 0.0
    yaw: float = 0.0
    gaze: float = 0.0
    gaze_left: float = 0.0
    stretch: float = 0.95
    posture: float = 0.95
    phase: float = 0.0
    clock: float = 0.0
    rear: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(_REAR_NODES))
    tail: list[tuple[float, float]] = field(default_factory=list)


def generate_poses(rng: np.random.Generator, half: float, length: float) -> Iterator[Pose]:
    """Walk for ever over a square floor, one pose for each frame, from the floor's center.

    Args:
        rng: The source of every decision.
        half: Half a side of the floor, pixels.
        length: From nose to tail base of the walking mouse, pixels.
    """
    walker = _create_walker(rng, half, length)
    while True:
        for _ in range(_SUBSTEPS):
            _advance_walker(walker)
        spine = _compute_spine(walker)
        _drag_tail(walker, spine)
        yield _build_pose(walker, spine)


def _create_walker(rng: np.random.Generator, half: float, length: float) -> _Walker:
    """Put the mouse somewhere on the floor, its body straight."""
    heading = float(rng.uniform(-np.pi, np.pi))
    walker = _Walker(
        rng=rng,
        half=half,
        length=length,
        shoulder=rng.uniform(-half / 2, half / 2, size=2),
        heading=heading,
        target=np.zeros(2),
        wall_position=float(rng.uniform(0, 4)),
        patrol=int(rng.choice([-1, 1])),
        rear=np.full(_REAR_NODES, heading),
    )
    _choose_target(walker)
    return walker


def _advance_walker(walker: _Walker) -> None:
    """Advance by one substep."""
    walker.clock += _TIME_STEP
    _update_decisions(walker)
    _steer_walker(walker)
    _bend_body(walker)
    _keep_inside(walker)


def _update_decisions(walker: _Walker) -> None:
    """Begin the next bout, glance or stretch of way where the last one has ended."""
    walker.bout -= _TIME_STEP
    walker.gaze_left -= _TIME_STEP
    if walker.bout <= 0:
        _choose_bout(walker)
    if walker.gaze_left <= 0:
        _choose_gaze(walker)
    if np.hypot(*(walker.target - walker.shoulder)) < 38:
        _choose_target(walker)


def _choose_bout(walker: _Walker) -> None:
    """Alternate between going somewhere and staying to sniff, sometimes half upright."""
    rng = walker.rng
    if walker.cruise < 20:
        walker.cruise = float(np.clip(rng.lognormal(math.log(135), 0.45), 55, 290))
        walker.bout, walker.posture = float(rng.uniform(1.0, 3.6)), 1.0
        return
    walker.cruise = float(rng.uniform(0, 7))
    near_wall = np.abs(walker.shoulder).max() > walker.half - 60
    upright = bool(near_wall and rng.random() < 0.35)
    walker.bout = float(rng.uniform(0.5, 1.9))
    walker.posture = float(rng.uniform(0.76, 0.84) if upright else rng.uniform(0.9, 0.97))


def _choose_gaze(walker: _Walker) -> None:
    """Turn the head: wide glances while standing, small ones while walking."""
    resting = walker.cruise < 20
    walker.gaze = float(walker.rng.normal(0, 0.42 if resting else 0.12))
    walker.gaze_left = float(walker.rng.uniform(0.25, 0.8))


def _choose_target(walker: _Walker) -> None:
    """Mostly go on along the walls, now and then cross the open center."""
    rng = walker.rng
    if rng.random() < 0.22:
        walker.target = rng.uniform(-0.55, 0.55, size=2) * walker.half
        return
    if rng.random() < 0.15:
        walker.patrol = -walker.patrol
    walker.wall_position += walker.patrol * float(rng.uniform(0.2, 0.5))
    reach = walker.half - float(rng.uniform(26, 44))
    walker.target = _locate_on_square(walker.wall_position) * reach


def _locate_on_square(position: float) -> npt.NDArray[np.float64]:
    """A point of the square of half side 1, `position` sides along its outline."""
    side, along = divmod(position % 4, 1)
    x, y = 2 * along - 1, -1.0
    for _ in range(int(side)):
        x, y = -y, x
    return np.array([x, y])


def _steer_walker(walker: _Walker) -> None:
    """Turn toward the target and move; sharp turns are slow."""
    offset = walker.target - walker.shoulder
    error = _wrap_angle(math.atan2(offset[1], offset[0]) - walker.heading)
    walker.wander += (
        -walker.wander * _TIME_STEP / 0.6 + 1.7 * math.sqrt(_TIME_STEP) * walker.rng.normal()
    )
    wanted = walker.cruise * (0.4 + 0.6 * max(0.0, math.cos(error)))
    walker.speed += (wanted - walker.speed) * _TIME_STEP / (0.28 if wanted > walker.speed else 0.16)
    going = min(1.0, walker.speed / 70)
    turn = float(np.clip(3.6 * error, -4.2, 4.2)) * (0.08 + 0.92 * going) + walker.wander * going
    walker.turn += (turn - walker.turn) * _TIME_STEP / 0.12
    walker.heading += walker.turn * _TIME_STEP
    ahead = np.array([math.cos(walker.heading), math.sin(walker.heading)])
    walker.shoulder = walker.shoulder + walker.speed * _TIME_STEP * ahead
    walker.phase += 2 * math.pi * walker.speed * _TIME_STEP / (0.72 * walker.length)


def _wrap_angle(angle: float) -> float:
    """The same angle between -pi and pi."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _bend_body(walker: _Walker) -> None:
    """Let the rear follow the path of the shoulders, and the head lead the turn."""
    spacing = walker.length * (1 - _SHOULDER_NODE / (SPINE_NODES - 1)) / _REAR_NODES
    before = np.concatenate([[walker.heading], walker.rear[:-1]])
    walker.rear += (before - walker.rear) * (walker.speed / spacing + 8.0) * _TIME_STEP
    lead = float(np.clip(0.16 * walker.turn + walker.gaze, -0.7, 0.7))
    walker.yaw += (lead - walker.yaw) * _TIME_STEP / 0.09
    posture = walker.posture + 0.05 * min(1.0, walker.speed / 250)
    walker.stretch += (posture - walker.stretch) * _TIME_STEP / 0.22


def _compute_spine(walker: _Walker) -> Floats:
    """Integrate the angles along the body: (41, 2), nose first."""
    forward = np.clip((_SPINE_POSITIONS[_SHOULDER_NODE] - _SPINE_POSITIONS) / 0.14, 0, 1)
    angles = walker.heading + walker.yaw * forward * forward * (3 - 2 * forward)
    rear = np.concatenate([[walker.heading], walker.rear])
    places = np.linspace(_SPINE_POSITIONS[_SHOULDER_NODE], 1, _REAR_NODES + 1)
    angles[_SHOULDER_NODE:] = np.interp(_SPINE_POSITIONS[_SHOULDER_NODE:], places, rear)
    sway = 0.075 * min(1.0, walker.speed / 90) * np.clip((_SPINE_POSITIONS - 0.25) / 0.4, 0, 1)
    angles += sway * np.sin(walker.phase - 5.5 * _SPINE_POSITIONS)
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    steps *= walker.length * walker.stretch / (SPINE_NODES - 1)
    behind = np.cumsum(steps, axis=0)
    return np.asarray(walker.shoulder + behind[_SHOULDER_NODE] - behind, dtype=np.float32)


def _keep_inside(walker: _Walker) -> None:
    """Push the mouse off a wall that it would enter."""
    spine = _compute_spine(walker)
    margins = np.interp(_SPINE_POSITIONS, [0, 0.2, 0.45, 0.75, 1], [5, 14, 16, 19, 12])
    limit = (walker.half - margins)[:, None]
    over = np.maximum(spine - limit, 0).max(axis=0) - np.maximum(-spine - limit, 0).max(axis=0)
    walker.shoulder = walker.shoulder - over


def _drag_tail(walker: _Walker, spine: Floats) -> None:
    """Pull the tail over the floor like a rope that bends only so much."""
    segment = 0.86 * walker.length / (TAIL_NODES - 1)
    (x, y), (inner_x, inner_y) = spine[-1].tolist(), spine[-4].tolist()
    direction = math.atan2(y - inner_y, x - inner_x)
    curl = 0.035 * math.sin(0.9 * walker.clock) + 0.03 * math.sin(walker.phase)
    tail, limit = [(x, y)], walker.half - 4
    for node in range(1, TAIL_NODES):
        direction += (
            curl if not walker.tail else _compute_tail_bend(walker, (x, y), node, direction, curl)
        )
        x = min(max(x + segment * math.cos(direction), -limit), limit)
        y = min(max(y + segment * math.sin(direction), -limit), limit)
        tail.append((x, y))
    walker.tail = tail


def _compute_tail_bend(
    walker: _Walker, root: tuple[float, float], node: int, direction: float, curl: float
) -> float:
    """The bend at a tail node: toward where the node lay, within what vertebrae allow."""
    was_x, was_y = walker.tail[node]
    wanted = math.atan2(was_y - root[1], was_x - root[0])
    # The muscles at the root keep it in line; the thin end is limp.
    most = 0.1 + 0.16 * node / TAIL_NODES
    curl *= min(1.0, walker.speed / 120)
    return min(max(_wrap_angle(wanted - direction) + 0.3 * curl, -most), most)


def _build_pose(walker: _Walker, spine: Floats) -> Pose:
    """Take the picture of the walker's state."""
    breath = 0.012 * math.sin(2 * math.pi * 2.3 * walker.clock)
    ahead = np.array([math.cos(walker.heading), math.sin(walker.heading)])
    return Pose(
        spine=spine,
        tail=np.array(walker.tail, dtype=np.float32),
        paws=_compute_paws(walker, spine),
        girth=walker.stretch**-0.6 * (1 + breath),
        velocity=(walker.speed * ahead).astype(np.float32),
    )


def _compute_paws(walker: _Walker, spine: Floats) -> Floats:
    """Four paws, diagonal pairs in step: (4, 2)."""
    paws = np.empty((4, 2), dtype=np.float32)
    gait = min(1.0, walker.speed / 60)
    for paw, (node, side, phase) in enumerate(
        ((12, -1, 0.0), (12, 1, math.pi), (30, -1, math.pi), (30, 1, 0.0))
    ):
        ahead = spine[node - 2] - spine[node + 2]
        ahead /= np.linalg.norm(ahead)
        right = np.array([-ahead[1], ahead[0]])
        out = (0.125 if node < 20 else 0.165) * walker.length
        stride = 0.1 * gait * math.sin(walker.phase + phase) + 0.03
        paws[paw] = spine[node] + side * out * right + stride * walker.length * ahead
    return paws
