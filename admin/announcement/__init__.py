"""The ranking before its announcement: hidden, with a sealed log or not, and announced by one person or two."""
