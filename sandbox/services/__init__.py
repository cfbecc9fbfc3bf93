"""Services on the internet that the gateway uses besides operators, aggregators and carriers.

A module of this package that ends with a `SANDBOX` value is one service; nothing else is edited.
"""
