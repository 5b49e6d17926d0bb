"""Recordings of Inscopix' nVision (.isxb): header, pictures, and times."""
