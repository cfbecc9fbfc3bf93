"""The recount kit: the files of a log, and the program with which a stranger recounts them."""
