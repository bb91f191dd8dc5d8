"""Head motion and its convention."""

from __future__ import annotations

import numpy as np

from app.simulation.cohort import CohortSettings, draw_cohort
from app.simulation.motion import draw_motion, framewise_displacement, pose_matrix


def test_that_default_people_move_a_little_with_a_few_spikes() -> None:
    people = draw_cohort(CohortSettings(count=120, seed=31))
    means, spikes = [], []
    for person in people:
        fd = framewise_displacement(draw_motion(person.scan_seed, 240, 2.0, person.motion_level))
        means.append(np.nanmean(fd))
        spikes.append((fd[1:] > 0.5).sum())
    assert 0.10 < np.median(means) < 0.20
    assert np.mean(np.array(means) > 0.5) <= 0.03
    assert 1 <= np.mean(spikes) <= 12


def test_that_level_zero_is_no_motion_and_frame_zero_is_near_rest() -> None:
    assert not draw_motion(5, 30, 2.0, 0.0).any()
    assert np.abs(draw_motion(5, 30, 2.0, 1.0)[0]).max() < 0.1


def test_that_framewise_displacement_is_powers() -> None:
    parameters = np.zeros((3, 6))
    parameters[1] = [0.1, -0.2, 0.3, 0.01, 0, -0.02]
    fd = framewise_displacement(parameters)
    assert np.isnan(fd[0])
    assert np.allclose(fd[1:], 0.6 + 50 * 0.03)


def test_that_a_pose_turns_about_the_centre() -> None:
    centre = np.array([3.0, -5.0, 7.0])
    pose = pose_matrix(np.array([1.0, 2, 3, 0.1, -0.2, 0.3]), centre)
    assert np.allclose(pose @ [*centre, 1], [4, -3, 10, 1])
    assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3))
