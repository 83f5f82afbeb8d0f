"""The SIPp scenarios, a folder a flow, and the catalogue that names them."""
