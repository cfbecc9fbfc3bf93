"""The USSD aggregators.

A module of this package that ends with a `SANDBOX` value is one aggregator; nothing else has to be
told about it. The other modules are what several of them share.
"""
