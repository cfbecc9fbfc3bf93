"""The operators' side of a payment, imitated over real HTTP.

A module of this package that ends with a `SANDBOX` value is one operator; nothing else has to be
told about it. The other modules are what all operators share: the book of money that moved, the
faults that can be ordered, the prompt on the payer's phone, the callback.
"""
