"""Pose estimation without Prefect and without object storage."""
