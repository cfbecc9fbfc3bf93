"""The service of Spotlight: rules, use cases, storage and the processes that run them."""
