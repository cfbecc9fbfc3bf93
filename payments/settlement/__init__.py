"""The one door to `counted`."""
