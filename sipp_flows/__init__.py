"""The SIPp scenarios and their catalogue, a folder a flow; none yet: they come with the SIPp engine."""
