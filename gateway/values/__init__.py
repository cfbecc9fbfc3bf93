"""Values that all packages share: money, numbers, networks."""
