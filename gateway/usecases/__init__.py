"""One verb a file: what the house does, through ports, for every channel alike."""
