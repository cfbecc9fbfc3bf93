"""Voters who reach us by a Telegram bot."""
