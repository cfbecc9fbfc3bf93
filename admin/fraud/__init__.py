"""Votes that look suspicious: review, limits of the rules, lists."""
