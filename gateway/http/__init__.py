"""What every aiohttp surface shares: keys, problems, pages, logs, health, limits, OpenAPI."""
