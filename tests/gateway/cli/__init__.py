"""The command line and the program that starts everything."""
