"""Dialogues on a handset, over every layer of the USSD channel."""
