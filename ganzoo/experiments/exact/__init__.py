"""Identities, dynamics that are computed, and small networks against a player that is held: seconds to a minute."""
