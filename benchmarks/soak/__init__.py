"""The service under a steady load for half an hour: does anything of it grow?"""
