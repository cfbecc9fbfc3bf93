"""The public ranking: what clients read, the live stream, and the page people watch."""
