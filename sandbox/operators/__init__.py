"""The operators' side of a payment, simulated over real HTTP.

A package in here that has a `SANDBOX` value is one operator; nothing else is edited.
The modules are what all operators share: the book of money that moved, the faults that can be
ordered, the prompt on the payer's phone, the callback.
"""
