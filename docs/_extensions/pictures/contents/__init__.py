"""What the pictures say, as data: tests compare it with what sessions do, `pictures` draws it.

Backticks are code, ids of rules become links.
"""
