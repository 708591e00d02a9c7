"""How requests reach workers and answers come back.

The contract stands in `base`, what is said on the wire in `messages`, its form in `frames`. The rules are pure code:
`queue` (order), `deadlines`, `links` (a worker's account), `recovery` (suspects and poison), `forecast` (the wait) and
`admission` (refusal), brought together by `dispatch`. `hub` puts that on an event loop, `local` on a Unix socket, and the
folder `redis` reaches the workers of other hosts.
"""
