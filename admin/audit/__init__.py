"""What an auditor reads of a contest: the tally, entry by entry, and who did what."""
