"""One file an operator: the words of its statements. Found by `gateway.discovery`."""
