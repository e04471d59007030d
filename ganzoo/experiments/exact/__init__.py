"""Identities and dynamics that are computed, not trained: seconds."""
