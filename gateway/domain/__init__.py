"""Rules of voting and money: plain functions over frozen values, no clock, no I/O."""
