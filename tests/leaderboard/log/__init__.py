"""The formats of the public log, by published cases and by another implementation."""
