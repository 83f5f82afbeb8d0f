"""Asterisk's collector: events a second, what a poll costs us and the server, how many series there are."""
