"""Objects in S3-compatible stores and files in local folders, behind one interface."""
