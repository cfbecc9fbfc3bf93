"""The certified result of a contest: one document that two persons signed, and that never changes."""
