"""What the bot does for each thing that a person may do, by topic."""
