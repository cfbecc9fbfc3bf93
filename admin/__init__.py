"""For those who run the service: figures now, the back office later."""
