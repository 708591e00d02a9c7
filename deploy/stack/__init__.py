"""The services of docker-compose.yml on this machine without Docker, each on a host of its own.

`compose` reads what is to run, `network` makes the hosts, `stack` runs the one on the other.
"""
