"""The other end of every channel: phones, the USSD aggregator and SMS carrier, their HTTP calls.

A module of this package that ends with a `SANDBOX` value is one company; nothing else has to be
told about it.
"""
