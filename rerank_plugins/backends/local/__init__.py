"""Models that compute in this process."""
