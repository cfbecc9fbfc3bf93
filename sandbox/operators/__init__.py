"""The operators' side of a payment, imitated over real HTTP.

A package in here that has a `SANDBOX` value is one operator; nothing else has to be told about it.
The modules are what all operators share: the book of money that moved, the faults that can be
ordered, the prompt on the payer's phone, the callback.
"""
