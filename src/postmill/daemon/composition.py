"""From settings to a service: the one place that knows both the configuration and the rooms it configures."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from functools import partial

from postmill.api.nouns import Client, Greeting, Head, Recipient, Sender
from postmill.api.ports import NO_PORTS, Ports, Store
from postmill.chain.breaker import Breaker
from postmill.chain.child import ChildSpec
from postmill.chain.state import Plan
from postmill.config.settings import Child, FilterSettings, Settings
from postmill.filtering import Served
from postmill.net.children import ChildService
from postmill.net.filters import FilterService
from postmill.net.poller import Loop
from postmill.net.pool import Pool
from postmill.net.service import Service
from postmill.net.spool import BodyFactory
from postmill.record import MessageRecord, Recorder
from postmill.stores import View, open_backend
from postmill.wire.codes import Command

_IN_HISTORY = frozenset({Client, Greeting, Sender, Recipient, Head})
"""What a history has of each message, whether a milter looks at it or not; a size only if one does."""
_MACRO_STAGES: Mapping[str, tuple[Command, ...]] = {
    "connect": (Command.CONNECT,),
    "helo": (Command.HELO,),
    "mail": (Command.MAIL,),
    "rcpt": (Command.RCPT,),
    "data": (Command.DATA,),
    "eoh": (Command.HEADER, Command.EOH),
    "eom": (Command.BODY, Command.BODYEOB),
    "unknown": (Command.UNKNOWN,),
}


def child_spec(milter: Child) -> ChildSpec:
    """Return what the chain is to know of a milter."""
    return ChildSpec(
        name=milter.name,
        on_error=milter.on_error,
        evaluate=milter.mode == "evaluate",
        independent=milter.content == "parallel",
        pipeline=milter.pipeline,
        pool=milter.pool,
        when=milter.conditions,
        connect_timeout=milter.timeouts.connect,
        command_timeout=milter.timeouts.command,
        content_timeout=milter.timeouts.content,
        macros={
            int(letter): tuple((name.encode(), value.encode()) for name, value in pairs.items())
            for stage, pairs in milter.macros.items()
            for letter in _MACRO_STAGES[stage]
        },
    )


def plan_of(settings: Settings) -> Plan:
    """Return the chain as a whole; milters that are off are not in it."""
    manager = settings.manager
    return Plan(
        children=tuple(child_spec(milter) for milter in settings.children if milter.mode != "off"),
        in_turn=manager.ask == "in-turn",
        mta=manager.mta,
        same_as_postfix=manager.same_as_postfix,
        max_message_size=manager.max_message_size,
        noted=_IN_HISTORY if settings.history.url else frozenset(),
    )


def build_service(
    settings: Settings,
    loop: Loop,
    sink: Callable[[MessageRecord], None],
    ports: Ports = NO_PORTS,
    counted: Callable[[int], None] = lambda sessions: None,
    ended: Callable[[float], None] = lambda seconds: None,
) -> Service:
    """Return a service that is ready to be given its listening sockets.

    ``ports`` are what its conditions may ask of the world; ``counted`` is told the number of sessions,
    and ``ended`` of the end of each and the seconds that it was open.
    """
    manager = settings.manager
    plan = plan_of(settings)
    numbers = itertools.count(1)
    prefix = f"{os.getpid():x}"

    order = tuple(spec.name for spec in plan.children)

    def new_observer() -> Recorder:
        return Recorder(f"{prefix}-{next(numbers)}", sink, service.now, order, ended)

    service = Service(
        loop,
        plan,
        new_observer=new_observer,
        new_body=BodyFactory(manager.spool_threshold, manager.spool_directory),
        ports=ports,
        counted=counted,
        condition_timeout=manager.condition_timeout,
        progress_interval=manager.progress_interval,
        max_connections=manager.max_connections,
    )
    milters = {milter.name: milter for milter in settings.children}
    backend = open_backend(settings.store.url)
    service.children = {
        spec.name: _child_service(
            service, spec, milters[spec.name], {**ports, Store: partial(View, backend, spec.name)}
        )
        for spec in plan.children
    }
    return service


def _child_service(service: Service, spec: ChildSpec, milter: Child, ports: Ports) -> ChildService:
    breaker = Breaker(milter.breaker.failures, milter.breaker.retry, milter.breaker.retry_max)
    if isinstance(milter, FilterSettings):
        served = Served(milter.milter, milter.settings, milter.prepared, ports)
        return FilterService(service.loop, spec, served, breaker, service.links, new_body=service.new_body)
    return ChildService(
        service.loop,
        spec,
        milter.socket,
        breaker,
        service.links,
        forget=service.negotiations.forget,
        max_sessions=milter.max_sessions,
        pool=Pool(spec.name, milter.pool_size, milter.pool_idle, service.now) if milter.pool else None,
    )
