"""Processes: settings, what each one is made of, the gateway and the worker."""
