"""The USSD aggregators.

A module of this package that ends with a `SANDBOX` value is one aggregator; nothing else is
edited. The other modules are what several of them share.
"""
