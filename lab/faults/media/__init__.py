"""A relay of RTP that harms it on purpose and knows the truth of it: what came, what went on, and when."""
