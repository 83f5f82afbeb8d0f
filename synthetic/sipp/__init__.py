"""The SIPp engine: probes run by the program sipp, each in processes and a folder of its own."""
