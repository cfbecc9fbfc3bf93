"""Companies that turn USSD dialogues into HTTP, one pure translator each; found by discovery."""
