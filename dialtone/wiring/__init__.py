"""The composition root: the one package that knows everyone.

Its modules are imported one by one: a command that reads the books loads no collector and no web server.
"""
