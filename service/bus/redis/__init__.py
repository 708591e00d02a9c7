"""The bus between hosts, over Redis 7 or newer: the local bus, and beyond it the workers of other hosts.

    {fieldmark}:route:<route>        stream, one consumer group: requests that any worker of the route may take
    {fieldmark}:control:<worker>     stream: what is meant for one worker: cancellations, suspects, farewells
    {fieldmark}:answers:<gateway>    stream: results; it expires unless the gateway keeps it, and so tells that it lives
    {fieldmark}:events               stream: workers that come, go and report
    {fieldmark}:hello:<worker>       a worker's HELLO; it expires unless the worker keeps it, and so tells that it lives
    {fieldmark}:body:<owner>:<n>     a photo or an answer that is too large for a stream's entry; expires
    {fieldmark}:alone:<worker>       the suspect that the worker runs now; expires
    {fieldmark}:workers, :gateways   sets of all of them, cleaned of those that have expired

`wire` holds these names, the limits and the form of an entry, `scripts` what must happen in one step inside Redis.
`gateway` is the gateway's end, built of `session` (one stay at Redis) and `outbox` (what it sends); `worker` is the
worker's end, and `lease` keeps its place. `address` tells at the start whether a URL can be used. The rules of the bus
are the dispatcher's, as for the local bus: it books a request on a worker of another host and puts it into the route's
stream; whichever worker of the route has room takes it.
"""
