"""What databases do wrong, produced on real servers, and what Dialtone says of it."""
