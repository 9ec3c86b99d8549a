"""A stand-in for AWS in tests: moto's server for EC2, and on top of it the Route 53 Resolver, the Client VPN
and the RAM that moto lacks or lets wrong pass. It must never reach out to the network.

A comment names the document or the thread that says AWS behaves so; what is our assumption says so.
"""
