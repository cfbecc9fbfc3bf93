"""The phones: handsets, their HTTP calls and page, and what every company that reaches them is given."""
