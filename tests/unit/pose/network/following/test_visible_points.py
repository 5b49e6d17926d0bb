"""Points that a network is sure of, and how far two predictions of a frame are apart."""

import numpy as np

from tasks.pose.network.following.visible_points import find_visible_points, measure_moves


def test_points_that_are_unlikely_or_missing_are_not_seen() -> None:
    points = [[[1, 2, 0.9], [3, 4, 0.6]], [[np.nan, np.nan, np.nan], [-1, -1, -1]]]
    arena = [[[50, 60, 0.7]]]
    found = find_visible_points(
        {"bodyparts": np.array([points]), "unique_bodyparts": np.array([arena])}
    )
    assert found.confident.tolist() == [[True, False, False, False, True]]
    assert found.counts.tolist() == [[1, 0, 1]]
    assert found.totals.tolist() == [2]
    assert found.boxes().tolist() == [[1, 2, 50, 60]]


def test_a_frame_without_points_has_no_box() -> None:
    boxes = find_visible_points({"bodyparts": np.zeros((2, 1, 3, 3))}).boxes()
    assert np.isnan(boxes).all()


def test_moves_are_the_larger_of_x_and_y() -> None:
    full = {"bodyparts": np.array([[[[10, 20, 0.9], [30, 40, 0.9], [5, 5, 0.1]]]])}
    found = {"bodyparts": np.array([[[[10.5, 19, 0.9], [30, 40.25, 0.2], [99, 99, 0.9]]]])}
    moves = measure_moves(found, full)
    np.testing.assert_allclose(moves, [1, 0.25, np.nan])


def test_animals_may_come_in_another_order() -> None:
    animals = np.array([[[[10, 20, 0.9]], [[300, 200, 0.9]]]])
    moves = measure_moves({"bodyparts": animals[:, ::-1]}, {"bodyparts": animals})
    np.testing.assert_array_equal(moves, [0, 0])


def test_an_animal_that_a_window_does_not_hold_is_far_away() -> None:
    full = np.array([[[[10, 20, 0.9]], [[300, 200, 0.9]]]])
    found = np.array([[[[10, 20, 0.9]], [[np.nan, np.nan, np.nan]]]])
    moves = measure_moves({"bodyparts": found}, {"bodyparts": full})
    assert moves[0] == 0
    assert moves[1] > 100
