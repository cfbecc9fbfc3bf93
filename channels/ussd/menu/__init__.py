"""The menu: a pure function from session and input to screen and next session.

On a contest's first screen and wherever candidates are listed, two or more digits are a candidate's
code, one digit is a choice and letters search for a name. `0` goes back and `00` home on every screen.
Code, number of votes, `1`: a whole vote.
"""
