"""Runs LocalStack like `python -m localstack.runtime.main`, but on 127.0.0.1 only.

LocalStack 4.13.1 ignores the host in GATEWAY_LISTEN (its `TODO: interface = host?`) and listens
on every interface. GATEWAY_SERVER=hypercorn uses the host, but receives five times slower.

Needs: localstack-core[runtime], configured by its environment variables. Leaves: nothing.
"""

import functools
import runpy

from twisted.internet import endpoints

endpoints.TCP4ServerEndpoint = functools.partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")
runpy.run_module("localstack.runtime.main", run_name="__main__")
