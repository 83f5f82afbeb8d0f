"""Statements as documents: what a reseller sends to a client with an invoice."""
